// Calls that may take several attempts. The caller's call stays one: it has the promise, the deadline, the place at the
// gate; each attempt is a call of its own on a connection, which nobody but its owner sees. The request is encoded once.
//
//   begin -> attempt --- reply ------------------------------> succeed
//               ^  \---- error -> `onError`: fail, or go on:
//               |                   RetriedCall: pause, attempt
//               |                   HedgedCall:  wait for the other attempt, or make it now
//               |                   StorableCall: store
//
// Invariants: no attempt outlives its call; all share its deadline; at most one is under way, two of a hedged call; the
// caller hears of the response metadata of the attempt that ends the call, and of no other.

import { attemptMetadata } from "../codec/call-metadata.js";
import type { Metadata } from "../codec/metadata.js";
import type { AnyMethod } from "../codec/method.js";
import { Code, RpcError } from "../codec/status.js";
import { type CallHolder, OutgoingCall, type OutgoingCallOptions } from "../transport/outgoing-call.js";
import { encodeMessage, parkMessage } from "../transport/outgoing-calls.js";
import { CallbackTimer, type TimerWheel } from "../transport/timers.js";
import { GatedCall } from "./gated-call.js";

/** A second attempt of a hedged call is made when this share of the method's calls would have been answered. */
const HEDGE_PERCENTILE = 0.95;

/** One attempt of a call. Its own promise is nobody's: its owner hears of its end at once. */
class Attempt extends OutgoingCall {
  /** What came with the answer, where the caller wants to know. */
  received: readonly [Metadata, Metadata] | undefined = undefined;
  private readonly owner: RepeatedCall;

  constructor(owner: RepeatedCall, options: OutgoingCallOptions, wheel: TimerWheel) {
    super(owner.method, options, wheel, owner.expiresAt);
    this.owner = owner;
  }

  override succeed(response: unknown): void {
    if (this.isSettled) return;
    super.succeed(undefined);
    this.owner.onReply(this, response);
  }

  override fail(error: RpcError): void {
    if (this.isSettled) return;
    super.succeed(undefined);
    this.owner.onError(this, error);
  }
}

/** See the head of this file. */
export abstract class RepeatedCall extends GatedCall {
  protected attempts = 0;
  protected readonly live: Attempt[] = [];
  private message: Buffer | undefined = undefined;
  /** True once the caller has given the call up: what its attempts end with is what it ends with. */
  private isEnding = false;

  override get waitingBytes(): number {
    return this.message?.length ?? 0;
  }

  protected override get attemptsMade(): number {
    return this.attempts;
  }

  override succeed(response: unknown): void {
    if (this.isSettled) return;
    super.succeed(response);
    this.stopAttempts();
  }

  override fail(error: RpcError): void {
    if (this.isSettled) return;
    super.fail(error);
    this.stopAttempts();
  }

  override cancel(code: typeof Code.CANCELLED | typeof Code.DEADLINE_EXCEEDED, message: string, cause?: unknown): void {
    if (this.live.length === 0) {
      super.cancel(code, message, cause);
      return;
    }
    this.isEnding = true;
    for (const attempt of [...this.live]) attempt.cancel(code, message, cause);
  }

  /** An attempt was answered. */
  onReply(attempt: Attempt, response: unknown): void {
    this.forget(attempt);
    this.gate.observe(undefined);
    if (this.isSettled) return;
    const thrown = this.tellMetadata(attempt);
    if (thrown === undefined) this.succeed(response);
    else this.fail(thrown);
  }

  /** An attempt has failed. */
  onError(attempt: Attempt, error: RpcError): void {
    this.forget(attempt);
    this.gate.observe(error);
    if (this.isSettled) return;
    if (error.retry !== "safe") this.mayHaveRun = true;
    if (this.isEnding || !this.goesOn(error)) this.fail(this.tellMetadata(attempt) ?? error);
  }

  /** An attempt has failed with `error`, and the call need not: true if it goes on. */
  protected abstract goesOn(error: RpcError): boolean;

  protected override submit(): void {
    try {
      this.keepRequest();
    } catch (error) {
      this.fail(error as RpcError);
      return;
    }
    this.attempt();
  }

  protected override keepRequest(): void {
    this.message ??= encodeMessage(this, this.request);
    this.request = undefined;
  }

  protected override encoded(): Buffer {
    this.keepRequest();
    return this.message as Buffer;
  }

  /** Makes the next attempt. */
  protected attempt(): void {
    const { site, options } = this;
    this.attempts++;
    const attempt: Attempt = new Attempt(
      this,
      {
        metadata: this.metadataOf(this.attempts),
        compress: options.compress,
        onResponseMetadata:
          options.onResponseMetadata === undefined
            ? undefined
            : (headers, trailers) => {
                attempt.received = [headers, trailers];
              },
      },
      site.wheel,
    );
    this.live.push(attempt);
    try {
      attempt.parked = parkMessage(attempt, this.message as Buffer);
    } catch (error) {
      attempt.fail(error as RpcError);
      return;
    }
    site.target.submitParked(attempt, options);
  }

  /** What came of attempts was observed when they ended. */
  protected override leave(): void {
    if (!this.isIn) return;
    this.isIn = false;
    this.gate.leave(this.startTime);
  }

  /** True if an attempt that ended so may be made again: it did not run, or may run twice. */
  protected isRepeatable(error: RpcError): boolean {
    if (!this.gate.limits.codes.has(error.code) || this.options.parent?.stopsRetries === true) return false;
    if (this.site.target.closedError !== undefined) return false;
    if (error.retry === "safe") return true;
    return isIdempotent(this.method) && !(error.origin === "local" && error.retry === "never");
  }

  private forget(attempt: Attempt): void {
    const at = this.live.indexOf(attempt);
    if (at >= 0) this.live.splice(at, 1);
  }

  private stopAttempts(): void {
    for (const attempt of [...this.live]) attempt.cancel(Code.CANCELLED, "another attempt has ended the call");
  }

  /** Tells the caller what came with the answer of `attempt`; returns what its callback throws. */
  private tellMetadata({ received }: Attempt): RpcError | undefined {
    try {
      if (received !== undefined) this.options.onResponseMetadata?.(...received);
      return undefined;
    } catch (error) {
      return RpcError.from(error);
    }
  }

  /** What is sent with an attempt: the caller's metadata, and what makes it known as one of several (PROTOCOL.md section 7). */
  private metadataOf(attempt: number): Metadata {
    return attemptMetadata(this.options.metadata, this.callId, attempt);
  }
}

/** The pause of a call before its next attempt. */
class Pause extends CallbackTimer implements CallHolder {
  private readonly call: RetriedCall;

  constructor(call: RetriedCall) {
    super(() => call.resume());
    this.call = call;
  }

  /** The call has ended. */
  release(): void {
    this.call.endPause();
  }
}

/** `failure: RETRY`: an attempt that failed is made again, after a pause. */
export class RetriedCall extends RepeatedCall {
  private lastError: RpcError | undefined = undefined;
  private pause: Pause | undefined = undefined;

  /** The pause is over. */
  resume(): void {
    this.endPause();
    if (this.site.target.closedError !== undefined || !this.gate.admitAttempt()) {
      this.fail(this.lastError as RpcError);
      return;
    }
    this.gate.counters.retried++;
    this.attempt();
  }

  /** Takes the pause away, if there is one. */
  endPause(): void {
    if (this.pause === undefined) return;
    this.site.wheel.remove(this.pause);
    this.site.paused.delete(this);
    this.pause = undefined;
    this.holder = undefined;
  }

  /** The channel is closed: the next attempt will not be made. */
  giveUpPause(): void {
    this.fail(this.lastError as RpcError);
  }

  protected override submit(): void {
    this.site.retries.onCall();
    super.submit();
  }

  protected override goesOn(error: RpcError): boolean {
    const { limits } = this.gate;
    if (limits.failure !== "retry" || this.attempts >= limits.maxAttempts || !this.isRepeatable(error)) return false;
    const { wheel, retries, paused } = this.site;
    const at = wheel.clock.now() + this.delayAfter(error);
    if (at >= this.expiresAt || !retries.spend()) return false;
    this.lastError = error;
    this.pause = new Pause(this);
    this.holder = this.pause;
    paused.add(this);
    wheel.add(this.pause, at);
    return true;
  }

  protected override whileWaiting(): string {
    return this.pause === undefined ? super.whileWaiting() : "while it waited for its next attempt";
  }

  /** min(initial * 2^(n - 1), max) * U(0.8, 1.2) before the n-th retry (gRPC A6), or longer if the server says so. */
  private delayAfter({ retryAfterMs = 0 }: RpcError): number {
    const { initialBackoffMs, maxBackoffMs } = this.gate.limits;
    const backoffMs = Math.min(initialBackoffMs * 2 ** (this.attempts - 1), maxBackoffMs);
    return Math.max(backoffMs * (0.8 + 0.4 * this.site.random()), retryAfterMs);
  }
}

/** `failure: HEDGE`: a second attempt is made if the first is slow, or has failed fast; the first answer counts. */
export class HedgedCall extends RepeatedCall {
  private startedAt = 0;
  private readonly timer = new CallbackTimer(() => this.hedge());

  override onReply(attempt: Attempt, response: unknown): void {
    // If the second attempt has won, the first would have taken longer than this: the estimate is on the short side.
    if (!this.isSettled) this.gate.latency.record(this.site.wheel.clock.now() - this.startedAt);
    super.onReply(attempt, response);
  }

  protected override submit(): void {
    const { wheel, hedges } = this.site;
    this.startedAt = wheel.clock.now();
    hedges.onCall();
    super.submit();
    if (this.isSettled) return;
    const delayMs = this.gate.limits.hedgeDelayMs ?? this.gate.latency.percentile(HEDGE_PERCENTILE);
    if (delayMs !== undefined && this.startedAt + delayMs < this.expiresAt)
      wheel.add(this.timer, this.startedAt + delayMs);
  }

  protected override leave(): void {
    this.site.wheel.remove(this.timer);
    super.leave();
  }

  protected override goesOn(error: RpcError): boolean {
    if (!this.isRepeatable(error)) return false;
    if (this.live.length > 0) return true;
    // A server that says when to come again is not asked again at once.
    return error.retryAfterMs === undefined && this.hedge();
  }

  /** Makes the second attempt, if it may be made; false if not. */
  private hedge(): boolean {
    const { site, gate } = this;
    if (this.attempts > 1 || gate.limits.failure !== "hedge" || !isIdempotent(this.method)) return false;
    if (site.target.closedError !== undefined || this.options.parent?.stopsRetries === true) return false;
    if (!site.hedges.spend() || !gate.admitAttempt()) return false;
    gate.counters.hedged++;
    this.attempt();
    return true;
  }
}

/** `failure: QUEUE`: what may succeed later is stored. */
export class StorableCall extends RepeatedCall {
  /** One that waits for room has made no attempt that could fail; it is stored when nothing else is left. */
  override fail(error: RpcError): void {
    const isWaiting = !this.isSettled && this.holder === this.gate;
    if (isWaiting && this.mayStore(error)) {
      this.gate.release(this);
      this.holder = undefined;
      this.store();
    } else super.fail(error);
  }

  protected override goesOn(error: RpcError): boolean {
    if (!this.mayStore(error)) return false;
    this.leave();
    this.store();
    return true;
  }

  private mayStore(error: RpcError): boolean {
    return this.gate.limits.queueName !== undefined && mayFareBetter(error);
  }
}

function isIdempotent({ idempotency }: AnyMethod): boolean {
  return idempotency !== "unknown";
}

/** Codes that say that the request is wrong, or not allowed, and will be. */
const FINAL_CODES: ReadonlySet<Code> = new Set([
  Code.INVALID_ARGUMENT,
  Code.NOT_FOUND,
  Code.ALREADY_EXISTS,
  Code.PERMISSION_DENIED,
  Code.FAILED_PRECONDITION,
  Code.OUT_OF_RANGE,
  Code.UNIMPLEMENTED,
  Code.UNAUTHENTICATED,
]);

/** True if the same call may succeed later: neither the request nor who makes it is what is wrong. */
function mayFareBetter({ code, origin, retry }: RpcError): boolean {
  return !FINAL_CODES.has(code) && !(origin === "local" && (retry === "never" || code === Code.CANCELLED));
}
