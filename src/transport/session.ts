// One connection: frames in, frames out, calls in both directions. It does no I/O and reads no clock of its own: it is
// given a pipe and a clock. Both ends run this class; they differ in bit 0 of the ids they hand out.
// It owns the life of the connection and routes frames; `outgoing-calls.ts` has the calls that this side began,
// `incoming-calls.ts` those of the peer, `heartbeat.ts` liveness.
//
//    handshake --SETTINGS--> open --finish/fatal--> ended --> closed        (any state --pipe lost--> closed)
//
// Invariants: an outgoing call that was given to the pipe settles with its response or with the connection; one that was
// not is handed back to the owner; once closed, nothing of the connection is left in a wheel, a table or a slab.

import type { Compression } from "../codec/compression.js";
import { beginGiven, beginRead, endGiven, endRead } from "../codec/copies.js";
import {
  beginFrame,
  CloseReason,
  closeReasonName,
  endFrame,
  Flag,
  FrameError,
  FrameType,
  HEADER_BYTES,
  idText,
  PING_FRAME,
  PONG_FRAME,
  PREFACE,
  readArg,
  readId,
  readUint32,
} from "../codec/frame.js";
import type { SlabPool } from "../codec/slab.js";
import { type FrameSink, Splitter } from "../codec/splitter.js";
import { Code, localError, type RpcError } from "../codec/status.js";
import { Settings, type SettingsInit, Status } from "../codec/wire.js";
import { type Assembled, Assembler, announcedBytes, isCut, isOneWay } from "./assembler.js";
import { Compressor } from "./compress.js";
import { Flow, isForConnection } from "./flow.js";
import { Heartbeat } from "./heartbeat.js";
import type { SessionHooks } from "./hooks.js";
import { type Acceptor, IncomingCalls } from "./incoming-calls.js";
import { Outbox } from "./outbox.js";
import type { OutgoingCall } from "./outgoing-call.js";
import { OutgoingCalls } from "./outgoing-calls.js";
import type { Pipe, PipeSink } from "./pipe.js";
import {
  announcement,
  beforeSettings,
  type ConnectionLimits,
  MAX_CREDIT,
  type PeerLimits,
  readSettings,
} from "./settings.js";
import { encodeStatus } from "./status-frame.js";
import { CallbackTimer, type TimerWheel } from "./timers.js";

/** What {@link Session} may wait for the peer to close after it has ended its own side, in milliseconds. */
export const LINGER_MS = 1_000;

/** Which end of the connection this is; bit 0 of the ids of its calls. */
export const Side = { DIALED: 0, ACCEPTED: 1 } as const;
/** Which end of the connection this is. */
export type Side = (typeof Side)[keyof typeof Side];

/** Where a connection is in its life. */
export type SessionState = "handshake" | "open" | "ended" | "closed";

/** Told of what happens to a connection. */
export interface SessionOwner {
  /** The handshake is complete. */
  onOpen(session: Session): void;
  /** The peer takes no new calls; those under way go on. */
  onDraining(session: Session): void;
  /** There is room for calls again, after {@link OutgoingCalls.hasRoom} was false. */
  onRoom(session: Session): void;
  /** `call` provably never left this process: its request is parked, and it may go to another connection. */
  onUnsent(call: OutgoingCall): void;
  /**
   * The peer has proved that `call`, whose request is parked, did not run. True: the owner takes the call back, to send it
   * again.
   */
  onRefused(call: OutgoingCall, session: Session): boolean;
  /** The connection is gone, and every call on it has settled or been handed back. */
  onClosed(session: Session, error: RpcError): void;
}

/** What a {@link Session} is made of. */
export interface SessionOptions {
  readonly pipe: Pipe;
  readonly side: Side;
  readonly owner: SessionOwner;
  readonly acceptor: Acceptor;
  readonly wheel: TimerWheel;
  readonly slabs: SlabPool;
  readonly limits: ConnectionLimits;
  readonly hooks: SessionHooks;
  /** What messages are compressed with, if the peer can read that; undefined for nothing. */
  readonly compression: Compression | undefined;
  /** True: the peer may make only calls for which it is given a lease. */
  readonly leases: boolean;
  /** Announced to the peer: names this side, the same on each of its connections. */
  readonly peerId: string;
  /** Announced to the peer: the software, for logs. */
  readonly agent: string;
}

/** One connection. */
export class Session implements PipeSink, FrameSink {
  readonly side: Side;
  readonly remote: string;
  readonly outbox: Outbox;
  readonly wheel: TimerWheel;
  readonly limits: ConnectionLimits;
  readonly hooks: SessionHooks;
  readonly outgoing: OutgoingCalls;
  readonly incoming: IncomingCalls;
  readonly flow: Flow;
  readonly assembler: Assembler;
  readonly compressor: Compressor;
  readonly owner: SessionOwner;
  /** What the peer allows; {@link beforeSettings} until it has said so. */
  peer: PeerLimits = beforeSettings;
  /** The time of this tick, in the clock's milliseconds. */
  now: number;
  /** When the bytes being read have arrived, in the clock's milliseconds. */
  arrivedAt: number;
  private readonly pipe: Pipe;
  private readonly splitter: Splitter;
  private readonly heartbeat: Heartbeat;
  private readonly closeTimer = new CallbackTimer(() => this.onCloseTimer());
  private readonly onHanded = (): void => this.outgoing.settleHanded();
  private currentState: SessionState = "handshake";
  private isPeerDraining = false;
  private turnedAway = false;
  /** True once the peer has said that it has run no call of this connection. */
  private ranNothing = false;
  private isDraining = false;
  private peerSawDrain = false;
  /** What the answers to the pings that were sent are told to, in order. */
  private readonly pings: (() => void)[] = [];
  private peerEnded = false;
  private readingPaused = false;
  private closeError: RpcError | undefined = undefined;

  constructor(options: SessionOptions) {
    const { pipe, wheel, slabs, limits } = options;
    this.side = options.side;
    this.remote = pipe.remote;
    this.pipe = pipe;
    this.wheel = wheel;
    this.limits = limits;
    this.hooks = options.hooks;
    this.owner = options.owner;
    this.now = this.arrivedAt = wheel.tick.now();
    this.outbox = new Outbox(pipe, slabs, wheel.tick);
    this.splitter = new Splitter(slabs, this, limits.maxFrameBytes);
    this.flow = new Flow(this);
    this.assembler = new Assembler(limits);
    this.compressor = new Compressor(options.compression, limits.minCompressBytes);
    this.outgoing = new OutgoingCalls(this);
    this.incoming = new IncomingCalls(this, options.acceptor, options.leases);
    this.heartbeat = new Heartbeat(this, this.splitter);
    this.wheel.add(this.closeTimer, this.now + limits.handshakeTimeoutMs);
    this.greet(announcement(limits, options.peerId, options.agent, options.leases));
    pipe.open(this);
  }

  /** Where the connection is in its life. */
  get state(): SessionState {
    return this.currentState;
  }

  /** True once the handshake was complete. */
  get wasOpen(): boolean {
    return this.peer !== beforeSettings;
  }

  /** True once the peer has said that it will not go on with this connection. */
  get wasTurnedAway(): boolean {
    return this.turnedAway;
  }

  /** True once this side has decided to take no new calls. */
  get isFinishing(): boolean {
    return this.isDraining;
  }

  /** True while frames are exchanged. */
  get isOpen(): boolean {
    return this.currentState === "open" || this.currentState === "handshake";
  }

  /** True while new calls may be begun here: the connection is open, and neither side drains it. */
  get isUsable(): boolean {
    return this.isOpen && !this.isPeerDraining && !this.isDraining && !this.peerEnded;
  }

  /** True while calls of either direction are under way. */
  get isBusy(): boolean {
    return this.outgoing.pending > 0 || this.incoming.unanswered > 0 || !this.assembler.isEmpty;
  }

  /** True while so much waits for the peer that it is served no further calls. */
  get isOverfull(): boolean {
    return this.outbox.isBlocked && this.outbox.unsentBytes > this.maxUnsentToServe();
  }

  /** True while nothing is read, because the peer does not take what it was sent. */
  get isReadingPaused(): boolean {
    return this.readingPaused;
  }

  /** Frames are about to be written: takes the time once a tick, and has the tick end with a flush, if not flush before that. */
  touch(): void {
    if (this.outbox.isScheduled) {
      this.outbox.flushEarly();
      return;
    }
    this.now = this.wheel.tick.now();
    this.flow.onTick();
    this.outbox.schedule();
    if (this.outbox.isRebaseDue) this.outgoing.onRebase(this.outbox.rebase());
  }

  /** One-way calls resolve once the pipe has been given their bytes. */
  watchHanded(): void {
    this.wheel.tick.atEnd(this.onHanded);
  }

  /** Sends a PING; the answer, like any other byte, is taken as life, and `onPong` hears of it. */
  ping(onPong: () => void = ignore): void {
    this.pings.push(onPong);
    this.outbox.append(PING_FRAME);
  }

  /** No new calls: tells the peer, finishes those under way, and closes. */
  drain(): void {
    if (!this.isUsable) return;
    this.isDraining = true;
    this.writeGoAway(CloseReason.DRAIN, "the connection is draining");
    this.ping(() => {
      this.peerSawDrain = true;
    });
    this.endIfDone();
  }

  /** Ends the connection once nothing is under way; new calls must not be given to it. */
  finish(): void {
    this.isDraining = true;
    this.peerSawDrain = true;
    this.endIfDone();
  }

  /** Ends the connection now: the calls of both directions end with `error`, and the peer hears of it. */
  cancelAll(error: RpcError): void {
    if (!this.isOpen) return;
    this.isDraining = true;
    this.closeError = error;
    this.incoming.cancelAll(error);
    this.outgoing.cancelAll(error);
    this.end();
  }

  /** Closes now: pending calls fail with `error`, whoever waits for an answer gets none. */
  destroy(error: RpcError): void {
    if (this.currentState === "closed") return;
    this.closeError ??= error;
    this.currentState = "ended";
    this.outbox.stop();
    this.pipe.destroy();
  }

  /** Closes a connection whose peer is not to be waited for; `fatal` has said why. */
  abort(): void {
    this.pipe.destroy();
  }

  /** Ends the connection because of something the peer did or did not do, and tells it why. */
  fatal(reason: CloseReason, text: string): void {
    if (!this.isOpen) return;
    const error = localError(Code.UNAVAILABLE, `${closeReasonName(reason)}: ${text}`, "unsafe");
    this.closeError = error;
    this.writeGoAway(reason, text);
    this.end();
  }

  // What the pipe says.

  onData(buf: Buffer, start: number, end: number): void {
    this.now = this.arrivedAt = this.wheel.tick.begin();
    this.heartbeat.onBytes(this.now);
    beginRead(buf, start, end);
    try {
      this.splitter.push(buf, start, end);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.fatal(error.reason, error.message);
    } finally {
      endRead();
    }
    if (!this.isOpen) this.splitter.release();
    else this.pauseIfFull();
  }

  onDrain(): void {
    this.outbox.onDrain();
    if (this.readingPaused && this.outbox.unsentBytes <= this.limits.maxUnsentBytes / 2) {
      this.readingPaused = false;
      this.pipe.resume();
    }
    this.outgoing.settleHanded();
    this.flow.pump();
  }

  onEnd(): void {
    this.peerEnded = true;
    this.assembler.clear();
    this.incoming.onPeerEnd();
    if (this.currentState === "handshake")
      this.fail("the peer closed the connection before the handshake was complete");
    else if (this.outgoing.pending > 0) this.fail("the peer closed the connection");
    else if (this.currentState === "ended") this.pipe.destroy();
    else this.endIfDone();
  }

  onClose(error: Error | undefined): void {
    this.currentState = "closed";
    const reason =
      this.closeError ?? this.lost(error === undefined ? "the connection was closed" : error.message, error);
    this.wheel.remove(this.closeTimer);
    this.heartbeat.stop();
    this.splitter.release();
    this.assembler.clear();
    this.outgoing.disconnect(reason, this.ranNothing);
    this.incoming.disconnect(reason);
    this.outbox.close();
    this.owner.onClosed(this, reason);
  }

  // What the splitter says.

  onFrame(buf: Buffer, start: number, end: number): void {
    const type = buf[start + 4] as number;
    if (this.currentState === "handshake" && type !== FrameType.SETTINGS) throw tooEarly(type);
    switch (type) {
      case FrameType.RESPONSE:
        if (this.isPlain(buf, start)) this.outgoing.onResponse(buf, start, end);
        else this.onMessage(type, buf, start, end);
        break;
      case FrameType.REQUEST:
        if (this.isPlain(buf, start)) this.incoming.onRequest(buf, start, end, false);
        else this.onMessage(type, buf, start, end);
        break;
      case FrameType.MESSAGE:
        this.onMessage(type, buf, start, end);
        break;
      case FrameType.METHOD:
        this.incoming.onMethod(buf, start, end);
        break;
      case FrameType.FRAGMENT:
        this.onFragment(buf, start, end);
        break;
      case FrameType.CREDIT:
        expectPayload(buf, start, end, 4);
        this.onCredit(buf, start);
        break;
      case FrameType.CANCEL:
        expectPayload(buf, start, end, 0);
        this.incoming.onCancel(buf, start);
        break;
      case FrameType.SETTINGS:
        this.onSettings(buf, start, end);
        break;
      case FrameType.PING:
        expectPayload(buf, start, end, 0);
        this.heartbeat.onPing(this.now);
        this.outbox.append(PONG_FRAME);
        break;
      case FrameType.PONG:
        expectPayload(buf, start, end, 0);
        this.pings.shift()?.();
        break;
      case FrameType.GOAWAY:
        this.onGoAway(buf, start, end);
        break;
      case FrameType.LEASE:
        expectPayload(buf, start, end, 8);
        this.outgoing.onLease(buf, start);
        break;
      default:
        // A type that this version does not know.
        break;
    }
    if (this.isDraining) this.endIfDone();
  }

  /** A call has ended: the connection may have been waiting for that. */
  onCallEnded(): void {
    if (this.isDraining || this.isPeerDraining || this.peerEnded) this.endIfDone();
  }

  /** True for a frame that nothing of fragments concerns: nearly every one. */
  private isPlain(buf: Buffer, start: number): boolean {
    return this.assembler.isEmpty && ((buf[start + 5] as number) & Flag.MORE) === 0;
  }

  /** A frame that carries a message, whole or cut. */
  private onMessage(type: number, buf: Buffer, start: number, end: number): void {
    const flags = buf[start + 5] as number;
    if (type === FrameType.MESSAGE && (flags & Flag.NO_MESSAGE) === 0) this.flow.onReceived(end - start);
    if (isCut(type, flags)) {
      this.onCutMessage(type, buf, start, end);
      return;
    }
    // Of the calls with an incomplete message, a RESPONSE ends one, and a one-way REQUEST names none.
    if (!this.assembler.isEmpty && type !== FrameType.RESPONSE && !isOneWay(type, flags))
      this.assembler.expectNone(readId(buf, start));
    if (type === FrameType.MESSAGE && !this.isMessageWanted(buf, start, end - start, undefined)) return;
    this.onWholeMessage(type, buf, start, end, false);
  }

  /** A MESSAGE of `bytes`, header included, begins: it costs its stream credit, and ends its call if it cannot be taken. */
  private isMessageWanted(buf: Buffer, start: number, bytes: number, refusal: RpcError | undefined): boolean {
    const id = readId(buf, start);
    const calls = this.isOwn(id) ? this.outgoing : this.incoming;
    return calls.onMessageBegin(id, buf[start + 5] as number, bytes, refusal);
  }

  private onWholeMessage(type: number, buf: Buffer, start: number, end: number, wasCut: boolean): void {
    if (type === FrameType.RESPONSE) {
      // It ends the call, whatever was incomplete.
      if (!this.assembler.isEmpty && this.isOwn(readId(buf, start))) this.assembler.forget(readId(buf, start));
      this.outgoing.onResponse(buf, start, end);
    } else if (type === FrameType.REQUEST) {
      this.incoming.onRequest(buf, start, end, wasCut);
    } else if (this.isOwn(readId(buf, start))) {
      this.outgoing.onMessage(buf, start, end);
    } else {
      this.incoming.onMessage(buf, start, end);
    }
  }

  /** The first frame of a message that is cut up: it is taken, or refused before any more of it comes. */
  private onCutMessage(type: number, buf: Buffer, start: number, end: number): void {
    const id = readId(buf, start);
    const bytes = announcedBytes(buf, start, end);
    // A RESPONSE for a call of its sender says nothing about that call.
    const isStray = type === FrameType.RESPONSE && !this.isOwn(id);
    const refusal = isStray ? undefined : this.assembler.refusalOf(id, bytes);
    let isAwaited: boolean;
    if (type === FrameType.REQUEST) isAwaited = this.incoming.onCutRequest(buf, start, refusal);
    else if (type === FrameType.RESPONSE) isAwaited = this.outgoing.onCutResponse(id, refusal);
    else isAwaited = this.isMessageWanted(buf, start, HEADER_BYTES + bytes, refusal);
    if (!isAwaited) return;
    // The end of a response frees its slot, whether anybody wants it or not.
    const isWanted = type !== FrameType.RESPONSE || this.outgoing.isLive(id);
    this.assembler.begin(buf, start, end, this.arrivedAt, isWanted);
  }

  private onFragment(buf: Buffer, start: number, end: number): void {
    const id = readId(buf, start);
    this.flow.onReceived(end - start);
    if (this.assembler.has(id)) {
      const assembled = this.assembler.append(buf, start, end, this.now);
      if (assembled !== undefined) this.onAssembled(assembled, id);
    } else if (this.isLive(id)) {
      throw new FrameError(
        CloseReason.PROTOCOL_ERROR,
        `FRAGMENT for call ${idText(id)}, which has no incomplete message`,
      );
    }
  }

  private onAssembled({ type, frame, bytes, arrivedAt }: Assembled, id: number): void {
    if (frame === undefined) {
      if (type === FrameType.RESPONSE) this.outgoing.onLateResponse(id);
      return;
    }
    const { arrivedAt: chunkArrivedAt } = this;
    this.arrivedAt = arrivedAt;
    beginGiven(frame);
    try {
      this.onWholeMessage(type, frame, 0, bytes, true);
    } finally {
      endGiven();
      this.arrivedAt = chunkArrivedAt;
    }
  }

  private onCredit(buf: Buffer, start: number): void {
    const id = readId(buf, start);
    const bytes = readUint32(buf, start + HEADER_BYTES);
    if (bytes === 0 || bytes > MAX_CREDIT) {
      throw new FrameError(CloseReason.PROTOCOL_ERROR, `CREDIT of ${bytes} bytes; allowed are 1 to ${MAX_CREDIT}`);
    }
    if (isForConnection(readArg(buf, start))) this.flow.onCredit(bytes);
    else if (this.isOwn(id)) this.outgoing.onCredit(id, bytes);
    else this.incoming.onCredit(id, bytes);
  }

  /** A message of a call cannot be taken: the call ends, and what is still to come of it is dropped. */
  private refuseMessage(id: number, error: RpcError): void {
    if (this.isOwn(id)) this.outgoing.refuseMessage(id, error);
    else this.incoming.refuseMessage(id, error);
  }

  /** True for the id of a call that this side began. */
  private isOwn(id: number): boolean {
    return (id & 1) === this.side;
  }

  private isLive(id: number): boolean {
    return this.isOwn(id) ? this.outgoing.isLive(id) : this.incoming.isLive(id);
  }

  /** Ends the calls of which neither side has moved a message for too long. */
  checkStalls(now: number): void {
    this.flow.checkStalls(now);
    const limitMs = this.limits.streamStallTimeoutMs;
    for (const id of this.assembler.stalledSince(now - limitMs)) {
      const text = `the peer has not gone on with a message for ${limitMs} ms`;
      this.refuseMessage(id, localError(Code.RESOURCE_EXHAUSTED, text, "unsafe"));
    }
  }

  private onSettings(buf: Buffer, start: number, end: number): void {
    if (this.currentState !== "handshake") throw new FrameError(CloseReason.PROTOCOL_ERROR, "SETTINGS came twice");
    this.peer = readSettings(decodeControl(() => Settings.decode(buf, start + HEADER_BYTES, end, 0), "SETTINGS"));
    this.currentState = "open";
    this.wheel.remove(this.closeTimer);
    this.heartbeat.start(this.now);
    this.hooks.counters.connectionsOpened++;
    this.compressor.onAnnounced(this.peer.compressions);
    this.flow.onPeerLimits();
    this.outgoing.onPeerLimits();
    this.owner.onOpen(this);
    this.outgoing.noticeRoom();
  }

  private onGoAway(buf: Buffer, start: number, end: number): void {
    const reason = readArg(buf, start);
    const { message } = decodeControl(() => Status.decode(buf, start + HEADER_BYTES, end, 0), "GOAWAY");
    if (reason !== CloseReason.DRAIN) {
      this.turnedAway = true;
      this.ranNothing = reason === CloseReason.CONNECTION_LIMIT;
      this.destroy(this.lost(`the peer closed the connection: ${closeReasonName(reason)}: ${message}`));
      return;
    }
    this.isPeerDraining = true;
    this.owner.onDraining(this);
    this.endIfDone();
  }

  private greet(settings: SettingsInit): void {
    this.outbox.append(PREFACE);
    beginFrame(this.outbox);
    Settings.encode(settings, this.outbox);
    endFrame(this.outbox, FrameType.SETTINGS, 0, 0, 0);
  }

  private writeGoAway(reason: CloseReason, text: string): void {
    beginFrame(this.outbox);
    encodeStatus(localError(Code.UNAVAILABLE, text, "unsafe"), this.outbox, this.peer.maxFrameBytes);
    endFrame(this.outbox, FrameType.GOAWAY, 0, reason, 0);
    this.outbox.schedule();
  }

  /**
   * A peer that reads nothing may not make this side queue without bound: reading stops until it has taken some. What had
   * arrived by then is served, but for calls beyond what may wait (`isOverfull`).
   */
  private pauseIfFull(): void {
    if (this.readingPaused || !this.outbox.isBlocked || this.outbox.unsentBytes <= this.maxUnsentToRead()) return;
    this.readingPaused = true;
    this.pipe.pause();
  }

  /** Beyond this many unsent bytes calls are refused; requests of this side (at most `maxUnsentBytes` and one frame) do not count. */
  private maxUnsentToServe(): number {
    const { maxUnsentBytes } = this.limits;
    return 2 * maxUnsentBytes + (this.outgoing.pending > 0 ? this.peer.maxFrameBytes : 0);
  }

  /**
   * Beyond this many unsent bytes nothing is read. With calls of this side pending that is after calls are refused: the peer may have
   * stopped reading for the same reason, and its answers must be read.
   */
  private maxUnsentToRead(): number {
    const { maxUnsentBytes } = this.limits;
    return this.outgoing.pending > 0 ? this.maxUnsentToServe() + maxUnsentBytes : maxUnsentBytes;
  }

  private endIfDone(): void {
    if (!this.isOpen || this.isBusy) return;
    if (this.isPeerDraining || this.peerEnded || (this.isDraining && this.peerSawDrain)) this.end();
  }

  /** Sends what is written and ends this side; the peer has {@link LINGER_MS} to end its own. */
  private end(): void {
    this.currentState = "ended";
    this.heartbeat.stop();
    this.outbox.end();
    this.wheel.add(this.closeTimer, this.wheel.clock.now() + LINGER_MS);
    if (this.peerEnded && this.outbox.unsentBytes === 0) this.pipe.destroy();
  }

  private onCloseTimer(): void {
    if (this.currentState === "handshake") {
      const limitMs = this.limits.handshakeTimeoutMs;
      this.fatal(CloseReason.HANDSHAKE_TIMEOUT, `the peer has not completed the handshake within ${limitMs} ms`);
      this.abort();
    } else {
      this.pipe.destroy();
    }
  }

  private fail(text: string): void {
    this.destroy(this.lost(text));
  }

  private lost(text: string, cause?: Error): RpcError {
    return localError(Code.UNAVAILABLE, `connection to ${this.remote} lost: ${text}`, "unsafe", cause);
  }
}

function ignore(): void {}

function tooEarly(type: number): FrameError {
  return new FrameError(CloseReason.PROTOCOL_ERROR, `frame type ${type} came before SETTINGS`);
}

/** Refuses a frame whose type has a payload of fixed length if its own is another (section 4). */
function expectPayload(buf: Buffer, start: number, end: number, bytes: number): void {
  if (end - start - HEADER_BYTES === bytes) return;
  const text = `frame type ${buf[start + 4]} has a payload of ${bytes} bytes, not of ${end - start - HEADER_BYTES}`;
  throw new FrameError(CloseReason.PROTOCOL_ERROR, text);
}

/** Reads a message of the connection itself; bytes that do not decode break the protocol. */
function decodeControl<T>(read: () => T, frame: string): T {
  try {
    return read();
  } catch (error) {
    throw new FrameError(CloseReason.PROTOCOL_ERROR, `${frame}: ${(error as Error).message}`);
  }
}
