// The calls of one method of one connection that wait for a worker: a list, linked through the calls, because any of them
// may leave at any time. The oldest or the newest is taken, as the method's gate says.

import type { Backlog } from "../transport/gate.js";
import type { IncomingCall } from "../transport/incoming-call.js";

/**
 * Where a backlog stands in its gate: in no line, among those of the connections that call seldom, or of those that call most:
 * with the ones that have just begun to wait, or with the others.
 */
export type Turn = "none" | "light" | "fresh" | "later";

/** Calls that wait, oldest first. */
export class CallBacklog implements Backlog {
  size = 0;
  /** Only the gate writes it. */
  turn: Turn = "none";
  /** True for one of the callers who call most, of late. Only the gate writes it. */
  isHeavy = false;
  /** An interval of the gate; the calls that began to wait in it, and in the one before. */
  private interval = 0;
  private asked = 0;
  private askedBefore = 0;
  private oldest: IncomingCall | undefined = undefined;
  private newest: IncomingCall | undefined = undefined;

  /** One more call begins to wait, in `interval` of the gate; returns how many did in it or the one before, whichever is more. */
  ask(interval: number): number {
    if (interval !== this.interval) {
      this.askedBefore = interval === this.interval + 1 ? this.asked : 0;
      this.asked = 0;
      this.interval = interval;
    }
    return Math.max(++this.asked, this.askedBefore);
  }

  /** Adds a call, as the newest. */
  push(call: IncomingCall): void {
    call.backlog = this;
    call.older = this.newest;
    if (this.newest === undefined) this.oldest = call;
    else this.newest.newer = call;
    this.newest = call;
    this.size++;
  }

  /** Takes the oldest call, or the newest. There must be one. */
  take(newestFirst: boolean): IncomingCall {
    const call = (newestFirst ? this.newest : this.oldest) as IncomingCall;
    this.remove(call);
    return call;
  }

  /** The call that would be taken last. There must be one. */
  last(newestFirst: boolean): IncomingCall {
    return (newestFirst ? this.oldest : this.newest) as IncomingCall;
  }

  /** Removes one of its calls. */
  remove(call: IncomingCall): void {
    const { older, newer } = call;
    if (older === undefined) this.oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.newest = older;
    else newer.older = older;
    call.older = call.newer = undefined;
    call.backlog = undefined;
    this.size--;
  }
}
