// How much heap a process allocates. V8's profiler of the garbage collector tells the used heap before and after each
// collection; what it grew by from one to the next was allocated, and so was what it grew by since the last. Nothing is
// sampled or estimated. What lies outside the heap, such as the memory of buffers, does not count. Each collection costs
// some microseconds more meanwhile, so rates are not to be measured in the same window.

import { GCProfiler, getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Counts the bytes that this process allocates, from its making on. */
export class AllocationCount {
  private readonly profiler = new GCProfiler();
  private readonly usedAtStart: number;
  private readonly startedAt = performance.now();

  constructor() {
    this.profiler.start();
    this.usedAtStart = usedHeap();
  }

  /** Ends the count: bytes a microsecond. */
  stop(): number {
    const elapsedUs = (performance.now() - this.startedAt) * 1000;
    return this.stopBytes() / elapsedUs;
  }

  /** Ends the count: bytes. */
  stopBytes(): number {
    const used = usedHeap();
    return allocatedBytes(this.usedAtStart, this.profiler.stop().statistics, used);
  }
}

/** What is used of the profiler's account of a collection. */
export interface Collection {
  readonly beforeGC: { readonly heapStatistics: { readonly usedHeapSize: number } };
  readonly afterGC: { readonly heapStatistics: { readonly usedHeapSize: number } };
}

/** The bytes allocated while the used heap went from `usedAtStart` through `collections` to `usedAtEnd`. */
export function allocatedBytes(usedAtStart: number, collections: readonly Collection[], usedAtEnd: number): number {
  let used = usedAtStart;
  let allocated = 0;
  for (const { beforeGC, afterGC } of collections) {
    allocated += beforeGC.heapStatistics.usedHeapSize - used;
    used = afterGC.heapStatistics.usedHeapSize;
  }
  return allocated + usedAtEnd - used;
}

/**
 * Bytes of heap that each thing takes which `make` returns: the growth of the used heap, without garbage, by a second lot
 * of them. What the first lot leaves behind for good, such as compiled code, does not count.
 */
export async function retainedBytes<T>(make: () => Promise<readonly T[]>): Promise<number> {
  const gc = collector();
  const first = await make();
  gc();
  const before = usedHeap();
  const second = await make();
  gc();
  const grown = usedHeap() - before - second.length * POINTER_BYTES;
  return first.length === 0 || second.length === 0 ? 0 : Math.max(0, grown / second.length);
}

/** What a place in an array takes. */
const POINTER_BYTES = 8;

function usedHeap(): number {
  return getHeapStatistics().used_heap_size;
}

/** V8's own collector, also where Node was not started with `--expose-gc`. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
