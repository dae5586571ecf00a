// The bytes of a queue's log. A segment is a header and entries; an entry is its CRC-32, its length and a body. The CRC covers the
// length and the body and begins with a seed, which is the queue's secret and the number of the segment, so that neither a torn
// write, nor what an older file left in the same blocks, nor what somebody has put into a call that was torn is taken for an
// entry. All numbers are little-endian.
//
//   header   "SLUICEQ1" | number f64 | first number that it replaces f64 | run u32 | next sequence f64 | crc u32
//   entry    crc u32 | length of the body u32 | kind u8 | sequence f64 | ...
//   record   ... | sequence that it replaces f64, or 0 | enqueued at f64 | run u32 | failures u16 | flags u8 | lengths of call id,
//            path and key, u16 each | death: at f64, code u8, length u16, text | call id | path | key | metadata block | payload

import { crc32 } from "node:zlib";
import { decodeMetadata, encodeMetadata, MAX_METADATA_BYTES, type Metadata } from "../../codec/metadata.js";
import { codeFrom } from "../../codec/status.js";
import { Writer } from "../../codec/writer.js";
import { type Death, RECORD_OVERHEAD_BYTES, type RecordInit, type StoredRecord } from "./store.js";

/** The length of a segment's header. */
export const HEADER_BYTES = 40;
const MAGIC = Buffer.from("SLUICEQ1");

/** What kind of entry it is. */
export const Kind = { RECORD: 1, REMOVE: 2, FAIL: 3 } as const;

const BODY_AT = 8;
const SEQUENCE_AT = 9;
/** The length of an entry that is no record. */
const NOTE_BYTES = 17;
const REPLACES_AT = 17;
const ENQUEUED_AT = 25;
const RUN_AT = 33;
const FAILURES_AT = 37;
const FLAGS_AT = 39;
const LENGTHS_AT = 40;
const TEXTS_AT = 46;
const DEATH_BYTES = 11;
const MAX_UINT16 = 0xffff;

const Flag = { KEY: 1, METADATA: 2, DEATH: 4 } as const;

/** What a segment says of itself. */
export interface SegmentHeader {
  readonly number: number;
  /** The segments from this one up to `number` are replaced by this one; `number` itself if it replaces none. */
  readonly from: number;
  /** How often the queue had been opened for writing when it was made. */
  readonly run: number;
  /** The sequences below this one had been given when it was made. */
  readonly nextSequence: number;
}

/** What an entry of a record says beside the record. */
export interface RecordPlace {
  readonly sequence: number;
  /** The record that it takes the place of; 0: none. */
  readonly replaces: number;
  readonly run: number;
  readonly failures: number;
  readonly death: Death | undefined;
}

export function encodeHeader({ number, from, run, nextSequence }: SegmentHeader): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeDoubleLE(number, 8);
  header.writeDoubleLE(from, 16);
  header.writeUInt32LE(run, 24);
  header.writeDoubleLE(nextSequence, 28);
  header.writeUInt32LE(crc32(header.subarray(0, 36)), 36);
  return header;
}

/** Undefined for what is no whole header. */
export function decodeHeader(buf: Buffer): SegmentHeader | undefined {
  if (buf.length < HEADER_BYTES || !buf.subarray(0, 8).equals(MAGIC)) return undefined;
  if (buf.readUInt32LE(36) !== crc32(buf.subarray(0, 36))) return undefined;
  const [number, from] = [buf.readDoubleLE(8), buf.readDoubleLE(16)];
  return { number, from, run: buf.readUInt32LE(24), nextSequence: buf.readDoubleLE(28) };
}

/** An entry without its CRC, which {@link sealEntry} adds once its segment is known. */
export function encodeRecord(record: RecordInit, place: RecordPlace): Buffer {
  const texts = [record.callId, record.path, record.key ?? ""].map((text) => Buffer.from(text));
  const death = place.death === undefined ? undefined : encodeDeath(place.death);
  const metadata = record.metadata === undefined ? undefined : encodeBlock(record.metadata);
  const head = Buffer.alloc(TEXTS_AT);
  const parts = [head, death, ...texts, metadata, record.payload].filter((part) => part !== undefined);
  const entry = Buffer.concat(parts);
  entry.writeUInt32LE(entry.length - BODY_AT, 4);
  entry[BODY_AT] = Kind.RECORD;
  entry.writeDoubleLE(place.sequence, SEQUENCE_AT);
  entry.writeDoubleLE(place.replaces, REPLACES_AT);
  entry.writeDoubleLE(record.enqueuedAt, ENQUEUED_AT);
  entry.writeUInt32LE(place.run, RUN_AT);
  entry.writeUInt16LE(Math.min(place.failures, MAX_UINT16), FAILURES_AT);
  entry[FLAGS_AT] =
    (record.key === undefined ? 0 : Flag.KEY) | (metadata ? Flag.METADATA : 0) | (death ? Flag.DEATH : 0);
  for (const [index, text] of texts.entries()) entry.writeUInt16LE(text.length, LENGTHS_AT + 2 * index);
  return entry;
}

/** An entry that says something of a record: REMOVE or FAIL. */
export function encodeNote(kind: typeof Kind.REMOVE | typeof Kind.FAIL, sequence: number): Buffer {
  const entry = Buffer.alloc(NOTE_BYTES);
  entry.writeUInt32LE(NOTE_BYTES - BODY_AT, 4);
  entry[BODY_AT] = kind;
  entry.writeDoubleLE(sequence, SEQUENCE_AT);
  return entry;
}

/** What the entries of a segment are sealed with. */
export function seedOf(secret: number, segment: number): number {
  return (secret ^ segment) >>> 0;
}

/** Makes an entry one of the segment with this seed. */
export function sealEntry(entry: Buffer, seed: number): void {
  entry.writeUInt32LE(checksum(entry, seed), 0);
}

/** The length of the entry at `pos` of a segment with this seed; 0 if there is none, or none that is whole. */
export function entryBytes(buf: Buffer, pos: number, seed: number): number {
  if (buf.length - pos < NOTE_BYTES) return 0;
  const bytes = buf.readUInt32LE(pos + 4) + BODY_AT;
  if (bytes > buf.length - pos || !isLikely(buf, pos, bytes)) return 0;
  return buf.readUInt32LE(pos) === checksum(buf.subarray(pos, pos + bytes), seed) ? bytes : 0;
}

/**
 * False for nearly everything that is no entry. Behind a damaged place every position is tried: to sum up megabytes for each of
 * those at which a length might stand would take hours where a large record was cut off.
 */
function isLikely(buf: Buffer, pos: number, bytes: number): boolean {
  const kind = buf[pos + BODY_AT];
  const isNote = kind === Kind.REMOVE || kind === Kind.FAIL;
  if (isNote ? bytes !== NOTE_BYTES : kind !== Kind.RECORD || bytes < TEXTS_AT) return false;
  const sequence = buf.readDoubleLE(pos + SEQUENCE_AT);
  return Number.isSafeInteger(sequence) && sequence > 0;
}

function checksum(entry: Buffer, seed: number): number {
  return crc32(entry.subarray(4), seed);
}

export function kindOf(entry: Buffer): number {
  return entry[BODY_AT] as number;
}

export function sequenceOf(entry: Buffer): number {
  return entry.readDoubleLE(SEQUENCE_AT);
}

export function replacedBy(entry: Buffer): number {
  return entry.readDoubleLE(REPLACES_AT);
}

export function failuresOf(entry: Buffer): number {
  return entry.readUInt16LE(FAILURES_AT);
}

export function enqueuedAtOf(entry: Buffer): number {
  return entry.readDoubleLE(ENQUEUED_AT);
}

/** How often the queue had been opened when the record was put. */
export function runOf(entry: Buffer): number {
  return entry.readUInt32LE(RUN_AT);
}

export function isDead(entry: Buffer): boolean {
  return ((entry[FLAGS_AT] as number) & Flag.DEATH) !== 0;
}

/** What the record of an entry counts for: the same as `recordBytes` of it. */
export function countedBytes(entry: Buffer): number {
  const metadata = ((entry[FLAGS_AT] as number) & Flag.METADATA) === 0 ? 0 : 2;
  return entry.length - TEXTS_AT - deathBytes(entry) - metadata + RECORD_OVERHEAD_BYTES;
}

/** The record of an entry that {@link entryBytes} has found whole; it shares no memory with it. */
export function decodeRecord(entry: Buffer, run: number, failures: number): StoredRecord {
  const flags = entry[FLAGS_AT] as number;
  let pos = TEXTS_AT + deathBytes(entry);
  const [callId, path, key] = [0, 1, 2].map((index) => {
    const bytes = entry.readUInt16LE(LENGTHS_AT + 2 * index);
    pos += bytes;
    return entry.toString("utf8", pos - bytes, pos);
  }) as [string, string, string];
  const metadata = (flags & Flag.METADATA) === 0 ? undefined : decodeMetadata(entry, pos);
  if (metadata !== undefined) pos += 2 + entry.readUInt16LE(pos);
  return {
    callId,
    path,
    key: (flags & Flag.KEY) === 0 ? undefined : key,
    enqueuedAt: enqueuedAtOf(entry),
    metadata,
    payload: Buffer.from(entry.subarray(pos)),
    sequence: sequenceOf(entry),
    failures,
    restarts: run - runOf(entry),
    death: decodeDeath(entry),
  };
}

function encodeDeath({ at, code, message }: Death): Buffer {
  const text = Buffer.from(message);
  const death = Buffer.alloc(DEATH_BYTES + text.length);
  death.writeDoubleLE(at, 0);
  death[8] = code;
  death.writeUInt16LE(text.length, 9);
  text.copy(death, DEATH_BYTES);
  return death;
}

function decodeDeath(entry: Buffer): Death | undefined {
  if (!isDead(entry)) return undefined;
  const message = entry.toString("utf8", TEXTS_AT + DEATH_BYTES, TEXTS_AT + deathBytes(entry));
  return { at: entry.readDoubleLE(TEXTS_AT), code: codeFrom(entry[TEXTS_AT + 8] as number), message };
}

function deathBytes(entry: Buffer): number {
  return isDead(entry) ? DEATH_BYTES + entry.readUInt16LE(TEXTS_AT + 9) : 0;
}

function encodeBlock(metadata: Metadata): Buffer {
  const writer = new Writer(256);
  encodeMetadata(metadata, writer, MAX_METADATA_BYTES);
  return writer.buf.subarray(0, writer.pos);
}
