// A call with a stream in one direction or both: its outgoing messages, and the credit of its incoming ones
// (PROTOCOL.md sections 10 and 14). What the messages mean, and who reads them, is the sink's affair.
//
// Invariants: the sink hears of headers before messages, of no message after the end, and of nothing after it was closed;
// credit goes back as the reader takes messages, and stops when the peer has ended its side.

import { availableCompressions, decompress } from "../codec/compression.js";
import { CloseReason, Flag, FrameError, HEADER_BYTES, idText } from "../codec/frame.js";
import { DecodeError } from "../codec/message.js";
import { decodeMetadata, type Metadata, metadataBlockBytes } from "../codec/metadata.js";
import { RpcError } from "../codec/status.js";
import { writeCredit } from "./flow.js";
import { MessageSender } from "./message-sender.js";
import type { Session } from "./session.js";

/** Reads what the peer sends on a {@link Stream}. */
export interface StreamSink {
  /** The callee's headers; comes at most once, before any message. */
  onHeaders(headers: Metadata): void;
  /**
   * A message, in `buf[start, end)`, which is valid only during the call. Its `bytes` are given back by {@link Stream.consume}
   * once its reader has taken it, and counted by {@link Stream.hold} until then.
   */
  onMessage(buf: Buffer, start: number, end: number, bytes: number): void;
  /** The callee's trailers; its headers too, if none came before. */
  onTrailers(headers: Metadata | undefined, trailers: Metadata): void;
  /** The peer has sent all of its messages. */
  onEnd(): void;
  /** A frame of the peer cannot be read (`DecodeError`) or taken (`RpcError`): the sink ends the call. */
  onBroken(error: DecodeError | RpcError): void;
  /** The peer has not taken a message that waits for too long: the sink ends the call. */
  onStall(error: RpcError): void;
  /** The call has ended, with `error` unless it went well. */
  onClosed(error: RpcError | undefined): void;
}

/** The two halves of a streamed call. */
export class Stream {
  readonly sender: MessageSender;
  private readonly sink: StreamSink;
  private session: Session | undefined = undefined;
  private id = 0;
  private isCaller = false;
  /** What the peer may still send. */
  private allowance = 0;
  /** What the window was when credit was given back last. */
  private window = 0;
  /** Taken by the reader, and not given back. */
  private consumed = 0;
  /** What waits for its reader. */
  private held = 0;
  /** True once headers have come, or a message without any: they may not come any more. */
  private hasHeaders = false;
  private hasEnded = false;

  constructor(sink: StreamSink) {
    this.sink = sink;
    this.sender = new MessageSender((error) => sink.onStall(error));
  }

  /** The call has got its connection, and its id there. */
  attach(session: Session, id: number): void {
    this.session = session;
    this.id = id;
    this.isCaller = (id & 1) === session.side;
    this.allowance = this.window = session.limits.streamWindowBytes;
    this.sender.attach(session, id);
  }

  /** A MESSAGE of `bytes`, header included, begins to arrive, and costs its credit at once. Throws {@link FrameError}. */
  begin(flags: number, bytes: number): void {
    if (this.hasEnded) throw broken(`MESSAGE for call ${idText(this.id)}, whose messages had ended`);
    if ((flags & Flag.NO_MESSAGE) !== 0) return;
    if (this.allowance <= 0) throw broken(`MESSAGE for call ${idText(this.id)} without credit`);
    this.allowance -= bytes;
  }

  /** MESSAGE: a whole one, whose beginning was told by {@link begin}. Throws {@link FrameError}. */
  onMessage(buf: Buffer, start: number, end: number): void {
    const flags = buf[start + 5] as number;
    try {
      const at = start + HEADER_BYTES;
      const messageAt = (flags & Flag.METADATA) === 0 ? at : this.readHeaders(buf, at, end);
      this.hasHeaders ||= (flags & Flag.NO_MESSAGE) === 0;
      if ((flags & Flag.NO_MESSAGE) === 0) this.onWhole(buf, messageAt, end, flags, end - start);
    } catch (error) {
      if (!(error instanceof DecodeError || error instanceof RpcError)) throw error;
      this.sink.onBroken(error);
      return;
    }
    if ((flags & Flag.END) !== 0 && !this.isCaller) this.end();
  }

  /** The first message of a stream, in its REQUEST: `buf[start, end)`, outside credit. */
  onFirst(buf: Buffer, start: number, end: number, flags: number): void {
    if ((flags & Flag.NO_MESSAGE) === 0) this.sink.onMessage(buf, start, end, 0);
    if ((flags & Flag.END) !== 0) this.end();
  }

  /** The callee's trailers, and its headers if they travel with them, ahead of the call's end. */
  onTrailers(headers: Metadata | undefined, trailers: Metadata): void {
    this.sink.onTrailers(headers, trailers);
  }

  /** The peer has sent its last message: in its REQUEST, or by this frame. */
  end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.sink.onEnd();
  }

  /** CREDIT. Throws {@link FrameError}. */
  onCredit(bytes: number): void {
    this.sender.onCredit(bytes);
  }

  /** A message of `bytes` waits for its reader. */
  hold(bytes: number): void {
    if (this.session === undefined) return;
    this.held += bytes;
    this.session.flow.hold(bytes);
  }

  /** A message of `bytes` that waited was taken by its reader. */
  take(bytes: number): void {
    if (this.session === undefined) return;
    this.held -= bytes;
    this.session.flow.release(bytes);
    this.consume(bytes);
  }

  /** A message of `bytes` has found its reader. */
  consume(bytes: number): void {
    const { session } = this;
    this.consumed += bytes;
    if (session === undefined || this.hasEnded || this.consumed * 2 < this.window) return;
    const { streamWindow } = session.flow.windows;
    const credit = this.consumed + streamWindow - this.window;
    this.window = streamWindow;
    this.allowance += credit;
    this.consumed = 0;
    writeCredit(session, this.id, credit);
  }

  /** The call has lost its connection before anything of it was sent, and waits for another one. */
  detach(): void {
    this.session = undefined;
    this.sender.detach();
  }

  /** The call has ended: nothing more is sent or given back. */
  close(error: RpcError | undefined): void {
    this.hasEnded = true;
    this.session?.flow.release(this.held);
    this.session = undefined;
    this.sender.stop(error);
    this.sink.onClosed(error);
  }

  private onWhole(buf: Buffer, start: number, end: number, flags: number, bytes: number): void {
    if ((flags & Flag.COMPRESSED) === 0) {
      this.sink.onMessage(buf, start, end, bytes);
      return;
    }
    const { maxMessageBytes } = (this.session as Session).limits;
    const plain = decompress(buf.subarray(start, end), maxMessageBytes, availableCompressions);
    this.sink.onMessage(plain, 0, plain.length, bytes);
  }

  private readHeaders(buf: Buffer, start: number, end: number): number {
    if (!this.isCaller || this.hasHeaders)
      throw broken(`MESSAGE for call ${idText(this.id)} has metadata that it may not have`);
    this.hasHeaders = true;
    const bytes = metadataBlockBytes(buf, start, end, (this.session as Session).limits.maxMetadataBytes);
    this.sink.onHeaders(decodeMetadata(buf, start));
    return start + bytes;
  }
}

function broken(text: string): FrameError {
  return new FrameError(CloseReason.PROTOCOL_ERROR, text);
}
