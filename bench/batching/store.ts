// What the benchmark's handlers save into: a store that makes one round trip of a millisecond at a time, however many
// entries it carries, as a database does behind one connection.

import { setTimeout as sleep } from "node:timers/promises";

const ROUND_TRIP_MS = 1;

/** See the head of this file. */
export class SlowStore {
  /** Round trips so far. */
  trips = 0;
  /** Entries that they carried. */
  entries = 0;
  private last: Promise<void> = Promise.resolve();

  /** Saves `count` entries; resolves after a round trip, for which it may have to wait. */
  save(count: number): Promise<void> {
    this.last = this.last.then(() => this.trip(count));
    return this.last;
  }

  private async trip(count: number): Promise<void> {
    await sleep(ROUND_TRIP_MS);
    this.trips++;
    this.entries += count;
  }
}
