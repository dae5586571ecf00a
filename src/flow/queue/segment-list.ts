// The segments of a queue's log, oldest first, and what is in them by sequence. Sequences rise from segment to segment, so
// that the order of the list is the order of the queue. It counts; it writes nothing.

import { type RecordTable, type Segment, State } from "./segment.js";
import type { ReadLimits, RecordState, StoredCounts } from "./store.js";

/** Records of one segment that are to be read. */
export interface ReadPlan {
  readonly segment: Segment;
  readonly rows: readonly number[];
}

/** How many records are in one state, and what they count for. */
class Tally {
  count = 0;
  bytes = 0;
}

/** The segments of one log. */
export class SegmentList {
  readonly segments: Segment[] = [];
  /** By state; those that are gone are not counted. */
  private readonly tallies: readonly [undefined, Tally, Tally] = [undefined, new Tally(), new Tally()];
  /** The last sequence of a record that was added. */
  lastSequence = 0;
  /** No record in a segment before this one is alive. */
  private oldestSegment: Segment | undefined = undefined;
  /** Nor one in a row before this one of it. */
  private oldestRow = 0;

  /** Adds the newest segment. */
  push(segment: Segment): void {
    segment.highest = this.lastSequence;
    this.segments.push(segment);
  }

  /** A record's entry is in the segment, which is the last one. */
  add(segment: Segment, sequence: number, entry: Buffer, offset: number, failures: number): void {
    segment.add(sequence, entry, offset, failures);
    segment.highest = this.lastSequence = sequence;
    this.tally(segment, segment.table.length - 1, 1);
  }

  /** A record is gone; the result is its segment, or undefined if it was gone before. */
  remove(sequence: number): Segment | undefined {
    const segment = this.segmentOf(sequence);
    const row = segment?.table.rowOf(sequence) ?? -1;
    if (segment === undefined || row < 0 || segment.table.states[row] === State.GONE) return undefined;
    this.tally(segment, row, -1);
    segment.setState(row, State.GONE);
    return segment;
  }

  /** A record has one more failure. False: it is gone. */
  fail(sequence: number): boolean {
    const { table } = this.segmentOf(sequence) ?? { table: undefined };
    const row = table?.rowOf(sequence) ?? -1;
    if (table === undefined || row < 0 || table.states[row] === State.GONE) return false;
    table.failures[row] = Math.min((table.failures[row] as number) + 1, 0xffff);
    return true;
  }

  /** True if the record's entry is on disk, whether it counts or not. */
  holds(sequence: number): boolean {
    return (this.segmentOf(sequence)?.table.rowOf(sequence) ?? -1) >= 0;
  }

  /** What a record counts for; 0 if it is gone. */
  countedBytes(sequence: number): number {
    const { segment, rows } = this.find(sequence) ?? { segment: undefined, rows: [] };
    return segment?.table.counted[rows[0] as number] ?? 0;
  }

  /** Where a record is that is in this state, or in any but gone. */
  find(sequence: number, state?: State): ReadPlan | undefined {
    const segment = this.segmentOf(sequence);
    const row = segment?.table.rowOf(sequence) ?? -1;
    if (segment === undefined || row < 0) return undefined;
    const found = segment.table.states[row] as State;
    const isWanted = state === undefined ? found !== State.GONE : found === state;
    return isWanted ? { segment, rows: [row] } : undefined;
  }

  /** What there is to read after the sequence `after`, in order. */
  plan(state: RecordState, after: number, limits: ReadLimits): ReadPlan[] {
    const plans: ReadPlan[] = [];
    const taken = { records: 0, bytes: 0 };
    for (let index = this.indexFrom(after + 1); index < this.segments.length; index++) {
      const segment = this.segments[index] as Segment;
      const rows = segment.rowsFrom(segment.table.lowerBound(after + 1), state, limits, taken);
      if (rows.length > 0) plans.push({ segment, rows });
      if (taken.records >= limits.records) break;
    }
    return plans;
  }

  /** Puts one in the place of several that lie side by side, with the states that their records have now. */
  replace(old: readonly Segment[], merged: Segment): void {
    const index = this.segments.indexOf(old[0] as Segment);
    for (const { table } of old) copyStates(table, merged);
    merged.highest = (old.at(-1) as Segment).highest;
    this.segments.splice(index, old.length, merged);
    this.oldestSegment = undefined;
  }

  /** Takes out a segment in which nothing counts. */
  drop(segment: Segment): void {
    this.segments.splice(this.segments.indexOf(segment), 1);
    if (this.oldestSegment === segment) this.oldestSegment = undefined;
  }

  /** What is counted here: all but what is on its way. */
  counts(): StoredCounts {
    const [, alive, dead] = this.tallies;
    return {
      depth: alive.count,
      bytes: alive.bytes,
      dead: dead.count,
      deadBytes: dead.bytes,
      pending: 0,
      pendingBytes: 0,
      oldestAt: alive.count === 0 ? undefined : this.oldestAt(),
      lastSequence: this.lastSequence,
    };
  }

  /** The segment that has the record if any has. */
  private segmentOf(sequence: number): Segment | undefined {
    return this.segments[this.indexFrom(sequence)];
  }

  /** The first segment that reaches up to this sequence. */
  private indexFrom(sequence: number): number {
    let [low, high] = [0, this.segments.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.segments[middle] as Segment).highest < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private oldestAt(): number {
    this.oldestSegment ??= this.startOver();
    let index = this.segments.indexOf(this.oldestSegment);
    for (;;) {
      const { table } = this.segments[index] as Segment;
      while (this.oldestRow < table.length && table.states[this.oldestRow] !== State.ALIVE) this.oldestRow++;
      if (this.oldestRow < table.length) return table.enqueuedAt[this.oldestRow] as number;
      this.oldestSegment = this.segments[++index] as Segment;
      this.oldestRow = 0;
    }
  }

  private startOver(): Segment {
    this.oldestRow = 0;
    return this.segments[0] as Segment;
  }

  private tally({ table }: Segment, row: number, sign: 1 | -1): void {
    const tally = this.tallies[table.states[row] as State];
    if (tally === undefined) return;
    tally.count += sign;
    tally.bytes += sign * (table.counted[row] as number);
  }
}

/** States and failures may have changed while the records were copied. */
function copyStates(from: RecordTable, merged: Segment): void {
  for (let row = 0; row < from.length; row++) {
    const target = merged.table.rowOf(from.sequences[row] as number);
    if (target < 0) continue;
    merged.setState(target, from.states[row] as State);
    merged.table.failures[target] = from.failures[row] as number;
  }
}
