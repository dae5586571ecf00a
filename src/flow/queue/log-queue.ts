// One queue on disk: a log of segments in a folder. Records and what became of them are entries at the end of the newest
// segment; where each record is is known from tables in memory (about 30 bytes a record), and its bytes are read when they are wanted.
// Everything that is on disk is in the tables, and nothing else is: a record is entered when it is durable.

import { Code, localError } from "../../codec/status.js";
import type { Clock } from "../../transport/clock.js";
import { Compactor } from "./compactor.js";
import type { Disk } from "./disk.js";
import { encodeNote, encodeRecord, Kind, type RecordPlace } from "./log-format.js";
import { makeSecret, type Recovered, recover } from "./log-recovery.js";
import { LogWriter } from "./log-writer.js";
import { type Segment, State } from "./segment.js";
import type { ReadPlan, SegmentList } from "./segment-list.js";
import {
  type Death,
  type ReadLimits,
  type RecordInit,
  type RecordState,
  recordBytes,
  type StoredCounts,
  type StoredQueue,
  type StoredRecord,
} from "./store.js";

/** What a queue on disk is opened with. */
export interface LogQueueInit {
  readonly disk: Disk;
  readonly clock: Clock;
  /** The store's path, for messages. */
  readonly place: string;
  readonly folder: string;
  readonly segmentBytes: number;
  /** Told once of everything that is not as it was written. */
  readonly onDamage: (text: string) => void;
  readonly onClose: () => void;
}

/** Opens a queue, and makes it durable that it was opened; makes it if it is not there. */
export async function openLogQueue(name: string, init: LogQueueInit): Promise<StoredQueue> {
  const { disk, folder, onDamage } = init;
  await disk.makeFolder(folder);
  const recovered = await recover(disk, folder);
  for (const text of recovered.damage) onDamage(text);
  // Segments without a secret are sealed with none, and so are those that follow them.
  const isNew = recovered.list.segments.length === 0;
  const secret = recovered.secret ?? (isNew ? await makeSecret(disk, folder) : 0);
  const queue = new LogQueue(name, init, { ...recovered, secret });
  try {
    for (const leftover of recovered.leftovers) await disk.remove(`${folder}/${leftover}`);
    // They would count again if what replaces them went before them.
    if (recovered.leftovers.length > 0) await disk.syncFolder(folder);
    await queue.begin();
  } catch (error) {
    await queue.close();
    throw error;
  }
  return queue;
}

class LogQueue implements StoredQueue {
  readonly name: string;
  private readonly init: LogQueueInit;
  private readonly list: SegmentList;
  private readonly writer: LogWriter;
  private readonly compactor: Compactor;
  private readonly run: number;
  private nextSequence: number;
  private pending = 0;
  private pendingBytes = 0;
  private readonly reviving = new Set<number>();
  private isClosed = false;
  private closing: Promise<void> | undefined = undefined;

  constructor(name: string, init: LogQueueInit, recovered: Recovered & { readonly secret: number }) {
    const { list, run, secret, nextSequence, nextNumber } = recovered;
    const { disk, clock, place, folder, segmentBytes } = init;
    this.name = name;
    this.init = init;
    this.list = list;
    this.run = run + 1;
    this.nextSequence = nextSequence;
    const shared = {
      disk,
      clock,
      folder,
      list,
      segmentBytes,
      secret,
      run: this.run,
      nextSequence: () => this.nextSequence,
    };
    const title = `queue "${name}" at ${place}`;
    this.writer = new LogWriter({ ...shared, nextNumber, title, onSealed: () => this.compactor.kick() });
    this.compactor = new Compactor({ ...shared, current: () => this.writer.current });
  }

  /**
   * What is left from before may have been under way when its process ended: that this is another run is made durable before anything is
   * delivered again. An empty queue waits for its first record, a full disk for the space that deliveries make: until then attempts are
   * numbered as in the last run.
   */
  async begin(): Promise<void> {
    if (this.list.counts().depth > 0) await this.writer.begin();
    this.compactor.kick();
  }

  async append(record: RecordInit): Promise<number> {
    const bytes = recordBytes(record);
    this.countPending(bytes, 1);
    const place = { replaces: 0, failures: 0, death: undefined };
    try {
      return await this.write(record, place, () => this.countPending(bytes, -1));
    } catch (error) {
      this.countPending(bytes, -1);
      throw error;
    }
  }

  async read(state: RecordState, after: number, limits: ReadLimits): Promise<StoredRecord[]> {
    for (;;) {
      const plans = this.list.plan(state, after, limits);
      const records = await this.tryRead(plans);
      // Where everything that was found is damaged, there may be more behind it.
      if (records !== undefined && (records.length > 0 || plans.length === 0)) return records;
    }
  }

  async get(sequences: readonly number[], bytes = Number.POSITIVE_INFINITY): Promise<(StoredRecord | undefined)[]> {
    let left = bytes;
    const end = sequences.findIndex((sequence, index) => {
      left -= this.list.countedBytes(sequence);
      return left < 0 && index > 0;
    });
    const within = end < 0 ? sequences : sequences.slice(0, end);
    return await Promise.all(within.map((sequence) => this.getOne(sequence, undefined)));
  }

  async remove(sequence: number): Promise<void> {
    const segment = this.isClosed ? undefined : this.list.remove(sequence);
    if (segment === undefined) return;
    this.onGarbage(segment);
    await this.writer.note(encodeNote(Kind.REMOVE, sequence));
  }

  fail(sequence: number): void {
    if (!this.isClosed && this.list.fail(sequence)) this.writer.note(encodeNote(Kind.FAIL, sequence));
  }

  async bury(record: StoredRecord, death: Death): Promise<void> {
    if (this.list.find(record.sequence, State.ALIVE) === undefined) return;
    await this.write(record, { replaces: record.sequence, failures: record.failures, death });
  }

  async revive(sequence: number): Promise<StoredRecord | undefined> {
    // Whoever comes second would make another one of it.
    if (this.reviving.has(sequence)) return undefined;
    this.reviving.add(sequence);
    try {
      return await this.moveBack(sequence);
    } finally {
      this.reviving.delete(sequence);
    }
  }

  private async moveBack(sequence: number): Promise<StoredRecord | undefined> {
    const record = await this.getOne(sequence, State.DEAD);
    if (record === undefined) return undefined;
    const moved = await this.write(record, { replaces: sequence, failures: 0, death: undefined });
    return { ...record, sequence: moved, failures: 0, restarts: 0, death: undefined };
  }

  counts(): StoredCounts {
    const { pending, pendingBytes } = this;
    return { ...this.list.counts(), pending, pendingBytes };
  }

  flush(): Promise<void> {
    return this.writer.flush();
  }

  /** Everybody who closes it waits for the same end. */
  close(): Promise<void> {
    this.isClosed = true;
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    await this.writer.close();
    await this.compactor.close();
    // Everything in them is synced that could be: whether the system likes to close them changes nothing.
    await Promise.allSettled(this.list.segments.map((segment) => segment.close()));
    this.init.onClose();
  }

  private countPending(bytes: number, sign: 1 | -1): void {
    this.pending += sign;
    this.pendingBytes += sign * bytes;
  }

  private async write(
    record: RecordInit,
    place: Omit<RecordPlace, "sequence" | "run">,
    onDurable: () => void = () => {},
  ): Promise<number> {
    const sequence = this.nextSequence++;
    const entry = encodeRecord(record, { ...place, sequence, run: this.run });
    await this.writer.append(entry, (segment, offset) => {
      const replaced = this.list.remove(place.replaces);
      this.list.add(segment, sequence, entry, offset, place.failures);
      if (replaced !== undefined) this.onGarbage(replaced);
      onDurable();
    });
    return sequence;
  }

  private async getOne(sequence: number, state: State | undefined): Promise<StoredRecord | undefined> {
    for (;;) {
      const plan = this.list.find(sequence, state);
      const records = await this.tryRead(plan === undefined ? [] : [plan]);
      if (records !== undefined) return records[0];
    }
  }

  /** Undefined: the segments have changed meanwhile. */
  private async tryRead(plans: readonly ReadPlan[]): Promise<StoredRecord[] | undefined> {
    if (this.isClosed)
      throw localError(Code.UNAVAILABLE, `queue "${this.name}" at ${this.init.place} is closed`, "safe");
    const records: StoredRecord[] = [];
    try {
      for (const { segment, rows } of plans) records.push(...(await this.readRows(segment, rows)));
    } catch (error) {
      if (plans.some(({ segment }) => segment.isRetired)) return undefined;
      throw error;
    }
    return records;
  }

  private readRows(segment: Segment, rows: readonly number[]): Promise<StoredRecord[]> {
    return segment.read(rows, this.run, (row) => {
      if (segment.isRetired) return;
      const sequence = segment.table.sequences[row] as number;
      this.init.onDamage(`${segment.path}: record ${sequence} is damaged and lost`);
      this.list.remove(sequence);
    });
  }

  /** A record in it is gone. */
  private onGarbage(segment: Segment): void {
    if (segment !== this.writer.current && segment.takeLook()) this.compactor.kick();
  }
}
