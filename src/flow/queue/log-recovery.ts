// Reads what a log's folder holds: which segments count, which records are alive, and what is damaged. It changes nothing on
// disk. What ends in a torn write was never acknowledged; entries behind a damaged place are found again, and the damage is told.

import { randomBytes } from "node:crypto";
import { type Disk, type DiskFile, systemCode } from "./disk.js";
import {
  decodeHeader,
  entryBytes,
  failuresOf,
  HEADER_BYTES,
  Kind,
  kindOf,
  replacedBy,
  runOf,
  type SegmentHeader,
  sequenceOf,
} from "./log-format.js";
import { Segment } from "./segment.js";
import { SegmentList } from "./segment-list.js";

const SECRET_NAME = /^secret-([0-9a-f]{8})$/;
const SEGMENT_NAME = /^(\d{12})\.log$/;
/** A folder may change while somebody else owns it; it is read again then, this often. */
const READ_ATTEMPTS = 20;

/** What a folder held. */
export interface Recovered {
  readonly list: SegmentList;
  /** How often the queue has been opened for writing. */
  readonly run: number;
  readonly nextSequence: number;
  readonly nextNumber: number;
  /** Undefined in a new folder. */
  readonly secret: number | undefined;
  /** Files that do not count, by name. */
  readonly leftovers: readonly string[];
  /** What is damaged, for people. */
  readonly damage: readonly string[];
}

interface Found extends SegmentHeader {
  readonly path: string;
  readonly bytes: number;
  /** Stays open, so that its records can be read even if its owner replaces it. */
  readonly file: DiskFile;
}

/** The path of a segment. */
export function segmentPath(folder: string, number: number): string {
  return `${folder}/${String(number).padStart(12, "0")}.log`;
}

/**
 * Makes the secret of a queue that has none and nothing else, durably. It is a name in the folder, where damage to files does not reach it; it
 * keeps those who put calls from writing entries.
 */
export async function makeSecret(disk: Disk, folder: string): Promise<number> {
  const bytes = randomBytes(4);
  const file = await disk.create(`${folder}/secret-${bytes.toString("hex")}`);
  await file.close();
  await disk.syncFolder(folder);
  return bytes.readUInt32BE();
}

/** The entries of a segment, in order; `onGap` is told of bytes between them that are none. */
export function* entriesOf(
  buf: Buffer,
  seed: number,
  onGap: (pos: number, bytes: number) => void,
): Generator<{ readonly pos: number; readonly entry: Buffer }, void, void> {
  let gap = -1;
  for (let pos = HEADER_BYTES; pos < buf.length; ) {
    const bytes = entryBytes(buf, pos, seed);
    if (bytes === 0) {
      if (gap < 0) gap = pos;
      pos++;
      continue;
    }
    if (gap >= 0) onGap(gap, pos - gap);
    gap = -1;
    yield { pos, entry: buf.subarray(pos, pos + bytes) };
    pos += bytes;
  }
}

/** Reads a log; again if its owner changes it meanwhile. */
export async function recover(disk: Disk, folder: string): Promise<Recovered> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await readFolder(disk, folder);
    } catch (error) {
      if (systemCode(error) !== "ENOENT" || attempt === READ_ATTEMPTS) throw error;
    }
  }
}

async function readFolder(disk: Disk, folder: string): Promise<Recovered> {
  const recovery = new Recovery(disk, folder);
  try {
    await recovery.readAll();
  } catch (error) {
    await recovery.close();
    throw error;
  }
  return recovery.result();
}

class Recovery {
  private readonly disk: Disk;
  private readonly folder: string;
  private readonly found: Found[] = [];
  private readonly list = new SegmentList();
  private readonly leftovers: string[] = [];
  private readonly damage: string[] = [];
  private run = 0;
  private nextSequence = 1;
  private nextNumber = 1;
  private secret: number | undefined = undefined;

  constructor(disk: Disk, folder: string) {
    this.disk = disk;
    this.folder = folder;
  }

  async readAll(): Promise<void> {
    const names = (await this.disk.list(this.folder)).sort();
    const secret = names.map((name) => SECRET_NAME.exec(name)?.[1]).find((text) => text !== undefined);
    if (secret !== undefined) this.secret = Number.parseInt(secret, 16);
    // Newest first, because it says which older ones it replaces.
    let replacedFrom = Number.POSITIVE_INFINITY;
    for (const name of names.filter((each) => SEGMENT_NAME.test(each)).reverse()) {
      const number = Number(SEGMENT_NAME.exec(name)?.[1]);
      this.nextNumber = Math.max(this.nextNumber, number + 1);
      const found = number < replacedFrom ? await this.find(`${this.folder}/${name}`, number) : undefined;
      if (found === undefined) this.leftovers.push(name);
      else this.found.push(found);
      if (found !== undefined && found.from < number) replacedFrom = found.from;
    }
    this.leftovers.push(...names.filter((name) => name.endsWith(".tmp")));
    // One at a time: together they may be as long as the queue.
    for (const found of this.found.reverse()) await this.take(found);
  }

  async close(): Promise<void> {
    for (const { file } of this.found) await file.close();
  }

  /** Undefined for a file that was being made when its process ended. */
  private async find(path: string, number: number): Promise<Found | undefined> {
    const file = await this.disk.open(path);
    try {
      const bytes = await file.bytes();
      const header = decodeHeader(await file.read(0, HEADER_BYTES));
      if (header?.number === number) return { ...header, path, bytes, file };
      if (bytes > HEADER_BYTES) {
        this.damage.push(`${path}: its header is damaged`);
        return { number, from: number, run: 0, nextSequence: 1, path, bytes, file };
      }
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return undefined;
  }

  /** Takes in a segment that is newer than those before. */
  private async take(found: Found): Promise<void> {
    const { path, bytes, file } = found;
    const segment = new Segment(this.disk, path, { ...found, secret: this.secret ?? 0 }, bytes, file);
    const buf = await segment.readAll();
    this.run = Math.max(this.run, found.run);
    this.nextSequence = Math.max(this.nextSequence, found.nextSequence);
    this.list.push(segment);
    let end = HEADER_BYTES;
    const onGap = (pos: number, bytes: number): void => {
      this.damage.push(`${path}: ${bytes} bytes at ${pos} are damaged`);
    };
    for (const { pos, entry } of entriesOf(buf, segment.seed, onGap)) {
      this.apply(segment, pos, entry);
      end = pos + entry.length;
    }
    segment.bytes = end;
  }

  result(): Recovered {
    const { list, run, nextSequence, nextNumber, secret, leftovers, damage } = this;
    return { list, run, nextSequence, nextNumber, secret, leftovers, damage };
  }

  private apply(segment: Segment, pos: number, entry: Buffer): void {
    const kind = kindOf(entry);
    const sequence = sequenceOf(entry);
    if (kind === Kind.RECORD) {
      if (replacedBy(entry) > 0) this.list.remove(replacedBy(entry));
      this.list.add(segment, sequence, entry, pos, failuresOf(entry));
      this.nextSequence = Math.max(this.nextSequence, sequence + 1);
      // The header that says so may be damaged.
      this.run = Math.max(this.run, runOf(entry));
    } else if (kind === Kind.REMOVE) this.list.remove(sequence);
    else this.list.fail(sequence);
  }
}
