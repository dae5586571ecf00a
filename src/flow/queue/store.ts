// What keeps the calls of named durable queues: a store holds queues by name, a stored queue holds records in the order
// in which they came. Invariants of every store: what `append` has resolved for is on disk and is given out by `read`
// until it is removed, through any crash; a removal may be forgotten in a crash, which costs a second delivery and
// nothing else; a sequence is never given twice. Delivery, order by key and backoff are not its business:
// `durable-queue.ts` has them.

import type { Metadata } from "../../codec/metadata.js";
import { Code, codeName, localError, RpcError } from "../../codec/status.js";

/** A call to be stored. */
export interface RecordInit {
  /** The call's id: stays the same however often it is delivered. At most {@link MAX_NAME_BYTES} of UTF-8, as path and key. */
  readonly callId: string;
  /** The method's path, `push.v1.Register/Report`. */
  readonly path: string;
  /** Records with the same key are delivered in order; undefined: in no order with any other. */
  readonly key: string | undefined;
  /** When it was put, in milliseconds since 1970. */
  readonly enqueuedAt: number;
  readonly metadata: Metadata | undefined;
  /** The encoded request. Belongs to the store until `append` settles. */
  readonly payload: Uint8Array;
}

/** Why a record is among the dead letters. */
export interface Death {
  /** When, in milliseconds since 1970. */
  readonly at: number;
  readonly code: Code;
  /** The text of the last error; long ones are cut. */
  readonly message: string;
}

/** A record as a store gives it out. */
export interface StoredRecord extends RecordInit {
  /** Its place in the queue: later records have higher ones; gaps mean nothing. */
  readonly sequence: number;
  /** Attempts that `fail` has noted. */
  readonly failures: number;
  /** How often the store was opened again since the record came: each may have cut off an attempt that nobody noted. */
  readonly restarts: number;
  /** Undefined while the record is to be delivered. */
  readonly death: Death | undefined;
}

/** Counts of one queue; no record is in two of them. */
export interface StoredCounts {
  /** Records to be delivered. */
  readonly depth: number;
  /** What they take, by {@link recordBytes}. */
  readonly bytes: number;
  /** Dead letters. */
  readonly dead: number;
  readonly deadBytes: number;
  /** Records that are being appended, and not among the others yet. */
  readonly pending: number;
  readonly pendingBytes: number;
  /** When the first record to be delivered was put, in milliseconds since 1970; undefined in an empty queue. */
  readonly oldestAt: number | undefined;
  /** The sequence of the last record that is durable; 0 before the first. */
  readonly lastSequence: number;
}

/** How much {@link StoredQueue.read} gives at once. */
export interface ReadLimits {
  readonly records: number;
  /** By {@link recordBytes}; the first record is given even if it is larger. */
  readonly bytes: number;
}

/** Which records: those to be delivered, or the dead letters. */
export type RecordState = "alive" | "dead";

/** One queue of a store. What cannot fail (`remove`, `fail`) acts at once, and does nothing once the queue is closed. */
export interface StoredQueue {
  readonly name: string;

  /**
   * Adds a record behind all others; resolves with its sequence once it is on disk, one sync for all that came meanwhile,
   * and in the order of the calls. Rejects with an `RpcError` that names the queue, the place and the cause, with RESOURCE_EXHAUSTED
   * where there is no space left; its `retry` is `"safe"` if the record is provably not kept.
   */
  append(record: RecordInit): Promise<number>;

  /** Durable records after the sequence `after`, in order. */
  read(state: RecordState, after: number, limits: ReadLimits): Promise<StoredRecord[]>;

  /**
   * The records with these sequences, in this order; undefined for one that is gone. Those that would take more than `bytes` are left off the end;
   * the first is given even if it is larger. Default: all.
   */
  get(sequences: readonly number[], bytes?: number): Promise<(StoredRecord | undefined)[]>;

  /**
   * Takes a record out for good: it was delivered, or nobody wants it. Resolves once that survives the end of this process, or could not be
   * written yet; never rejects. Only a failure of the machine may undo it, for a second.
   */
  remove(sequence: number): Promise<void>;

  /** Notes that an attempt has failed. Lazily durable. */
  fail(sequence: number): void;

  /**
   * Moves a record to the end of the dead letters, where it has another sequence; resolves once that is on disk. Rejects as `append` does, and the
   * record is as it was.
   */
  bury(record: StoredRecord, death: Death): Promise<void>;

  /**
   * Moves a dead letter to the end of the queue, without failures; resolves with the record as it is there, once that is on disk, or with
   * undefined if there is no such dead letter. Rejects as `append` does.
   */
  revive(sequence: number): Promise<StoredRecord | undefined>;

  counts(): StoredCounts;

  /** Resolves once everything so far is on disk, removals too. */
  flush(): Promise<void>;

  /** Flushes, and lets the name go. What was not durable rejects. */
  close(): Promise<void>;
}

/** What a queue is allowed and how it behaves; every one has a default. */
export interface QueueOptions {
  /** Records in it, dead letters among them; 1 to 10,000,000. Default 100,000. */
  readonly maxCalls?: number;
  /** Bytes of them, by {@link recordBytes}. Default 1 GiB. */
  readonly maxBytes?: number;
  /** Deliveries under way at once, 1 to 10,000. Default 16. */
  readonly concurrency?: number;
  /** Failed attempts after which a record is a dead letter, 1 to Infinity. Default 16. Attempts that provably ran nothing do not count. */
  readonly maxAttempts?: number;
  /** The delay after the first failure of a record, before jitter, in milliseconds; it doubles each time. Default 100. */
  readonly initialBackoffMs?: number;
  /** The longest delay before jitter, in milliseconds. Default 30,000. */
  readonly maxBackoffMs?: number;
  /**
   * Records that may wait behind an earlier one of their key or for their next attempt while later ones are delivered, at least 1; where there are more,
   * those behind them wait too. Each takes about 100 bytes of memory. Default 250,000.
   */
  readonly maxSetAside?: number;
}

/** Queues by name. One process owns a store at a time. */
export interface QueueStore {
  /** What messages call it: its path, or `memory`. */
  readonly place: string;

  /**
   * The queue of this name, made if it is not there. Rejects FAILED_PRECONDITION while somebody in this process has it open: two users
   * would deliver each other's records. Throws `RangeError` for a name that {@link checkQueueName} refuses.
   */
  open(name: string): Promise<StoredQueue>;

  /** The names of all queues that exist, sorted. */
  names(): Promise<string[]>;

  /** What the store was told about this queue. */
  optionsOf(name: string): QueueOptions;

  /** Closes every queue and lets the store go. */
  close(): Promise<void>;
}

/** The most bytes of UTF-8 of a call id, a path or a key. */
export const MAX_NAME_BYTES = 65_535;
/** The most bytes of a payload. */
export const MAX_PAYLOAD_BYTES: number = 64 * 1024 * 1024;
/** Bytes of one queue that may be on their way to the disk; one call may be more. A disk that stands still must not fill the memory. */
export const MAX_PENDING_BYTES: number = 64 * 1024 * 1024;
/** The text of a dead letter's error is cut to this many characters. */
export const MAX_DEATH_CHARACTERS = 1_000;
/** What a record takes beside its texts and its bytes. */
export const RECORD_OVERHEAD_BYTES = 56;

/** What a record counts for in the limits of a queue: about what it takes on disk. */
export function recordBytes({ callId, path, key, metadata, payload }: RecordInit): number {
  let bytes = RECORD_OVERHEAD_BYTES + textBytes(callId) + textBytes(path) + payload.length;
  if (key !== undefined) bytes += textBytes(key);
  if (metadata !== undefined) for (const [name, value] of metadata) bytes += name.length + value.length + 3;
  return bytes;
}

function textBytes(text: string): number {
  return Buffer.byteLength(text);
}

const QUEUE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;

/** Throws `RangeError` for what is no name of a queue: 1 to 100 of the characters A-Z a-z 0-9 _ . -, the first no dot or dash. */
export function checkQueueName(name: string): string {
  if (QUEUE_NAME.test(name)) return name;
  throw new RangeError(
    `queue name ${JSON.stringify(name)}: use 1 to 100 of the characters A-Z a-z 0-9 _ . -, the first no dot or dash`,
  );
}

/** The error of a queue that somebody has open already. */
export function alreadyOpen(name: string, place: string): RpcError {
  const text = `queue "${name}" at ${place} is in use by another channel of this process: give each a queue or a store of its own`;
  return localError(Code.FAILED_PRECONDITION, text, "safe");
}

/** A death with the last error of a record. */
export function deathOf(error: RpcError, at: number): Death {
  return { at, code: error.code, message: error.message.slice(0, MAX_DEATH_CHARACTERS) };
}

/** What went wrong, for people: `UNAVAILABLE: connection lost`. Long texts are cut. */
export function problemOf(error: unknown): string {
  const text = error instanceof RpcError ? `${codeName(error.code)}: ${error.message}` : String(error);
  return text.slice(0, MAX_DEATH_CHARACTERS);
}
