// Takes the records of one queue out, a window at a time, and has them delivered. In memory it keeps the records that may
// go next (at most {@link READ_AHEAD_RECORDS} or {@link READ_AHEAD_BYTES}) and those under way; everything else that it has passed is
// a number: behind an earlier record of its key, or waiting for its next attempt. A record is in exactly one of those places,
// and what lies beyond `position` in the store in none.

import { Code, localError, RpcError } from "../../codec/status.js";
import type { Clock, Random } from "../../transport/clock.js";
import { CallbackTimer, wheelOf } from "../../transport/timers.js";
import { type Backoff, backoffMs, Delays, type Waiting } from "./backoff.js";
import { KeyLines } from "./key-lines.js";
import { deathOf, problemOf, type RecordInit, recordBytes, type StoredQueue, type StoredRecord } from "./store.js";

/** Records that are read ahead of their delivery, at most. */
export const READ_AHEAD_RECORDS = 256;
/** Their bytes, at most; one record may be larger. */
export const READ_AHEAD_BYTES: number = 4 * 1024 * 1024;
/** A server may ask for this much patience, not for more. */
export const MAX_RETRY_AFTER_MS = 3_600_000;
/** The wait after the store could not be read. */
const READ_RETRY_MS = 1_000;

/** A record on its way out. */
export interface Delivery extends RecordInit {
  /**
   * 1 for the first; it rises with every attempt that may have run. What was in the queue before a restart begins above 1,
   * because an attempt may have been cut off.
   */
  readonly attempt: number;
}

/**
 * Makes the call and resolves once it has been answered. What it rejects with decides what comes next: an `RpcError` whose `retry` is
 * `"safe"` is tried again for ever, one that can never succeed ({@link isHopeless}) makes the record a dead letter, everything else counts
 * as one of `maxAttempts`. `retryAfterMs` is honoured, up to an hour.
 */
export type Deliver = (delivery: Delivery) => Promise<void>;

/** Told of what nobody else hears of; what they throw is not caught. Puts and deliveries have their promises, and both are counted. */
export interface DurableQueueHooks {
  /** An attempt failed; the next one comes after `delayMs`. */
  failed?(delivery: Delivery, error: RpcError, delayMs: number): void;
  /** A record has become a dead letter. */
  buried?(delivery: Delivery, error: RpcError): void;
  /** The store could not be read; it is tried again. */
  readFailed?(error: unknown): void;
}

/** How records are delivered. */
export interface DeliverySettings extends Backoff {
  readonly concurrency: number;
  readonly maxAttempts: number;
  readonly maxSetAside: number;
}

/** What a loop runs on. */
export interface DeliverySurroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly wallNow: () => number;
  readonly hooks: DurableQueueHooks;
}

/** What came of deliveries; it outlives a loop. */
export class DeliveryRecord {
  /** What went wrong last, if nothing has been delivered since. */
  problem: string | undefined = undefined;
  delivered = 0;
  failed = 0;
  buried = 0;
}

/** A record that is held. */
interface Task {
  readonly record: StoredRecord;
  readonly bytes: number;
  /** Failures in a row, those that do not count among them. */
  readonly failures: number;
}

/**
 * True if no attempt can ever succeed: the request itself is wrong, or its work is done. UNIMPLEMENTED is not among them, because a rolling
 * deployment ends; nor is NOT_FOUND or FAILED_PRECONDITION, which may be a matter of time.
 */
export function isHopeless({ code, retry }: RpcError): boolean {
  return retry === "never" && (code === Code.INVALID_ARGUMENT || code === Code.ALREADY_EXISTS);
}

/** True if the call never found a connection: no other record would fare better. */
export function isUnreachable({ code, retry }: RpcError): boolean {
  return retry === "safe" && (code === Code.UNAVAILABLE || code === Code.DEADLINE_EXCEEDED);
}

/** Delivers the records of one queue until it is stopped. */
export class DeliveryLoop {
  private readonly queue: StoredQueue;
  private readonly settings: DeliverySettings;
  private readonly surroundings: DeliverySurroundings;
  private readonly counters: DeliveryRecord;
  private readonly deliver: Deliver;
  private readonly lines = new KeyLines();
  private readonly delays: Delays;
  /** Ends a pause. */
  private readonly pauseTimer: CallbackTimer;
  /** Reads again after a failure. */
  private readonly readTimer: CallbackTimer;
  /** May go now, in order. */
  private ready: Task[] = [];
  private readyBytes = 0;
  /** May go now, but has to be read first. */
  private woken: Waiting[] = [];
  /** Every record up to here has been taken in. */
  private position = 0;
  /** The last durable record that this loop knows of. */
  private tail: number;
  private underWay = 0;
  private isReading = false;
  private scansNext = false;
  private isStopped = false;
  /** Counts purges: what was held before one is not taken back after it. */
  private generation = 0;
  /** How often in a row nobody could be reached. */
  private outages = 0;
  private pausedUntil = Number.NEGATIVE_INFINITY;
  private readonly idle: Promise<void>;
  private onIdle: () => void = () => {};

  constructor(
    queue: StoredQueue,
    settings: DeliverySettings,
    surroundings: DeliverySurroundings,
    counters: DeliveryRecord,
    deliver: Deliver,
  ) {
    this.queue = queue;
    this.settings = settings;
    this.surroundings = surroundings;
    this.counters = counters;
    this.deliver = deliver;
    this.tail = queue.counts().lastSequence;
    this.idle = new Promise((resolve) => {
      this.onIdle = resolve;
    });
    this.delays = new Delays(surroundings.clock, () => this.pump());
    this.pauseTimer = new CallbackTimer(() => this.pump());
    this.readTimer = new CallbackTimer(() => this.endReading());
  }

  /** Deliveries under way. */
  get inFlight(): number {
    return this.underWay;
  }

  /** Begins. */
  start(): void {
    this.pump();
  }

  /** Begins no more deliveries; resolves when none is under way. */
  stop(): Promise<void> {
    this.isStopped = true;
    this.delays.clear();
    this.wheel.remove(this.pauseTimer);
    this.wheel.remove(this.readTimer);
    this.wheel.disarmIfEmpty();
    this.tellIdle();
    return this.idle;
  }

  /**
   * A record is durable at the end of the queue, and all before it have been offered. It is taken in without reading it again where
   * nothing before it is still to be read.
   */
  offer(record: StoredRecord): void {
    const { sequence } = record;
    if (sequence <= this.tail || sequence <= this.position) return;
    const isNext = !this.isReading && this.position >= this.tail && this.hasRoom && !this.isSetAsideFull;
    this.tail = sequence;
    if (isNext) {
      this.position = sequence;
      this.take(record);
    }
    this.pump();
  }

  /** Records have come to the end of the queue which nobody offers: they are read. */
  lookAgain(): void {
    this.tail = Math.max(this.tail, this.queue.counts().lastSequence);
    this.pump();
  }

  /** Somebody can be reached again: ends a pause. */
  wake(): void {
    this.pausedUntil = Number.NEGATIVE_INFINITY;
    this.pump();
  }

  /** All records that were to be delivered have been removed from the store. */
  forget(): void {
    this.generation++;
    this.ready = [];
    this.readyBytes = 0;
    this.woken = [];
    this.lines.clear();
    this.delays.clear();
  }

  /** Begins what may begin, and reads on when little is left to begin. */
  private pump(): void {
    if (this.isStopped) return;
    while (this.ready.length > 0 && this.mayBegin()) this.begin(this.ready.shift() as Task);
    if (!this.isReading && this.ready.length <= READ_AHEAD_RECORDS / 2 && this.hasRoom) this.readOn();
  }

  private mayBegin(): boolean {
    const most = this.outages > 0 ? 1 : this.settings.concurrency;
    return this.underWay < most && this.surroundings.clock.now() >= this.pausedUntil;
  }

  private begin(task: Task): void {
    this.readyBytes -= task.bytes;
    this.underWay++;
    this.attempt(task, this.generation);
  }

  private async attempt(task: Task, generation: number): Promise<void> {
    const { record } = task;
    const delivery = { ...record, attempt: record.failures + record.restarts + 1 };
    let error: RpcError | undefined;
    try {
      await this.deliver(delivery);
    } catch (thrown) {
      error = errorOf(thrown);
    }
    const isCurrent = generation === this.generation;
    if (error !== undefined) this.counters.problem = problemOf(error);
    if (error === undefined) await this.onDelivered(task, generation);
    else if (this.isDead(task, error)) await this.bury(task, delivery, error, generation);
    else this.onFailed(task, delivery, error, isCurrent);
    this.underWay--;
    this.pump();
    this.tellIdle();
  }

  private isDead({ record }: Task, error: RpcError): boolean {
    if (error.retry === "safe") return false;
    return isHopeless(error) || record.failures + 1 >= this.settings.maxAttempts;
  }

  /**
   * Its place is free, and the next of its key may go, once the removal has been handed to the system: so no more calls are delivered
   * again after a kill than may be under way, and none of them behind one that came later.
   */
  private async onDelivered({ record }: Task, generation: number): Promise<void> {
    this.outages = 0;
    this.counters.delivered++;
    this.counters.problem = undefined;
    await this.queue.remove(record.sequence);
    if (generation === this.generation) this.leaveLine(record.key);
  }

  private onFailed(task: Task, delivery: Delivery, error: RpcError, isCurrent: boolean): void {
    this.counters.failed++;
    if (!isCurrent) return;
    if (isUnreachable(error)) this.pause(task, delivery, error);
    else this.delay(task, delivery, error);
  }

  /**
   * Nobody can be reached: holds everything up, and leaves the record its place. One that has probed goes behind the others, because it
   * may be it alone that gets nowhere (its deadline is too short, its method has no room).
   */
  private pause(task: Task, delivery: Delivery, error: RpcError): void {
    const now = this.surroundings.clock.now();
    if (this.outages > 0) this.ready.push(task);
    else this.ready.unshift(task);
    if (now >= this.pausedUntil) {
      this.outages++;
      this.pausedUntil = now + this.delayAfter(this.outages, error);
      if (!this.isStopped) this.wheel.add(this.pauseTimer, this.pausedUntil);
    }
    this.readyBytes += task.bytes;
    this.surroundings.hooks.failed?.(delivery, error, this.pausedUntil - now);
  }

  /** Makes a record a dead letter; where that cannot be stored, it is tried once more instead. */
  private async bury(task: Task, delivery: Delivery, error: RpcError, generation: number): Promise<void> {
    const { record } = task;
    try {
      await this.queue.bury(record, deathOf(error, this.surroundings.wallNow()));
    } catch {
      this.onFailed(task, delivery, error, generation === this.generation);
      return;
    }
    this.outages = 0;
    this.counters.failed++;
    this.counters.buried++;
    if (generation === this.generation) this.leaveLine(record.key);
    this.surroundings.hooks.buried?.(delivery, error);
  }

  private delay(task: Task, delivery: Delivery, error: RpcError): void {
    const { sequence, key } = task.record;
    const failures = task.failures + 1;
    this.outages = 0;
    if (error.retry !== "safe") this.queue.fail(sequence);
    const delayMs = this.delayAfter(failures, error);
    const dueAt = this.surroundings.clock.now() + delayMs;
    if (!this.isStopped) this.delays.add({ sequence, key, failures, dueAt });
    this.surroundings.hooks.failed?.(delivery, error, delayMs);
  }

  private delayAfter(failures: number, error: RpcError): number {
    const asked = Math.min(error.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
    return Math.max(asked, backoffMs(this.settings, failures, this.surroundings.random));
  }

  /** A record is gone: the next one of its key may go. */
  private leaveLine(key: string | undefined): void {
    const next = key === undefined ? undefined : this.lines.leave(key);
    if (next !== undefined) this.woken.push({ sequence: next, key, failures: 0 });
  }

  /** Reads what may go next, from what was set aside and from the rest of the store by turns. */
  private readOn(): void {
    this.woken.push(...this.delays.takeDue(this.room));
    const mayScan = this.position < this.tail && !this.isSetAsideFull;
    if (this.woken.length > 0 && !(mayScan && this.scansNext)) this.read(() => this.readWoken());
    else if (mayScan) this.read(() => this.scan());
  }

  private async read(load: () => Promise<void>): Promise<void> {
    this.isReading = true;
    try {
      await load();
    } catch (error) {
      this.onReadFailed(error);
      return;
    }
    this.endReading();
  }

  private endReading(): void {
    this.isReading = false;
    this.pump();
  }

  private onReadFailed(error: unknown): void {
    if (this.isStopped) return;
    this.counters.problem = problemOf(error);
    this.surroundings.hooks.readFailed?.(error);
    this.wheel.add(this.readTimer, this.surroundings.clock.now() + READ_RETRY_MS);
  }

  private async readWoken(): Promise<void> {
    const { generation } = this;
    this.scansNext = true;
    const wanted = this.woken.slice(0, this.room);
    const sequences = wanted.map(({ sequence }) => sequence);
    const records = await this.queue.get(sequences, READ_AHEAD_BYTES - this.readyBytes);
    if (generation !== this.generation) return;
    this.woken.splice(0, records.length);
    for (const [index, record] of records.entries()) {
      const { key, failures } = wanted[index] as Waiting;
      if (record === undefined) this.leaveLine(key);
      else this.hold(record, Math.max(failures, record.failures));
    }
  }

  private async scan(): Promise<void> {
    const { generation, tail } = this;
    this.scansNext = false;
    const count = Math.min(this.room, this.settings.maxSetAside - this.setAside);
    const limits = { records: count, bytes: READ_AHEAD_BYTES - this.readyBytes };
    const records = await this.queue.read("alive", this.position, limits);
    this.position = Math.max(this.position, records.at(-1)?.sequence ?? tail);
    if (generation === this.generation) for (const record of records) this.take(record);
  }

  /** A record that was not seen before goes where it belongs. */
  private take(record: StoredRecord): void {
    const { key, sequence } = record;
    if (key === undefined || this.lines.enter(key, sequence)) this.hold(record, record.failures);
  }

  private hold(record: StoredRecord, failures: number): void {
    const task = { record, bytes: recordBytes(record), failures };
    this.ready.push(task);
    this.readyBytes += task.bytes;
  }

  private get room(): number {
    return READ_AHEAD_RECORDS - this.ready.length;
  }

  private get hasRoom(): boolean {
    return this.room > 0 && this.readyBytes < READ_AHEAD_BYTES;
  }

  private get setAside(): number {
    return this.lines.waiting + this.delays.size + this.woken.length;
  }

  private get isSetAsideFull(): boolean {
    return this.setAside >= this.settings.maxSetAside;
  }

  private get wheel(): ReturnType<typeof wheelOf> {
    return wheelOf(this.surroundings.clock);
  }

  private tellIdle(): void {
    if (this.isStopped && this.underWay === 0) this.onIdle();
  }
}

function errorOf(thrown: unknown): RpcError {
  if (thrown instanceof RpcError) return thrown;
  return localError(Code.UNKNOWN, `the delivery threw ${String(thrown)}`, "unsafe", thrown);
}
