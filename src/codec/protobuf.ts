// The protobuf wire format, as generated encoders and decoders need it: values in, values out, no reflection.
// Encoding: a `write*` function writes at `pos`, where the caller has made room, and returns the position after it.
// A value of the wrong type is a TypeError that names the field.
// Decoding: a `read*` function returns the value and leaves the position after it in `cursor.pos`. It never throws:
// bad bytes set `cursor.pos` to FAILED, which ends the caller's loop, and the caller throws `decodeFailure`.
// A read may run past `end` (the caller notices that its position is not `end`) but never past what `end` allows to
// be kept: strings and bytes are bounds-checked.

import { isUtf8 } from "node:buffer";
import { copyOut, MAX_LOOP_COPY_BYTES, setBytes } from "./copies.js";
import { DecodeError, MAX_MESSAGE_DEPTH } from "./message.js";
import type { Writer } from "./writer.js";

/** Room for a tag (5 bytes) and a varint (10 bytes), or for any fixed-size value. */
export const MAX_SCALAR_BYTES = 15;

/** Where the last `read*` function stopped. One object for all decoders: decoding never awaits. */
export const cursor: { pos: number } = { pos: 0 };

/** A position after every end: the bytes were bad. */
export const FAILED: number = 2 ** 30 - 1;

/** How the last failed read went wrong, and where. */
const failure = { reason: "", at: 0 };

/** Marks the read as failed and ends the caller's loop. */
function fail(reason: string, at: number): number {
  failure.reason = reason;
  failure.at = at;
  cursor.pos = FAILED;
  return FAILED;
}

/** What a decoder throws when its loop did not stop exactly at `end`. */
export function decodeFailure(typeName: string, start: number, end: number, pos: number): DecodeError {
  const failed = pos === FAILED;
  const reason = failed ? failure.reason : "the bytes end inside a field";
  return new DecodeError(`${typeName}: ${reason}, at byte ${(failed ? failure.at : end) - start} of this message`);
}

/** What a decoder throws for a message below {@link MAX_MESSAGE_DEPTH} others. */
export function tooDeep(typeName: string): DecodeError {
  return new DecodeError(`${typeName}: messages are nested more than ${MAX_MESSAGE_DEPTH} deep`);
}

/** The TypeError for a field whose value has the wrong type or range. */
function wrongType(field: string, wanted: string, value: unknown): TypeError {
  return new TypeError(`${field}: expected ${wanted}, got ${describe(value)}`);
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "number" || typeof value === "bigint") return `${typeof value} ${value}`;
  return typeof value === "object" ? `a ${value.constructor?.name ?? "object"}` : typeof value;
}

// 64-bit integers pass through this scratch as two 32-bit halves; bigint arithmetic would allocate.

const scratch64 = new BigUint64Array(1);
const scratchSigned64 = new BigInt64Array(scratch64.buffer);
const scratch32 = new Uint32Array(scratch64.buffer);
const scratchDouble = new Float64Array(scratch64.buffer);
const scratchFloat = new Float32Array(scratch64.buffer);
const scratchBytes = new Uint8Array(scratch64.buffer);

// Varints

/** Writes an unsigned 32-bit varint: a tag, a length, a uint32. */
export function writeVarint32(buf: Uint8Array, pos: number, value: number): number {
  while (value > 127) {
    buf[pos++] = (value & 127) | 128;
    value >>>= 7;
  }
  buf[pos] = value;
  return pos + 1;
}

function writeVarint64(buf: Uint8Array, pos: number, low: number, high: number): number {
  while (high !== 0) {
    buf[pos++] = (low & 127) | 128;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  return writeVarint32(buf, pos, low);
}

/** Reads a varint, keeping its low 32 bits (unsigned). */
export function readVarint32(buf: Uint8Array, pos: number): number {
  const first = buf[pos]!;
  if (first < 128) {
    cursor.pos = pos + 1;
    return first;
  }
  return readLongVarint32(buf, pos);
}

function readLongVarint32(buf: Uint8Array, pos: number): number {
  let value = 0;
  for (let at = pos, shift = 0; shift < 70; at++, shift += 7) {
    const byte = buf[at]!;
    if (shift < 32) value |= (byte & 127) << shift;
    if (byte < 128) {
      cursor.pos = at + 1;
      return value >>> 0;
    }
    if (byte === undefined) {
      fail("the bytes end inside a number", at);
      return 0;
    }
  }
  fail("a varint is longer than 10 bytes", pos);
  return 0;
}

/** Reads a varint into the 64-bit scratch. */
function readVarint64(buf: Uint8Array, pos: number): void {
  let low = 0;
  let high = 0;
  for (let at = pos, shift = 0; shift < 70; at++, shift += 7) {
    const byte = buf[at]!;
    const bits = byte & 127;
    if (shift < 28) low |= bits << shift;
    else if (shift === 28) {
      low |= bits << 28;
      high = bits >> 4;
    } else high |= bits << (shift - 32);
    if (byte < 128) {
      scratch32[0] = low;
      scratch32[1] = high;
      cursor.pos = at + 1;
      return;
    }
    if (byte === undefined) return void fail("the bytes end inside a number", at);
  }
  fail("a varint is longer than 10 bytes", pos);
}

// Numbers: encoding

/** Writes an int32 or an enum's number; negative ones take ten bytes. */
export function writeInt32(buf: Uint8Array, pos: number, value: number, field: string): number {
  if ((value | 0) !== value) throw wrongType(field, "a 32-bit integer (int32)", value);
  return value >= 0 ? writeVarint32(buf, pos, value) : writeVarint64(buf, pos, value >>> 0, 0xffffffff);
}

/** Writes a uint32. */
export function writeUint32(buf: Uint8Array, pos: number, value: number, field: string): number {
  if (value >>> 0 !== value) throw wrongType(field, "a 32-bit integer (uint32)", value);
  return writeVarint32(buf, pos, value);
}

/** Writes a sint32 (zigzag). */
export function writeSint32(buf: Uint8Array, pos: number, value: number, field: string): number {
  if ((value | 0) !== value) throw wrongType(field, "a 32-bit integer (sint32)", value);
  return writeVarint32(buf, pos, ((value << 1) ^ (value >> 31)) >>> 0);
}

/** Writes a uint64. */
export function writeUint64(buf: Uint8Array, pos: number, value: bigint, field: string): number {
  if (typeof value !== "bigint") throw wrongType(field, "bigint", value);
  scratch64[0] = value;
  if (scratch64[0] !== value) throw wrongType(field, "a bigint from 0 to 2^64-1 (uint64)", value);
  return writeVarint64(buf, pos, scratch32[0]!, scratch32[1]!);
}

/** Writes an int64. */
export function writeInt64(buf: Uint8Array, pos: number, value: bigint, field: string): number {
  storeSigned(value, field);
  return writeVarint64(buf, pos, scratch32[0]!, scratch32[1]!);
}

/** Writes a sint64 (zigzag). */
export function writeSint64(buf: Uint8Array, pos: number, value: bigint, field: string): number {
  storeSigned(value, field);
  const low = scratch32[0]!;
  const high = scratch32[1]!;
  const sign = (high | 0) >> 31;
  return writeVarint64(buf, pos, ((low << 1) ^ sign) >>> 0, (((high << 1) | (low >>> 31)) ^ sign) >>> 0);
}

function storeSigned(value: bigint, field: string): void {
  if (typeof value !== "bigint") throw wrongType(field, "bigint", value);
  scratchSigned64[0] = value;
  if (scratchSigned64[0] !== value) throw wrongType(field, "a bigint from -2^63 to 2^63-1 (int64)", value);
}

/** Writes a bool. */
export function writeBool(buf: Uint8Array, pos: number, value: boolean, field: string): number {
  if (typeof value !== "boolean") throw wrongType(field, "boolean", value);
  buf[pos] = value ? 1 : 0;
  return pos + 1;
}

/** Writes a fixed32. */
export function writeFixed32(buf: Uint8Array, pos: number, value: number, field: string): number {
  if (value >>> 0 !== value) throw wrongType(field, "a 32-bit integer (fixed32)", value);
  return writeLittle32(buf, pos, value);
}

/** Writes an sfixed32. */
export function writeSfixed32(buf: Uint8Array, pos: number, value: number, field: string): number {
  if ((value | 0) !== value) throw wrongType(field, "a 32-bit integer (sfixed32)", value);
  return writeLittle32(buf, pos, value);
}

/** Writes a fixed64. */
export function writeFixed64(buf: Uint8Array, pos: number, value: bigint, field: string): number {
  if (typeof value !== "bigint") throw wrongType(field, "bigint", value);
  scratch64[0] = value;
  if (scratch64[0] !== value) throw wrongType(field, "a bigint from 0 to 2^64-1 (fixed64)", value);
  return writeScratch64(buf, pos);
}

/** Writes an sfixed64. */
export function writeSfixed64(buf: Uint8Array, pos: number, value: bigint, field: string): number {
  storeSigned(value, field);
  return writeScratch64(buf, pos);
}

/** Writes a double. */
export function writeDouble(buf: Uint8Array, pos: number, value: number, field: string): number {
  if (typeof value !== "number") throw wrongType(field, "number", value);
  scratchDouble[0] = value;
  return writeScratch64(buf, pos);
}

/** Writes a float, rounded to the nearest one. */
export function writeFloat(buf: Uint8Array, pos: number, value: number, field: string): number {
  if (typeof value !== "number") throw wrongType(field, "number", value);
  scratchFloat[0] = value;
  return writeLittle32(buf, pos, scratch32[0]!);
}

function writeLittle32(buf: Uint8Array, pos: number, value: number): number {
  buf[pos] = value;
  buf[pos + 1] = value >>> 8;
  buf[pos + 2] = value >>> 16;
  buf[pos + 3] = value >>> 24;
  return pos + 4;
}

function writeScratch64(buf: Uint8Array, pos: number): number {
  return writeLittle32(buf, writeLittle32(buf, pos, scratch32[0]!), scratch32[1]!);
}

/** The bigint of a 64-bit integer that the manifest wants as a string or number in JavaScript (`jstype`). */
export function toBigint(value: string | number, field: string): bigint {
  if (typeof value === "string" && /^-?[0-9]+$/.test(value)) return BigInt(value);
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  throw wrongType(field, "a whole number, in digits or as a safe integer", value);
}

/** The number of the 64-bit integer just read, which the manifest or the generator's user wants as a number; fails where digits would be lost. */
export function toSafeNumber(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number))
    fail(`${value} does not fit a JavaScript number (2^53 and more lose digits)`, cursor.pos);
  return number;
}

// Numbers: decoding

/** Reads a uint32. */
export function readUint32(buf: Uint8Array, pos: number): number {
  return readVarint32(buf, pos);
}

/** Reads an int32 or an enum's number. */
export function readInt32(buf: Uint8Array, pos: number): number {
  return readVarint32(buf, pos) | 0;
}

/** Reads a sint32 (zigzag). */
export function readSint32(buf: Uint8Array, pos: number): number {
  const value = readVarint32(buf, pos);
  return (value >>> 1) ^ -(value & 1);
}

/** Reads a uint64. */
export function readUint64(buf: Uint8Array, pos: number): bigint {
  readVarint64(buf, pos);
  return scratch64[0]!;
}

/** Reads an int64. */
export function readInt64(buf: Uint8Array, pos: number): bigint {
  readVarint64(buf, pos);
  return scratchSigned64[0]!;
}

/** Reads a sint64 (zigzag). */
export function readSint64(buf: Uint8Array, pos: number): bigint {
  readVarint64(buf, pos);
  const low = scratch32[0]!;
  const high = scratch32[1]!;
  const sign = -(low & 1);
  scratch32[0] = ((low >>> 1) | (high << 31)) ^ sign;
  scratch32[1] = (high >>> 1) ^ sign;
  return scratchSigned64[0]!;
}

/** Reads a bool: any bit of the varint makes it true. */
export function readBool(buf: Uint8Array, pos: number): boolean {
  const first = buf[pos]!;
  if (first < 128) {
    cursor.pos = pos + 1;
    return first !== 0;
  }
  readVarint64(buf, pos);
  return scratch32[0] !== 0 || scratch32[1] !== 0;
}

/** Reads a fixed32. */
export function readFixed32(buf: Uint8Array, pos: number): number {
  return readSfixed32(buf, pos) >>> 0;
}

/** Reads an sfixed32. */
export function readSfixed32(buf: Uint8Array, pos: number): number {
  cursor.pos = pos + 4;
  return buf[pos]! | (buf[pos + 1]! << 8) | (buf[pos + 2]! << 16) | (buf[pos + 3]! << 24);
}

/** Reads a fixed64. */
export function readFixed64(buf: Uint8Array, pos: number): bigint {
  loadScratch64(buf, pos);
  return scratch64[0]!;
}

/** Reads an sfixed64. */
export function readSfixed64(buf: Uint8Array, pos: number): bigint {
  loadScratch64(buf, pos);
  return scratchSigned64[0]!;
}

/** Reads a double. */
export function readDouble(buf: Uint8Array, pos: number): number {
  loadScratch64(buf, pos);
  return scratchDouble[0]!;
}

/** Reads a float. */
export function readFloat(buf: Uint8Array, pos: number): number {
  scratch32[0] = readSfixed32(buf, pos);
  return scratchFloat[0]!;
}

function loadScratch64(buf: Uint8Array, pos: number): void {
  for (let index = 0; index < 8; index++) scratchBytes[index] = buf[pos + index]!;
  cursor.pos = pos + 8;
}

// Strings

/** Buffer's own fast paths, which its published types leave out. */
interface NativeBuffer extends Buffer {
  utf8Slice(start: number, end: number): string;
  utf8Write(text: string, offset: number): number;
}

/** Strings of fewer UTF-16 units than this have a one-byte length, whatever they hold. */
const SHORT_STRING = 43;

/** The most bytes that a string takes with its tag and length, so that a caller can make room. */
export function stringRoom(value: string, field: string): number {
  if (typeof value !== "string") throw wrongType(field, "string", value);
  return value.length * 3 + 10;
}

/** Writes a string with its length; {@link stringRoom} has said how much room it needs. Lone surrogates become U+FFFD. */
export function writeString(buf: Buffer, pos: number, value: string): number {
  const length = value.length;
  if (length >= SHORT_STRING) return writeLongString(buf, pos, value);
  let at = pos + 1;
  for (let index = 0; index < length; index++) {
    const code = value.charCodeAt(index);
    if (code > 127) return writeShortUnicode(buf, pos, value);
    buf[at++] = code;
  }
  buf[pos] = length;
  return at;
}

function writeShortUnicode(buf: Buffer, pos: number, value: string): number {
  const written = (buf as NativeBuffer).utf8Write(value, pos + 1);
  buf[pos] = written;
  return pos + 1 + written;
}

/** Guesses that the text is ASCII; moves it if its length then needs more bytes than were left for it. */
function writeLongString(buf: Buffer, pos: number, value: string): number {
  const guess = varintBytes(value.length);
  const written = (buf as NativeBuffer).utf8Write(value, pos + guess);
  const needed = varintBytes(written);
  if (needed !== guess) buf.copyWithin(pos + needed, pos + guess, pos + guess + written);
  return writeVarint32(buf, pos, written) + written;
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
}

/** ASCII up to this many bytes is read without a call into native code. */
const BATCHED_STRING_BYTES = 24;

/** Reads a string with its length. Bytes that are not UTF-8 fail. */
export function readString(buf: Buffer, pos: number, end: number): string {
  const length = readVarint32(buf, pos);
  const start = cursor.pos;
  const stop = start + length;
  if (stop > end) {
    fail("a string is longer than what holds it", pos);
    return "";
  }
  cursor.pos = stop;
  if (length <= BATCHED_STRING_BYTES) {
    const text = readAscii(buf, start, stop);
    if (text !== undefined) return text;
  }
  return readUtf8(buf, start, stop);
}

const { fromCharCode } = String;

/** The text of ASCII bytes, up to sixteen a call; undefined if there is another byte. */
/** The text in `buf[start, stop)`; undefined where it is not ASCII. For short ones: a long one is read in many pieces. */
export function readAscii(buf: Uint8Array, start: number, stop: number): string | undefined {
  const length = stop - start;
  if (length < 8) return length === 0 ? "" : readFewAscii(buf, start, length);
  if (length <= 16) return readMoreAscii(buf, start, length);
  const head = readMoreAscii(buf, start, 16);
  const rest = head === undefined ? undefined : readAscii(buf, start + 16, stop);
  return rest === undefined ? undefined : head + rest;
}

/** One to seven ASCII characters. One call for all of them is what makes this worth its lines. */
function readFewAscii(buf: Uint8Array, at: number, length: number): string | undefined {
  const a = buf[at]!;
  const b = length > 1 ? buf[at + 1]! : 0;
  const c = length > 2 ? buf[at + 2]! : 0;
  const d = length > 3 ? buf[at + 3]! : 0;
  const e = length > 4 ? buf[at + 4]! : 0;
  const f = length > 5 ? buf[at + 5]! : 0;
  const g = length > 6 ? buf[at + 6]! : 0;
  if ((a | b | c | d | e | f | g) > 127) return undefined;
  switch (length) {
    case 1:
      return fromCharCode(a);
    case 2:
      return fromCharCode(a, b);
    case 3:
      return fromCharCode(a, b, c);
    case 4:
      return fromCharCode(a, b, c, d);
    case 5:
      return fromCharCode(a, b, c, d, e);
    case 6:
      return fromCharCode(a, b, c, d, e, f);
    default:
      return fromCharCode(a, b, c, d, e, f, g);
  }
}

/** Eight to sixteen ASCII characters, in one call: joining two short texts costs as much as making one. */
function readMoreAscii(buf: Uint8Array, at: number, length: number): string | undefined {
  const a = buf[at]!;
  const b = buf[at + 1]!;
  const c = buf[at + 2]!;
  const d = buf[at + 3]!;
  const e = buf[at + 4]!;
  const f = buf[at + 5]!;
  const g = buf[at + 6]!;
  const h = buf[at + 7]!;
  const i = length > 8 ? buf[at + 8]! : 0;
  const j = length > 9 ? buf[at + 9]! : 0;
  const k = length > 10 ? buf[at + 10]! : 0;
  const l = length > 11 ? buf[at + 11]! : 0;
  const m = length > 12 ? buf[at + 12]! : 0;
  const n = length > 13 ? buf[at + 13]! : 0;
  const o = length > 14 ? buf[at + 14]! : 0;
  const p = length > 15 ? buf[at + 15]! : 0;
  if ((a | b | c | d | e | f | g | h | i | j | k | l | m | n | o | p) > 127) return undefined;
  switch (length) {
    case 8:
      return fromCharCode(a, b, c, d, e, f, g, h);
    case 9:
      return fromCharCode(a, b, c, d, e, f, g, h, i);
    case 10:
      return fromCharCode(a, b, c, d, e, f, g, h, i, j);
    case 11:
      return fromCharCode(a, b, c, d, e, f, g, h, i, j, k);
    case 12:
      return fromCharCode(a, b, c, d, e, f, g, h, i, j, k, l);
    case 13:
      return fromCharCode(a, b, c, d, e, f, g, h, i, j, k, l, m);
    case 14:
      return fromCharCode(a, b, c, d, e, f, g, h, i, j, k, l, m, n);
    case 15:
      return fromCharCode(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o);
    default:
      return fromCharCode(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p);
  }
}

/** Reads a string that need not be UTF-8, as proto2 has it: other bytes become U+FFFD. */
export function readLooseString(buf: Buffer, pos: number, end: number): string {
  const length = readVarint32(buf, pos);
  const start = cursor.pos;
  const stop = start + length;
  if (stop > end) {
    fail("a string is longer than what holds it", pos);
    return "";
  }
  cursor.pos = stop;
  return (buf as NativeBuffer).utf8Slice(start, stop);
}

/** The decoder replaces what it cannot read, so only text with a replacement character needs a second look. */
function readUtf8(buf: Buffer, start: number, stop: number): string {
  const text = (buf as NativeBuffer).utf8Slice(start, stop);
  if (text.includes("\uFFFD") && !isUtf8(buf.subarray(start, stop))) fail("a string is not valid UTF-8", start);
  return text;
}

// Bytes

/** What a decoded `bytes` field is when the message does not have it. Shared, and empty, so it cannot be changed. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** The most bytes that a bytes value takes with its tag and length. */
export function bytesRoom(value: Uint8Array, field: string): number {
  if (!(value instanceof Uint8Array)) throw wrongType(field, "Uint8Array", value);
  return value.length + 10;
}

/** Writes bytes with their length; {@link bytesRoom} has said how much room they need. */
export function writeBytes(buf: Uint8Array, pos: number, value: Uint8Array): number {
  const length = value.length;
  const at = writeVarint32(buf, pos, length);
  if (length > MAX_LOOP_COPY_BYTES) setBytes.call(buf, value, at);
  else for (let index = 0; index < length; index++) buf[at + index] = value[index]!;
  return at + length;
}

/** Reads bytes with their length, into memory of their own. */
export function readBytes(buf: Buffer, pos: number, end: number): Uint8Array {
  const length = readVarint32(buf, pos);
  const start = cursor.pos;
  const stop = start + length;
  if (stop > end) {
    fail("a bytes value is longer than what holds it", pos);
    return NO_BYTES;
  }
  cursor.pos = stop;
  return copyOut(buf, start, length);
}

// Messages

/** The end of a length-prefixed value whose length is at `pos`; `cursor.pos` is then its start. FAILED if beyond `end`. */
export function readLength(buf: Uint8Array, pos: number, end: number): number {
  const length = readVarint32(buf, pos);
  const stop = cursor.pos + length;
  return stop > end ? fail("a message or list is longer than what holds it", pos) : stop;
}

/** `stop`, if a list or map entry was read exactly up to it; otherwise FAILED. */
export function endRange(pos: number, stop: number): number {
  return pos === stop || pos === FAILED ? pos : fail("a list or map entry ends inside a value", stop);
}

/** Writes the tag of a length-prefixed value and leaves a byte for its length; {@link endLength} takes the result. */
export function beginLength(writer: Writer, tag: number): number {
  writer.reserve(6);
  const pos = writeVarint32(writer.buf, writer.pos, tag);
  writer.pos = pos + 1;
  return pos - writer.start;
}

/** Writes a tag alone: that of a group's begin or end. */
export function writeTag(writer: Writer, tag: number): void {
  writer.reserve(5);
  writer.pos = writeVarint32(writer.buf, writer.pos, tag);
}

/** Where the group whose start tag was just read has its end tag; `cursor.pos` is then after that. */
export function readGroup(buf: Buffer, pos: number, end: number, startTag: number): number {
  const after = skipGroup(buf, pos, end, startTag, 1);
  return after === FAILED ? FAILED : groupStop;
}

/**
 * Ends a length-prefixed value: `mark` is where its length goes, relative to `writer.start`, and one byte was left
 * for it. A value of 128 bytes or more is moved to make room for a longer length.
 */
export function endLength(writer: Writer, mark: number): void {
  const at = writer.start + mark;
  const length = writer.pos - at - 1;
  if (length < 128) writer.buf[at] = length;
  else endLongLength(writer, mark, length);
}

function endLongLength(writer: Writer, mark: number, length: number): void {
  const bytes = varintBytes(length);
  writer.reserve(bytes);
  const at = writer.start + mark;
  writer.buf.copyWithin(at + bytes, at + 1, writer.pos);
  writeVarint32(writer.buf, at, length);
  writer.pos += bytes - 1;
}

/** Throws the TypeError for a message or map that is no object. */
export function expectObject(value: unknown, field: string): void {
  if (typeof value !== "object" || value === null) throw wrongType(field, "an object", value);
}

/** Throws the TypeError for a repeated field that is no array. */
export function expectList(value: unknown, field: string): void {
  if (!Array.isArray(value)) throw wrongType(field, "an array", value);
}

/** True if a closed enum declares this number; others are treated as unknown fields. */
export function hasNumber<Declared extends Readonly<Record<string, number>>>(
  declared: Declared,
  value: number,
): value is Declared[keyof Declared] {
  return Object.values(declared).includes(value);
}

/** What a decoder throws when a required field is missing. */
export function missingField(field: string): DecodeError {
  return new DecodeError(`${field}: this required field is missing`);
}

// Unknown fields

/** The position after an unknown field whose tag was read up to `pos`, or FAILED. Groups are skipped whole. */
export function skipField(buf: Buffer, pos: number, end: number, tag: number): number {
  return skipValue(buf, pos, end, tag, 0);
}

function skipValue(buf: Buffer, pos: number, end: number, tag: number, depth: number): number {
  if (tag >>> 3 === 0) return fail("a field has the number 0", pos);
  switch (tag & 7) {
    case 0:
      readVarint64(buf, pos);
      return cursor.pos;
    case 1:
      return pos + 8;
    case 2:
      return readLength(buf, pos, end);
    case 3:
      return skipGroup(buf, pos, end, tag, depth + 1);
    case 5:
      return pos + 4;
    default:
      return fail((tag & 7) === 4 ? "a group ends that did not begin" : `a field has the wire type ${tag & 7}`, pos);
  }
}

/** Where the end tag of the last group that was skipped begins. */
let groupStop = 0;

function skipGroup(buf: Buffer, pos: number, end: number, startTag: number, depth: number): number {
  if (depth > MAX_MESSAGE_DEPTH) return fail(`groups are nested more than ${MAX_MESSAGE_DEPTH} deep`, pos);
  let at = pos;
  while (at < end) {
    const tag = readVarint32(buf, at);
    if (tag === startTag + 1) {
      groupStop = at;
      return cursor.pos;
    }
    at = skipValue(buf, cursor.pos, end, tag, depth);
  }
  return at === FAILED ? FAILED : fail("a group has no end", pos);
}

/**
 * Adds a field whose bytes are `buf[from, to)` to a message's unknown fields, as a copy; does nothing if the field could
 * not be read, which leaves `to` beyond `end`.
 */
export function keepUnknown(
  fields: Uint8Array[] | undefined,
  buf: Buffer,
  from: number,
  to: number,
  end: number,
): Uint8Array[] | undefined {
  if (to > end) return fields;
  const list = fields ?? [];
  list.push(copyOut(buf, from, to - from));
  return list;
}

/** Adds a number that a closed enum does not have, from a packed list, as an unknown field of its own. */
export function keepUnknownNumber(fields: Uint8Array[] | undefined, tag: number, value: number): Uint8Array[] {
  const bytes = new Uint8Array(MAX_SCALAR_BYTES);
  const list = fields ?? [];
  list.push(bytes.slice(0, writeInt32(bytes, writeVarint32(bytes, 0, tag), value, "an enum")));
  return list;
}

/** Writes fields that decoding kept, as they came. */
export function writeUnknown(writer: Writer, fields: readonly Uint8Array[], field: string): void {
  expectList(fields, field);
  for (const bytes of fields) {
    if (!(bytes instanceof Uint8Array)) throw wrongType(field, "Uint8Array", bytes);
    writer.reserve(bytes.length);
    writer.buf.set(bytes, writer.pos);
    writer.pos += bytes.length;
  }
}
