// A call that this side has begun, from the moment user code made it to the moment its promise settles; it settles once.
// It may wait for a connection, and moves to another one only if it provably never left this process.

import type { Metadata, MetadataInit } from "../codec/metadata.js";
import type { AnyMethod } from "../codec/method.js";
import { Code, localError, type RpcError } from "../codec/status.js";
import type { Session } from "./session.js";
import { type CallParent, onAbort, removeAbort } from "./signals.js";
import type { Stream } from "./stream.js";
import { Timer, type TimerWheel } from "./timers.js";

/** Told when a call that it carries has ended. */
export interface CallHolder {
  /** The call has settled; `call.session` still names the connection that carried it, if one did. */
  release(call: OutgoingCall): void;
  /** Why a call that it holds has to wait, where it does and the reason is known. */
  readonly obstacle?: string | undefined;
}

/** A request that waits for a connection, in the form it will travel in. */
export interface ParkedRequest {
  /** Of the REQUEST, but for DEADLINE. */
  readonly flags: number;
  /** The metadata block and the message, as the flags say. */
  readonly payload: Buffer;
  /** True: fails when the next attempt to connect fails, instead of waiting for another one. */
  readonly isImpatient?: boolean;
}

/** What the call is built from beside its method; `CallOptions` is one. */
export interface OutgoingCallOptions {
  readonly metadata?: MetadataInit | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly compress?: boolean | undefined;
  readonly parent?: CallParent | undefined;
  readonly onResponseMetadata?: ((headers: Metadata, trailers: Metadata) => void) | undefined;
}

type Resolve = (value: unknown) => void;

/** Rejects the promise that is resolved with it. A rejected promise would do the same, and pass for one that nobody handles. */
class Rejection {
  private readonly error: RpcError;

  constructor(error: RpcError) {
    this.error = error;
  }

  // biome-ignore lint/suspicious/noThenProperty: it is meant to be taken for a promise
  then(_: unknown, reject: (error: RpcError) => void): void {
    reject(this.error);
  }
}

/** One call from this side. */
export class OutgoingCall extends Timer {
  readonly method: AnyMethod;
  readonly promise: Promise<unknown>;
  readonly options: OutgoingCallOptions;
  /** Its id on `session`; meaningless without one. */
  id = 0;
  /** Where its frame begins among the bytes of `session`, as its outbox counts them; -1 if it was handed over long ago. */
  framePosition = 0;
  /** The connection that carries it; undefined while it waits and after it has settled. */
  session: Session | undefined = undefined;
  /** Its request while it waits. */
  parked: ParkedRequest | undefined = undefined;
  holder: CallHolder | undefined = undefined;
  /** Its streams, if its method has any. */
  stream: Stream | undefined = undefined;
  protected readonly wheel: TimerWheel;
  private resolve!: Resolve;
  private settled = false;

  constructor(method: AnyMethod, options: OutgoingCallOptions, wheel: TimerWheel, expiresAt: number) {
    super();
    this.method = method;
    this.options = options;
    this.wheel = wheel;
    // The compiled constructor makes no closure of this: it never leaves it.
    this.promise = new Promise((resolve) => {
      this.resolve = resolve;
    });
    // A whole number, which the engine keeps without an allocation; rounded up, so that no call ends early.
    this.expiresAt = Math.ceil(expiresAt);
    if (options.signal !== undefined) onAbort(options.signal, this);
    if (options.parent !== undefined) options.parent.adopt(this);
  }

  /** The call waits in a queue: its deadline is watched by the wheel. On a connection it is watched by `OutgoingCalls`. */
  arm(): void {
    this.wheel.add(this, this.expiresAt);
  }

  /** The call waits no more. */
  disarm(): void {
    this.wheel.remove(this);
  }

  /** True once the promise has its outcome. */
  get isSettled(): boolean {
    return this.settled;
  }

  /** Resolves the promise with the response. */
  succeed(response: unknown): void {
    if (this.end(undefined)) this.resolve(response);
  }

  /** Rejects the promise. */
  fail(error: RpcError): void {
    // The function that rejects is not kept: calls that wait for their answers would keep it alive for the few that fail.
    if (this.end(error)) this.resolve(new Rejection(error));
  }

  /** Ends the call from this side: rejects the promise and, where a connection carries the call, tells the peer. */
  cancel(code: typeof Code.CANCELLED | typeof Code.DEADLINE_EXCEEDED, message: string, cause?: unknown): void {
    if (this.settled) return;
    const { session } = this;
    session?.outgoing.abandon(this, code);
    const where = session === undefined ? this.whileWaiting() : `at ${session.remote}`;
    const retry = session === undefined ? "safe" : "unsafe";
    this.fail(localError(code, `${this.method.path}: ${message} ${where}`, retry, cause));
  }

  /** Ends the call with `error` because of what the peer has sent, or has not taken; tells the peer that it is over. */
  giveUp(error: RpcError): void {
    if (this.settled) return;
    this.session?.outgoing.abandon(this, Code.CANCELLED);
    this.fail(error);
  }

  /** The deadline has come. */
  override expire(): void {
    this.cancel(Code.DEADLINE_EXCEEDED, "the deadline passed");
  }

  /** The user's signal was aborted. */
  abort(reason: unknown): void {
    this.cancel(Code.CANCELLED, "the call was cancelled", reason);
  }

  /** What a call does that no connection carries, for its errors. */
  protected whileWaiting(): string {
    const obstacle = this.holder?.obstacle;
    return `while it waited for a connection${obstacle === undefined ? "" : ` (${obstacle})`}`;
  }

  private end(error: RpcError | undefined): boolean {
    if (this.settled) return false;
    this.settled = true;
    if (this.stream !== undefined) this.stream.close(error);
    if (this.options.signal !== undefined) removeAbort(this.options.signal, this);
    if (this.options.parent !== undefined) this.options.parent.release(this);
    this.holder?.release(this);
    this.holder = undefined;
    this.session = undefined;
    this.parked = undefined;
    return true;
  }
}
