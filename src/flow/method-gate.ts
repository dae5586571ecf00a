// The calls of one method that a server, or the serving side of a channel, has let in: which run, which wait, and which
// are refused. Each connection has a backlog of its own. Those of the connections that call seldom come first, in turn; then
// those that have just begun to wait, then the others in turn (fq_codel, RFC 8290): so a flood delays nobody else's rare
// calls, not even while there are too many of them. When there is no room the longest backlog gives way, not the one that
// happens to come.
//
//   admit -> start ------------------------------------------> finish
//        \-> wait (a backlog) -> take, resume -> start --------/
//                            \-> leave: cancelled, expired, disconnected, evicted
//
// Invariants: `running` calls have started and not finished; `waiting` calls are in the backlogs; a call is in one of them.

import type { AnyMethod } from "../codec/method.js";
import type { ServerPolicy } from "../codec/policy.js";
import { Code, type RpcError, refusalError } from "../codec/status.js";
import { Admission, type Backlog, type Gate } from "../transport/gate.js";
import type { IncomingCall } from "../transport/incoming-call.js";
import { CallbackTimer } from "../transport/timers.js";
import { AdaptiveLimit } from "./adaptive-limit.js";
import { CallBacklog, type Turn } from "./backlog.js";
import type { BatchSizes } from "./batch.js";
import { MethodCounters, type MethodStats, type Rejection } from "./method-counters.js";
import { type GatePolicy, resolveServerPolicy } from "./server-policy.js";
import { StandingQueue } from "./standing-queue.js";
import type { TaskPool } from "./task-pool.js";
import { TokenBucket } from "./token-bucket.js";

/** How long a call may wait that has no deadline and whose method says nothing, in milliseconds. */
export const DEFAULT_QUEUE_DEADLINE_MS = 15_000;
/** One handler in so many is measured, while they hold the event loop for no time to speak of. */
const MAX_STRIDE = 32;
/** A method whose handler holds it for longer is measured each time, in milliseconds. */
const SHORT_MS = 0.05;
/** The part of its remaining time that a call may wait, where its method says nothing. */
const QUEUE_SHARE = 0.5;
/** The same for the calls of connections that call seldom: it is not for them that there is no room, and it will be their turn soon. */
const LIGHT_QUEUE_SHARE = 0.9;
/** A connection that calls seldom gives way to one of those that call most if it has more than so many times the calls that wait. */
const MUCH_MORE = 4;
/** Of so many calls that are taken one is taken from the last line that has any: new connections may come without end. */
const LEAP = 16;

/** See the head of this file. */
export class MethodGate implements Gate {
  readonly method: AnyMethod;
  readonly counters: MethodCounters = new MethodCounters();
  /** Handlers that run. */
  running = 0;
  /** Handlers that may run at once now. */
  limit = 0;
  /** Calls that wait. */
  waiting = 0;
  /** Those of them that are of the connections that call most. */
  private waitingHeavy = 0;
  /** True while the pool has this gate in its round. Only the pool writes it. */
  isInRound = false;
  /** One call in so many is measured, and in how many the next one is. */
  private stride = 1;
  private untilMeasured = 1;
  /** How large the batches of the method were, if it has any. Its endpoint sets it and counts. */
  sizes: BatchSizes | undefined = undefined;
  /** Hears of each policy that takes the place of another. The endpoint sets it. */
  onReplaced: ((policy: ServerPolicy) => void) | undefined = undefined;
  private readonly pool: TaskPool;
  /** Handlers that run at once under a policy that does not say; undefined for as many as the pool has. */
  private readonly handlers: number | undefined;
  /** What was asked for. */
  private given: ServerPolicy;
  private policy: GatePolicy;
  private adaptive: AdaptiveLimit | undefined = undefined;
  private bucket: TokenBucket | undefined = undefined;
  /** The backlogs whose turn is to come, in the order of the head of this file. */
  private readonly light: CallBacklog[] = [];
  private readonly fresh: CallBacklog[] = [];
  private readonly later: CallBacklog[] = [];
  private readonly lines: readonly CallBacklog[][] = [this.light, this.fresh, this.later];
  private taken = 0;
  /** The longest backlog, or one that lately was: it is looked for again when this one has lost half of its calls. */
  private longest: CallBacklog | undefined = undefined;
  /** No backlog has more calls. */
  private peak = 0;
  private readonly standing = new StandingQueue();
  private readonly tokenTimer = new CallbackTimer(() => this.pool.wake(this));

  constructor(method: AnyMethod, policy: ServerPolicy, pool: TaskPool, handlers: number | undefined = undefined) {
    this.method = method;
    this.pool = pool;
    this.handlers = handlers;
    this.given = policy;
    this.policy = resolveServerPolicy(policy, pool.limit, handlers);
    this.enforce(this.policy);
  }

  /** The policy that is enforced, without the defaults. */
  get current(): ServerPolicy {
    return this.given;
  }

  /** Counters and gauges of now. */
  stats(): MethodStats {
    const { running, waiting, limit, sizes } = this;
    return { ...this.counters.read(), running, waiting, limit, ...(sizes && { batches: sizes.read() }) };
  }

  get answersRefused(): boolean {
    return this.policy.overflow === "log";
  }

  /** Enforces another policy from now on. Calls that wait and no longer fit are refused when their time comes. */
  replace(policy: ServerPolicy): void {
    const before = this.policy;
    this.given = policy;
    this.policy = resolveServerPolicy(policy, this.pool.limit, this.handlers);
    this.enforce(this.policy, before);
    // It was set for another rate.
    this.pool.wheel.remove(this.tokenTimer);
    this.onReplaced?.(policy);
    this.pool.wake(this);
  }

  /** True if a call that waits may be started, as far as its method is concerned. */
  get isReady(): boolean {
    return this.waiting > 0 && this.hasWorker;
  }

  admit(backlog: Backlog | undefined): Admission | RpcError {
    if (this.waiting === 0 && this.pool.hasTurn && this.hasWorker) return Admission.START;
    const { queue } = this.policy;
    if (this.waiting < (queue === 0 ? this.idle : queue)) return Admission.WAIT;
    // The newest are served first while the queue stands: then the one that comes is worth more than those that wait.
    const longest = this.findLongest();
    const isLonger = longest !== undefined && longest.size > (backlog?.size ?? 0) + 1;
    if (queue > 0 && (this.standing.isStanding || isLonger)) return Admission.WAIT;
    return this.full();
  }

  newBacklog(): CallBacklog {
    return new CallBacklog();
  }

  start(call: IncomingCall): number {
    this.running++;
    this.pool.running++;
    this.counters.started++;
    if (this.bucket !== undefined) this.bucket.take(this.pool.wheel.tick.now());
    call.isStarted = true;
    if (--this.untilMeasured > 0) return 0;
    this.untilMeasured = this.stride;
    call.isMeasured = true;
    call.startedAt = this.pool.wheel.clock.now();
    return call.startedAt;
  }

  onYield(startedAt: number): void {
    const heldMs = this.pool.wheel.clock.now() - startedAt;
    this.pool.onWork(heldMs * this.stride);
    this.stride = heldMs > SHORT_MS ? 1 : Math.min(MAX_STRIDE, this.stride * 2);
  }

  wait(call: IncomingCall, backlog: Backlog): void {
    const { pool, policy, standing } = this;
    const now = pool.wheel.tick.now();
    const own = backlog as CallBacklog;
    const remaining = call.deadline - now;
    const knownMs =
      policy.queueDeadlineMs ?? (remaining === Number.POSITIVE_INFINITY ? DEFAULT_QUEUE_DEADLINE_MS : undefined);
    standing.onWait(now, this.waiting, knownMs ?? remaining * QUEUE_SHARE);
    this.weigh(own, standing.isHeavy(own.ask(standing.interval)));
    const allowedMs = knownMs ?? remaining * (own.isHeavy ? QUEUE_SHARE : LIGHT_QUEUE_SHARE);
    const patienceMs = standing.isStanding && own.isHeavy ? Math.min(allowedMs, standing.patienceMs) : allowedMs;
    call.waitingSince = now;
    pool.wheel.add(call, now + Math.min(patienceMs, remaining));
    this.push(call, own);
    while (this.isCrowdedFor(own, now)) this.evict(call, own);
    pool.wake(this);
  }

  leave(call: IncomingCall, isRefused: boolean): void {
    if (!isRefused) this.counters.fail(call.failedWith);
    const backlog = call.backlog as CallBacklog;
    backlog.remove(call);
    this.onTaken(call, backlog);
  }

  dismiss(call: IncomingCall): void {
    this.counters.fail(call.failedWith);
  }

  onWaitedTooLong(call: IncomingCall): RpcError {
    const waitedMs = Math.round(this.pool.wheel.clock.now() - call.waitingSince);
    return this.refusal("deadline", `the call waited ${waitedMs} ms for a worker`);
  }

  /** Ends every call that waits with `error`: nothing is served any more. */
  failWaiting(error: RpcError): void {
    while (this.waiting > 0) (this.findLongest() as CallBacklog).last(false).endWaiting(error);
    this.pool.wheel.remove(this.tokenTimer);
  }

  finish(call: IncomingCall): void {
    const { counters } = this;
    this.running--;
    this.pool.running--;
    if (call.failedWith === Code.OK) counters.succeeded++;
    else counters.fail(call.failedWith);
    if (call.isMeasured) this.measure(this.pool.wheel.clock.now() - call.startedAt);
    if (this.pool.waiting > 0) this.pool.onWorkerFree(this);
  }

  /** Takes the next call that waits, to be started now. There must be one. */
  take(now: number): IncomingCall {
    const backlog = this.nextBacklog();
    const call = backlog.take(this.standing.isStanding);
    this.onTaken(call, backlog);
    const waitedMs = now - call.waitingSince;
    this.counters.waited++;
    this.counters.waitedMs += waitedMs;
    this.standing.onStart(now, this.waiting);
    return call;
  }

  /**
   * True if more calls wait than may, as far as a call in `own` is concerned. Few may wait of the connections that call most;
   * it is not for the others that there is a queue (fq_codel judges each flow by itself).
   */
  private isCrowdedFor(own: CallBacklog, now: number): boolean {
    const { policy, waiting } = this;
    if (policy.queue === 0) return waiting > this.idle;
    if (waiting > policy.queue) return true;
    return own.isHeavy && own.size > 0 && this.waitingHeavy > this.standing.room(now);
  }

  /** Workers that calls could have at once but for the turn, which may be over: a call that waits for that alone waits for no worker. */
  private get idle(): number {
    const { pool, bucket } = this;
    const workers = Math.max(0, Math.min(this.limit - this.running, pool.limit - pool.running));
    return bucket === undefined ? workers : Math.min(workers, bucket.count(pool.wheel.tick.now()));
  }

  /** True if a handler may start: the method has a worker and, where there is a rate, a token. */
  private get hasWorker(): boolean {
    if (this.running >= this.limit) return false;
    return this.bucket === undefined || this.hasToken(this.bucket);
  }

  private hasToken(bucket: TokenBucket): boolean {
    const { wheel } = this.pool;
    const waitMs = bucket.waitMs(wheel.tick.now());
    if (waitMs === 0) return true;
    if (this.tokenTimer.next === undefined) wheel.add(this.tokenTimer, wheel.tick.now() + waitMs);
    return false;
  }

  private measure(tookMs: number): void {
    this.counters.measured++;
    this.counters.measuredMs += tookMs;
    if (this.adaptive === undefined) return;
    this.adaptive.onSample(tookMs, this.running + 1);
    this.limit = this.adaptive.limit;
  }

  /** Makes what enforces `policy`. What has learned something, or holds tokens, stays where its part of the policy does. */
  private enforce({ rate, burst, limiter, concurrency }: GatePolicy, before?: GatePolicy): void {
    const now = this.pool.wheel.clock.now();
    if (limiter !== before?.limiter || concurrency !== before.concurrency)
      this.adaptive = limiter === "adaptive" ? new AdaptiveLimit(concurrency) : undefined;
    this.limit = this.adaptive === undefined ? concurrency : this.adaptive.limit;
    if (rate === undefined) this.bucket = undefined;
    else if (this.bucket === undefined) this.bucket = new TokenBucket(rate, burst, now);
    else this.bucket.change(rate, burst, now);
  }

  /** From now on the connection of `backlog`, which is about to have one more call, is one of those that call most, or not. */
  private weigh(backlog: CallBacklog, isHeavy: boolean): void {
    if (backlog.isHeavy === isHeavy) return;
    backlog.isHeavy = isHeavy;
    this.waitingHeavy += isHeavy ? backlog.size : -backlog.size;
    if (backlog.turn === "none") return;
    const line = this[backlog.turn];
    line.splice(line.indexOf(backlog), 1);
    backlog.turn = "none";
  }

  private push(call: IncomingCall, backlog: CallBacklog): void {
    backlog.push(call);
    this.waiting++;
    if (backlog.isHeavy) this.waitingHeavy++;
    this.pool.waiting++;
    if (this.longest === undefined || backlog.size > this.longest.size) this.longest = backlog;
    if (backlog.size > this.peak) this.peak = backlog.size;
    if (backlog.turn === "none") this.lineUp(backlog, backlog.isHeavy ? "fresh" : "light");
  }

  private lineUp(backlog: CallBacklog, turn: Exclude<Turn, "none">): void {
    backlog.turn = turn;
    this[turn].push(backlog);
  }

  /** The backlog whose turn it is. One that has had its turn goes behind the others. */
  private nextBacklog(): CallBacklog {
    const { light, fresh, later } = this;
    const leaps = ++this.taken % LEAP === 0;
    for (;;) {
      const first = leaps ? (later.shift() ?? fresh.shift()) : undefined;
      const backlog = (first ?? light.shift() ?? fresh.shift() ?? later.shift()) as CallBacklog;
      const { turn } = backlog;
      backlog.turn = "none";
      // The calls of one that calls much are not all fresh because it waits for each before it makes the next.
      if (turn === "fresh" || (turn === "later" && backlog.size > 0)) this.lineUp(backlog, "later");
      else if (backlog.size > 1) this.lineUp(backlog, "light");
      if (backlog.size > 0) return backlog;
    }
  }

  /** A call of `backlog` waits no more. */
  private onTaken(call: IncomingCall, backlog: CallBacklog): void {
    this.pool.wheel.remove(call);
    this.waiting--;
    if (backlog.isHeavy) this.waitingHeavy--;
    this.pool.waiting--;
    if (this.waiting > 0) return;
    for (const line of this.lines) {
      for (const backlog of line) backlog.turn = "none";
      line.length = 0;
    }
    this.longest = undefined;
    this.peak = 0;
  }

  /** A backlog that is at least half as long as the longest; undefined if no call waits. */
  private findLongest(): CallBacklog | undefined {
    const { longest } = this;
    if (longest === undefined || longest.size * 2 >= this.peak) return longest;
    let found = longest;
    for (const line of this.lines) for (const backlog of line) if (backlog.size > found.size) found = backlog;
    this.longest = found;
    this.peak = found.size;
    return found;
  }

  /**
   * Refuses the call that would be served last of a backlog as long as any, or half as long. Where none has two, it is
   * `newest`, which has just come into `own`, unless it has gone before. A connection that calls seldom does not give way to
   * one of those that call most, unless it has much more.
   */
  private evict(newest: IncomingCall, own: CallBacklog): void {
    const longest = this.findLongest() as CallBacklog;
    const backlog = longest.isHeavy || !own.isHeavy || own.size * MUCH_MORE < longest.size ? longest : own;
    const victim = backlog.size > 1 || newest.backlog === undefined ? backlog.last(this.standing.isStanding) : newest;
    victim.refuse(this.full());
  }

  /** Why there is no room. */
  private full(): RpcError {
    const { waiting, policy, running, limit, pool } = this;
    if (this.standing.isStanding || (policy.queue > 0 && waiting < policy.queue))
      return this.refusal("overload", `the server is overloaded (${waiting} calls of the method wait)`);
    if (policy.queue > 0) return this.refusal("queue", `server queue full (${waiting} waiting, limit ${policy.queue})`);
    const tokenMs = running < limit ? (this.bucket?.waitMs(pool.wheel.tick.now()) ?? 0) : 0;
    if (tokenMs > 0) return this.refusal("rate", `the method takes ${policy.rate} calls a second`, Math.ceil(tokenMs));
    const those = `${pool.running} handlers run, limit ${pool.limit}; ${running} of the method, limit ${limit}`;
    return this.refusal("concurrency", `no worker is free (${those})`);
  }

  /** Counts a call that is not let in, and says why. It makes no sense to come again in less than `leastMs`. */
  private refusal(reason: Rejection, text: string, leastMs: number = 1): RpcError {
    this.standing.onRefused();
    if (this.answersRefused) this.counters.logged++;
    else this.counters.reject(reason);
    const retryAfterMs = Math.max(leastMs, this.standing.estimateMs(this.pool.wheel.tick.now(), this.waiting));
    return refusalError(`${text}; retry after ${retryAfterMs} ms`, retryAfterMs);
  }
}
