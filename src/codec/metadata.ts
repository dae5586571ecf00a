// Metadata: the named values that travel beside a message, as in gRPC. Keys are lower-case; a key that ends in "-bin"
// holds bytes, every other one printable ASCII text. It also owns the block format of PROTOCOL.md section 7.

import { DecodeError } from "./message.js";
import type { Writer } from "./writer.js";

/** The most bytes a metadata block may have on the wire; negotiated limits are at or below this. */
export const MAX_METADATA_BYTES = 65_535;
/** A block with more entries than this is refused. */
export const MAX_METADATA_ENTRIES = 100;

/** One value: text, or bytes under a key that ends in "-bin". */
export type MetadataValue = string | Uint8Array;
/** What may be passed where metadata is asked for. */
export type MetadataInit = Metadata | { readonly [key: string]: MetadataValue | readonly MetadataValue[] };

const KEY = /^[0-9a-z_.-]{1,255}$/;
const TEXT = /^[\x20-\x7e]*$/;

/** A list of key-value pairs with set and append; keys are matched without case. */
export class Metadata {
  private readonly values = new Map<string, MetadataValue[]>();

  constructor(init: { readonly [key: string]: MetadataValue | readonly MetadataValue[] } = {}) {
    for (const [key, value] of Object.entries(init)) {
      for (const each of isList(value) ? value : [value]) this.append(key, each);
    }
  }

  /** `init` itself if it is metadata already. */
  static from(init: MetadataInit): Metadata {
    return init instanceof Metadata ? init : new Metadata(init);
  }

  /** The first value of `key`. */
  get(key: string): MetadataValue | undefined {
    return this.values.get(key.toLowerCase())?.[0];
  }

  /** Every value of `key`, in order. */
  getAll(key: string): readonly MetadataValue[] {
    return this.values.get(key.toLowerCase()) ?? [];
  }

  /** Replaces the values of `key`. Throws `TypeError` for a key or value that cannot travel. */
  set(key: string, value: MetadataValue): void {
    this.values.set(checkKey(key), [checkValue(key, value)]);
  }

  /** Adds a value to those of `key`. Throws `TypeError` for a key or value that cannot travel. */
  append(key: string, value: MetadataValue): void {
    const name = checkKey(key);
    const list = this.values.get(name);
    if (list === undefined) this.values.set(name, [checkValue(name, value)]);
    else list.push(checkValue(name, value));
  }

  /** Removes every value of `key`. */
  delete(key: string): void {
    this.values.delete(key.toLowerCase());
  }

  /** True where no key has a value. */
  get isEmpty(): boolean {
    return this.values.size === 0;
  }

  /** Every pair, keys in the order they came, one entry a value. */
  *[Symbol.iterator](): IterableIterator<[string, MetadataValue]> {
    for (const [key, list] of this.values) for (const value of list) yield [key, value];
  }
}

function isList(value: MetadataValue | readonly MetadataValue[]): value is readonly MetadataValue[] {
  return Array.isArray(value);
}

function checkKey(key: string): string {
  const name = key.toLowerCase();
  if (!KEY.test(name)) {
    throw new TypeError(`metadata key ${JSON.stringify(key)}: use 1 to 255 of the characters 0-9 a-z _ . -`);
  }
  return name;
}

function checkValue(key: string, value: MetadataValue): MetadataValue {
  if (key.toLowerCase().endsWith("-bin")) {
    if (value instanceof Uint8Array) return value;
    throw new TypeError(`metadata ${key}: a key that ends in -bin takes a Uint8Array, not ${typeof value}`);
  }
  if (typeof value !== "string" || !TEXT.test(value)) {
    throw new TypeError(`metadata ${key}: takes printable ASCII text; for other values use a key that ends in -bin`);
  }
  return value;
}

/** Appends a metadata block (PROTOCOL.md section 7). Throws `RangeError` above `maxBytes` or {@link MAX_METADATA_ENTRIES}. */
export function encodeMetadata(metadata: Metadata, writer: Writer, maxBytes: number): void {
  writer.reserve(2);
  const mark = writer.pos - writer.start;
  writer.pos += 2;
  let entries = 0;
  for (const [key, value] of metadata) {
    if (++entries > MAX_METADATA_ENTRIES)
      throw new RangeError(`metadata has more than ${MAX_METADATA_ENTRIES} entries`);
    encodeEntry(key, value, writer);
  }
  const bytes = writer.pos - writer.start - mark - 2;
  if (bytes > maxBytes) throw new RangeError(`metadata takes ${bytes} bytes; the peer accepts ${maxBytes}`);
  writer.buf.writeUInt16LE(bytes, writer.start + mark);
}

function encodeEntry(key: string, value: MetadataValue, writer: Writer): void {
  const bytes = value.length;
  if (bytes > MAX_METADATA_BYTES)
    throw new RangeError(`metadata ${key} takes ${bytes} bytes; at most ${MAX_METADATA_BYTES}`);
  writer.reserve(3 + key.length + bytes);
  const { buf } = writer;
  let { pos } = writer;
  buf[pos++] = key.length;
  pos += buf.write(key, pos, "latin1");
  buf[pos++] = bytes;
  buf[pos++] = bytes >>> 8;
  if (typeof value === "string") buf.write(value, pos, "latin1");
  else buf.set(value, pos);
  writer.pos = pos + bytes;
}

/** The length of the block at `start`, its two length bytes included. Throws {@link DecodeError} past `end` or `maxBytes`. */
export function metadataBlockBytes(buf: Buffer, start: number, end: number, maxBytes: number): number {
  if (end - start < 2) throw new DecodeError("metadata block: the frame ends inside its length");
  const bytes = buf.readUInt16LE(start);
  if (bytes > maxBytes) throw new DecodeError(`metadata block of ${bytes} bytes; the limit is ${maxBytes}`);
  if (bytes > end - start - 2) throw new DecodeError(`metadata block of ${bytes} bytes reaches beyond its frame`);
  return bytes + 2;
}

/** Reads the block whose two length bytes are at `start`. It shares no memory with `buf`. Throws {@link DecodeError}. */
export function decodeMetadata(buf: Buffer, start: number): Metadata {
  const end = start + 2 + buf.readUInt16LE(start);
  const metadata = new Metadata();
  let pos = start + 2;
  for (let entries = 0; pos < end; entries++) {
    if (entries === MAX_METADATA_ENTRIES)
      throw new DecodeError(`metadata block: more than ${MAX_METADATA_ENTRIES} entries`);
    pos = decodeEntry(buf, pos, end, metadata);
  }
  return metadata;
}

function decodeEntry(buf: Buffer, start: number, end: number, metadata: Metadata): number {
  const valueAt = start + 1 + (buf[start] as number) + 2;
  if (valueAt > end) throw new DecodeError("metadata block ends inside a key");
  const key = buf.toString("latin1", start + 1, valueAt - 2);
  const next = valueAt + buf.readUInt16LE(valueAt - 2);
  if (next > end) throw new DecodeError("metadata block ends inside a value");
  if (key !== key.toLowerCase()) throw new DecodeError("metadata key has upper-case letters");
  try {
    metadata.append(
      key,
      key.endsWith("-bin") ? new Uint8Array(buf.subarray(valueAt, next)) : buf.toString("latin1", valueAt, next),
    );
  } catch (error) {
    throw new DecodeError((error as Error).message);
  }
  return next;
}
