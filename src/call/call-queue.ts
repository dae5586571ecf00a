// Calls that wait for a connection, in order, within limits on their number and bytes. A call that settles while it
// waits (deadline, abort) stops counting at once and leaves the list when its turn comes.

import { Code, localError, type RpcError } from "../codec/status.js";
import type { CallHolder, OutgoingCall } from "../transport/outgoing-call.js";
import type { Session } from "../transport/session.js";

/** This many settled calls may stay in the list, beyond as many as wait. */
const PURGE_SLACK = 64;

/** A bounded first-in-first-out queue of calls with parked requests. */
export class CallQueue implements CallHolder {
  private readonly maxCalls: number;
  private readonly maxBytes: number;
  private readonly whyNone: () => string | undefined;
  /** The waiting calls from `head` on, settled ones among them. */
  private calls: OutgoingCall[] = [];
  private head = 0;
  private count = 0;
  private bytes = 0;

  /** `whyNone` says why there is no connection, for the errors of calls that have waited for one in vain. */
  constructor(maxCalls: number, maxBytes: number, whyNone: () => string | undefined) {
    this.maxCalls = maxCalls;
    this.maxBytes = maxBytes;
    this.whyNone = whyNone;
  }

  get obstacle(): string | undefined {
    return this.whyNone();
  }

  /** Calls that wait. */
  get size(): number {
    return this.count;
  }

  /** Adds a parked call; fails it RESOURCE_EXHAUSTED where there is no room. */
  push(call: OutgoingCall): void {
    const bytes = parkedBytes(call);
    if (this.count >= this.maxCalls)
      this.refuse(call, `${this.count} calls wait for a connection, limit ${this.maxCalls}`);
    else if (this.bytes + bytes > this.maxBytes)
      this.refuse(call, `${this.bytes} bytes wait for a connection, limit ${this.maxBytes}`);
    else {
      if (this.calls.length - this.head > 2 * this.count + PURGE_SLACK) this.purge();
      this.calls.push(call);
      this.admit(call, bytes);
    }
  }

  /** Puts a call that was admitted before back, ahead of all others. */
  unshift(call: OutgoingCall): void {
    if (this.head > 0) this.calls[--this.head] = call;
    else this.calls.unshift(call);
    this.admit(call, parkedBytes(call));
  }

  /** Takes the call that has waited longest; undefined if none waits. */
  shift(): OutgoingCall | undefined {
    while (this.head < this.calls.length) {
      const call = this.calls[this.head] as OutgoingCall;
      this.head++;
      if (call.isSettled) continue;
      this.compact();
      call.holder = undefined;
      this.leave(call);
      return call;
    }
    this.compact();
    return undefined;
  }

  /**
   * Sends calls, in order, to the connections that `pick` gives, until it gives none. Calls that their connection does not take
   * yet stay; those behind them wait too, unless it is for want of a lease.
   */
  sendTo(pick: () => Session | undefined): void {
    const passed: OutgoingCall[] = [];
    while (this.count > 0) {
      const session = pick();
      if (session === undefined) break;
      const call = this.shift() as OutgoingCall;
      if (call.parked === undefined || session.outgoing.sendParked(call, call.parked)) continue;
      passed.push(call);
      if (!session.outgoing.isLeasing) break;
    }
    for (const call of passed.reverse()) this.unshift(call);
  }

  /** Fails the waiting calls that do not want to wait for another attempt. */
  failImpatient(errorOf: (call: OutgoingCall) => RpcError): void {
    for (const call of this.calls.slice(this.head)) if (call.parked?.isImpatient === true) call.fail(errorOf(call));
  }

  /** A waiting call has settled. */
  release(call: OutgoingCall): void {
    this.leave(call);
    if (this.count === 0) {
      this.calls = [];
      this.head = 0;
    }
  }

  /** Drops the calls that settled while they waited. */
  private purge(): void {
    this.calls = this.calls.slice(this.head).filter((call) => !call.isSettled);
    this.head = 0;
  }

  private admit(call: OutgoingCall, bytes: number): void {
    call.holder = this;
    call.arm();
    this.count++;
    this.bytes += bytes;
  }

  private leave(call: OutgoingCall): void {
    call.disarm();
    this.count--;
    this.bytes -= parkedBytes(call);
  }

  /** Drops what lies before the head once it is half of the list. */
  private compact(): void {
    if (this.head * 2 < this.calls.length) return;
    this.calls.splice(0, this.head);
    this.head = 0;
  }

  private refuse(call: OutgoingCall, text: string): void {
    call.fail(localError(Code.RESOURCE_EXHAUSTED, `${call.method.path}: ${text}`, "safe"));
  }
}

function parkedBytes(call: OutgoingCall): number {
  return call.parked?.payload.length ?? 0;
}
