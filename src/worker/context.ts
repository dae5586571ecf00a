// A call as its handler in a worker thread sees it. That somebody gives it up is written into shared memory by the server's
// thread: `isCancelled` reads it, so that a handler which never lets go of its thread can look, and `signal` waits for it.

import { Context } from "../call/context.js";
import { attemptOf, callIdOf } from "../codec/call-metadata.js";
import { Metadata } from "../codec/metadata.js";
import type { AnyMethod } from "../codec/method.js";
import type { Code, RpcError } from "../codec/status.js";
import { type Clock, systemClock } from "../transport/clock.js";
import type { Abortable } from "../transport/signals.js";
import { givenUp, type Task, threadTime } from "./task.js";

/** What the library of TypeScript's target lacks. */
interface AsyncWaits {
  waitAsync(array: Int32Array, index: number, value: number): { readonly value: string | Promise<string> };
}

/** A call that a worker thread serves. Calls that a handler makes may have it as their parent. */
export class WorkerContext extends Context {
  /** The method being served. */
  readonly method: AnyMethod;
  /** Metadata that is sent ahead of the response; set it before the handler returns. */
  readonly headers: Metadata = new Metadata();
  /** Metadata that is sent behind the response or with the error; set it before the handler returns. */
  readonly trailers: Metadata = new Metadata();
  /** True: compress the reply, if the caller can read that and it becomes smaller; false: do not. Default: as the server does. */
  compress: boolean | undefined = undefined;
  private readonly cancels: Int32Array;
  private readonly slot: number;
  private isWatched = false;
  private isOver = false;

  /** Made for each call by {@link workerHandler}. */
  constructor(method: AnyMethod, { remainingMs, sentAt, metadata, cancels, slot }: Task) {
    const received = new Metadata();
    for (const [key, value] of metadata) received.append(key, value);
    super(systemClock.now() + remainingMs - (threadTime() - sentAt), undefined, received);
    this.method = method;
    this.cancels = cancels;
    this.slot = slot;
  }

  /** Which attempt of its call this is, as `CallContext.attempt`. */
  get attempt(): number {
    return attemptOf(this.metadata);
  }

  /** The same for each attempt of a call, as `CallContext.callId`. */
  get callId(): string | undefined {
    return callIdOf(this.metadata);
  }

  override get clock(): Clock {
    return systemClock;
  }

  /** True once nobody waits for the reply. It may be asked often, in a loop that computes. */
  override get isCancelled(): boolean {
    this.look();
    return super.isCancelled;
  }

  override get error(): RpcError | undefined {
    this.look();
    return super.error;
  }

  /** Aborted when nobody waits for the reply any more, once the handler lets its thread go on. */
  override get signal(): AbortSignal {
    this.watch();
    return super.signal;
  }

  override adopt(child: Abortable): void {
    this.watch();
    super.adopt(child);
  }

  /** The handler has ended: nobody else is told anything. */
  end(): void {
    this.isOver = true;
    if (this.isWatched) Atomics.notify(this.cancels, this.slot);
  }

  private look(): void {
    const code = this.isOver ? 0 : Atomics.load(this.cancels, this.slot);
    if (code !== 0) this.cancel(givenUp(code as Code));
  }

  private watch(): void {
    this.look();
    if (this.isWatched || this.isOver) return;
    this.isWatched = true;
    void this.wait();
  }

  private async wait(): Promise<void> {
    const { waitAsync } = Atomics as typeof Atomics & AsyncWaits;
    while (!this.isOver && !super.isCancelled) {
      await waitAsync(this.cancels, this.slot, 0).value;
      this.look();
    }
  }
}
