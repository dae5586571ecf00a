// One named durable queue: takes calls in, within limits, and has each delivered at least once, in the order of the queue or,
// with a key, strictly one after the other (`delivery-loop.ts`).
//
// A failed attempt counts against `maxAttempts` unless it provably ran nothing (`retry: "safe"`): a server that is down for a
// night must not turn a queue into dead letters. Where nobody can be reached at all, the whole queue pauses and probes with
// one record, instead of wearing each of them out. Dead letters count for the limits, so that a queue that nobody looks after
// refuses loudly and never drops.

import type { Metadata } from "../../codec/metadata.js";
import { Code, localError, RpcError } from "../../codec/status.js";
import type { Clock, Random } from "../../transport/clock.js";
import {
  type Deliver,
  DeliveryLoop,
  DeliveryRecord,
  type DeliverySettings,
  type DeliverySurroundings,
  type DurableQueueHooks,
} from "./delivery-loop.js";
import { purge, replay } from "./inspect.js";
import {
  checkQueueName,
  MAX_NAME_BYTES,
  MAX_PAYLOAD_BYTES,
  MAX_PENDING_BYTES,
  problemOf,
  type QueueOptions,
  type QueueStore,
  type RecordInit,
  type RecordState,
  recordBytes,
  type StoredQueue,
  type StoredRecord,
} from "./store.js";

export type { Deliver, Delivery, DurableQueueHooks } from "./delivery-loop.js";

/** Where a {@link DurableQueue} gets time and chance from, and whom it tells. */
export interface DurableQueueInit {
  readonly clock: Clock;
  readonly random: Random;
  /** Milliseconds since 1970, for ages and deaths. Default `Date.now`. */
  readonly wallNow?: () => number;
  readonly hooks?: DurableQueueHooks;
}

/** A call to be put into a queue. */
export interface QueuedCall {
  /** Stays the same however often the call is delivered. */
  readonly callId: string;
  /** The method's path, `push.v1.Register/Report`. */
  readonly path: string;
  /** Calls with the same key are delivered in the order in which they were put, each after the one before has ended. */
  readonly key?: string | undefined;
  readonly metadata?: Metadata | undefined;
  /** The encoded request; must not change until `put` has settled, nor later: it may be delivered from memory. */
  readonly payload: Uint8Array;
}

/** What a queue holds, and counts since it was made. */
export interface DurableQueueStats {
  /** Calls to be delivered. */
  readonly depth: number;
  /** What they take. */
  readonly bytes: number;
  /** Dead letters. */
  readonly dead: number;
  readonly deadBytes: number;
  /** How long the first call that is to be delivered has been in the queue, in milliseconds; 0 in an empty queue. */
  readonly oldestAgeMs: number;
  /** Deliveries under way. */
  readonly inFlight: number;
  /** Puts that were acknowledged. */
  readonly stored: number;
  /** Puts that failed. */
  readonly refused: number;
  readonly delivered: number;
  /** Attempts that failed, those that ran nothing among them. */
  readonly failed: number;
  /** Calls that became dead letters. */
  readonly buried: number;
  /**
   * What is in the way: why the queue could not be opened or read, or how the last attempt failed, for people. Undefined if nothing has gone
   * wrong since the last delivery.
   */
  readonly problem: string | undefined;
}

const DEFAULTS = {
  maxCalls: 100_000,
  maxBytes: 1024 * 1024 * 1024,
  concurrency: 16,
  maxAttempts: 16,
  initialBackoffMs: 100,
  maxBackoffMs: 30_000,
  maxSetAside: 250_000,
};

/** Option -> the least and the most that it may be. */
const RANGES: Readonly<Record<keyof typeof DEFAULTS, readonly [number, number]>> = {
  maxCalls: [1, 10_000_000],
  maxBytes: [1, Number.MAX_SAFE_INTEGER],
  concurrency: [1, 10_000],
  maxAttempts: [1, Number.POSITIVE_INFINITY],
  initialBackoffMs: [1, 3_600_000],
  maxBackoffMs: [1, 3_600_000],
  maxSetAside: [1, 10_000_000],
};

/** A named durable queue over a store. It can take calls in at once, and delivers from {@link start} on. */
export class DurableQueue {
  readonly name: string;
  private readonly store: QueueStore;
  private readonly settings: typeof DEFAULTS & DeliverySettings;
  private readonly surroundings: DeliverySurroundings;
  private readonly counters = new DeliveryRecord();
  private opening: Promise<StoredQueue> | undefined = undefined;
  private queue: StoredQueue | undefined = undefined;
  private loop: DeliveryLoop | undefined = undefined;
  /** Counts `start` and `stop`: what an older one began is void. */
  private era = 0;
  private isClosed = false;
  /** Under way. */
  private replays = 0;
  private stored = 0;
  private refused = 0;

  /** Throws `RangeError` for a wrong name, or for options of the store that are out of range. */
  constructor(store: QueueStore, name: string, { clock, random, wallNow = Date.now, hooks = {} }: DurableQueueInit) {
    this.name = checkQueueName(name);
    this.store = store;
    this.settings = checkQueueOptions(`queue "${name}"`, store.optionsOf(name));
    this.surroundings = { clock, random, wallNow, hooks };
  }

  /**
   * Stores a call; resolves once it is on disk: from then on it is delivered at least once, whatever happens to this process. Rejects with
   * RESOURCE_EXHAUSTED where the queue or the disk is full; `retry` is `"safe"` if the call is provably not stored.
   */
  async put(call: QueuedCall): Promise<void> {
    try {
      const queue = this.queue ?? (await this.open());
      await this.append(queue, recordOf(call, this.surroundings.wallNow()));
      this.stored++;
    } catch (thrown) {
      const error = thrown instanceof RpcError ? thrown : this.failure(Code.INTERNAL, String(thrown), thrown);
      this.refused++;
      throw error;
    }
  }

  /**
   * Begins to deliver; resolves when the queue has been opened, and rejects if it cannot be. After {@link stop} it may be called again, with
   * another function.
   */
  async start(deliver: Deliver): Promise<void> {
    if (this.loop !== undefined) throw this.failure(Code.FAILED_PRECONDITION, "is being delivered already");
    const era = ++this.era;
    const queue = await this.open();
    if (era !== this.era) return;
    this.loop = new DeliveryLoop(queue, this.settings, this.surroundings, this.counters, deliver);
    this.loop.start();
  }

  /** Begins no more deliveries; resolves when none is under way. Calls may still be put. */
  async stop(): Promise<void> {
    this.era++;
    const { loop } = this;
    await loop?.stop();
    if (this.loop === loop) this.loop = undefined;
  }

  /** Says that the other side can be reached again: a queue that has paused goes on at once. */
  wake(): void {
    this.loop?.wake();
  }

  /**
   * Ends deliveries and lets the queue go. It does not wait for those under way: their calls stay in the queue, and are delivered again. Await
   * {@link stop} first to let them finish.
   */
  async close(): Promise<void> {
    this.isClosed = true;
    this.era++;
    this.loop?.stop();
    const queue = this.queue ?? (await this.opening?.catch(() => undefined));
    await queue?.close();
  }

  stats(): DurableQueueStats {
    const held = this.queue?.counts() ?? { depth: 0, bytes: 0, dead: 0, deadBytes: 0, oldestAt: undefined };
    const { depth, bytes, dead, deadBytes, oldestAt } = held;
    const oldestAgeMs = oldestAt === undefined ? 0 : Math.max(0, this.surroundings.wallNow() - oldestAt);
    const { delivered, failed, buried, problem } = this.counters;
    const { stored, refused } = this;
    const inFlight = this.loop?.inFlight ?? 0;
    return {
      depth,
      bytes,
      dead,
      deadBytes,
      oldestAgeMs,
      inFlight,
      stored,
      refused,
      delivered,
      failed,
      buried,
      problem,
    };
  }

  /** The first records of the queue, or of its dead letters. */
  async peek(state: RecordState, records: number): Promise<StoredRecord[]> {
    return await (await this.open()).read(state, 0, { records, bytes: Number.POSITIVE_INFINITY });
  }

  /** Puts dead letters back, at the end of the queue: all, or those of one call id. Resolves with their number once that is on disk. */
  async replay(callId?: string): Promise<number> {
    const queue = await this.open();
    this.replays++;
    try {
      return await replay(queue, callId, () => this.loop?.lookAgain());
    } finally {
      this.replays--;
    }
  }

  /** Drops the dead letters, or everything; resolves with the number of records. */
  async purge(which: "dead" | "all"): Promise<number> {
    const queue = await this.open();
    if (which === "all") this.loop?.forget();
    return await purge(queue, which);
  }

  /** Opens the queue once; again after a failure. */
  private open(): Promise<StoredQueue> {
    if (this.isClosed) return Promise.reject(this.failure(Code.UNAVAILABLE, "is closed"));
    this.opening ??= this.openStored();
    return this.opening;
  }

  private async openStored(): Promise<StoredQueue> {
    try {
      this.queue = await this.store.open(this.name);
      this.counters.problem = undefined;
      return this.queue;
    } catch (error) {
      this.counters.problem = problemOf(error);
      this.opening = undefined;
      throw error;
    }
  }

  private async append(queue: StoredQueue, record: RecordInit): Promise<void> {
    this.checkRecord(record);
    this.checkRoom(queue, recordBytes(record));
    const sequence = await queue.append(record);
    // A dead letter may have come back before it, of which nobody has heard yet: then the store says in which order they go.
    if (this.replays > 0) this.loop?.lookAgain();
    else this.loop?.offer({ ...record, sequence, failures: 0, restarts: 0, death: undefined });
  }

  private checkRecord({ callId, path, key, payload }: RecordInit): void {
    for (const [what, text] of Object.entries({ callId, path, key }))
      if (text !== undefined && Buffer.byteLength(text) > MAX_NAME_BYTES)
        throw this.refusal(`the ${what} takes more than ${MAX_NAME_BYTES} bytes`, "never");
    if (payload.length > MAX_PAYLOAD_BYTES)
      throw this.refusal(`a payload of ${payload.length} bytes, limit ${MAX_PAYLOAD_BYTES}`, "never");
  }

  private checkRoom(queue: StoredQueue, more: number): void {
    const { depth, bytes, dead, deadBytes, pending, pendingBytes } = queue.counts();
    const { maxCalls, maxBytes } = this.settings;
    const calls = depth + dead + pending;
    const total = bytes + deadBytes + pendingBytes;
    const letters = dead > 0 ? `, ${dead} of them dead letters` : "";
    if (calls >= maxCalls) throw this.refusal(`${calls} calls in it${letters}, limit ${maxCalls}`, "safe");
    if (total + more > maxBytes) throw this.refusal(`${total} bytes in it, limit ${maxBytes}`, "safe");
    if (pending > 0 && pendingBytes + more > MAX_PENDING_BYTES)
      throw this.refusal(`${pendingBytes} bytes wait for the disk, limit ${MAX_PENDING_BYTES}`, "safe");
  }

  private refusal(text: string, retry: "safe" | "never"): RpcError {
    return localError(Code.RESOURCE_EXHAUSTED, `queue "${this.name}" at ${this.store.place}: ${text}`, retry);
  }

  private failure(code: Code, text: string, cause?: unknown): RpcError {
    return localError(code, `queue "${this.name}" at ${this.store.place} ${text}`, "safe", cause);
  }
}

function recordOf({ callId, path, key, metadata, payload }: QueuedCall, enqueuedAt: number): RecordInit {
  return { callId, path, key, enqueuedAt, metadata, payload };
}

/** Options with their defaults. Throws `RangeError` for one that is out of range, which begins with `what`. */
export function checkQueueOptions(what: string, options: QueueOptions): Required<QueueOptions> {
  const settings = { ...DEFAULTS };
  for (const [option, [least, most]] of Object.entries(RANGES) as [
    keyof typeof DEFAULTS,
    readonly [number, number],
  ][]) {
    const value = options[option] ?? DEFAULTS[option];
    const isWhole = Number.isInteger(value) || value === Number.POSITIVE_INFINITY;
    if (!isWhole || value < least || value > most)
      throw new RangeError(`${what}: ${option} must be a whole number from ${least} to ${most}, not ${value}`);
    settings[option] = value;
  }
  return settings;
}
