// Client-side throttling as in Google's "Site Reliability Engineering", chapter 21: a client whose calls are mostly
// refused rejects some of them itself, because a refusal costs a server that has too much to do already. One for each
// method of a channel. Locally rejected calls count as requests, so that what is let through settles at twice what the
// server accepts. A call that is made counts when it ends: what is under way, or never left, tells nothing about the server.

import type { Clock, Random } from "../transport/clock.js";
import { WindowCount } from "./window-count.js";

/** Calls of this long count, in milliseconds. */
export const THROTTLE_WINDOW_MS = 120_000;
/** Never more of the calls are rejected than this share, so that a server that is well again is noticed (Finagle). */
export const MAX_THROTTLE = 0.75;
/** The K of the formula: requests may be this many times the accepted ones before any is rejected. */
const MULTIPLE = 2;

/** Rejects a call with the probability max(0, (requests - 2 accepts) / (requests + 1)), at most {@link MAX_THROTTLE}. */
export class Throttle {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly requests = new WindowCount(THROTTLE_WINDOW_MS);
  private readonly accepts = new WindowCount(THROTTLE_WINDOW_MS);

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  /** The share of the calls that is rejected now. */
  get probability(): number {
    const now = this.clock.now();
    const requests = this.requests.total(now);
    const excess = requests - MULTIPLE * this.accepts.total(now);
    return Math.min(MAX_THROTTLE, Math.max(0, excess / (requests + 1)));
  }

  /** Whether the next call may be made; one that may not counts. */
  admits(): boolean {
    const { probability } = this;
    if (probability === 0 || this.random() >= probability) return true;
    this.requests.add(this.clock.now());
    return false;
  }

  /** A call that was made has ended: `isAccepted` unless the server has refused it, whatever else became of it. */
  observe(isAccepted: boolean): void {
    const now = this.clock.now();
    this.requests.add(now);
    if (isAccepted) this.accepts.add(now);
  }
}
