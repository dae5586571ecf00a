// One file of a queue's log, and the table of the records in it: where each is and in which state, about 30 bytes a record,
// in order of their sequences. Its bytes on disk are only ever added to, by the log that made it; states change here at once
// and are written down as entries of the newest segment.

import type { Disk, DiskFile } from "./disk.js";
import { countedBytes, decodeRecord, enqueuedAtOf, entryBytes, isDead, seedOf } from "./log-format.js";
import type { ReadLimits, RecordState, StoredRecord } from "./store.js";

/** The states of a record in a table. */
export const State = { GONE: 0, ALIVE: 1, DEAD: 2 } as const;
/** One of the states. */
export type State = (typeof State)[keyof typeof State];

/** Neighbours are read together up to this many bytes. */
const SPAN_BYTES = 1024 * 1024;
const INITIAL_ROWS = 16;

/** Where records are; a row for each, in columns. */
export class RecordTable {
  length = 0;
  sequences: Float64Array = new Float64Array(INITIAL_ROWS);
  enqueuedAt: Float64Array = new Float64Array(INITIAL_ROWS);
  offsets: Uint32Array = new Uint32Array(INITIAL_ROWS);
  /** The length of the entry. */
  sizes: Uint32Array = new Uint32Array(INITIAL_ROWS);
  /** What the record counts for. */
  counted: Uint32Array = new Uint32Array(INITIAL_ROWS);
  failures: Uint16Array = new Uint16Array(INITIAL_ROWS);
  states: Uint8Array = new Uint8Array(INITIAL_ROWS);

  /** Adds a row behind all others. */
  add(sequence: number, entry: Buffer, offset: number, failures: number): void {
    if (this.length === this.sequences.length) this.grow();
    const row = this.length++;
    this.sequences[row] = sequence;
    this.enqueuedAt[row] = enqueuedAtOf(entry);
    this.offsets[row] = offset;
    this.sizes[row] = entry.length;
    this.counted[row] = countedBytes(entry);
    this.failures[row] = failures;
    this.states[row] = isDead(entry) ? State.DEAD : State.ALIVE;
  }

  /** The first row whose sequence is `sequence` or higher. */
  lowerBound(sequence: number): number {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.sequences[middle] as number) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The row of a record, in whatever state; -1 if it is not here. */
  rowOf(sequence: number): number {
    const row = this.lowerBound(sequence);
    return row < this.length && this.sequences[row] === sequence ? row : -1;
  }

  private grow(): void {
    const rows = this.sequences.length * 2;
    const wider = <Column extends Float64Array | Uint32Array | Uint16Array | Uint8Array>(
      column: Column,
      next: Column,
    ): Column => {
      next.set(column);
      return next;
    };
    this.sequences = wider(this.sequences, new Float64Array(rows));
    this.enqueuedAt = wider(this.enqueuedAt, new Float64Array(rows));
    this.offsets = wider(this.offsets, new Uint32Array(rows));
    this.sizes = wider(this.sizes, new Uint32Array(rows));
    this.counted = wider(this.counted, new Uint32Array(rows));
    this.failures = wider(this.failures, new Uint16Array(rows));
    this.states = wider(this.states, new Uint8Array(rows));
  }
}

/** Which segments one stands for, and whose it is. */
export interface SegmentRange {
  readonly number: number;
  readonly from: number;
  /** The queue's. */
  readonly secret: number;
}

/** A segment of a log. */
export class Segment {
  readonly number: number;
  /** It stands for the segments from this one on; its own number if it replaces none. */
  readonly from: number;
  /** What its entries are sealed with. */
  readonly seed: number;
  readonly path: string;
  readonly table: RecordTable = new RecordTable();
  /** The bytes that are in use, the header among them. */
  bytes: number;
  /** The bytes of the entries whose records are not gone. */
  usedBytes = 0;
  /** The highest sequence in it and in the segments before it. */
  highest = 0;
  /** Files that it replaces and that are still there: they would count again if it went before them. */
  leftovers: readonly string[] = [];
  /** What was in use when it was put together from others; undefined if it was not. */
  usedAtMerge: number | undefined = undefined;
  private readonly disk: Disk;
  private file: Promise<DiskFile> | undefined;
  private readers = 0;
  private nextLook: number | undefined = undefined;
  private retired = false;

  constructor(disk: Disk, path: string, { number, from, secret }: SegmentRange, bytes: number, file?: DiskFile) {
    this.disk = disk;
    this.path = path;
    this.number = number;
    this.from = from;
    this.seed = seedOf(secret, number);
    this.bytes = bytes;
    this.file = file === undefined ? undefined : Promise.resolve(file);
  }

  /** A record's entry is at `offset`. */
  add(sequence: number, entry: Buffer, offset: number, failures: number): void {
    this.table.add(sequence, entry, offset, failures);
    this.usedBytes += entry.length;
  }

  /** Changes a state; the result is the one before. */
  setState(row: number, state: State): State {
    const { table } = this;
    const before = table.states[row] as State;
    if (before !== State.GONE && state === State.GONE) this.usedBytes -= table.sizes[row] as number;
    table.states[row] = state;
    return before;
  }

  /** True at the moments at which it may have become worth giving back: half of it counts, half of that, ... nothing. */
  takeLook(): boolean {
    const look = this.nextLook ?? this.bytes / 2;
    if (this.usedBytes > look) return false;
    this.nextLook = this.usedBytes === 0 ? -1 : Math.floor(this.usedBytes / 2);
    return true;
  }

  /** The rows from `row` on that are in this state, within the limits of which `taken` is used up. */
  rowsFrom(row: number, state: RecordState, limits: ReadLimits, taken: { records: number; bytes: number }): number[] {
    const { table } = this;
    const wanted = state === "alive" ? State.ALIVE : State.DEAD;
    const rows: number[] = [];
    for (let at = row; at < table.length && taken.records < limits.records; at++) {
      if (table.states[at] !== wanted) continue;
      const bytes = table.counted[at] as number;
      if (taken.records > 0 && taken.bytes + bytes > limits.bytes) {
        taken.records = Number.POSITIVE_INFINITY;
        break;
      }
      taken.records++;
      taken.bytes += bytes;
      rows.push(at);
    }
    return rows;
  }

  /** Reads the records of these rows, ascending; `onDamage` is told of those that are not what was written, which are left out. */
  async read(rows: readonly number[], run: number, onDamage: (row: number) => void): Promise<StoredRecord[]> {
    const records: StoredRecord[] = [];
    this.readers++;
    try {
      for (const span of this.spansOf(rows)) records.push(...(await this.readSpan(span, run, onDamage)));
    } finally {
      this.readers--;
      if (this.retired) await this.retire();
    }
    return records;
  }

  /** True once its file is gone or another one's: what could not be read of it is in another segment. */
  get isRetired(): boolean {
    return this.retired;
  }

  /** All bytes of the file that are in use. */
  async readAll(): Promise<Buffer> {
    return await (await this.open()).read(0, this.bytes);
  }

  /** The file. */
  async open(): Promise<DiskFile> {
    if (this.retired && this.file === undefined) throw new Error(`${this.path} was replaced`);
    const file = this.file ?? this.disk.open(this.path);
    this.file = file;
    try {
      return await file;
    } catch (error) {
      this.file = undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    const file = await this.file?.catch(() => undefined);
    this.file = undefined;
    await file?.close();
  }

  /** Its file has been replaced or removed: closes it once nobody reads it. */
  async retire(): Promise<void> {
    this.retired = true;
    if (this.readers === 0) await this.close();
  }

  /** Rows whose entries lie close together are read at once. */
  private spansOf(rows: readonly number[]): number[][] {
    const { offsets, sizes } = this.table;
    const spans: number[][] = [];
    let begin = 0;
    for (const row of rows) {
      const end = (offsets[row] as number) + (sizes[row] as number);
      const span = spans.at(-1);
      if (span !== undefined && end - begin <= SPAN_BYTES) span.push(row);
      else {
        spans.push([row]);
        begin = offsets[row] as number;
      }
    }
    return spans;
  }

  private async readSpan(
    rows: readonly number[],
    run: number,
    onDamage: (row: number) => void,
  ): Promise<StoredRecord[]> {
    const { offsets, sizes, failures } = this.table;
    const begin = offsets[rows[0] as number] as number;
    const last = rows.at(-1) as number;
    const end = (offsets[last] as number) + (sizes[last] as number);
    const buf = await (await this.open()).read(begin, end - begin);
    return rows.flatMap((row) => {
      const at = (offsets[row] as number) - begin;
      const entry = buf.subarray(at, at + (sizes[row] as number));
      if (entryBytes(entry, 0, this.seed) === sizes[row]) return [decodeRecord(entry, run, failures[row] as number)];
      onDamage(row);
      return [];
    });
  }
}
