// The calls of one method of one connection that wait for a worker: a list, linked through the calls, because any of them
// may leave at any time. The oldest or the newest is taken, as the method's gate says.

import type { Backlog } from "../transport/gate.js";
import type { IncomingCall } from "../transport/incoming-call.js";

/** Where a backlog stands in its gate: in no list, among those that have just begun to wait, or among the others. */
export type Turn = "none" | "fresh" | "later";

/** Calls that wait, oldest first. */
export class CallBacklog implements Backlog {
  size = 0;
  /** Only the gate writes it. */
  turn: Turn = "none";
  private oldest: IncomingCall | undefined = undefined;
  private newest: IncomingCall | undefined = undefined;

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
