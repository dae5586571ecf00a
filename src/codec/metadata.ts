// Metadata: the named values that travel beside a message, as in gRPC. Keys are lower-case; a key that ends in "-bin"
// holds bytes, every other one printable ASCII text. Most of what arrives is never looked at, or for one key: it is taken
// apart when it is listed or changed.

import { aside, copyAside } from "./copies.js";
import { DecodeError } from "./message.js";
import {
  beginBlock,
  checkBlock,
  checkKey,
  checkValue,
  endBlock,
  firstIn,
  type MetadataPairs,
  type MetadataValue,
  takeApart,
  writeBlock,
  writeEntry,
} from "./metadata-block.js";
import type { Writer } from "./writer.js";

export { MAX_METADATA_BYTES, MAX_METADATA_ENTRIES, type MetadataValue } from "./metadata-block.js";

/** What may be passed where metadata is asked for. */
export type MetadataInit = Metadata | PlainMetadata;
interface PlainMetadata {
  readonly [key: string]: MetadataValue | readonly MetadataValue[];
}

/** A list of key-value pairs with set and append; keys are matched without case. */
export class Metadata {
  /** Undefined where it is as it arrived. */
  private pairs: MetadataPairs | undefined = undefined;
  /** As it arrived, in `block[start, end)`; undefined once it was taken apart. */
  private block: Uint8Array | undefined = undefined;
  private start = 0;
  private end = 0;

  constructor(init?: PlainMetadata) {
    if (init !== undefined) this.appendAll(init);
  }

  /** `init` itself if it is metadata already. */
  static from(init: MetadataInit): Metadata {
    return init instanceof Metadata ? init : new Metadata(init);
  }

  /** What has arrived, in `block[start, end)`, which was checked and is written to by nobody. */
  static of(block: Uint8Array, start: number, end: number): Metadata {
    const metadata = new Metadata();
    metadata.block = block;
    metadata.start = start;
    metadata.end = end;
    return metadata;
  }

  /** The first value of `key`. */
  get(key: string): MetadataValue | undefined {
    // Most callers write keys as they travel, and the engine takes its time to find that out.
    return this.first(key) ?? this.first(key.toLowerCase());
  }

  /** Every value of `key`, in order. */
  getAll(key: string): readonly MetadataValue[] {
    return this.all().get(key.toLowerCase()) ?? [];
  }

  /** Replaces the values of `key`. Throws `TypeError` for a key or value that cannot travel. */
  set(key: string, value: MetadataValue): void {
    this.all().set(checkKey(key), [checkValue(key, value)]);
  }

  /** Adds a value to those of `key`. Throws `TypeError` for a key or value that cannot travel. */
  append(key: string, value: MetadataValue): void {
    const name = checkKey(key);
    const list = this.all().get(name);
    if (list === undefined) this.all().set(name, [checkValue(name, value)]);
    else list.push(checkValue(name, value));
  }

  /** Removes every value of `key`. */
  delete(key: string): void {
    this.all().delete(key.toLowerCase());
  }

  /** True where no key has a value. */
  get isEmpty(): boolean {
    return this.all().size === 0;
  }

  /** Every pair, keys in the order they came, one entry a value. */
  *[Symbol.iterator](): IterableIterator<[string, MetadataValue]> {
    for (const [key, list] of this.all()) for (const value of list) yield [key, value];
  }

  /** Appends its entries to a block that is being written. Throws `RangeError` for more than a block may have. */
  write(writer: Writer): void {
    if (this.block !== undefined) {
      writeBlock(writer, this.block, this.start, this.end);
      return;
    }
    let place = 0;
    for (const [key, list] of this.all()) for (const value of list) writeEntry(writer, place++, key, value);
  }

  private appendAll(init: PlainMetadata): void {
    for (const key of Object.keys(init)) {
      const value = init[key]!;
      for (const each of isList(value) ? value : [value]) this.append(key, each);
    }
  }

  private first(name: string): MetadataValue | undefined {
    return this.block === undefined ? this.pairs?.get(name)?.[0] : firstIn(this.block, this.start, this.end, name);
  }

  private all(): MetadataPairs {
    if (this.block !== undefined) {
      this.pairs = takeApart(this.block, this.start, this.end);
      this.block = undefined;
    }
    this.pairs ??= new Map();
    return this.pairs;
  }
}

function isList(value: MetadataValue | readonly MetadataValue[]): value is readonly MetadataValue[] {
  return Array.isArray(value);
}

/**
 * Appends a metadata block (PROTOCOL.md section 7). Throws `TypeError` for keys and values that cannot travel, `RangeError` above
 * `maxBytes` or {@link MAX_METADATA_ENTRIES}.
 */
export function encodeMetadata(init: MetadataInit, writer: Writer, maxBytes: number): void {
  const mark = beginBlock(writer);
  if (init instanceof Metadata) init.write(writer);
  else writePlain(init, writer);
  endBlock(writer, mark, maxBytes);
}

/** The engine knows this one, and where the keys of a loop over an object are in it. */
const { hasOwnProperty: isOwn } = Object.prototype;

function writePlain(init: PlainMetadata, writer: Writer): void {
  let place = 0;
  for (const key in init) {
    if (!isOwn.call(init, key)) continue;
    const value = init[key]!;
    if (isList(value)) for (const each of value) writeEntry(writer, place++, key, each);
    else writeEntry(writer, place++, key, value);
  }
}

/** The length of the block at `start`, its two length bytes included. Throws {@link DecodeError} past `end` or `maxBytes`. */
export function metadataBlockBytes(buf: Buffer, start: number, end: number, maxBytes: number): number {
  if (end - start < 2) throw new DecodeError("metadata block: the frame ends inside its length");
  const bytes = buf[start]! | (buf[start + 1]! << 8);
  if (bytes > maxBytes) throw badBlock(bytes, `; the limit is ${maxBytes}`);
  if (bytes > end - start - 2) throw badBlock(bytes, " reaches beyond its frame");
  return bytes + 2;
}

function badBlock(bytes: number, flaw: string): DecodeError {
  return new DecodeError(`metadata block of ${bytes} bytes${flaw}`);
}

/** Reads the block whose two length bytes are at `start`. It shares no memory with `buf`. Throws {@link DecodeError}. */
export function decodeMetadata(buf: Buffer, start: number): Metadata {
  const length = buf[start]! | (buf[start + 1]! << 8);
  const bytes = copyAside(buf, start + 2, length);
  const { at } = aside;
  checkBlock(bytes, at, at + length);
  return Metadata.of(bytes, at, at + length);
}
