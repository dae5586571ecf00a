// What happened in a run, line by line, with virtual times. Only a run that is looked at keeps it: making the lines of many
// seeds would take longer than some of their events.

import { createHash } from "node:crypto";
import type { VirtualClock } from "../../src/testing.js";

/** The record of one run. */
export class Trace {
  /** The lines so far; empty unless they are kept. */
  readonly lines: string[] = [];
  private readonly world: VirtualClock;
  private readonly keepLines: boolean;

  constructor(world: VirtualClock, keepLines: boolean) {
    this.world = world;
    this.keepLines = keepLines;
  }

  /** Adds a line, if lines are kept. */
  note(text: string): void {
    if (this.keepLines) this.lines.push(`${this.world.now().toFixed(3)} ${text}\n`);
  }

  /** The digest of the lines: two runs of one seed can be compared by it. */
  digest(): string {
    return createHash("sha1").update(this.lines.join("")).digest("hex");
  }
}
