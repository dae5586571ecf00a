// The calls that this side has begun on a connection: writes requests, gives methods their numbers, and matches
// responses. A request is encoded straight into the outbox; one that waited for the connection was encoded before.

import { availableCompressions, decompress } from "../codec/compression.js";
import {
  beginFrame,
  endFrame,
  Flag,
  FrameType,
  HEADER_BYTES,
  readArg,
  readId,
  readUint32,
  slotOf,
  writeUint32,
} from "../codec/frame.js";
import { DecodeError } from "../codec/message.js";
import { decodeMetadata, encodeMetadata, Metadata, metadataBlockBytes } from "../codec/metadata.js";
import { type AnyMethod, streamsRequests, streamsResponses } from "../codec/method.js";
import { Code, localError, RpcError } from "../codec/status.js";
import { Writer } from "../codec/writer.js";
import { CallTable, type Stray } from "./call-table.js";
import { type Compressor, uncompressed } from "./compress.js";
import { Leases } from "./leases.js";
import { MessageSender } from "./message-sender.js";
import type { OutgoingCall, ParkedRequest } from "./outgoing-call.js";
import type { Session } from "./session.js";
import { LIMITS, MAX_METHOD_PATH_BYTES, type PeerLimits } from "./settings.js";
import { decodeStatus } from "./status-frame.js";
import { CallbackTimer } from "./timers.js";

const DEADLINE_BYTES = 4;
/** A position before all that the pipe has not been given. */
const HANDED = -1;
const MAX_UINT32 = 0xffff_ffff;
/** The writer that waiting requests are encoded with is not kept beyond this: one long request must not hold memory for good. */
const MAX_PARKING_BYTES = 1_048_576;
let parking = new Writer();

/** A request that is being sent in fragments. */
interface CutRequest {
  readonly sender: MessageSender;
  /** The whole of it, in case that nothing has left this process when the connection is lost. */
  readonly parked: ParkedRequest;
}

/** The calling half of a {@link Session}. */
export class OutgoingCalls {
  private readonly session: Session;
  private readonly table: CallTable;
  /** The number of each method that this side has named, by its ordinal. */
  private readonly methodIndexes: number[] = [];
  private methodCount = 0;
  private roomIsAwaited = false;
  private sentCount = 0;
  /**
   * Looks at the deadlines of all calls here. It is set for the earliest one that was ever seen, so that with equal timeouts
   * it comes once a timeout, however many calls are made: a timer of its own for each call would cost each call more.
   */
  private readonly sweep = new CallbackTimer(() => this.expireDue());
  private sweepAt = Number.POSITIVE_INFINITY;
  /** One-way calls that the pipe has not been given. */
  private oneWay: OutgoingCall[] = [];
  /** Requests that are being sent in fragments, by the ids of their calls. */
  private readonly cut = new Map<number, CutRequest>();
  /** True once a request was cut up here: most connections never have one. */
  private hasCut = false;
  /** What the peer is ready for; undefined for one that gives no leases. */
  private leases: Leases | undefined = undefined;

  constructor(session: Session) {
    this.session = session;
    this.table = new CallTable(session.side);
  }

  /** Calls that the peer has not answered, those that were given up here among them. */
  get pending(): number {
    return this.table.inUse + this.oneWay.length;
  }

  /** Calls that were ever written here. */
  get sent(): number {
    return this.sentCount;
  }

  /** True while the connection takes another call. */
  get hasRoom(): boolean {
    const { session } = this;
    if (!session.isUsable || this.table.inUse >= session.peer.maxCalls) return false;
    if (session.flow.waitingBytes >= session.limits.maxInFlightBytes) return false;
    return !session.outbox.isBlocked || session.outbox.unsentBytes < session.limits.maxUnsentBytes;
  }

  /** The peer has announced its limits. */
  onPeerLimits(): void {
    const { maxCalls, streamWindowBytes, leases } = this.session.peer;
    if (leases) this.leases = new Leases();
    this.table.limit(maxCalls);
    for (const { id, stream } of this.table.live()) {
      if (slotOf(id) < maxCalls) stream?.sender.onWindow(streamWindowBytes);
      // It will be refused, and can then be made again because nothing but its REQUEST has left.
      else stream?.sender.detach();
    }
  }

  /** True once the peer has said that calls need a lease. */
  get isLeasing(): boolean {
    return this.leases !== undefined;
  }

  /** True if the peer is ready for a call of this method. It is told of a method that it does not know, so that it can be. */
  isLeased(method: AnyMethod): boolean {
    if (this.leases === undefined) return true;
    this.session.touch();
    return this.leases.allows(this.methodIndex(method), this.session.now);
  }

  /** LEASE: the peer is ready for calls; ignored from one that has not announced leases. */
  onLease(buf: Buffer, start: number): void {
    this.leases?.onLease(buf, start, this.session.now);
    this.noticeRoom();
  }

  /** The owner found no room and wants to hear when there is some. */
  awaitRoom(): void {
    this.roomIsAwaited = true;
  }

  /** Something has changed that may have made room. */
  noticeRoom(): void {
    if (!this.roomIsAwaited || !this.hasRoom) return;
    this.roomIsAwaited = false;
    this.session.owner.onRoom(this.session);
  }

  /** Writes the request of `call`, which settles later. A request that cannot travel fails the call. */
  send(call: OutgoingCall, request: unknown): void {
    const { outbox } = this.session;
    this.session.touch();
    try {
      const method = this.methodIndex(call.method);
      beginFrame(outbox);
      const deadlineFlag = this.writeDeadline(call);
      const flags = encodeRequest(call, request, outbox, this.session.peer.maxMetadataBytes, this.session.compressor);
      this.finishRequest(call, method, deadlineFlag | flags);
    } catch (error) {
      outbox.abandonFrame();
      call.fail(requestError(call, error));
    }
  }

  /**
   * The same for a request that has waited. False: the peer has not said yet whether it takes a frame of this size, or gives
   * no lease for it; try again after the handshake, or when there is room. What is sent before the handshake stays parked,
   * because the peer may turn out to take fewer calls.
   */
  sendParked(call: OutgoingCall, parked: ParkedRequest): boolean {
    const { outbox, state, peer } = this.session;
    const { flags, payload } = parked;
    if (state === "handshake" && payload.length + DEADLINE_BYTES > peer.maxFrameBytes) return false;
    if (!this.isLeased(call.method)) return false;
    this.session.touch();
    try {
      const method = this.methodIndex(call.method);
      call.parked = state === "handshake" ? parked : undefined;
      beginFrame(outbox);
      const deadlineFlag = this.writeDeadline(call);
      outbox.reserve(payload.length);
      payload.copy(outbox.buf, outbox.pos);
      outbox.pos += payload.length;
      this.finishRequest(call, method, deadlineFlag | flags | this.compressParked(call, parked));
    } catch (error) {
      outbox.abandonFrame();
      call.fail(requestError(call, error));
    }
    return true;
  }

  /** RESPONSE, a whole one: settles the call. */
  onResponse(buf: Buffer, start: number, end: number): void {
    const id = readId(buf, start);
    const flags = buf[start + 5] as number;
    const call = this.table.settle(id);
    if (this.hasCut) this.stopCut(id);
    if (typeof call === "string") this.countStray(call);
    else if ((flags & Flag.REFUSED) === 0 || !this.takeBack(call)) this.settle(call, flags, buf, start, end);
    if (this.roomIsAwaited) this.noticeRoom();
    this.session.onCallEnded();
  }

  /** The last fragment of a RESPONSE whose call had been given up: its slot is free. */
  onLateResponse(id: number): void {
    const call = this.table.settle(id);
    if (typeof call === "string") this.countStray(call);
    if (this.roomIsAwaited) this.noticeRoom();
    this.session.onCallEnded();
  }

  /** The first frame of a RESPONSE that is cut up. False: it names no call. */
  onCutResponse(id: number, refusal: RpcError | undefined): boolean {
    if (!this.table.isInUse(id)) {
      this.countStray("unknown");
      return false;
    }
    if (refusal !== undefined) this.refuseMessage(id, refusal);
    return true;
  }

  /** A MESSAGE of `bytes`, header included, begins. False: nobody wants it. Throws {@link FrameError}. */
  onMessageBegin(id: number, flags: number, bytes: number, refusal: RpcError | undefined): boolean {
    const call = this.table.find(id);
    if (call === undefined) return false;
    const { kind, path } = call.method;
    if (call.stream === undefined || ((flags & Flag.NO_MESSAGE) === 0 && !streamsResponses(kind))) {
      call.giveUp(localError(Code.INTERNAL, `${path}: ${this.session.remote} answers with a stream`, "never"));
      return false;
    }
    call.stream.begin(flags, bytes);
    if (refusal !== undefined) this.refuseMessage(id, refusal);
    return refusal === undefined;
  }

  /** MESSAGE, a whole one, for which {@link onMessageBegin} was true. */
  onMessage(buf: Buffer, start: number, end: number): void {
    this.table.find(readId(buf, start))?.stream?.onMessage(buf, start, end);
  }

  /** CREDIT for a stream; one that has ended takes none. */
  onCredit(id: number, bytes: number): void {
    this.table.find(id)?.stream?.onCredit(bytes);
  }

  /** True if a call with this id waits for its answer here. */
  isLive(id: number): boolean {
    return this.table.find(id) !== undefined;
  }

  /** The message that has begun to arrive for a call cannot be taken: the call ends with `error`. */
  refuseMessage(id: number, error: RpcError): void {
    const call = this.table.find(id);
    if (call === undefined) return;
    call.giveUp(localError(error.code, `${call.method.path}: ${error.message}`, "unsafe"));
  }

  private countStray(stray: Stray): void {
    const { counters } = this.session.hooks;
    if (stray === "late") counters.lateResponses++;
    else counters.unknownResponses++;
  }

  /** True if the owner takes back a call that did not run. A stream of which messages have left cannot be sent again. */
  private takeBack(call: OutgoingCall): boolean {
    if (call.stream?.sender.hasWritten === true || call.parked === undefined) return false;
    const { session } = call;
    call.session = undefined;
    call.stream?.detach();
    if (this.session.owner.onRefused(call, this.session)) return true;
    call.session = session;
    return false;
  }

  /** `call` is given up here: tells the peer, which frees the id by its answer. */
  abandon(call: OutgoingCall, code: Code): void {
    if (call.method.oneWay) return;
    const { outbox, assembler } = this.session;
    this.table.abandon(call.id);
    if (this.hasCut) this.stopCut(call.id);
    if (!assembler.isEmpty) assembler.discard(call.id);
    this.session.touch();
    beginFrame(outbox);
    endFrame(outbox, FrameType.CANCEL, 0, code, call.id);
  }

  /** Nobody waits for the answers any more: every call ends with `error`, and the peer is told. */
  cancelAll({ code, message }: RpcError): void {
    for (const call of this.table.live()) call.giveUp(localError(code, `${call.method.path}: ${message}`, "unsafe"));
  }

  /**
   * The peer answers no more: calls that may have reached it fail with `error`, the others are handed back; so are those
   * whose request is still here if the peer `ranNothing`.
   */
  disconnect(error: RpcError, ranNothing: boolean): void {
    const { outbox, owner, wheel } = this.session;
    const { handedPosition } = outbox;
    wheel.remove(this.sweep);
    const calls = [...this.table.clear(), ...this.oneWay.splice(0).filter((call) => !call.isSettled)];
    // The last one first: each call that is handed back goes to the front of its owner's queue.
    calls.sort((a, b) => b.framePosition - a.framePosition);
    for (const call of calls) {
      const isUnsent = call.framePosition >= handedPosition;
      const isWhole = call.stream?.sender.hasWritten !== true;
      if (isUnsent && isWhole) {
        call.session = undefined;
        call.stream?.detach();
        // A one-way call has no id, and is never cut.
        const cut = call.method.oneWay ? undefined : this.cut.get(call.id);
        const parked = cut?.parked ?? parkFrame(outbox.copyFrame(call.framePosition, frameBytes));
        call.parked = uncompressed(parked, metadataBytes(parked));
        owner.onUnsent(call);
      } else if (call.method.oneWay) {
        call.succeed({});
      } else if (ranNothing && isWhole && call.parked !== undefined) {
        call.session = undefined;
        call.stream?.detach();
        owner.onUnsent(call);
      } else {
        const retry = ranNothing || isUnsent ? "safe" : "unsafe";
        call.fail(localError(error.code, `${call.method.path}: ${error.message}`, retry, error.cause));
      }
    }
    for (const id of this.cut.keys()) this.stopCut(id);
  }

  /** The outbox counts positions from `by` bytes further on. Those that the pipe has been given need not be told apart. */
  onRebase(by: number): void {
    for (const call of [...this.table.live(), ...this.oneWay])
      call.framePosition = Math.max(HANDED, call.framePosition - by);
  }

  /** One-way calls resolve once the pipe has their bytes. */
  settleHanded(): void {
    const { handedPosition } = this.session.outbox;
    while (this.oneWay.length > 0 && (this.oneWay[0] as OutgoingCall).framePosition < handedPosition) {
      this.oneWay.shift()?.succeed({});
    }
  }

  /** The request is encoded: checks its size, gives it an id, and finishes the frame. */
  private finishRequest(call: OutgoingCall, method: number, flags: number): void {
    const { outbox, peer } = this.session;
    const bytes = outbox.pos - outbox.start - HEADER_BYTES;
    const isTooLong = bytes > peer.maxFrameBytes;
    if (isTooLong && (bytes > peer.maxMessageBytes || call.method.oneWay))
      throw tooLong(bytes, peer, call.method.oneWay);
    call.session = this.session;
    call.framePosition = outbox.framePosition;
    this.session.hooks.counters.callsSent++;
    this.sentCount++;
    if (call.expiresAt < this.sweepAt) this.sweepBy(call.expiresAt);
    this.leases?.take(method);
    if (call.method.oneWay) {
      this.oneWay.push(call);
      endFrame(outbox, FrameType.REQUEST, flags | Flag.ONE_WAY, method, this.session.side);
      this.session.watchHanded();
      return;
    }
    call.id = this.table.add(call);
    if (isTooLong) this.sendCut(call, method, flags);
    else endFrame(outbox, FrameType.REQUEST, flags, method, call.id);
    if (call.stream !== undefined) call.stream.attach(this.session, call.id);
  }

  /** Compresses the message of a request that has waited, whose payload ends the frame being written; returns the flag. */
  private compressParked(call: OutgoingCall, { flags, payload }: ParkedRequest): number {
    const { outbox, compressor } = this.session;
    if ((flags & (Flag.NO_MESSAGE | Flag.COMPRESSED)) !== 0) return 0;
    const messageBytes = payload.length - metadataBytes({ flags, payload });
    return compressor.compressTail(outbox, outbox.pos - outbox.start - messageBytes, call.options.compress);
  }

  /** Sends the request that is in the outbox in fragments. */
  private sendCut(call: OutgoingCall, method: number, flags: number): void {
    const { id } = call;
    const payload = this.session.outbox.takeFrame(HEADER_BYTES);
    const parked = { flags: flags & ~Flag.DEADLINE, payload: payload.subarray(headBytes(flags)) };
    const sender = new MessageSender((error) => this.refuseMessage(id, error));
    sender.attach(this.session, id);
    this.hasCut = true;
    this.cut.set(id, { sender, parked });
    sender.sendCut(FrameType.REQUEST, flags, method, payload, { resolve: () => this.cut.delete(id), reject() {} });
  }

  private stopCut(id: number): void {
    this.cut.get(id)?.sender.stop(undefined);
    this.cut.delete(id);
  }

  private sweepBy(expiresAt: number): void {
    this.sweepAt = expiresAt;
    this.session.wheel.add(this.sweep, expiresAt);
  }

  private expireDue(): void {
    this.sweepAt = Number.POSITIVE_INFINITY;
    const now = this.session.wheel.tick.begin();
    let earliest = this.table.expire(now);
    for (const call of [...this.oneWay]) {
      if (call.expiresAt <= now) call.expire();
      else earliest = Math.min(earliest, call.expiresAt);
    }
    if (earliest < this.sweepAt) this.sweepBy(earliest);
  }

  private settle(call: OutgoingCall, flags: number, buf: Buffer, start: number, end: number): void {
    const code = readArg(buf, start);
    try {
      let at = start + HEADER_BYTES;
      const hasMetadata = (flags & (Flag.METADATA | Flag.TRAILERS)) !== 0;
      if (hasMetadata || call.options.onResponseMetadata !== undefined || call.stream !== undefined)
        at = this.readMetadata(call, flags, buf, at, end);
      if (code === Code.OK && (flags & (Flag.COMPRESSED | Flag.NO_MESSAGE)) === Flag.COMPRESSED) {
        const plain = decompress(buf.subarray(at, end), this.session.limits.maxMessageBytes, availableCompressions);
        call.succeed(this.readMessage(call, flags, plain, 0, plain.length));
      } else if (code === Code.OK) call.succeed(this.readMessage(call, flags, buf, at, end));
      else call.fail(this.readStatus(call, flags, code, buf, at, end));
    } catch (error) {
      call.fail(error instanceof RpcError ? error : this.badResponse(call, error as Error));
    }
  }

  /** The response of a call that ended well; undefined where it was a stream, whose messages have come before. */
  private readMessage(call: OutgoingCall, flags: number, buf: Buffer, start: number, end: number): unknown {
    const hasMessage = (flags & Flag.NO_MESSAGE) === 0;
    if (hasMessage !== !streamsResponses(call.method.kind))
      throw new DecodeError(hasMessage ? "it has a message, where a stream was wanted" : "it has no message");
    return hasMessage ? call.method.output.decode(buf, start, end, 0) : undefined;
  }

  private badResponse(call: OutgoingCall, cause: Error): RpcError {
    const text = `${call.method.path}: the response of ${this.session.remote} does not decode: ${cause.message}`;
    return localError(Code.INTERNAL, text, "unsafe", cause);
  }

  private readStatus(
    call: OutgoingCall,
    flags: number,
    code: number,
    buf: Buffer,
    start: number,
    end: number,
  ): RpcError {
    const retry = (flags & Flag.REFUSED) !== 0 ? "safe" : code === Code.UNAVAILABLE ? "unsafe" : "never";
    return decodeStatus(buf, start, end, code, `${call.method.path} at ${this.session.remote}`, retry);
  }

  private readMetadata(call: OutgoingCall, flags: number, buf: Buffer, start: number, end: number): number {
    const { maxMetadataBytes } = this.session.limits;
    let at = start;
    const block = (flag: number): Metadata => {
      if ((flags & flag) === 0) return new Metadata();
      const bytes = metadataBlockBytes(buf, at, end, maxMetadataBytes);
      const metadata = decodeMetadata(buf, at);
      at += bytes;
      return metadata;
    };
    const headers = block(Flag.METADATA);
    const trailers = block(Flag.TRAILERS);
    call.stream?.onTrailers((flags & Flag.METADATA) === 0 ? undefined : headers, trailers);
    try {
      call.options.onResponseMetadata?.(headers, trailers);
    } catch (error) {
      throw RpcError.from(error);
    }
    return at;
  }

  private methodIndex(method: AnyMethod): number {
    return this.methodIndexes[method.ordinal] ?? this.nameMethod(method);
  }

  private nameMethod(method: AnyMethod): number {
    const { outbox, peer } = this.session;
    const bytes = Buffer.byteLength(method.path);
    if (bytes > MAX_METHOD_PATH_BYTES)
      throw exhausted(`a method path of ${bytes} bytes; at most ${MAX_METHOD_PATH_BYTES}`);
    if (this.methodCount >= peer.maxMethods)
      throw exhausted(`the peer accepts ${peer.maxMethods} methods a connection`);
    const index = ++this.methodCount;
    beginFrame(outbox);
    outbox.reserve(bytes);
    outbox.pos += outbox.buf.write(method.path, outbox.pos);
    endFrame(outbox, FrameType.METHOD, 0, index, 0);
    this.methodIndexes[method.ordinal] = index;
    return index;
  }

  private writeDeadline(call: OutgoingCall): number {
    if (call.expiresAt === Number.POSITIVE_INFINITY) return 0;
    const { outbox, now } = this.session;
    outbox.reserve(4);
    writeUint32(outbox.buf, outbox.pos, Math.max(1, Math.min(MAX_UINT32, Math.ceil(call.expiresAt - now))));
    outbox.pos += 4;
    return Flag.DEADLINE;
  }
}

/** Encodes a request that cannot be sent yet, as it will travel. Throws `RpcError` if it cannot travel at all. */
export function parkRequest(call: OutgoingCall, request: unknown): ParkedRequest {
  parking.start = parking.pos = 0;
  try {
    const flags = encodeRequest(call, request, parking, LIMITS.maxMetadataBytes[2], undefined);
    return { flags, payload: Buffer.from(parking.buf.subarray(0, parking.pos)) };
  } catch (error) {
    throw requestError(call, error);
  } finally {
    if (parking.buf.length > MAX_PARKING_BYTES) parking = new Writer();
  }
}

/** Encodes the message of a request that may be sent more than once. Throws `RpcError` if it cannot be encoded. */
export function encodeMessage(call: OutgoingCall, request: unknown): Buffer {
  parking.start = parking.pos = 0;
  try {
    call.method.input.encode(request as never, parking);
    return Buffer.from(parking.buf.subarray(0, parking.pos));
  } catch (error) {
    throw requestError(call, error);
  } finally {
    if (parking.buf.length > MAX_PARKING_BYTES) parking = new Writer();
  }
}

/** {@link parkRequest} of a message that is encoded already; the request shares memory with it. Throws `RpcError`. */
export function parkMessage(call: OutgoingCall, message: Buffer): ParkedRequest {
  const { metadata } = call.options;
  if (metadata === undefined) return { flags: Flag.END, payload: message };
  parking.start = parking.pos = 0;
  try {
    encodeMetadata(metadata, parking, LIMITS.maxMetadataBytes[2]);
    const block = parking.buf.subarray(0, parking.pos);
    return { flags: Flag.END | Flag.METADATA, payload: Buffer.concat([block, message]) };
  } catch (error) {
    throw requestError(call, error);
  }
}

/** Appends metadata and message; returns the flags of the frame. */
function encodeRequest(
  { method, options, stream }: OutgoingCall,
  request: unknown,
  writer: Writer,
  maxMetadataBytes: number,
  compressor: Compressor | undefined,
): number {
  const { metadata } = options;
  if (metadata !== undefined) encodeMetadata(metadata, writer, maxMetadataBytes);
  const flags = metadata === undefined ? 0 : Flag.METADATA;
  if (stream !== undefined && streamsRequests(method.kind)) return flags | Flag.NO_MESSAGE;
  const mark = writer.pos - writer.start;
  method.input.encode(request as never, writer);
  const compressed = compressor === undefined ? 0 : compressor.compressTail(writer, mark, options.compress);
  return flags | Flag.END | compressed;
}

/** The request in a frame that was written and not sent. */
function parkFrame(frame: Buffer): ParkedRequest {
  const flags = frame[5] as number;
  return { flags: flags & ~(Flag.DEADLINE | Flag.ONE_WAY), payload: frame.subarray(HEADER_BYTES + headBytes(flags)) };
}

/** How many bytes precede the message of a parked request. */
function metadataBytes({ flags, payload }: ParkedRequest): number {
  return (flags & Flag.METADATA) === 0 ? 0 : 2 + payload.readUInt16LE(0);
}

/** How many bytes precede the metadata. */
function headBytes(flags: number): number {
  return (flags & Flag.DEADLINE) === 0 ? 0 : DEADLINE_BYTES;
}

function frameBytes(slab: Buffer, at: number): number {
  return HEADER_BYTES + readUint32(slab, at);
}

function tooLong(bytes: number, { maxFrameBytes, maxMessageBytes }: PeerLimits, oneWay: boolean): RpcError {
  const limit = oneWay ? maxFrameBytes : maxMessageBytes;
  return exhausted(`the request takes ${bytes} bytes; the peer accepts ${limit}${oneWay ? " of a one-way call" : ""}`);
}

function exhausted(text: string): RpcError {
  return localError(Code.RESOURCE_EXHAUSTED, text, "never");
}

function requestError(call: OutgoingCall, error: unknown): RpcError {
  const { path } = call.method;
  if (error instanceof RpcError) return localError(error.code, `${path}: ${error.message}`, error.retry, error.cause);
  if (error instanceof RangeError)
    return localError(Code.RESOURCE_EXHAUSTED, `${path}: ${error.message}`, "never", error);
  const reason = error instanceof Error ? error.message : String(error);
  return localError(Code.INTERNAL, `${path}: the request cannot be encoded: ${reason}`, "never", error);
}
