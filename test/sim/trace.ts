// What happened in a run, line by line, with virtual times. Lines are kept only when asked for; a digest of them is kept
// always, so that two runs of one seed can be compared cheaply.

import { createHash } from "node:crypto";
import type { VirtualClock } from "../../src/testing.js";

/** The record of one run. */
export class Trace {
  /** The lines so far; empty unless they are kept. */
  readonly lines: string[] = [];
  private readonly world: VirtualClock;
  private readonly keepLines: boolean;
  private readonly hash = createHash("sha1");

  constructor(world: VirtualClock, keepLines: boolean) {
    this.world = world;
    this.keepLines = keepLines;
  }

  /** Adds a line. */
  note(text: string): void {
    const line = `${this.world.now().toFixed(3)} ${text}\n`;
    this.hash.update(line);
    if (this.keepLines) this.lines.push(line);
  }

  /** The digest of all lines; the trace takes no more afterwards. */
  digest(): string {
    return this.hash.digest("hex");
  }
}
