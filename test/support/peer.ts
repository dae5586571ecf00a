// The other end of a connection, played by a test: it sends the frames that it is told to and writes down those that it
// receives. It reads frames with code of its own, so that a fault of the splitter does not hide itself.

import { Flag, FrameType, HEADER_BYTES, PREFACE } from "../../src/codec/frame.js";
import { Settings, type SettingsInit, Status, type StatusInit } from "../../src/codec/wire.js";
import type { VirtualClock } from "../../src/testing.js";
import type { Network, Pipe, PipeSink } from "../../src/transport/pipe.js";
import { parseAddress } from "../../src/transport/pipe.js";
import { Message, type MessageInit } from "./gen/support/v1/echo.js";

/** One frame. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly arg: number;
  readonly id: number;
  readonly payload: Buffer;
}

const typeNames = new Map(Object.entries(FrameType).map(([name, type]) => [type as number, name]));

/** `"RESPONSE"` for 4. */
export function typeName(type: number): string {
  return typeNames.get(type) ?? `TYPE_${type}`;
}

/** The bytes of a frame. */
export function frame(
  type: number,
  { flags = 0, arg = 0, id = 0, payload = Buffer.alloc(0) }: Partial<Frame> = {},
): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(payload.length, 0);
  header[4] = type;
  header[5] = flags;
  header.writeUInt16LE(arg, 6);
  header.writeUInt32LE(id, 8);
  return Buffer.concat([header, payload]);
}

/** The bytes of a SETTINGS frame. */
export function settings(init: SettingsInit = {}): Buffer {
  return frame(FrameType.SETTINGS, {
    payload: Buffer.from(Settings.toBytes({ minVersion: 1, maxVersion: 1, ...init })),
  });
}

/** The preface and a SETTINGS frame. */
export function hello(init: SettingsInit = {}): Buffer {
  return Buffer.concat([PREFACE, settings(init)]);
}

/** A METHOD frame. */
export function method(arg: number, path: string): Buffer {
  return frame(FrameType.METHOD, { arg, payload: Buffer.from(path) });
}

/** A unary REQUEST without deadline or metadata. */
export function request(id: number, arg: number, message: MessageInit = {}, flags: number = Flag.END): Buffer {
  return frame(FrameType.REQUEST, { flags, arg, id, payload: Buffer.from(Message.toBytes(message)) });
}

/** An OK RESPONSE. */
export function response(id: number, message: MessageInit = {}): Buffer {
  return frame(FrameType.RESPONSE, { flags: Flag.END, id, payload: Buffer.from(Message.toBytes(message)) });
}

/** A MESSAGE of a stream. */
export function message(id: number, init: MessageInit = {}, flags = 0): Buffer {
  return frame(FrameType.MESSAGE, { flags, id, payload: Buffer.from(Message.toBytes(init)) });
}

/** A CREDIT frame for a stream; for the connection without an id. */
export function credit(bytes: number, id?: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32LE(bytes);
  return frame(FrameType.CREDIT, { arg: id === undefined ? 1 : 0, id: id ?? 0, payload });
}

/** `whole`, a frame, cut up: its first frame and FRAGMENT frames, none with more than `bytes` of its payload. */
export function cut(whole: Buffer, bytes: number): Buffer[] {
  const id = whole.readUInt32LE(8);
  const payload = whole.subarray(HEADER_BYTES);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(payload.length);
  const frames = [
    frame(whole[4]!, {
      flags: whole[5]! | Flag.MORE,
      arg: whole.readUInt16LE(6),
      id,
      payload: Buffer.concat([length, payload.subarray(0, bytes)]),
    }),
  ];
  for (let at = bytes; at < payload.length; at += bytes) {
    const flags = at + bytes < payload.length ? Flag.MORE : 0;
    frames.push(frame(FrameType.FRAGMENT, { flags, id, payload: payload.subarray(at, at + bytes) }));
  }
  return frames;
}

/** A RESPONSE with an error, or a GOAWAY. */
export function status(type: number, arg: number, init: StatusInit = {}, id = 0, flags = 0): Buffer {
  return frame(type, { arg, id, flags, payload: Buffer.from(Status.toBytes(init)) });
}

/** Cuts what a connection sent into frames. */
export class FrameReader {
  readonly frames: Frame[] = [];
  private bytes: Buffer = Buffer.alloc(0);
  private prefaceSeen = false;

  push(bytes: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, bytes]);
    if (!this.prefaceSeen && this.bytes.length >= PREFACE.length) {
      if (!this.bytes.subarray(0, PREFACE.length).equals(PREFACE)) throw new Error("no preface");
      this.bytes = this.bytes.subarray(PREFACE.length);
      this.prefaceSeen = true;
    }
    while (this.prefaceSeen && this.bytes.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.bytes.readUInt32LE(0);
      if (this.bytes.length < end) break;
      this.frames.push({
        type: this.bytes[4]!,
        flags: this.bytes[5]!,
        arg: this.bytes.readUInt16LE(6),
        id: this.bytes.readUInt32LE(8),
        payload: this.bytes.subarray(HEADER_BYTES, end),
      });
      this.bytes = this.bytes.subarray(end);
    }
  }

  /** The frames of one type. */
  of(type: number): Frame[] {
    return this.frames.filter((each) => each.type === type);
  }
}

/** The scripted end of a memory pipe. */
export class ScriptedPeer extends FrameReader implements PipeSink {
  readonly pipe: Pipe;
  /** What has happened to the stream. */
  ended = false;
  closed = false;
  private readonly unsent: Buffer[] = [];
  private blocked = false;

  constructor(pipe: Pipe) {
    super();
    this.pipe = pipe;
    pipe.open(this);
  }

  /** Connects to a server. */
  static async dial(network: Network, clock: VirtualClock, address: string): Promise<ScriptedPeer> {
    const { pipe } = network.dial(parseAddress(address));
    await clock.advance(0);
    return new ScriptedPeer(await pipe);
  }

  /** Plays a server; each connection that it accepts is added to the list it returns. */
  static async listen(
    network: Network,
    address: string,
    onPeer?: (peer: ScriptedPeer) => void,
  ): Promise<ScriptedPeer[]> {
    const peers: ScriptedPeer[] = [];
    await network.listen(parseAddress(address), (pipe) => {
      const peer = new ScriptedPeer(pipe);
      peers.push(peer);
      onPeer?.(peer);
    });
    return peers;
  }

  /** Sends frames, behind those that the pipe has not taken yet. */
  send(...frames: readonly Buffer[]): void {
    this.unsent.push(Buffer.concat(frames));
    if (!this.blocked) this.write();
  }

  /** The reason and text of the GOAWAY that was received; undefined without one. */
  get goAway(): { readonly reason: number; readonly message: string } | undefined {
    const found = this.of(FrameType.GOAWAY).at(-1);
    return found && { reason: found.arg, message: Status.fromBytes(found.payload).message };
  }

  onData(buf: Buffer, start: number, end: number): void {
    this.push(Buffer.from(buf.subarray(start, end)));
  }

  onDrain(): void {
    this.blocked = false;
    this.write();
  }

  onEnd(): void {
    this.ended = true;
  }

  onClose(): void {
    this.closed = true;
  }

  private write(): void {
    for (let bytes = this.unsent.shift(); bytes !== undefined; bytes = this.unsent.shift()) {
      this.blocked = !this.pipe.write(bytes, 0, bytes.length);
      if (this.blocked) return;
    }
  }
}
