// Gives space back. Segments at the front in which nothing counts any more are removed: that needs no space, and is all that
// happens to a queue whose records come and go. Where something old stays (a dead letter, a failing record), segments that are
// mostly garbage are put together into one that takes the place of all of them. Invariants: what replaces is durable before
// what it replaces is removed; a note is kept as long as the record that it is about is on disk before it; so the records
// that a crash leaves are the same at every moment.

import type { Clock } from "../../transport/clock.js";
import type { Disk, DiskFile } from "./disk.js";
import {
  encodeHeader,
  encodeNote,
  HEADER_BYTES,
  Kind,
  kindOf,
  replacedBy,
  sealEntry,
  sequenceOf,
} from "./log-format.js";
import { entriesOf } from "./log-recovery.js";
import { Segment, State } from "./segment.js";
import type { SegmentList } from "./segment-list.js";

/** Entries are gone through in pieces of this size, so that other work has its turns between them. */
const PIECE_BYTES = 256 * 1024;
/** This many segments more than their bytes need are left alone. */
const SPARE_SEGMENTS = 8;

/** What a compactor is given. */
export interface CompactorInit {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly folder: string;
  readonly list: SegmentList;
  readonly segmentBytes: number;
  readonly run: number;
  readonly secret: number;
  readonly nextSequence: () => number;
  /** The segment that is being written, which is left alone. */
  readonly current: () => Segment | undefined;
}

/** Removes and merges the segments of one log, one thing at a time. */
export class Compactor {
  private readonly init: CompactorInit;
  private running: Promise<void> | undefined = undefined;
  private isAskedAgain = false;
  private isClosed = false;

  constructor(init: CompactorInit) {
    this.init = init;
  }

  /** Looks whether there is something to give back. What goes wrong (no space to merge) is left for the next time. */
  kick(): void {
    this.isAskedAgain = true;
    this.running ??= this.run();
  }

  /** Ends; resolves when nothing is under way. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.running;
  }

  private async run(): Promise<void> {
    try {
      while (this.isAskedAgain && !this.isClosed) {
        this.isAskedAgain = false;
        await this.dropEmpty();
        for (let chosen = this.choose(); chosen.length > 0 && !this.isClosed; chosen = this.choose()) {
          await this.merge(chosen);
          await this.dropEmpty();
        }
      }
    } catch {
      this.isAskedAgain = false;
    } finally {
      this.running = undefined;
    }
  }

  /** Those at the front in which nothing counts, and those in which there is nothing. */
  private async dropEmpty(): Promise<void> {
    const { disk, folder, list } = this.init;
    for (let index = 0; index < list.segments.length; ) {
      const segment = list.segments[index] as Segment;
      const isEmpty = index === 0 ? segment.usedBytes === 0 : segment.bytes === HEADER_BYTES;
      if (!isEmpty || segment === this.init.current()) {
        index++;
        continue;
      }
      await this.removeLeftovers(segment);
      await disk.remove(segment.path);
      list.drop(segment);
      await segment.retire();
      // The next one may have the notes about this one's records.
      await disk.syncFolder(folder);
    }
  }

  /** Neighbours that are worth putting together; none while the garbage is less than what counts, or than a segment. */
  private choose(): Segment[] {
    const { segmentBytes, list } = this.init;
    const closed = list.segments.filter((segment) => segment !== this.init.current());
    const total = sum(closed, ({ bytes }) => bytes);
    const used = sum(closed, ({ usedBytes }) => usedBytes);
    const isWasteful = total - used > Math.max(segmentBytes, used);
    const isScattered = closed.length > SPARE_SEGMENTS + (2 * total) / segmentBytes;
    if (!isWasteful && !isScattered) return [];
    return this.runsOf(closed).find((run) => run.length > 1 || isShrunk(run[0] as Segment)) ?? [];
  }

  /** Neighbours that are mostly garbage, or small, as many as one segment can take the records of. */
  private runsOf(segments: readonly Segment[]): Segment[][] {
    const runs: Segment[][] = [];
    let used = 0;
    let isGoingOn = false;
    for (const segment of segments) {
      const isWorth = segment.usedBytes * 2 <= segment.bytes || segment.bytes < this.init.segmentBytes / 4;
      used += segment.usedBytes;
      if (isWorth && isGoingOn && used <= this.init.segmentBytes) runs.at(-1)?.push(segment);
      else if (isWorth) {
        runs.push([segment]);
        used = segment.usedBytes;
      }
      isGoingOn = isWorth;
    }
    return runs;
  }

  private async merge(old: readonly Segment[]): Promise<void> {
    const { disk, list } = this.init;
    const { path, number } = old.at(-1) as Segment;
    const temporary = `${path}.tmp`;
    await disk.remove(temporary);
    const range = { number, from: (old[0] as Segment).from, secret: this.init.secret };
    const file = await disk.create(temporary);
    const merged = new Segment(disk, path, range, HEADER_BYTES, file);
    try {
      await this.copy(old, merged, file);
      await disk.rename(temporary, path);
    } catch (error) {
      await file.close();
      await disk.remove(temporary);
      throw error;
    }
    list.replace(old, merged);
    merged.usedAtMerge = merged.usedBytes;
    merged.leftovers = old.flatMap((segment) => [...segment.leftovers, segment.path]).filter((each) => each !== path);
    for (const segment of old) await segment.retire();
    await this.removeLeftovers(merged);
  }

  private async copy(old: readonly Segment[], merged: Segment, file: DiskFile): Promise<void> {
    const { run, nextSequence } = this.init;
    const { number, from } = merged;
    await file.write([encodeHeader({ number, from, run, nextSequence: nextSequence() })], 0);
    for (const segment of old) await this.copySegment(segment, old, merged, file);
    await file.sync();
  }

  private async copySegment(segment: Segment, old: readonly Segment[], merged: Segment, file: DiskFile): Promise<void> {
    let kept: Buffer[] = [];
    let from = merged.bytes;
    let piece = PIECE_BYTES;
    for (const { pos, entry } of entriesOf(await segment.readAll(), segment.seed, () => {})) {
      const copy = this.keep(entry, segment, old);
      if (copy !== undefined) kept.push(copy);
      if (copy !== undefined) addEntry(merged, copy, segment);
      if (pos < piece) continue;
      piece = pos + PIECE_BYTES;
      await file.write(kept, from);
      await new Promise<void>((resolve) => this.init.clock.nextTurn(resolve));
      kept = [];
      from = merged.bytes;
    }
    await file.write(kept, from);
  }

  /** What is left of an entry when its segment is put together with others: a copy, or nothing. */
  private keep(entry: Buffer, { table }: Segment, old: readonly Segment[]): Buffer | undefined {
    const sequence = sequenceOf(entry);
    if (kindOf(entry) !== Kind.RECORD) {
      const isWanted = kindOf(entry) === Kind.FAIL && old.some((segment) => isThere(segment, sequence));
      return isWanted || this.isEarlier(sequence, old) ? Buffer.from(entry) : undefined;
    }
    const row = table.rowOf(sequence);
    const replaced = replacedBy(entry);
    if (row >= 0 && table.states[row] !== State.GONE) return Buffer.from(entry);
    return replaced > 0 && this.isEarlier(replaced, old) ? encodeNote(Kind.REMOVE, replaced) : undefined;
  }

  /** Tells whether a record is on disk in a segment before these. */
  private isEarlier(sequence: number, old: readonly Segment[]): boolean {
    const { segments } = this.init.list;
    const before = segments.slice(0, segments.indexOf(old[0] as Segment));
    return before.some(({ table }) => table.rowOf(sequence) >= 0);
  }

  private async removeLeftovers(merged: Segment): Promise<void> {
    const { disk, folder } = this.init;
    if (merged.leftovers.length === 0) return;
    await disk.syncFolder(folder);
    for (const path of merged.leftovers) await disk.remove(path);
    await disk.syncFolder(folder);
    merged.leftovers = [];
  }
}

function isThere({ table }: Segment, sequence: number): boolean {
  const row = table.rowOf(sequence);
  return row >= 0 && table.states[row] !== State.GONE;
}

/** Notes the place of an entry that was copied behind all others. */
function addEntry(merged: Segment, entry: Buffer, { table }: Segment): void {
  sealEntry(entry, merged.seed);
  const offset = merged.bytes;
  merged.bytes += entry.length;
  if (kindOf(entry) !== Kind.RECORD) return;
  const sequence = sequenceOf(entry);
  merged.add(sequence, entry, offset, table.failures[table.rowOf(sequence)] as number);
}

/** True if putting it together alone gives space back: mostly garbage, and not just after it was. */
function isShrunk({ bytes, usedBytes, usedAtMerge }: Segment): boolean {
  return usedAtMerge === undefined ? usedBytes * 2 <= bytes : usedBytes < usedAtMerge && usedBytes * 2 <= usedAtMerge;
}

function sum(segments: readonly Segment[], bytesOf: (segment: Segment) => number): number {
  return segments.reduce((total, segment) => total + bytesOf(segment), 0);
}
