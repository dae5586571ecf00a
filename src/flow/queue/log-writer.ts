// Writes entries to the newest segment of a log, a group at a time: everything that came while the last group was on its way
// goes out in one write, with one sync if anybody waits for it. Notes (removals, failures) are written at once, which
// survives the end of the process, and are synced with the next record or after a second. Invariants: what resolves is on
// disk; a group that failed is cut off the file again; a file whose sync has failed is never synced again, because the system
// may have forgotten what it could not write.

import { Code, localError, type RetrySafety, RpcError } from "../../codec/status.js";
import type { Clock, TimerHandle } from "../../transport/clock.js";
import { type Disk, type DiskFile, systemCode } from "./disk.js";
import { encodeHeader, HEADER_BYTES, Kind, kindOf, sealEntry } from "./log-format.js";
import { segmentPath } from "./log-recovery.js";
import { Segment } from "./segment.js";
import type { SegmentList } from "./segment-list.js";

/** A group takes at most this many bytes, or one entry. */
const GROUP_BYTES = 4 * 1024 * 1024;
/** Notes are on disk after this long. */
const LAZY_SYNC_MS = 1_000;
/** Notes that could not be written are tried again after this long. */
const NOTE_RETRY_MS = 1_000;

/** Notes of failures are forgotten while more notes than these wait for a disk that takes none: attempts may go on for ever. */
export const MAX_LATE_NOTES = 100_000;

/** Something to be written. */
interface Pending {
  /** Nothing: only to be synced. */
  readonly entry: Buffer | undefined;
  /** Undefined for a note: nobody waits until it is on disk. */
  readonly waiter: Waiter | undefined;
  /** The system has taken it, or could not; called once. */
  onWritten?: (() => void) | undefined;
}

interface Waiter {
  /** It is on disk at this place. */
  readonly onDurable: (segment: Segment | undefined, offset: number) => void;
  readonly onFailed: (error: unknown) => void;
}

/** What a writer is given. */
export interface LogWriterInit {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly folder: string;
  readonly list: SegmentList;
  /** The number of the first segment that it makes. */
  readonly nextNumber: number;
  readonly run: number;
  readonly secret: number;
  readonly segmentBytes: number;
  /** `queue "stats" at /var/lib/x`. */
  readonly title: string;
  /** The sequence that the next record will have. */
  readonly nextSequence: () => number;
  /** A segment will not be written any more. */
  readonly onSealed: () => void;
}

/** The writing half of a log. */
export class LogWriter {
  private readonly init: LogWriterInit;
  private nextNumber: number;
  private pending: Pending[] = [];
  private active: Segment | undefined = undefined;
  /** The name of the newest segment is not durable yet. */
  private isFolderDirty = false;
  /** Notes that were written and not synced yet. */
  private unsynced: Pending[] = [];
  private isDraining = false;
  private isClosed = false;
  private timer: TimerHandle | undefined = undefined;
  private drained: Promise<void> = Promise.resolve();

  constructor(init: LogWriterInit) {
    this.init = init;
    this.nextNumber = init.nextNumber;
  }

  /** The segment that is being written. */
  get current(): Segment | undefined {
    return this.active;
  }

  /** Writes a note; resolves when the system has taken it, or for the first time could not. */
  note(entry: Buffer): Promise<void> {
    if (this.isClosed) return Promise.resolve();
    return new Promise((onWritten) => this.push({ entry, waiter: undefined, onWritten }));
  }

  /** Writes an entry and syncs; `onDurable` is called before the promise resolves. */
  append(entry: Buffer, onDurable: (segment: Segment, offset: number) => void): Promise<void> {
    return this.wait(entry, (segment, offset) => onDurable(segment as Segment, offset));
  }

  /** Resolves once all that was given so far is on disk. */
  flush(): Promise<void> {
    return this.wait(undefined, () => {});
  }

  /** Makes the newest segment, durably, before anything is written; where there is no space for it, it is made later. */
  async begin(): Promise<void> {
    try {
      const segment = await this.room();
      await this.sync(await segment.open());
    } catch (error) {
      if (!REASONS.has(systemCode(error instanceof SyncError ? error.cause : error))) throw this.errorOf(error, "safe");
    }
  }

  /** Writes and syncs what has come, if that is possible. */
  async close(): Promise<void> {
    const flushed = this.flush().catch(() => {});
    this.isClosed = true;
    await flushed;
    await this.drained;
    this.stopTimer();
  }

  private wait(
    entry: Buffer | undefined,
    onDurable: (segment: Segment | undefined, at: number) => void,
  ): Promise<void> {
    if (this.isClosed) {
      const text = `${this.init.title} is closed`;
      return Promise.reject(localError(Code.UNAVAILABLE, text, "safe"));
    }
    return new Promise((resolve, reject) => {
      const done = (segment: Segment | undefined, offset: number): void => {
        onDurable(segment, offset);
        resolve();
      };
      this.push({ entry, waiter: { onDurable: done, onFailed: reject } });
    });
  }

  private push(pending: Pending): void {
    this.pending.push(pending);
    this.kick();
  }

  private kick(): void {
    if (this.isDraining) return;
    this.isDraining = true;
    this.drained = this.drain();
  }

  private async drain(): Promise<void> {
    // What else comes in this tick goes along.
    await undefined;
    while (this.pending.length > 0)
      // Whoever heard of a failure may have come back with more before this did.
      if (!(await this.writeGroup(this.takeGroup())) && !this.pending.some(isUntried)) break;
    this.isDraining = false;
  }

  private takeGroup(): Pending[] {
    let bytes = 0;
    let count = 0;
    for (const { entry } of this.pending) {
      bytes += entry?.length ?? 0;
      if (count > 0 && bytes > GROUP_BYTES) break;
      count++;
    }
    return this.pending.splice(0, count);
  }

  /** False: what is left was tried, and cannot be written now. */
  private async writeGroup(group: readonly Pending[]): Promise<boolean> {
    const before = this.active?.bytes ?? 0;
    try {
      await this.tryGroup(group);
      return true;
    } catch (error) {
      const isWhole = await this.undo(error);
      if (systemCode(error) === "EFBIG" && before > HEADER_BYTES) {
        // The file may not grow, but another one may.
        this.pending = [...group, ...this.pending];
        return true;
      }
      return this.fail(group, error, isWhole ? "safe" : "unsafe");
    }
  }

  private async tryGroup(group: readonly Pending[]): Promise<void> {
    const entries = group.flatMap(({ entry }) => (entry === undefined ? [] : [entry]));
    const mustSync = group.some(({ waiter }) => waiter !== undefined);
    if (entries.length === 0 && this.active === undefined) {
      for (const { waiter } of group) waiter?.onDurable(undefined, 0);
      return;
    }
    const segment = entries.length === 0 ? (this.active as Segment) : await this.room();
    const file = await segment.open();
    for (const entry of entries) sealEntry(entry, segment.seed);
    await file.write(entries, segment.bytes);
    if (mustSync) await this.sync(file);
    else this.syncLater(group);
    this.settle(group, segment);
  }

  /** The segment to write to: a new one where there is none, or where it is full. */
  private async room(): Promise<Segment> {
    const { active } = this;
    if (active !== undefined && active.bytes < this.init.segmentBytes) return active;
    // Only notes are at stake here: without them records are delivered twice.
    if (active !== undefined && this.unsynced.length > 0) await this.sync(await active.open()).catch(() => {});
    this.seal();
    return await this.makeSegment();
  }

  private async makeSegment(): Promise<Segment> {
    const { disk, folder, list, run, secret } = this.init;
    const number = this.nextNumber++;
    const path = segmentPath(folder, number);
    const file = await disk.create(path);
    try {
      await file.write([encodeHeader({ number, from: number, run, nextSequence: this.init.nextSequence() })], 0);
    } catch (error) {
      await file.close().catch(() => {});
      await disk.remove(path).catch(() => {});
      throw error;
    }
    this.isFolderDirty = true;
    this.active = new Segment(disk, path, { number, from: number, secret }, HEADER_BYTES, file);
    list.push(this.active);
    return this.active;
  }

  private async sync(file: DiskFile): Promise<void> {
    try {
      await file.sync();
      if (this.isFolderDirty) await this.init.disk.syncFolder(this.init.folder);
    } catch (error) {
      this.writeAgain();
      throw new SyncError(error);
    }
    this.isFolderDirty = false;
    this.unsynced = [];
    this.stopTimer();
  }

  /**
   * What the system could not write it may have dropped: nothing more goes to this file, and removals go to the next one. A failure is
   * rather forgotten than counted twice.
   */
  private writeAgain(): void {
    const removals = this.unsynced.filter(({ entry }) => entry !== undefined && kindOf(entry) === Kind.REMOVE);
    this.pending = [...removals, ...this.pending];
    this.unsynced = [];
  }

  private settle(group: readonly Pending[], segment: Segment): void {
    for (const { entry, waiter, onWritten } of group) {
      const offset = segment.bytes;
      segment.bytes += entry?.length ?? 0;
      waiter?.onDurable(segment, offset);
      onWritten?.();
    }
  }

  /** Cuts off what a failed write may have left. True: nothing of it is left, nor can come back in a crash. */
  private async undo(error: unknown): Promise<boolean> {
    const { active } = this;
    if (active === undefined) return true;
    const isUndone = await this.cut(active, error instanceof SyncError);
    // It is not synced any more: what was noted in it before has to go to another one.
    if (!isUndone) this.writeAgain();
    // Where nothing in it counts, its space can be had.
    if (!isUndone || systemCode(error) === "EFBIG" || active.usedBytes === 0) this.seal();
    return isUndone;
  }

  private async cut(segment: Segment, wasSyncing: boolean): Promise<boolean> {
    try {
      const file = await segment.open();
      await file.truncate(segment.bytes);
      if (wasSyncing) return false;
      await file.sync();
      return true;
    } catch {
      return false;
    }
  }

  private fail(group: readonly Pending[], cause: unknown, retry: RetrySafety): boolean {
    const error = this.errorOf(cause, retry);
    const isLong = group.length + this.pending.length > MAX_LATE_NOTES;
    const notes = group.filter(({ waiter, entry }) => waiter === undefined && !(isLong && isFailure(entry)));
    this.pending = [...notes, ...this.pending];
    for (const each of group) {
      each.waiter?.onFailed(error);
      each.onWritten?.();
      each.onWritten = undefined;
    }
    if (!this.isClosed && this.pending.length > 0) this.setTimer(NOTE_RETRY_MS);
    return false;
  }

  private errorOf(cause: unknown, retry: RetrySafety): RpcError {
    if (cause instanceof RpcError) return cause;
    const system = cause instanceof SyncError ? cause.cause : cause;
    const reason = REASONS.get(systemCode(system));
    const text = `${this.init.title}: ${reason ?? "cannot be written"} (${(system as Error).message})`;
    return localError(reason === undefined ? Code.UNAVAILABLE : Code.RESOURCE_EXHAUSTED, text, retry, system);
  }

  private seal(): void {
    if (this.active === undefined) return;
    this.active = undefined;
    this.init.onSealed();
  }

  private syncLater(notes: readonly Pending[]): void {
    this.unsynced.push(...notes);
    if (this.timer === undefined) this.setTimer(LAZY_SYNC_MS);
  }

  /** Writes and syncs what there is, later. */
  private setTimer(delayMs: number): void {
    this.stopTimer();
    const callback = (): void => {
      this.timer = undefined;
      if (!this.isClosed) this.flush().catch(() => {});
    };
    this.timer = this.init.clock.setTimer(callback, delayMs, false);
  }

  private stopTimer(): void {
    if (this.timer !== undefined) this.init.clock.clearTimer(this.timer);
    this.timer = undefined;
  }
}

function isFailure(entry: Buffer | undefined): boolean {
  return entry !== undefined && kindOf(entry) === Kind.FAIL;
}

/** Somebody waits to hear of it. */
function isUntried({ waiter, onWritten }: Pending): boolean {
  return waiter !== undefined || onWritten !== undefined;
}

/** A sync failed, of the file or of its folder. */
class SyncError extends Error {
  constructor(cause: unknown) {
    super("sync failed", { cause });
  }
}

/** What a person can do something about. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ["ENOSPC", "the disk is full"],
  ["EDQUOT", "the disk quota is used up"],
  ["EFBIG", "the file may not grow"],
]);
