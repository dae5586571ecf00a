// Frames, written out: the words in which a {@link ScriptedPeer} is told what to send (PROTOCOL.md sections 2 to 4). Each
// is the bytes of one frame; nothing here checks that it makes sense, since tests also send what does not.

import { type CloseReason, Flag, FrameType, HEADER_BYTES, PREFACE } from "../codec/frame.js";
import { Settings, type SettingsInit, Status, type StatusInit } from "../codec/wire.js";

/** One frame, as it was received. */
export interface Frame {
  /** One of {@link FrameType}, or a number that this version does not know. */
  readonly type: number;
  /** Bits of {@link Flag}. */
  readonly flags: number;
  /** A method's index, a status code or a reason, by type. */
  readonly arg: number;
  /** The id of the call. */
  readonly id: number;
  readonly payload: Buffer;
}

/** What of a frame is not 0 or empty. */
export interface FrameInit {
  readonly flags?: number;
  readonly arg?: number;
  readonly id?: number;
  readonly payload?: Uint8Array;
}

const NOTHING = new Uint8Array();

/** The bytes of a frame of any type. */
function frame(type: number, { flags = 0, arg = 0, id = 0, payload = NOTHING }: FrameInit = {}): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + payload.length);
  bytes.writeUInt32LE(payload.length, 0);
  bytes[4] = type;
  bytes[5] = flags;
  bytes.writeUInt16LE(arg, 6);
  bytes.writeUInt32LE(id, 8);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

function uint32s(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, 4 * i);
  return bytes;
}

function settings(init: SettingsInit = {}): Buffer {
  return frame(FrameType.SETTINGS, { payload: Settings.toBytes({ minVersion: 1, maxVersion: 1, ...init }) });
}

/**
 * The frames of the protocol: `frames.hello()`, `frames.request(0, 1, Message.toBytes({ text: "hi" }))`, ... An `id` is that
 * of a call: `2 * slot` for the n-th slot of the side that dialed, `2 * slot + 1` for that of the other one.
 */
export const frames = {
  /** Any frame, by type. */
  frame: (type: number, init?: FrameInit): Buffer => frame(type, init),
  /** The preface and a SETTINGS frame: what each side sends first. */
  hello: (init?: SettingsInit): Buffer => Buffer.concat([PREFACE, settings(init)]),
  /** SETTINGS; versions 1 to 1 unless told otherwise. */
  settings: (init?: SettingsInit): Buffer => settings(init),
  /** METHOD: calls the method with this path `index` from here on. */
  method: (index: number, path: string): Buffer => frame(FrameType.METHOD, { arg: index, payload: Buffer.from(path) }),
  /** REQUEST: a unary one unless `flags` say otherwise; the deadline and metadata that they announce begin the payload. */
  request: (id: number, method: number, payload: Uint8Array = NOTHING, flags: number = Flag.END): Buffer =>
    frame(FrameType.REQUEST, { flags, arg: method, id, payload }),
  /** An OK RESPONSE with one message, unless `flags` say otherwise. */
  response: (id: number, payload: Uint8Array = NOTHING, flags: number = Flag.END): Buffer =>
    frame(FrameType.RESPONSE, { flags, id, payload }),
  /** A RESPONSE with an error. */
  failure: (id: number, code: number, status: StatusInit = {}, flags: number = Flag.END): Buffer =>
    frame(FrameType.RESPONSE, { flags, arg: code, id, payload: Status.toBytes(status) }),
  /** MESSAGE: one message of a stream. */
  message: (id: number, payload: Uint8Array = NOTHING, flags = 0): Buffer =>
    frame(FrameType.MESSAGE, { flags, id, payload }),
  /** The end of a caller's stream: a MESSAGE without a message. */
  end: (id: number): Buffer => frame(FrameType.MESSAGE, { flags: Flag.END | Flag.NO_MESSAGE, id }),
  /** CANCEL; `code` is 1 (CANCELLED) or 4 (DEADLINE_EXCEEDED). */
  cancel: (id: number, code = 1): Buffer => frame(FrameType.CANCEL, { arg: code, id }),
  /** CREDIT of so many bytes for a stream; without an id, for the connection. */
  credit: (bytes: number, id?: number): Buffer =>
    frame(FrameType.CREDIT, { arg: id === undefined ? 1 : 0, id: id ?? 0, payload: uint32s(bytes) }),
  /** LEASE of so many calls for a time, of one method by its index, or of all. */
  lease: (count: number, ttlMs: number, method = 0): Buffer =>
    frame(FrameType.LEASE, { arg: method, payload: uint32s(ttlMs, count) }),
  ping: (): Buffer => frame(FrameType.PING),
  pong: (): Buffer => frame(FrameType.PONG),
  /** GOAWAY, with a text for people. */
  goAway: (reason: CloseReason, message = ""): Buffer =>
    frame(FrameType.GOAWAY, { arg: reason, payload: Status.toBytes({ message }) }),
  /** `whole`, the bytes of a frame, cut up: its first frame and FRAGMENT frames, none with more than `bytes` of its payload. */
  cut: (whole: Buffer, bytes: number): Buffer[] => cut(whole, bytes),
} as const;

function cut(whole: Buffer, bytes: number): Buffer[] {
  const id = whole.readUInt32LE(8);
  const payload = whole.subarray(HEADER_BYTES);
  const first = Buffer.concat([uint32s(payload.length), payload.subarray(0, bytes)]);
  const flags = (whole[5] as number) | Flag.MORE;
  const all = [frame(whole[4] as number, { flags, arg: whole.readUInt16LE(6), id, payload: first })];
  for (let at = bytes; at < payload.length; at += bytes) {
    const more = at + bytes < payload.length ? Flag.MORE : 0;
    all.push(frame(FrameType.FRAGMENT, { flags: more, id, payload: payload.subarray(at, at + bytes) }));
  }
  return all;
}

/** Cuts what a connection has sent into frames. It shares no code with the library's own splitter. */
export class FrameReader {
  /** Every frame so far, in order. */
  readonly frames: Frame[] = [];
  private bytes: Buffer = Buffer.alloc(0);
  private prefaceSeen = false;

  /** Takes what has arrived. Throws `Error` if it does not begin with the preface. */
  push(bytes: Uint8Array): void {
    this.bytes = Buffer.concat([this.bytes, bytes]);
    if (!this.prefaceSeen && this.bytes.length >= PREFACE.length) {
      if (!this.bytes.subarray(0, PREFACE.length).equals(PREFACE)) throw new Error("the peer sent no preface");
      this.bytes = this.bytes.subarray(PREFACE.length);
      this.prefaceSeen = true;
    }
    while (this.prefaceSeen && this.bytes.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.bytes.readUInt32LE(0);
      if (this.bytes.length < end) break;
      this.frames.push(readFrame(this.bytes.subarray(0, end)));
      this.bytes = this.bytes.subarray(end);
    }
  }

  /** The frames of one type, in order. */
  of(type: number): Frame[] {
    return this.frames.filter((each) => each.type === type);
  }
}

function readFrame(bytes: Buffer): Frame {
  return {
    type: bytes[4] as number,
    flags: bytes[5] as number,
    arg: bytes.readUInt16LE(6),
    id: bytes.readUInt32LE(8),
    payload: bytes.subarray(HEADER_BYTES),
  };
}
