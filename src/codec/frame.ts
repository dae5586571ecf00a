// The frame format of PROTOCOL.md: the connection preface, the 12-byte header, the frame types and flags, and the frames
// that never change. Integers are little-endian. It knows bytes, not connections or calls.
//
//    0        4      5       6     8       12
//    +--------+------+-------+-----+-------+----------- - -
//    | length | type | flags | arg |  id   | payload (length bytes)
//    +--------+------+-------+-----+-------+----------- - -

import type { Writer } from "./writer.js";

/** The protocol version that this code speaks. */
export const PROTOCOL_VERSION = 1;

/** The first bytes of each direction: no HTTP method, HTTP/2 preface or TLS record begins with 0xF0. Section 2. */
export const PREFACE: Buffer = Buffer.from([0xf0, 0x53, 0x4c, 0x55, 0x49, 0x43, 0x45, 0x0a]);

/** The length of a frame header, in bytes. */
export const HEADER_BYTES = 12;

/** Frame types (section 4). A receiver skips types it does not know. */
export const FrameType = {
  SETTINGS: 1,
  METHOD: 2,
  REQUEST: 3,
  RESPONSE: 4,
  MESSAGE: 5,
  FRAGMENT: 6,
  CANCEL: 7,
  CREDIT: 8,
  PING: 9,
  PONG: 10,
  GOAWAY: 11,
  LEASE: 12,
} as const;
/** One of the frame types. */
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Frame flags (section 4); which ones a type may carry is in PROTOCOL.md. */
export const Flag = {
  /** The sender's last message of this call. */
  END: 0x01,
  /** A metadata block precedes the message. */
  METADATA: 0x02,
  /** REQUEST: the remaining time precedes everything else. */
  DEADLINE: 0x04,
  /** RESPONSE: a second metadata block, the trailing one, precedes the message. */
  TRAILERS: 0x04,
  /** REQUEST: there will be no response. */
  ONE_WAY: 0x08,
  /** RESPONSE: the call provably did not run. */
  REFUSED: 0x08,
  /** The message is compressed. */
  COMPRESSED: 0x10,
  /** The message goes on in FRAGMENT frames; its total length precedes it. */
  MORE: 0x20,
  /** The frame carries no message. */
  NO_MESSAGE: 0x40,
} as const;

/** Why a connection is closed, in a GOAWAY frame's arg (section 9). */
export const CloseReason = {
  DRAIN: 0,
  PROTOCOL_ERROR: 1,
  LIMIT_EXCEEDED: 2,
  UNSUPPORTED_VERSION: 3,
  HANDSHAKE_TIMEOUT: 4,
  HEARTBEAT_TIMEOUT: 5,
  SLOW_READER: 6,
  CONNECTION_LIMIT: 7,
} as const;
/** One of the reasons to close a connection. */
export type CloseReason = (typeof CloseReason)[keyof typeof CloseReason];

const closeReasonNames: readonly string[] = Object.keys(CloseReason);

/** `"PROTOCOL_ERROR"` for 1; `"REASON_99"` for a number that is none. */
export function closeReasonName(reason: number): string {
  return closeReasonNames[reason] ?? `REASON_${reason}`;
}

// A call id (section 6): bit 0 tells which side began the call, bits 1-16 are its slot, bits 17-31 a generation that
// changes each time the slot is used again. Here it is a signed integer, which the engine keeps without an allocation
// whatever its highest bit is; people are told the unsigned one, by `idText`.

/** How many slots an id can name. */
export const MAX_SLOTS = 65_536;
/** Added to an id to make the next one of the same slot; the sum is taken modulo 2^32. */
export const GENERATION_STEP = 0x2_0000;

/** The id of the call that a frame is about, whose header is at `at`. */
export function readId(buf: Buffer, at: number): number {
  return readInt32(buf, at + 8);
}

/** An id as PROTOCOL.md writes it. */
export function idText(id: number): string {
  return String(id >>> 0);
}

/** The slot in a call id. */
export function slotOf(id: number): number {
  return (id >>> 1) & 0xffff;
}

/** The unsigned 32-bit integer at `at`. */
export function readUint32(buf: Buffer, at: number): number {
  return readInt32(buf, at) >>> 0;
}

function readInt32(buf: Buffer, at: number): number {
  return (
    (buf[at] as number) |
    ((buf[at + 1] as number) << 8) |
    ((buf[at + 2] as number) << 16) |
    ((buf[at + 3] as number) << 24)
  );
}

/** Writes an unsigned 32-bit integer at `at`. */
export function writeUint32(buf: Buffer, at: number, value: number): void {
  buf[at] = value;
  buf[at + 1] = value >>> 8;
  buf[at + 2] = value >>> 16;
  buf[at + 3] = value >>> 24;
}

/** The header's `arg`: a method's index, a status code or a close reason, by type. */
export function readArg(buf: Buffer, at: number): number {
  return (buf[at + 6] as number) | ((buf[at + 7] as number) << 8);
}

/** Leaves room for a header at `writer.start` and moves `pos` behind it; {@link endFrame} fills it in. */
export function beginFrame(writer: Writer): void {
  writer.reserve(HEADER_BYTES);
  writer.pos += HEADER_BYTES;
}

/** Writes the header of the frame that began at `writer.start` and ends at `writer.pos`, and finishes it. */
export function endFrame(writer: Writer, type: FrameType, flags: number, arg: number, id: number): void {
  const { buf, start, pos } = writer;
  writeUint32(buf, start, pos - start - HEADER_BYTES);
  buf[start + 4] = type;
  buf[start + 5] = flags;
  buf[start + 6] = arg;
  buf[start + 7] = arg >>> 8;
  writeUint32(buf, start + 8, id);
  writer.start = pos;
}

/** A frame without payload. */
export function emptyFrame(type: FrameType): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES);
  frame[4] = type;
  return frame;
}

/** The one PING and the one PONG frame that every connection sends. */
export const PING_FRAME: Buffer = emptyFrame(FrameType.PING);
export const PONG_FRAME: Buffer = emptyFrame(FrameType.PONG);

/** Bytes that break the protocol; the connection ends with `reason` and this text. */
export class FrameError extends Error {
  override readonly name = "FrameError";
  readonly reason: CloseReason;

  constructor(reason: CloseReason, message: string) {
    super(message);
    this.reason = reason;
  }
}
