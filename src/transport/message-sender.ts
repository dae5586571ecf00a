// The outgoing messages of one call that do not travel in its REQUEST or RESPONSE: a stream's messages, and the fragments
// of a message that is too long for a frame (PROTOCOL.md sections 10, 11 and 14). A message goes straight into the outbox
// while nothing waits and there is credit; otherwise it is encoded aside, and leaves in its sender's turn (`flow.ts`).
//
// Invariants: messages leave in the order they were given; what waits is bounded by MAX_WAITING_SENDS and, beyond one
// message, by `maxUnsentBytes`; once stopped, nothing waits here and every send has settled.

import { beginFrame, endFrame, Flag, FrameType, HEADER_BYTES, writeUint32 } from "../codec/frame.js";
import type { MessageType } from "../codec/message.js";
import { encodeMetadata, type Metadata } from "../codec/metadata.js";
import { Code, localError, type RpcError } from "../codec/status.js";
import { Writer } from "../codec/writer.js";
import { uncompressed } from "./compress.js";
import { tooMuchCredit } from "./flow.js";
import type { Session } from "./session.js";
import { INITIAL, LIMITS, MAX_CREDIT } from "./settings.js";

/** A message with a longer payload is cut up, and its fragments are this long, in bytes: what one turn of a sender takes. */
export const FRAGMENT_BYTES = 32_768;
/** This many messages of one stream may wait because their sender did not await the sends before. */
export const MAX_WAITING_SENDS = 1_024;
/** The first frame of a message that is cut up has the length of the whole ahead of its bytes. */
export const LENGTH_BYTES = 4;
/** What a message that is encoded aside is given at first. */
const INITIAL_ASIDE_BYTES = 256;

/** Settles the send of a message. */
interface Settle {
  readonly resolve: () => void;
  readonly reject: (error: RpcError) => void;
}

/** A message that waits, as the payload of the one frame that it would be. */
interface Waiting {
  readonly type: FrameType;
  readonly flags: number;
  readonly arg: number;
  readonly payload: Buffer;
  readonly settle: Settle | undefined;
  /** How much of the payload has been written. */
  written: number;
}

/** Sends messages of one call. */
export class MessageSender {
  private session: Session | undefined = undefined;
  private id = 0;
  /** What the stream may still send; a message may be begun while it is above 0. */
  private credit: number = INITIAL.streamWindowBytes;
  private waiting: Waiting[] = [];
  private waitingBytes = 0;
  private isQueued = false;
  private isStopped = false;
  private stopError: RpcError | undefined = undefined;
  /** When it last wrote something, or began to wait. */
  private progressAt = 0;
  private readonly onStall: (error: RpcError) => void;
  /** Whether messages are to be compressed; undefined to do as the connection does. */
  compress: boolean | undefined = undefined;
  private writtenCount = 0;

  /** `onStall` ends the call: the peer has taken nothing for too long. */
  constructor(onStall: (error: RpcError) => void) {
    this.onStall = onStall;
  }

  /** The call has got its connection. */
  attach(session: Session, id: number): void {
    this.session = session;
    this.id = id;
    this.credit = session.peer.streamWindowBytes;
    this.progressAt = session.now;
    if (this.waiting.length === 0) return;
    session.flow.addWaiting(this, this.waitingBytes);
    this.takeTurns();
  }

  /** The call has lost its connection before anything was sent, and waits for another one. */
  detach(): void {
    this.leaveFlow();
    this.session = undefined;
    this.waiting = this.waiting.map((message) => ({ ...message, ...uncompressed(message, 0) }));
    this.waitingBytes = this.waiting.reduce((sum, { payload }) => sum + payload.length, 0);
  }

  /** True while messages wait. */
  get isWaiting(): boolean {
    return this.waiting.length > 0;
  }

  /** True once a message was written. */
  get hasWritten(): boolean {
    return this.writtenCount > 0;
  }

  /** Has had its turn: true to get another one, false to leave the line because it has nothing to write, or no credit. */
  staysInLine(): boolean {
    this.isQueued = this.canWrite;
    return this.isQueued;
  }

  /** The peer has announced a stream window of `bytes`; until then the initial one held. */
  onWindow(bytes: number): void {
    this.credit += bytes - INITIAL.streamWindowBytes;
    this.takeTurns();
  }

  /** CREDIT. Throws {@link FrameError} above the most that a stream may have. */
  onCredit(bytes: number): void {
    this.credit += bytes;
    if (this.credit > MAX_CREDIT) throw tooMuchCredit(`stream ${this.id}`, this.credit);
    this.takeTurns();
  }

  /**
   * Sends a message, `headers` ahead of it. Returns undefined if it was written at once, else a promise of when it will
   * have been. Throws what encoding throws, and `RpcError` if it cannot be sent.
   */
  send(type: MessageType<unknown, never>, message: unknown, headers?: Metadata | undefined): Promise<void> | undefined {
    if (this.isStopped) return this.refuse();
    const { session } = this;
    const flags = headers === undefined ? 0 : Flag.METADATA;
    if (session === undefined || this.waiting.length > 0 || this.credit <= 0 || !session.flow.isOpen)
      return this.encodeAside(type, message, headers, flags);
    const { outbox } = session;
    let compressed: number;
    session.touch();
    beginFrame(outbox);
    try {
      compressed = this.encode(type, message, headers, outbox);
    } catch (error) {
      outbox.abandonFrame();
      throw error;
    }
    const bytes = outbox.pos - outbox.start;
    if (bytes > HEADER_BYTES + FRAGMENT_BYTES) return this.wait(flags | compressed, outbox.takeFrame(HEADER_BYTES));
    endFrame(outbox, FrameType.MESSAGE, flags | compressed, 0, this.id);
    this.credit -= bytes;
    session.flow.spend(bytes);
    this.writtenCount++;
    return undefined;
  }

  /**
   * Sends a MESSAGE frame that carries no message: headers ahead of time, or the end of a stream. It costs no credit, so it
   * waits only for messages that wait, or for a connection.
   */
  sendEmpty(flags: number, headers?: Metadata | undefined): Promise<void> | undefined {
    if (this.isStopped) return this.refuse();
    const { session } = this;
    const all = flags | Flag.NO_MESSAGE | (headers === undefined ? 0 : Flag.METADATA);
    if (session?.wasOpen !== true || this.waiting.length > 0)
      return this.encodeAside(undefined, undefined, headers, all);
    const { outbox } = session;
    session.touch();
    beginFrame(outbox);
    try {
      this.encode(undefined, undefined, headers, outbox);
    } catch (error) {
      outbox.abandonFrame();
      throw error;
    }
    endFrame(outbox, FrameType.MESSAGE, all, 0, this.id);
    this.writtenCount++;
    return undefined;
  }

  /**
   * Sends a REQUEST or RESPONSE that is too long for a frame: its first frame at once, the rest in turn. `settle` hears when
   * all of it has been written. The caller has checked that the peer takes a message of this length.
   */
  sendCut(type: FrameType, flags: number, arg: number, payload: Buffer, settle?: Settle): void {
    this.push({ type, flags, arg, payload, settle, written: 0 });
    this.writeNext();
    this.takeTurns();
  }

  /** Writes the next frame. */
  writeNext(): void {
    const session = this.session as Session;
    const next = this.waiting[0] as Waiting;
    const isFirst = next.written === 0;
    if (isFirst && isCharged(next)) this.credit -= HEADER_BYTES + next.payload.length;
    const before = next.written;
    const bytes = writeFrame(session, this.id, next);
    if (!isFirst || isCharged(next)) session.flow.spend(bytes);
    this.progressAt = session.now;
    this.writtenCount++;
    const isDone = next.written === next.payload.length;
    if (isDone) this.waiting.shift();
    this.waitingBytes -= next.written - before;
    session.flow.removeWaiting(this, next.written - before, this.waiting.length === 0);
    if (isDone) next.settle?.resolve();
  }

  /** Ends the call if the peer has taken nothing for too long. */
  checkStall(now: number): void {
    const session = this.session as Session;
    const waitedMs = now - this.progressAt;
    if (waitedMs < session.limits.streamStallTimeoutMs) return;
    const text = `${session.remote} has taken nothing of the stream for ${Math.round(waitedMs)} ms`;
    this.onStall(localError(Code.RESOURCE_EXHAUSTED, text, "unsafe"));
  }

  /**
   * Nothing more is sent, and what waits is dropped. Sends reject with `error`; without one the peer has ended the call well
   * and wants no more, so they do nothing.
   */
  stop(error: RpcError | undefined): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.stopError = error;
    this.leaveFlow();
    this.waitingBytes = 0;
    for (const { settle } of this.waiting.splice(0)) {
      if (error === undefined) settle?.resolve();
      else settle?.reject(error);
    }
  }

  private refuse(): undefined {
    if (this.stopError !== undefined) throw this.stopError;
  }

  private encodeAside(
    type: MessageType<unknown, never> | undefined,
    message: unknown,
    headers: Metadata | undefined,
    flags: number,
  ): Promise<void> {
    const writer = new Writer(INITIAL_ASIDE_BYTES);
    const compressed = this.encode(type, message, headers, writer);
    return this.wait(flags | compressed, writer.buf.subarray(0, writer.pos));
  }

  /** Appends headers and message; returns the flag of a message that was compressed. */
  private encode(
    type: MessageType<unknown, never> | undefined,
    message: unknown,
    headers: Metadata | undefined,
    writer: Writer,
  ): number {
    const { session } = this;
    if (headers !== undefined)
      encodeMetadata(headers, writer, session?.peer.maxMetadataBytes ?? LIMITS.maxMetadataBytes[2]);
    if (type === undefined) return 0;
    const mark = writer.pos - writer.start;
    type.encode(message as never, writer);
    return session === undefined ? 0 : session.compressor.compressTail(writer, mark, this.compress);
  }

  private wait(flags: number, payload: Buffer): Promise<void> {
    if ((flags & Flag.NO_MESSAGE) === 0) this.checkRoom(payload.length);
    return new Promise((resolve, reject) => {
      this.push({ type: FrameType.MESSAGE, flags, arg: 0, payload, settle: { resolve, reject }, written: 0 });
      this.takeTurns();
    });
  }

  /** Throws `RpcError` if a message of `bytes` may not wait here. */
  private checkRoom(bytes: number): void {
    const { session } = this;
    if (session?.wasOpen === true && bytes > session.peer.maxMessageBytes) {
      const text = `a message of ${bytes} bytes; the peer accepts ${session.peer.maxMessageBytes}`;
      throw localError(Code.RESOURCE_EXHAUSTED, text, "never");
    }
    const limit = session?.limits.maxUnsentBytes ?? LIMITS.maxUnsentBytes[0];
    if (this.waiting.length < MAX_WAITING_SENDS && (this.waitingBytes === 0 || this.waitingBytes + bytes <= limit))
      return;
    const text = `${this.waiting.length} messages of ${this.waitingBytes} bytes wait on this stream; await each send`;
    throw localError(Code.RESOURCE_EXHAUSTED, text, "never");
  }

  private push(message: Waiting): void {
    if (this.waiting.length === 0 && this.session !== undefined) this.progressAt = this.session.wheel.tick.now();
    this.waiting.push(message);
    this.waitingBytes += message.payload.length;
    this.session?.flow.addWaiting(this, message.payload.length);
  }

  /** Gets in line if it has something to write and is not in line already. */
  private takeTurns(): void {
    if (this.isQueued || this.session === undefined || !this.canWrite) return;
    this.isQueued = true;
    this.session.flow.enqueue(this);
  }

  private get canWrite(): boolean {
    const next = this.waiting[0];
    return next !== undefined && (next.written > 0 || !isCharged(next) || this.credit > 0);
  }

  private leaveFlow(): void {
    this.session?.flow.dequeue(this);
    this.session?.flow.removeWaiting(this, this.waitingBytes, true);
    this.isQueued = false;
  }
}

/** True for a message of a stream, which the stream's credit has to cover. */
function isCharged({ type, flags }: Waiting): boolean {
  return type === FrameType.MESSAGE && (flags & Flag.NO_MESSAGE) === 0;
}

/** Writes the whole message, its beginning or its next fragment. Returns the length of the frame. */
function writeFrame({ outbox }: Session, id: number, message: Waiting): number {
  const { payload, written } = message;
  const isCut = payload.length > FRAGMENT_BYTES;
  const isFirst = written === 0;
  message.written = Math.min(payload.length, written + FRAGMENT_BYTES);
  beginFrame(outbox);
  outbox.reserve(LENGTH_BYTES + message.written - written);
  if (isCut && isFirst) {
    writeUint32(outbox.buf, outbox.pos, payload.length);
    outbox.pos += LENGTH_BYTES;
  }
  outbox.pos += payload.copy(outbox.buf, outbox.pos, written, message.written);
  const bytes = outbox.pos - outbox.start;
  const more = message.written < payload.length ? Flag.MORE : 0;
  if (isFirst) endFrame(outbox, message.type, message.flags | more, message.arg, id);
  else endFrame(outbox, FrameType.FRAGMENT, more, 0, id);
  return bytes;
}
