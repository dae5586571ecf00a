// The last calls that were refused, and why: what one looks at first when callers complain.

import type { Clock } from "../transport/clock.js";

/** So many are kept. */
export const MAX_REFUSALS = 64;

/** A call that was refused. */
export interface Refusal {
  /** How long ago, in milliseconds. */
  readonly agoMs: number;
  /** The caller's address. */
  readonly remote: string;
  /** The method: `push.v1.Register/Bind`. */
  readonly path: string;
  readonly reason: string;
}

/** A ring of {@link MAX_REFUSALS}. */
export class Refusals {
  private readonly clock: Clock;
  private readonly ring: {
    readonly at: number;
    readonly remote: string;
    readonly path: string;
    readonly reason: string;
  }[] = [];
  private next = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** A call was refused. */
  add(remote: string, path: string, reason: string): void {
    this.ring[this.next] = { at: this.clock.now(), remote, path, reason };
    this.next = (this.next + 1) % MAX_REFUSALS;
  }

  /** The last ones, the newest first. */
  list(): Refusal[] {
    const now = this.clock.now();
    const { ring, next } = this;
    return [...ring.slice(next), ...ring.slice(0, next)]
      .reverse()
      .map(({ at, remote, path, reason }) => ({ agoMs: now - at, remote, path, reason }));
  }
}
