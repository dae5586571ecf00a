// The floor's wire format and its hand-written codec. A frame is
//
//   u32 length of the rest | u32 slot of the call | u64 id | u32 length of name | name (UTF-8) | payload
//
// little-endian, the same in both directions. Nothing here knows of sockets or promises. What decoding returns is
// copied out of the read buffer; what encoding writes goes straight into the outgoing slab.

import type { EchoMessage } from "./peer.js";

/** Where the message begins in a frame, after the length and the slot. */
export const FRAME_HEADER_BYTES = 8;
const MESSAGE_HEADER_BYTES = 12;
/** Names up to this length are written and read in JavaScript; longer ones by the platform's UTF-8 functions. */
const SHORT_NAME = 12;
/** Payloads up to this length are copied word by word, which costs less than making a view for `set`. */
const SHORT_PAYLOAD = 256;
/** Payloads up to this length share memory with their neighbours; larger ones have their own. */
const POOLED_PAYLOAD = 4096;
const POOL_BYTES = 64 * 1024;

const words = new Uint32Array(2);
const quad = new BigUint64Array(words.buffer);

/** A buffer with the view of it that numbers are read and written through. */
export interface Slab {
  readonly bytes: Buffer;
  readonly view: DataView;
}

/** A slab over memory of its own. */
export function newSlab(size: number): Slab {
  return slabOver(Buffer.allocUnsafeSlow(size));
}

/** A slab over `bytes`. */
export function slabOver(bytes: Buffer): Slab {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

/** The most bytes that a frame with `message` can take. */
export function frameBound(message: EchoMessage): number {
  return FRAME_HEADER_BYTES + MESSAGE_HEADER_BYTES + message.name.length * 3 + message.payload.length;
}

/** Writes a frame at `pos`, where {@link frameBound} bytes are free, and returns its end. */
export function encodeFrame(slab: Slab, pos: number, slot: number, message: EchoMessage): number {
  const { bytes, view } = slab;
  const { name, payload } = message;
  const start = pos + FRAME_HEADER_BYTES + MESSAGE_HEADER_BYTES;
  quad[0] = message.id;
  view.setUint32(pos + 8, words[0]!, true);
  view.setUint32(pos + 12, words[1]!, true);
  const nameEnd = encodeName(bytes, start, name);
  view.setUint32(pos + 16, nameEnd - start, true);
  bytes.set(payload, nameEnd);
  const end = nameEnd + payload.length;
  view.setUint32(pos, end - pos - 4, true);
  view.setUint32(pos + 4, slot, true);
  return end;
}

function encodeName(bytes: Buffer, start: number, name: string): number {
  const length = name.length;
  if (length <= SHORT_NAME) {
    let seen = 0;
    for (let i = 0; i < length; i++) {
      const code = name.charCodeAt(i);
      seen |= code;
      bytes[start + i] = code;
    }
    if (seen < 0x80) return start + length;
  }
  return start + bytes.write(name, start);
}

/** Reads the message of a frame from `slab[start, end)`, header excluded, and copies out what it keeps. */
export function decodeMessage(slab: Slab, start: number, end: number): EchoMessage {
  const nameEnd = readNameEnd(slab, start);
  const name = decodeName(slab.bytes, start + MESSAGE_HEADER_BYTES, nameEnd);
  return { id: readId(slab.view, start), name, payload: copyPayload(slab, nameEnd, end) };
}

/** The same for a slab that is given away with the message: the payload stays where it is. */
export function decodeOwned(slab: Slab, start: number, end: number): EchoMessage {
  const nameEnd = readNameEnd(slab, start);
  const name = decodeName(slab.bytes, start + MESSAGE_HEADER_BYTES, nameEnd);
  return { id: readId(slab.view, start), name, payload: slab.bytes.subarray(nameEnd, end) };
}

function readNameEnd({ view }: Slab, start: number): number {
  return start + MESSAGE_HEADER_BYTES + view.getUint32(start + 8, true);
}

function readId(view: DataView, at: number): bigint {
  words[0] = view.getUint32(at, true);
  words[1] = view.getUint32(at + 4, true);
  return quad[0]!;
}

const { fromCharCode } = String;
/** Argument lists for `fromCharCode`, by length: a short name is made in one call, without intermediate strings. */
const letters: number[][] = Array.from({ length: SHORT_NAME + 1 }, (_, length) => new Array<number>(length).fill(0));

function decodeName(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length > SHORT_NAME) return bytes.toString("utf8", start, end);
  const codes = letters[length]!;
  let seen = 0;
  for (let i = 0; i < length; i++) {
    const code = bytes[start + i]!;
    seen |= code;
    codes[i] = code;
  }
  return seen < 0x80 ? fromCharCode.apply(null, codes) : bytes.toString("utf8", start, end);
}

let pool = newSlab(POOL_BYTES);
let poolPos = 0;

/** A copy that shares no memory with the read buffer. All but large ones live side by side in a pool of their own. */
function copyPayload(slab: Slab, start: number, end: number): Uint8Array {
  const length = end - start;
  if (length > POOLED_PAYLOAD) {
    const copy = Buffer.allocUnsafeSlow(length);
    copy.set(slab.bytes.subarray(start, end));
    return copy;
  }
  if (poolPos + length > POOL_BYTES) {
    pool = newSlab(POOL_BYTES);
    poolPos = 0;
  }
  const at = poolPos;
  poolPos = (at + length + 7) & ~7;
  if (length <= SHORT_PAYLOAD) copyWords(slab.view, start, pool.view, at, length);
  else pool.bytes.set(slab.bytes.subarray(start, end), at);
  return new Uint8Array(pool.bytes.buffer, at, length);
}

function copyWords(from: DataView, start: number, to: DataView, at: number, length: number): void {
  let i = 0;
  for (; i + 4 <= length; i += 4) to.setUint32(at + i, from.getUint32(start + i, true), true);
  for (; i < length; i++) to.setUint8(at + i, from.getUint8(start + i));
}
