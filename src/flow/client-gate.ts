// The calls of one method that a channel or a peer makes: how many are under way, which wait for room, and which find
// none. Every call passes `admit` once; one that is let in must `leave`.
//
//   admit -> let in ------------------> leave
//        \-> wait -> (room) -> begin --/
//                \-> release: cancelled, expired, the channel closed
//        \-> a reason why not: the caller applies `overflow`
//
// Invariants: calls are let in in the order in which they came; nobody is let in past one that waits; a timer is set only
// while somebody waits for a token.

import type { AnyMethod } from "../codec/method.js";
import type { ClientPolicy } from "../codec/policy.js";
import { Code, RpcError } from "../codec/status.js";
import type { Random } from "../transport/clock.js";
import type { CallHolder, OutgoingCall } from "../transport/outgoing-call.js";
import { CallbackTimer, type TimerWheel } from "../transport/timers.js";
import { type EnforcedClientPolicy, resolveClientPolicy } from "./client-policy.js";
import { LatencyEstimate } from "./latency.js";
import { LineLimit } from "./log-lines.js";
import { MethodCounters, type MethodStats, type Rejection } from "./method-counters.js";
import { Throttle } from "./throttle.js";
import { TokenBucket } from "./token-bucket.js";

/** The first call and then one in so many is measured. */
const MEASURED_ONE_IN = 16;

/** A call that may wait at a gate; the gate is its `holder` while it does. */
export interface Waiter extends OutgoingCall {
  /** Bytes of its request, which is encoded while it waits. */
  readonly waitingBytes: number;
  /** When it began to wait; only the gate writes it. */
  waitingSince: number;
  /** It has been let in. Must not throw. */
  begin(): void;
}

/** What gates of one channel share. */
export interface GateInit {
  readonly wheel: TimerWheel;
  readonly random: Random;
  /** Bytes of requests that may wait at a gate. */
  readonly maxWaitingBytes: number;
}

/** See the head of this file. */
export class ClientGate implements CallHolder {
  readonly method: AnyMethod;
  readonly counters: MethodCounters = new MethodCounters();
  readonly latency: LatencyEstimate = new LatencyEstimate();
  /** For the lines about calls that were dropped. */
  readonly lines: LineLimit;
  private readonly init: GateInit;
  private given: ClientPolicy;
  private enforced: EnforcedClientPolicy;
  private bucket: TokenBucket | undefined = undefined;
  private throttle: Throttle | undefined = undefined;
  private readonly waiting = new Set<Waiter>();
  private waitingBytes = 0;
  private readonly tokenTimer = new CallbackTimer(() => this.letIn());
  private isLettingIn = false;

  constructor(method: AnyMethod, policy: ClientPolicy, init: GateInit) {
    this.method = method;
    this.init = init;
    this.lines = new LineLimit(init.wheel.clock);
    this.given = policy;
    this.enforced = resolveClientPolicy(policy);
    this.applyLimits();
  }

  /** What was set. */
  get policy(): ClientPolicy {
    return this.given;
  }

  /** What holds, with the defaults filled in. */
  get limits(): EnforcedClientPolicy {
    return this.enforced;
  }

  /** Counters and gauges of now. */
  stats(): MethodStats {
    return { ...this.counters.read(), limit: this.enforced.concurrency };
  }

  /** From now on, for those that wait too. */
  replace(policy: ClientPolicy): void {
    this.given = policy;
    this.enforced = resolveClientPolicy(policy);
    this.applyLimits();
    this.letIn();
  }

  /**
   * Asks for room for one more call. Undefined: it is let in. `"wait"`: there is room to wait, by {@link wait}. Else why there
   * is none. A call that `mayAlwaysWait` waits whatever `overflow` and `queue` say.
   */
  admit(mayAlwaysWait: boolean = false): Rejection | "wait" | undefined {
    if (this.throttle?.admits() === false) return "throttle";
    const obstacle = this.findObstacle();
    if (obstacle === undefined && this.waiting.size === 0) {
      this.enter();
      return undefined;
    }
    if (mayAlwaysWait) return "wait";
    if (this.enforced.overflow !== "block") return obstacle ?? "queue";
    return this.waiting.size < this.enforced.queue ? "wait" : "queue";
  }

  /** Holds a call, with its request encoded, until there is room. False: the requests that wait take too many bytes. */
  wait(call: Waiter): boolean {
    if (this.waitingBytes + call.waitingBytes > this.init.maxWaitingBytes) return false;
    call.holder = this;
    call.waitingSince = this.now;
    call.arm();
    this.waiting.add(call);
    this.counters.waiting++;
    this.waitingBytes += call.waitingBytes;
    if (this.waiting.size === 1) this.letIn();
    return true;
  }

  /** The time, if the call that was let in last is to be measured; else -1. */
  get startTime(): number {
    return this.counters.started % MEASURED_ONE_IN === 1 ? this.now : -1;
  }

  /** A call that was let in has ended; `startTime` is what {@link startTime} was then. */
  leave(startTime: number): void {
    const { counters } = this;
    if (startTime >= 0) {
      counters.measured++;
      counters.measuredMs += this.now - startTime;
    }
    counters.running--;
    if (this.waiting.size > 0) this.letIn();
  }

  /** A call that waits has ended. */
  release(call: OutgoingCall): void {
    this.drop(call as Waiter);
    if (this.waiting.size === 0) this.init.wheel.remove(this.tokenTimer);
  }

  /** Why calls wait. */
  get obstacle(): string | undefined {
    const { rate, concurrency } = this.enforced;
    const obstacle = this.findObstacle();
    if (obstacle === "rate") return `${rate} calls a second may begin`;
    return obstacle === undefined ? undefined : `${this.counters.running} calls are under way, limit ${concurrency}`;
  }

  /** One attempt more of a call that was let in: it takes a token, if it has to on credit. False: the throttle rejects it. */
  admitAttempt(): boolean {
    if (this.throttle?.admits() === false) return false;
    this.bucket?.borrow(this.init.wheel.tick.now());
    return true;
  }

  /** An attempt has ended, with `error` or well: what the throttle learns from. */
  observe(error: RpcError | undefined): void {
    this.throttle?.observe(!isRefusal(error));
  }

  /** Fails every call that waits. */
  failWaiting(error: RpcError): void {
    for (const call of [...this.waiting]) call.fail(error);
  }

  /** The error of a call that was not let in. */
  rejection(reason: Rejection): RpcError {
    const waitMs = reason === "rate" || reason === "queue" ? this.tokenWaitMs() : 0;
    return new RpcError(Code.RESOURCE_EXHAUSTED, `${this.method.path}: ${this.describe(reason, waitMs)}`, {
      origin: "local",
      retry: "safe",
      retryAfterMs: waitMs > 0 ? waitMs : undefined,
    });
  }

  private describe(reason: Rejection, waitMs: number): string {
    const { counters, enforced } = this;
    if (reason === "rate") return `${enforced.rate} calls a second may begin; retry after ${waitMs} ms`;
    if (reason === "concurrency") return `${counters.running} calls are under way, limit ${enforced.concurrency}`;
    if (reason === "throttle") {
      const percent = Math.round((this.throttle?.probability ?? 0) * 100);
      return `the server refuses too many calls; ${percent}% of them are rejected here until it does not`;
    }
    if (counters.waiting < enforced.queue)
      return `${this.waitingBytes} bytes wait for room here, limit ${this.init.maxWaitingBytes}`;
    return `${counters.waiting} calls wait for room here, limit ${enforced.queue}`;
  }

  /** Why no call can begin now, those that wait aside. */
  private findObstacle(): "concurrency" | "rate" | undefined {
    if (this.counters.running >= this.enforced.concurrency) return "concurrency";
    return this.bucket === undefined || this.bucket.waitMs(this.now) === 0 ? undefined : "rate";
  }

  private enter(): void {
    this.bucket?.take(this.now);
    this.counters.running++;
    this.counters.started++;
  }

  private letIn(): void {
    // A call that ends at once comes back here: the loop below goes on for it.
    if (this.isLettingIn) return;
    this.isLettingIn = true;
    for (const call of this.waiting) {
      if (this.findObstacle() !== undefined) break;
      this.drop(call);
      call.holder = undefined;
      this.counters.waited++;
      this.counters.waitedMs += this.now - call.waitingSince;
      this.enter();
      call.begin();
    }
    this.isLettingIn = false;
    this.awaitToken();
  }

  /** Sets the timer for the next token if that is what the first call waits for. */
  private awaitToken(): void {
    const { wheel } = this.init;
    if (this.waiting.size > 0 && this.findObstacle() === "rate")
      wheel.add(this.tokenTimer, wheel.clock.now() + (this.bucket as TokenBucket).waitMs(wheel.clock.now()));
    else wheel.remove(this.tokenTimer);
  }

  private drop(call: Waiter): void {
    if (!this.waiting.delete(call)) return;
    call.disarm();
    this.counters.waiting--;
    this.waitingBytes -= call.waitingBytes;
  }

  private tokenWaitMs(): number {
    return Math.ceil(this.bucket?.waitMs(this.now) ?? 0);
  }

  private applyLimits(): void {
    const { rate, burst, throttle } = this.enforced;
    this.counters.limit = this.enforced.concurrency;
    const { wheel, random } = this.init;
    if (rate === undefined) this.bucket = undefined;
    else if (this.bucket === undefined) this.bucket = new TokenBucket(rate, burst, wheel.clock.now());
    else this.bucket.change(rate, burst, wheel.clock.now());
    if (!throttle) this.throttle = undefined;
    else this.throttle ??= new Throttle(wheel.clock, random);
  }

  private get now(): number {
    return this.init.wheel.clock.now();
  }
}

/** True if the server, or what stands for it, took no notice of the call. */
function isRefusal(error: RpcError | undefined): boolean {
  return error !== undefined && (error.code === Code.RESOURCE_EXHAUSTED || error.code === Code.UNAVAILABLE);
}
