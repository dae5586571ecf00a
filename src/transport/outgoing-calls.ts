// The calls that this side has begun on a connection: writes requests, gives methods their numbers, and matches
// responses. A request is encoded straight into the outbox; one that waited for the connection was encoded before.

import {
  beginFrame,
  CloseReason,
  endFrame,
  Flag,
  FrameError,
  FrameType,
  HEADER_BYTES,
  readArg,
  readUint32,
  writeUint32,
} from "../codec/frame.js";
import { DecodeError } from "../codec/message.js";
import { decodeMetadata, encodeMetadata, Metadata, metadataBlockBytes } from "../codec/metadata.js";
import type { AnyMethod } from "../codec/method.js";
import { Code, localError, RpcError } from "../codec/status.js";
import { Writer } from "../codec/writer.js";
import { CallTable } from "./call-table.js";
import type { OutgoingCall, ParkedRequest } from "./outgoing-call.js";
import type { Session } from "./session.js";
import { LIMITS, MAX_METHOD_PATH_BYTES } from "./settings.js";
import { decodeStatus } from "./status-frame.js";
import { CallbackTimer } from "./timers.js";

const DEADLINE_BYTES = 4;
const MAX_UINT32 = 0xffff_ffff;
/** Response flags that a peer may only set if this side has announced that it can read them. */
const UNREADABLE_FLAGS = Flag.MORE | Flag.COMPRESSED;
const parking = new Writer();

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
    return !session.outbox.isBlocked || session.outbox.unsentBytes < session.limits.maxUnsentBytes;
  }

  /** The peer has announced its limits. */
  onPeerLimits(): void {
    this.table.limit(this.session.peer.maxCalls);
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
      const flags = deadlineFlag | encodeRequest(call, request, outbox, this.session.peer.maxMetadataBytes);
      this.finishRequest(call, method, flags);
    } catch (error) {
      outbox.abandonFrame();
      call.fail(requestError(call, error));
    }
  }

  /**
   * The same for a request that has waited. False: the peer has not said yet whether it takes a frame of this size; try
   * again after the handshake. What is sent before the handshake stays parked, because the peer may turn out to take fewer calls.
   */
  sendParked(call: OutgoingCall, parked: ParkedRequest): boolean {
    const { outbox, state, peer } = this.session;
    const { flags, payload } = parked;
    if (state === "handshake" && payload.length + DEADLINE_BYTES > peer.maxFrameBytes) return false;
    this.session.touch();
    try {
      const method = this.methodIndex(call.method);
      beginFrame(outbox);
      const deadlineFlag = this.writeDeadline(call);
      outbox.reserve(payload.length);
      payload.copy(outbox.buf, outbox.pos);
      outbox.pos += payload.length;
      this.finishRequest(call, method, deadlineFlag | flags);
      call.parked = state === "handshake" ? parked : undefined;
    } catch (error) {
      outbox.abandonFrame();
      call.fail(requestError(call, error));
    }
    return true;
  }

  /** RESPONSE: settles the call. */
  onResponse(buf: Buffer, start: number, end: number): void {
    const id = readUint32(buf, start + 8);
    const flags = buf[start + 5] as number;
    if ((flags & UNREADABLE_FLAGS) !== 0)
      throw new FrameError(CloseReason.PROTOCOL_ERROR, `RESPONSE ${id} has flags ${flags}, which were not negotiated`);
    const call = this.table.settle(id);
    if (typeof call === "string") {
      if (call === "late") this.session.hooks.counters.lateResponses++;
      else this.session.hooks.counters.unknownResponses++;
    } else if ((flags & Flag.REFUSED) === 0 || !this.session.owner.onRefused(call)) {
      this.settle(call, flags, buf, start, end);
    }
    if (this.roomIsAwaited) this.noticeRoom();
    this.session.onCallEnded();
  }

  /** MESSAGE or FRAGMENT: every call made here wants one message in one RESPONSE (sections 4 and 14). */
  onMessage(type: number, id: number): void {
    const call = this.table.find(id);
    if (call === undefined) return;
    if (type === FrameType.FRAGMENT)
      throw new FrameError(CloseReason.PROTOCOL_ERROR, `FRAGMENT for call ${id}, which has no incomplete message`);
    this.abandon(call, Code.CANCELLED);
    call.fail(localError(Code.INTERNAL, `${call.method.path}: ${this.session.remote} answers with a stream`, "never"));
  }

  /** `call` is given up here: tells the peer, which frees the id by its answer. */
  abandon(call: OutgoingCall, code: Code): void {
    if (call.method.oneWay) return;
    const { outbox } = this.session;
    this.table.abandon(call.id);
    this.session.touch();
    beginFrame(outbox);
    endFrame(outbox, FrameType.CANCEL, 0, code, call.id);
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
      if (call.framePosition >= handedPosition) {
        call.session = undefined;
        call.parked = parkFrame(outbox.copyFrame(call.framePosition, frameBytes));
        owner.onUnsent(call);
      } else if (call.method.oneWay) {
        call.succeed({});
      } else if (ranNothing && call.parked !== undefined) {
        call.session = undefined;
        owner.onUnsent(call);
      } else {
        const retry = ranNothing ? "safe" : "unsafe";
        call.fail(localError(error.code, `${call.method.path}: ${error.message}`, retry, error.cause));
      }
    }
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
    if (bytes > peer.maxFrameBytes) throw tooLong(bytes, peer.maxFrameBytes);
    call.session = this.session;
    call.framePosition = outbox.framePosition;
    this.session.hooks.counters.callsSent++;
    this.sentCount++;
    if (call.expiresAt < this.sweepAt) this.sweepBy(call.expiresAt);
    if (call.method.oneWay) {
      this.oneWay.push(call);
      endFrame(outbox, FrameType.REQUEST, flags | Flag.END | Flag.ONE_WAY, method, this.session.side);
      this.session.watchHanded();
      return;
    }
    call.id = this.table.add(call);
    endFrame(outbox, FrameType.REQUEST, flags | Flag.END, method, call.id);
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
      if ((flags & (Flag.METADATA | Flag.TRAILERS)) !== 0 || call.options.onResponseMetadata !== undefined)
        at = this.readMetadata(call, flags, buf, at, end);
      if (code === Code.OK && (flags & Flag.NO_MESSAGE) !== 0) throw new DecodeError("it has no message");
      if (code === Code.OK) call.succeed(call.method.output.decode(buf, at, end, 0));
      else call.fail(this.readStatus(call, flags, code, buf, at, end));
    } catch (error) {
      call.fail(error instanceof RpcError ? error : this.badResponse(call, error as Error));
    }
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
    const flags = encodeRequest(call, request, parking, LIMITS.maxMetadataBytes[2]);
    if (parking.pos > LIMITS.maxFrameBytes[2]) throw tooLong(parking.pos, LIMITS.maxFrameBytes[2]);
    return { flags, payload: Buffer.from(parking.buf.subarray(0, parking.pos)) };
  } catch (error) {
    throw requestError(call, error);
  }
}

function encodeRequest(call: OutgoingCall, request: unknown, writer: Writer, maxMetadataBytes: number): number {
  const { metadata } = call.options;
  if (metadata !== undefined) encodeMetadata(Metadata.from(metadata), writer, maxMetadataBytes);
  call.method.input.encode(request as never, writer);
  return metadata === undefined ? 0 : Flag.METADATA;
}

/** The request in a frame that was written and not sent. */
function parkFrame(frame: Buffer): ParkedRequest {
  const flags = frame[5] as number;
  const head = HEADER_BYTES + ((flags & Flag.DEADLINE) === 0 ? 0 : 4);
  return { flags: flags & Flag.METADATA, payload: frame.subarray(head) };
}

function frameBytes(slab: Buffer, at: number): number {
  return HEADER_BYTES + readUint32(slab, at);
}

function tooLong(bytes: number, limit: number): RpcError {
  return exhausted(`the request takes ${bytes} bytes; the peer accepts ${limit}`);
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
