// The most memory that a process has had. With Node's flag `--expose-gc` garbage does not count: every look collects it
// first, so that what is left is what the program holds on to between turns of the event loop. Without it nobody looks but
// when asked, since that takes time from what is measured.

const LOOK_EVERY_MS = 5;

const { gc } = globalThis;

/** Memory of a process, in bytes. */
export interface Memory {
  /** V8's used heap and what it keeps outside, array buffers among it. */
  readonly heapBytes: number;
  /** The resident set. */
  readonly rssBytes: number;
}

/** Looks at this process's memory, and remembers the most. */
export class MemoryWatch {
  private most: number;

  /** Begins to watch; that does not keep the process up. */
  constructor() {
    this.most = heapBytes();
    if (gc !== undefined) setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  /** The most since the beginning: of the heap as far as was looked, of the resident set exactly, since the process began. */
  peak(): Memory {
    this.look();
    return { heapBytes: this.most, rssBytes: process.resourceUsage().maxRSS * 1024 };
  }

  private look(): void {
    this.most = Math.max(this.most, heapBytes());
  }
}

/** What `after` has more than `before`. */
export function growth(before: Memory, after: Memory): Memory {
  return { heapBytes: after.heapBytes - before.heapBytes, rssBytes: after.rssBytes - before.rssBytes };
}

/** V8's used heap of this process and what it keeps outside, in bytes; without garbage if Node has `--expose-gc`. */
export function heapBytes(): number {
  gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
