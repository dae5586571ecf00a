// The calls of a client: when each was due, how long it took and whether it was answered. Its memory is taken before the
// first call, so that it does not count as memory of the calls.

import { percentile } from "../lib/statistics.js";
import type { PhaseResult } from "./messages.js";
import { DEADLINE_MS } from "./scenarios.js";

/** See the head of this file. Times are milliseconds since the load began. */
export class Ledger {
  /** Calls so far. */
  count = 0;
  private readonly due: Float64Array;
  private readonly took: Float32Array;
  private readonly answered: Uint8Array;

  /** Room for `capacity` calls. */
  constructor(capacity: number) {
    this.due = new Float64Array(capacity);
    // A call that never ends took for ever.
    this.took = new Float32Array(capacity).fill(Number.POSITIVE_INFINITY);
    this.answered = new Uint8Array(capacity);
  }

  /** A call that was due at `dueMs` is made; returns its place. Throws when there is no room. */
  open(dueMs: number): number {
    if (this.count === this.due.length) throw new Error(`more than ${this.count} calls: the ledger is full`);
    this.due[this.count] = dueMs;
    return this.count++;
  }

  /** The call at `place` has ended. */
  settle(place: number, tookMs: number, isAnswered: boolean): void {
    this.took[place] = tookMs;
    this.answered[place] = isAnswered ? 1 : 0;
  }

  /** The calls that were due from `fromMs` to `toMs`. */
  summarize(phase: string, fromMs: number, toMs: number): PhaseResult {
    const times: number[] = [];
    let carried = 0;
    for (let place = 0; place < this.count; place++) {
      const due = this.due[place]!;
      if (due < fromMs || due >= toMs) continue;
      const took = this.took[place]!;
      times.push(took);
      if (this.answered[place] === 1 && took <= DEADLINE_MS) carried++;
    }
    times.sort((a, b) => a - b);
    const seconds = (toMs - fromMs) / 1_000;
    return {
      phase,
      offeredPerSecond: times.length / seconds,
      carriedPerSecond: carried / seconds,
      carriedShare: times.length === 0 ? 1 : carried / times.length,
      p50Ms: percentile(times, 0.5),
      p99Ms: percentile(times, 0.99),
    };
  }
}
