// A store that keeps its records in memory: for tests, and as the plainest form of what a store does. It survives nothing;
// closing a queue and opening it again is what a restart is to it.

import { Code, localError } from "../../codec/status.js";
import {
  alreadyOpen,
  checkQueueName,
  type Death,
  type QueueOptions,
  type QueueStore,
  type ReadLimits,
  type RecordInit,
  type RecordState,
  recordBytes,
  type StoredCounts,
  type StoredQueue,
  type StoredRecord,
} from "./store.js";

interface Held extends StoredRecord {
  failures: number;
  restarts: number;
  death: Death | undefined;
}

/** Counts the records in one state. */
class Tally {
  count = 0;
  bytes = 0;

  add(record: RecordInit, sign: 1 | -1): void {
    this.count += sign;
    this.bytes += sign * recordBytes(record);
  }
}

/** The records of a queue, which stay while nobody has it open. */
class Shelf {
  /** By sequence, in order. */
  readonly records = new Map<number, Held>();
  readonly alive = new Tally();
  readonly dead = new Tally();
  lastSequence = 0;
  isOpen = false;
}

class MemoryQueue implements StoredQueue {
  readonly name: string;
  private readonly shelf: Shelf;
  private isClosed = false;

  constructor(name: string, shelf: Shelf) {
    this.name = name;
    this.shelf = shelf;
  }

  async append(record: RecordInit): Promise<number> {
    if (this.isClosed) throw localError(Code.UNAVAILABLE, `queue "${this.name}" at memory is closed`, "safe");
    const sequence = ++this.shelf.lastSequence;
    this.add({ ...record, sequence, failures: 0, restarts: 0, death: undefined });
    return sequence;
  }

  async read(state: RecordState, after: number, limits: ReadLimits): Promise<StoredRecord[]> {
    const records: StoredRecord[] = [];
    let bytes = 0;
    for (const record of this.shelf.records.values()) {
      if (record.sequence <= after || stateOf(record) !== state) continue;
      bytes += recordBytes(record);
      if (records.length >= limits.records || (records.length > 0 && bytes > limits.bytes)) break;
      records.push(copyOf(record));
    }
    return records;
  }

  async get(sequences: readonly number[], bytes = Number.POSITIVE_INFINITY): Promise<(StoredRecord | undefined)[]> {
    const records: (StoredRecord | undefined)[] = [];
    let left = bytes;
    for (const sequence of sequences) {
      const record = this.shelf.records.get(sequence);
      left -= record === undefined ? 0 : recordBytes(record);
      if (left < 0 && records.length > 0) break;
      records.push(record && copyOf(record));
    }
    return records;
  }

  async remove(sequence: number): Promise<void> {
    this.drop(sequence);
  }

  fail(sequence: number): void {
    const record = this.open(sequence);
    if (record !== undefined) record.failures++;
  }

  async bury(record: StoredRecord, death: Death): Promise<void> {
    if (this.open(record.sequence) !== undefined) this.move(record, record.failures, death);
  }

  async revive(sequence: number): Promise<StoredRecord | undefined> {
    const record = this.open(sequence);
    return record?.death === undefined ? undefined : copyOf(this.move(record, 0, undefined));
  }

  counts(): StoredCounts {
    const { alive, dead, lastSequence } = this.shelf;
    const oldestAt = alive.count === 0 ? undefined : this.oldest()?.enqueuedAt;
    return {
      depth: alive.count,
      bytes: alive.bytes,
      dead: dead.count,
      deadBytes: dead.bytes,
      pending: 0,
      pendingBytes: 0,
      oldestAt,
      lastSequence,
    };
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.isClosed = true;
    this.shelf.isOpen = false;
  }

  private open(sequence: number): Held | undefined {
    return this.isClosed ? undefined : this.shelf.records.get(sequence);
  }

  /** Puts a record behind all others, in another state. */
  private move(record: StoredRecord, failures: number, death: Death | undefined): Held {
    this.drop(record.sequence);
    return this.add({ ...record, sequence: ++this.shelf.lastSequence, failures, death });
  }

  private drop(sequence: number): void {
    const record = this.open(sequence);
    if (record === undefined) return;
    this.shelf[stateOf(record)].add(record, -1);
    this.shelf.records.delete(sequence);
  }

  private add(record: Held): Held {
    this.shelf.records.set(record.sequence, record);
    this.shelf[stateOf(record)].add(record, 1);
    return record;
  }

  private oldest(): Held | undefined {
    for (const record of this.shelf.records.values()) if (record.death === undefined) return record;
    return undefined;
  }
}

/** Queues in memory. */
export class MemoryQueueStore implements QueueStore {
  readonly place = "memory";
  private readonly shelves = new Map<string, Shelf>();
  private readonly options: QueueOptions;
  private readonly byName: Readonly<Record<string, QueueOptions>>;

  constructor(options: QueueOptions, byName: Readonly<Record<string, QueueOptions>>) {
    this.options = options;
    this.byName = byName;
  }

  async open(name: string): Promise<StoredQueue> {
    const shelf = this.shelves.get(checkQueueName(name)) ?? new Shelf();
    if (shelf.isOpen) throw alreadyOpen(name, this.place);
    for (const record of shelf.records.values()) record.restarts++;
    shelf.isOpen = true;
    this.shelves.set(name, shelf);
    return new MemoryQueue(name, shelf);
  }

  async names(): Promise<string[]> {
    return [...this.shelves.keys()].sort();
  }

  optionsOf(name: string): QueueOptions {
    return { ...this.options, ...(Object.hasOwn(this.byName, name) ? this.byName[name] : undefined) };
  }

  async close(): Promise<void> {}
}

function copyOf(record: Held): StoredRecord {
  return { ...record, payload: Buffer.from(record.payload) };
}

function stateOf({ death }: StoredRecord): RecordState {
  return death === undefined ? "alive" : "dead";
}
