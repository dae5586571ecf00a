// What decides when the calls of a method run, as a connection sees it: `flow/task-pool.ts` has the real one. A call is let
// in, undecoded, to start at once or to wait, or it is refused.

import type { RpcError } from "../codec/status.js";
import type { IncomingCall } from "./incoming-call.js";

/** What {@link Gate.admit} says of a call that is not refused. */
export const Admission = { START: 0, WAIT: 1 } as const;
/** One of the two. */
export type Admission = (typeof Admission)[keyof typeof Admission];

/** The calls of one method of one connection that wait; the gate makes it and knows what is in it. */
export interface Backlog {
  /** Calls that wait. */
  readonly size: number;
}

/** Decides when the calls of one method run, on all connections. */
export interface Gate {
  /** True: a refused call is answered as if it had run. */
  readonly answersRefused: boolean;
  /** Whether a call may start now, may wait, or is refused. It is asked before anything of the call is decoded. */
  admit(backlog: Backlog | undefined): Admission | RpcError;
  /** Where the calls of one connection wait. */
  newBacklog(): Backlog;
  /** A call that was admitted to start does. The time, if this one is measured; else 0. */
  start(call: IncomingCall): number;
  /** A call that was measured from `startedAt` on has given the thread back, whether it has ended or not. */
  onYield(startedAt: number): void;
  /** A call that was admitted to wait does; {@link IncomingCall.resume} starts it. */
  wait(call: IncomingCall, backlog: Backlog): void;
  /** A call that waits has ended without having started: it was refused, or it ended some other way. */
  leave(call: IncomingCall, isRefused: boolean): void;
  /** A call that was admitted has ended without having waited or started, or when its turn had come: it was late, or broken. */
  dismiss(call: IncomingCall): void;
  /** A call has waited as long as it may. Why it is refused. */
  onWaitedTooLong(call: IncomingCall): RpcError;
  /** A handler has ended. */
  finish(call: IncomingCall): void;
}
