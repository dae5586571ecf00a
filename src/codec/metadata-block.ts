// The metadata block of PROTOCOL.md section 7: which keys and values may travel, and how they lie. What arrives is copied and
// checked at once, and read where it lies. What is sent mostly has the keys of the call before, and often a value of one of
// them, such as a tenant or a token: how they lie is remembered.

import { MAX_LOOP_COPY_BYTES, setBytes } from "./copies.js";
import { DecodeError } from "./message.js";
import { readAscii } from "./protobuf.js";
import type { Writer } from "./writer.js";

/** The most bytes that a block may have on the wire; negotiated limits are at or below this. */
export const MAX_METADATA_BYTES = 65_535;
/** A block with more entries than this is refused. */
export const MAX_METADATA_ENTRIES = 100;

/** One value: text, or bytes under a key that ends in "-bin". */
export type MetadataValue = string | Uint8Array;
/** The values of each key, in the order in which the keys came. */
export type MetadataPairs = Map<string, MetadataValue[]>;

const KEY = /^[0-9a-z_.-]{1,255}$/;
const TEXT = /^[\x20-\x7e]*$/;
const BINARY_SUFFIX = "-bin";
const [FIRST_PRINTABLE, LAST_PRINTABLE] = [0x20, 0x7e];
/** For each byte, 1 where a key may have it, or text. */
const IS_KEY_BYTE = bytesOf(KEY);
const IS_TEXT_BYTE = bytesOf(TEXT);

/** `key` as it travels. Throws `TypeError` for one that cannot. */
export function checkKey(key: string): string {
  const name = key.toLowerCase();
  if (!KEY.test(name)) {
    throw new TypeError(`metadata key ${JSON.stringify(key)}: use 1 to 255 of the characters 0-9 a-z _ . -`);
  }
  return name;
}

/** `value` itself. Throws `TypeError` for one that cannot travel under `key`. */
export function checkValue(key: string, value: MetadataValue): MetadataValue {
  if (isBinaryKey(key.toLowerCase())) {
    if (value instanceof Uint8Array) return value;
    throw new TypeError(`metadata ${key}: a key that ends in -bin takes a Uint8Array, not ${typeof value}`);
  }
  if (typeof value !== "string" || !TEXT.test(value)) {
    throw new TypeError(`metadata ${key}: takes printable ASCII text; for other values use a key that ends in -bin`);
  }
  return value;
}

function bytesOf(pattern: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (pattern.test(String.fromCharCode(byte)) ? 1 : 0));
}

function isBinaryKey(name: string): boolean {
  return name.endsWith(BINARY_SUFFIX);
}

// Writing

/** A key as it lies: its length and its bytes. */
interface WrittenKey {
  /** As it was given, in whatever case. */
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly isBinary: boolean;
  /** A text that came twice in a row, and how key and text lie. */
  text: string | undefined;
  entry: Uint8Array;
  /** Texts that were not that one; of some of them the next one may be the same. */
  otherTexts: number;
  candidate: string | undefined;
}

/** So many keys are remembered in the process: programs have few. */
const MAX_KNOWN_KEYS = 1_000;
/** A longer text is not remembered. */
const MAX_KNOWN_TEXT = 1_024;
/** Of so many texts of a key that were not the one before, one is compared with the next: where they all differ that costs little. */
const OTHER_TEXTS = 8;
const knownKeys = new Map<string, WrittenKey>();
/** The key that was written last at each place of a block. */
const lastKeys: WrittenKey[] = [];
/** Text of up to so many characters is checked and written without a call into native code. */
const SHORT_TEXT = 64;

/** Leaves room for the length of a block; returns where it begins, counted from where the frame does. */
export function beginBlock(writer: Writer): number {
  writer.reserve(2);
  const mark = writer.pos - writer.start;
  writer.pos += 2;
  return mark;
}

/** Appends the entry at `place`. Throws `TypeError` for what cannot travel, `RangeError` for one too many and for a value too long. */
export function writeEntry(writer: Writer, place: number, key: string, value: MetadataValue): void {
  if (place >= MAX_METADATA_ENTRIES) throw new RangeError(`metadata has more than ${MAX_METADATA_ENTRIES} entries`);
  const last = lastKeys[place];
  const known = last !== undefined && last.key === key ? last : writtenKey(key, place);
  if (value === known.text) writeKnown(writer, known.entry);
  else writeOther(writer, known, key, value);
}

function writeKnown(writer: Writer, entry: Uint8Array): void {
  const { length } = entry;
  writer.reserve(length);
  const { buf, pos } = writer;
  if (length > MAX_LOOP_COPY_BYTES) setBytes.call(buf, entry, pos);
  else for (let at = 0; at < length; at++) buf[pos + at] = entry[at]!;
  writer.pos = pos + length;
}

function writeOther(writer: Writer, known: WrittenKey, key: string, value: MetadataValue): void {
  const { bytes, isBinary } = known;
  const isShortText = typeof value === "string" && !isBinary && value.length <= SHORT_TEXT;
  if (!isShortText) checkValue(key, value);
  const { length } = value;
  if (length > MAX_METADATA_BYTES)
    throw new RangeError(`metadata ${key} takes ${length} bytes; at most ${MAX_METADATA_BYTES}`);
  writer.reserve(bytes.length + 2 + length);
  const { buf } = writer;
  let { pos } = writer;
  for (let at = 0; at < bytes.length; at++) buf[pos++] = bytes[at]!;
  buf[pos++] = length;
  buf[pos++] = length >>> 8;
  if (isShortText) writeShortText(buf, pos, key, value);
  else if (typeof value === "string") buf.write(value, pos, "latin1");
  else buf.set(value, pos);
  writer.pos = pos + length;
  if (typeof value === "string" && length <= MAX_KNOWN_TEXT) learn(known, value, buf, writer.pos);
}

/** Remembers the text whose entry ends at `end` if it is that of the call before. */
function learn(known: WrittenKey, text: string, buf: Buffer, end: number): void {
  const turn = known.otherTexts++ % OTHER_TEXTS;
  if (turn === 0) {
    known.candidate = text;
  } else if (turn === 1 && text === known.candidate) {
    known.text = text;
    // A copy: a Buffer's own `slice` would be a view of what is written over.
    known.entry = Uint8Array.prototype.slice.call(buf, end - text.length - 2 - known.bytes.length, end);
  }
}

/** Appends entries that lie in a block already. */
export function writeBlock(writer: Writer, bytes: Uint8Array, start: number, end: number): void {
  writer.reserve(end - start);
  setBytes.call(writer.buf, bytes.subarray(start, end), writer.pos);
  writer.pos += end - start;
}

/** Writes the length of the block that began at `mark`. Throws `RangeError` above `maxBytes`. */
export function endBlock(writer: Writer, mark: number, maxBytes: number): void {
  const bytes = writer.pos - writer.start - mark - 2;
  if (bytes > maxBytes) throw tooLong(bytes, maxBytes);
  const at = writer.start + mark;
  writer.buf[at] = bytes;
  writer.buf[at + 1] = bytes >>> 8;
}

function tooLong(bytes: number, limit: number): RangeError {
  return new RangeError(`metadata takes ${bytes} bytes; the peer accepts ${limit}`);
}

function writtenKey(key: string, place: number): WrittenKey {
  const known = knownKeys.get(key) ?? writeKey(key);
  lastKeys[place] = known;
  return known;
}

function writeKey(key: string): WrittenKey {
  const name = checkKey(key);
  const bytes = Uint8Array.of(name.length, ...Buffer.from(name, "latin1"));
  const isBinary = isBinaryKey(name);
  const written = { key, bytes, isBinary, text: undefined, entry: bytes, otherTexts: 0, candidate: undefined };
  if (knownKeys.size < MAX_KNOWN_KEYS) knownKeys.set(key, written);
  return written;
}

function writeShortText(buf: Buffer, start: number, key: string, text: string): void {
  const { length } = text;
  let outside = 0;
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    outside |= (code - FIRST_PRINTABLE) | (LAST_PRINTABLE - code);
    buf[start + at] = code;
  }
  if (outside < 0) checkValue(key, text);
}

// Reading

/** Checks the entries in `bytes[start, end)`. Throws {@link DecodeError}. */
export function checkBlock(bytes: Uint8Array, start: number, end: number): void {
  let pos = start;
  for (let entries = 0; pos < end; entries++) {
    if (entries === MAX_METADATA_ENTRIES)
      throw new DecodeError(`metadata block: more than ${MAX_METADATA_ENTRIES} entries`);
    const keyEnd = pos + 1 + bytes[pos]!;
    if (keyEnd + 2 > end) throw new DecodeError("metadata block ends inside a key");
    const next = valueEnd(bytes, keyEnd);
    if (next > end) throw new DecodeError("metadata block ends inside a value");
    if (keyEnd === pos + 1 || !hasOnly(IS_KEY_BYTE, bytes, pos + 1, keyEnd)) throw badKey(bytes, pos + 1, keyEnd);
    if (!hasOnly(IS_TEXT_BYTE, bytes, keyEnd + 2, next) && !isBinaryAt(bytes, keyEnd))
      throw new DecodeError(`metadata ${textOf(bytes, pos + 1, keyEnd)}: its value is not printable ASCII text`);
    pos = next;
  }
}

/** True if `allowed` has all of `bytes[start, end)`. Four at a time, because the loop costs as much as what it does. */
function hasOnly(allowed: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  let isAllowed = 1;
  let at = start;
  for (; at + 4 <= end; at += 4)
    isAllowed &= allowed[bytes[at]!]! & allowed[bytes[at + 1]!]! & allowed[bytes[at + 2]!]! & allowed[bytes[at + 3]!]!;
  for (; at < end; at++) isAllowed &= allowed[bytes[at]!]!;
  return isAllowed === 1;
}

function badKey(bytes: Uint8Array, start: number, end: number): DecodeError {
  const key = textOf(bytes, start, end);
  if (key !== key.toLowerCase()) return new DecodeError("metadata key has upper-case letters");
  return new DecodeError(`metadata key ${JSON.stringify(key)} is not 1 to 255 of the characters 0-9 a-z _ . -`);
}

/** True if the key that ends at `keyEnd` ends in "-bin". The length before a shorter key is none of these letters: it would be a longer key's. */
function isBinaryAt(buf: Uint8Array, keyEnd: number): boolean {
  return buf[keyEnd - 1] === 0x6e && buf[keyEnd - 2] === 0x69 && buf[keyEnd - 3] === 0x62 && buf[keyEnd - 4] === 0x2d;
}

/** Where the value ends whose length is at `at`. */
function valueEnd(buf: Uint8Array, at: number): number {
  return at + 2 + (buf[at]! | (buf[at + 1]! << 8));
}

/** The first value of the key that travels as `name`; undefined if it has none. */
export function firstIn(bytes: Uint8Array, start: number, end: number, name: string): MetadataValue | undefined {
  for (let pos = start; pos < end; ) {
    const keyEnd = pos + 1 + bytes[pos]!;
    const next = valueEnd(bytes, keyEnd);
    if (keyEnd - pos - 1 === name.length && isAt(bytes, pos + 1, name)) return valueAt(bytes, keyEnd, next);
    pos = next;
  }
  return undefined;
}

/** All of a block. */
export function takeApart(bytes: Uint8Array, start: number, end: number): MetadataPairs {
  const pairs: MetadataPairs = new Map();
  for (let pos = start; pos < end; ) {
    const keyEnd = pos + 1 + bytes[pos]!;
    const next = valueEnd(bytes, keyEnd);
    const key = textOf(bytes, pos + 1, keyEnd);
    const list = pairs.get(key);
    if (list === undefined) pairs.set(key, [valueAt(bytes, keyEnd, next)]);
    else list.push(valueAt(bytes, keyEnd, next));
    pos = next;
  }
  return pairs;
}

function isAt(bytes: Uint8Array, start: number, text: string): boolean {
  for (let at = 0; at < text.length; at++) if (bytes[start + at] !== text.charCodeAt(at)) return false;
  return true;
}

function valueAt(bytes: Uint8Array, keyEnd: number, end: number): MetadataValue {
  return isBinaryAt(bytes, keyEnd) ? bytes.slice(keyEnd + 2, end) : textOf(bytes, keyEnd + 2, end);
}

/** What is ASCII, as text. */
function textOf(bytes: Uint8Array, start: number, end: number): string {
  const short = end - start <= SHORT_TEXT ? readAscii(bytes, start, end) : undefined;
  return short ?? Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}
