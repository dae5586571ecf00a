// What is kept of received bytes is copied out of the buffers that they were received in, side by side into chunks of
// memory. What one read of a connection has brought mostly holds many values, close together: there they are copied in
// stretches, with what lies between them, which costs one native call for some KiB. No two values share a byte.

import { markAsUntransferable } from "node:worker_threads";

/** Copies larger than this get memory of their own; smaller ones share chunks, as Node's `Buffer.allocUnsafe` does. */
const MAX_SHARED_BYTES = 2048;
const CHUNK_BYTES = 16_384;
/** Up to this many bytes, copying in a loop beats making the view that native copying needs. */
export const MAX_LOOP_COPY_BYTES = 24;
/** A buffer with at most so many bytes around those that are wanted is copied whole, which needs no view of it. */
const MAX_BYTES_AROUND = 64;
/** How much of a read is copied at once. */
const STRETCH_BYTES = 4096;

/** To be used with `call`: the prototype is a dictionary to the engine, which would look for the method each time. */
export const setBytes: Uint8Array["set"] = Uint8Array.prototype.set;

/** Memory that copies share. */
interface Chunk {
  readonly memory: ArrayBuffer;
  readonly bytes: Uint8Array;
}

let chunk = newChunk();
/** How much of the chunk is used. */
let used = 0;

const NO_BUFFER: Buffer = Buffer.alloc(0);
/** The buffer that was copied from last, taken apart: its accessors cost as much as a short copy. */
const source: { buf: Buffer; memory: ArrayBufferLike; offset: number } = {
  buf: NO_BUFFER,
  memory: NO_BUFFER.buffer,
  offset: 0,
};
/** What goes with the message that is in it. */
let given = NO_BUFFER;
/** What a connection has read and is being decoded. */
const read = {
  buf: NO_BUFFER,
  end: 0,
  /** Where the value ends that was copied last: the next one does not overlap it. */
  done: 0,
  /** Up to here it has been copied into the chunk, to positions that are larger by `shift`. */
  copied: 0,
  shift: 0,
};

/** Until {@link endRead}, `buf[start, end)` does not change. */
export function beginRead(buf: Buffer, start: number, end: number): void {
  read.buf = buf;
  read.end = end;
  read.done = start;
  read.copied = 0;
}

/** See {@link beginRead}. */
export function endRead(): void {
  read.buf = NO_BUFFER;
}

/** Until {@link endGiven}, `buf` is what is decoded, and nobody uses it afterwards: the value that is most of it stays there. */
export function beginGiven(buf: Buffer): void {
  given = buf;
}

/** See {@link beginGiven}. */
export function endGiven(): void {
  given = NO_BUFFER;
  // Such a buffer may be long, and is not kept from being freed.
  source.buf = NO_BUFFER;
  source.memory = NO_BUFFER.buffer;
}

/** `buf[start, start + length)`, in memory that no other value is in. */
export function copyOut(buf: Buffer, start: number, length: number): Uint8Array {
  if (length > MAX_SHARED_BYTES) return copyLong(buf, start, length);
  const at = place(buf, start, length);
  return new Uint8Array(chunk.memory, at, length);
}

/** Where the last copy begins that {@link copyAside} has made. One object for all: decoding never awaits. */
export const aside: { at: number } = { at: 0 };

/** The same without a view of its own: an array that has it at `aside.at`, among what nobody may write to. */
export function copyAside(buf: Buffer, start: number, length: number): Uint8Array {
  if (length > MAX_SHARED_BYTES) {
    aside.at = 0;
    return copyLong(buf, start, length);
  }
  aside.at = place(buf, start, length);
  return chunk.bytes;
}

function copyLong(buf: Buffer, start: number, length: number): Uint8Array {
  if (buf === given && 2 * length >= buf.length) {
    given = NO_BUFFER;
    return viewOf(buf, start, length);
  }
  const copy = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
  setBytes.call(copy, viewOf(buf, start, length));
  return copy;
}

/** Copies into the chunk; returns where to. */
function place(buf: Buffer, start: number, length: number): number {
  if (buf === read.buf && start >= read.done) return placeRead(start, length);
  const size = buf.length;
  if (length <= MAX_LOOP_COPY_BYTES || size - length > MAX_BYTES_AROUND) return placeAlone(buf, start, length);
  const at = reserve(size);
  setBytes.call(chunk.bytes, buf, at);
  return at + start;
}

/** Copies from the read that is being decoded: a stretch of it, where at least half of what was passed since the last is wanted. */
function placeRead(start: number, length: number): number {
  const gap = start - read.done;
  read.done = start + length;
  if (read.done > read.copied) {
    if (gap > length) return placeAlone(read.buf, start, length);
    copyStretch(start);
  }
  return start + read.shift;
}

function copyStretch(start: number): void {
  const bytes = Math.min(read.end - start, STRETCH_BYTES);
  const at = reserve(bytes);
  setBytes.call(chunk.bytes, viewOf(read.buf, start, bytes), at);
  read.copied = start + bytes;
  read.shift = at - start;
}

function placeAlone(buf: Buffer, start: number, length: number): number {
  const at = reserve(length);
  const { bytes } = chunk;
  if (length > MAX_LOOP_COPY_BYTES) setBytes.call(bytes, viewOf(buf, start, length), at);
  else for (let index = 0; index < length; index++) bytes[at + index] = buf[start + index]!;
  return at;
}

function viewOf(buf: Buffer, start: number, length: number): Uint8Array {
  if (source.buf !== buf) {
    source.buf = buf;
    source.memory = buf.buffer;
    source.offset = buf.byteOffset;
  }
  return new Uint8Array(source.memory, source.offset + start, length);
}

/** Where the next `length` bytes of the chunk begin. */
function reserve(length: number): number {
  if (used + length > CHUNK_BYTES) {
    chunk = newChunk();
    used = 0;
    // What was copied of the read is in the chunk before.
    read.copied = 0;
  }
  const at = used;
  used = (at + length + 7) & ~7;
  return at;
}

/** A transferred chunk would take other messages' bytes with it. */
function newChunk(): Chunk {
  const bytes = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  const memory = bytes.buffer as ArrayBuffer;
  markAsUntransferable(memory);
  return { memory, bytes: new Uint8Array(memory) };
}
