// The calls that the peer has begun on a connection: the methods it has named, who serves them, and the limits on how
// many run. What is refused is refused before it is decoded, and says so, so that the caller may go elsewhere.

import { isUtf8 } from "node:buffer";
import { availableCompressions, decompress } from "../codec/compression.js";
import {
  beginFrame,
  CloseReason,
  endFrame,
  Flag,
  FrameError,
  FrameType,
  HEADER_BYTES,
  idText,
  readArg,
  readId,
  readUint32,
  slotOf,
} from "../codec/frame.js";
import { FreeList } from "../codec/free-list.js";
import { DecodeError } from "../codec/message.js";
import { decodeMetadata, metadataBlockBytes } from "../codec/metadata.js";
import { streamsRequests } from "../codec/method.js";
import { Code, localError, RpcError } from "../codec/status.js";
import { Admission, type Backlog } from "./gate.js";
import { type Endpoint, IncomingCall } from "./incoming-call.js";
import { ALL_METHODS, Grants, type Lease, writeLease } from "./leases.js";
import { MessageSender } from "./message-sender.js";
import type { Session } from "./session.js";
import { MAX_METHOD_PATH_BYTES } from "./settings.js";
import { writeStatusFrame } from "./status-frame.js";

/** Finds who serves a method. */
export interface Acceptor {
  /** Who serves the method with this path; undefined if nobody does. */
  find(path: string): Endpoint | undefined;
}

/** The flags that tell what a request carries: END alone is one message, whole and as it is. */
const SHAPE_FLAGS = Flag.END | Flag.NO_MESSAGE | Flag.MORE | Flag.COMPRESSED;

/** A method index that the peer has defined. */
interface DefinedMethod {
  readonly path: string;
  endpoint: Endpoint | undefined;
  /** Where its calls wait for a worker; undefined while none ever did. */
  backlog: Backlog | undefined;
}

/** Deadlines are compared with a clock that is read anew after this many requests of one chunk. */
const REQUESTS_PER_CLOCK_READ = 32;
/** A call with less time left than this is not started, in milliseconds: it would have expired before its handler has looked. */
const LEAST_REMAINING_MS = 0.1;
/** Where the message of a request begins that cannot be read. */
const UNREADABLE = -1;
/** How many call objects wait for reuse in the process. */
const MAX_FREE_CALLS = 4096;

const freeCalls = new FreeList(() => new IncomingCall(), MAX_FREE_CALLS);

/** The serving half of a {@link Session}. */
export class IncomingCalls {
  private readonly session: Session;
  private readonly acceptor: Acceptor;
  private readonly methods: (DefinedMethod | undefined)[] = [];
  private readonly serving: (IncomingCall | undefined)[] = [];
  /** Responses that are being sent in fragments, by the ids of their calls. */
  private readonly cut = new Map<number, MessageSender>();
  /** The calls, by slot, whose requests have not arrived whole or whose responses have not left whole. */
  private readonly partial = new Map<number, number>();
  /** Calls that have not been answered. */
  private openCount = 0;
  /** Calls that wait for a worker, and handlers that have not ended, those of cancelled calls among them. */
  private taken = 0;
  /** One-way calls that wait for a worker. */
  private heldOneWay = 0;
  /** Where calls wait for a worker, by who serves them: the peer may have named a method more than once. */
  private backlogs: Map<Endpoint, Backlog> | undefined = undefined;
  private inFlightBytes = 0;
  /** What the peer was granted, by method path; undefined where it needs no lease. */
  private readonly grants: Grants | undefined;
  private sinceClockRead = 0;

  constructor(session: Session, acceptor: Acceptor, leases: boolean) {
    this.session = session;
    this.acceptor = acceptor;
    this.grants = leases ? new Grants() : undefined;
  }

  /**
   * Grants the peer calls of the method with this path, or of all that have no lease of their own; replaces the last lease for
   * the same. Throws `RpcError` FAILED_PRECONDITION if this side has not announced leases.
   */
  lease(lease: Lease, path: string | undefined): void {
    if (this.grants === undefined)
      throw localError(Code.FAILED_PRECONDITION, "leases are given where the server has the option `leases`", "never");
    this.grants.grant(path, lease);
    if (path === undefined) writeLease(this.session, ALL_METHODS, lease);
    for (const [index, method] of this.methods.entries()) {
      if (method !== undefined && method.path === path) writeLease(this.session, index, lease);
    }
  }

  /** Calls that have not been answered, or not wholly. */
  get unanswered(): number {
    return this.openCount + this.cut.size + this.heldOneWay;
  }

  /** METHOD: the peer names a method by a small number. */
  onMethod(buf: Buffer, start: number, end: number): void {
    const index = readArg(buf, start);
    const bytes = end - start - HEADER_BYTES;
    if (index === 0 || index > this.session.limits.maxMethods || this.methods[index] !== undefined) {
      const { maxMethods } = this.session.limits;
      throw broken(`METHOD index ${index} is taken or not in 1 to ${maxMethods}`);
    }
    if (bytes === 0 || bytes > MAX_METHOD_PATH_BYTES) {
      throw new FrameError(
        CloseReason.LIMIT_EXCEEDED,
        `a method path of ${bytes} bytes; allowed are 1 to ${MAX_METHOD_PATH_BYTES}`,
      );
    }
    if (!isUtf8(buf.subarray(start + HEADER_BYTES, end))) throw broken(`METHOD ${index}: its path is not valid UTF-8`);
    const path = buf.toString("utf8", start + HEADER_BYTES, end);
    this.methods[index] = { path, endpoint: this.acceptor.find(path), backlog: undefined };
    const lease = this.grants?.leaseFor(path);
    if (lease !== undefined) writeLease(this.session, index, lease);
  }

  /** REQUEST, a whole one: serves the call or refuses it. `wasCut`: {@link onCutRequest} has taken it. */
  onRequest(buf: Buffer, start: number, end: number, wasCut: boolean): void {
    const id = readId(buf, start);
    const flags = buf[start + 5] as number;
    const method = this.methodOf(buf, start, id);
    if (wasCut) this.partial.delete(slotOf(id));
    const verdict = this.refusalOf(method, flags, id, end - start, wasCut) ?? admit(method);
    if (typeof verdict === "number") this.take(method, verdict, flags, id, buf, start, end);
    else this.refuse(method, flags, id, verdict);
  }

  /** The first frame of a request that is cut up. False: the call is refused, for `refusal` or another reason. */
  onCutRequest(buf: Buffer, start: number, refusal: RpcError | undefined): boolean {
    const id = readId(buf, start);
    const flags = buf[start + 5] as number;
    const method = this.methodOf(buf, start, id);
    const busy = this.refusalOf(method, flags & ~Flag.MORE, id, readUint32(buf, start + HEADER_BYTES), false);
    const verdict = refusal ?? busy ?? admit(method);
    if (typeof verdict === "number") this.partial.set(slotOf(id), id);
    else this.refuse(method, flags, id, verdict);
    return typeof verdict === "number";
  }

  /** CANCEL: answers the call and aborts its handler's signal. One that was answered already is left alone. */
  onCancel(buf: Buffer, start: number): void {
    const id = readId(buf, start);
    const code = readArg(buf, start) === Code.DEADLINE_EXCEEDED ? Code.DEADLINE_EXCEEDED : Code.CANCELLED;
    this.end(id, code, "the caller gave the call up");
  }

  /** A MESSAGE of `bytes`, header included, begins. False: nobody wants it. Throws {@link FrameError}. */
  onMessageBegin(id: number, flags: number, bytes: number, refusal: RpcError | undefined): boolean {
    const call = this.find(id);
    if (call === undefined) return false;
    if (call.stream === undefined) throw broken(`MESSAGE for call ${idText(id)}, whose request was complete`);
    call.stream.begin(flags, bytes);
    if (refusal !== undefined) this.refuseMessage(id, refusal);
    return refusal === undefined;
  }

  /** MESSAGE, a whole one, for which {@link onMessageBegin} was true. */
  onMessage(buf: Buffer, start: number, end: number): void {
    this.find(readId(buf, start))?.stream?.onMessage(buf, start, end);
  }

  /** CREDIT for a stream; one that has ended takes none. */
  onCredit(id: number, bytes: number): void {
    this.find(id)?.stream?.onCredit(bytes);
  }

  /** True if a call with this id is being served. */
  isLive(id: number): boolean {
    return this.find(id) !== undefined;
  }

  /** The message that is arriving for a call cannot be taken: the call ends with `error`. */
  refuseMessage(id: number, { code, message }: RpcError): void {
    this.end(id, code, message);
  }

  /** A response that is too long for a frame is sent in fragments. */
  sendCut(id: number, flags: number, payload: Buffer): void {
    const sender = new MessageSender((error) => this.end(id, error.code, error.message));
    sender.attach(this.session, id);
    this.cut.set(id, sender);
    this.partial.set(slotOf(id), id);
    const resolve = (): void => {
      this.partial.delete(slotOf(id));
      if (this.cut.delete(id)) this.session.onCallEnded();
    };
    sender.sendCut(FrameType.RESPONSE, flags, Code.OK, payload, { resolve, reject() {} });
  }

  /** The peer sends no more: neither the messages nor the credit that its streams wait for. */
  onPeerEnd(): void {
    const error = localError(
      Code.UNAVAILABLE,
      "the caller closed the connection before its stream had ended",
      "unsafe",
    );
    for (const call of this.serving) if (call?.stream !== undefined) call.cancel(error);
  }

  /** The connection is gone: the handlers' signals are aborted. */
  disconnect(error: RpcError): void {
    for (const call of this.serving) call?.disconnect(error);
    for (const sender of this.cut.values()) sender.stop(error);
    this.cut.clear();
    this.partial.clear();
    this.serving.length = 0;
    this.openCount = 0;
  }

  /** Answers every call that is still open with `error`. */
  cancelAll(error: RpcError): void {
    for (const call of this.serving) call?.cancel(error);
    for (const id of this.partial.values()) this.end(id, error.code, error.message);
  }

  /** Arms the deadline of a call whose handler did not end at once, unless it ends within this tick. */
  watchDeadline(call: IncomingCall): void {
    if (call.deadline !== Number.POSITIVE_INFINITY) this.session.wheel.addLate(call);
  }

  /** `call` has been answered. */
  onAnswered(call: IncomingCall): void {
    if (call.next !== undefined) this.session.wheel.remove(call);
    this.serving[slotOf(call.id)] = undefined;
    if (!this.session.assembler.isEmpty) this.session.assembler.forget(call.id);
    this.inFlightBytes -= call.requestBytes;
    this.openCount--;
    this.session.onCallEnded();
  }

  /** `call` has ended: its handler has, or will never be started. */
  onFinished(call: IncomingCall): void {
    this.taken--;
    freeCalls.give(call);
  }

  /** Has its endpoint take in the first message of a call that begins to wait. One that cannot be read is answered. */
  openWaiting(call: IncomingCall, buf: Buffer, start: number, end: number, flags: number): void {
    const { endpoint } = call;
    const message = isCompressed(flags) ? this.decompress(buf, start, end) : undefined;
    if (message === undefined) endpoint.open?.(call, buf, start, end, flags);
    else if (message instanceof RpcError) call.cancel(message);
    else endpoint.open?.(call, message, 0, message.length, flags);
  }

  /** A worker is free for `call`, which has waited; `held` is its message, if its endpoint has not opened it. */
  start(call: IncomingCall, held: Buffer | undefined, flags: number): void {
    if (call.isAnswered) this.releaseOneWay(call);
    if (isLate(call, this.session.wheel.clock.now())) call.fail(expired());
    else this.run(call, flags, held, 0, held?.length ?? 0);
  }

  /** A call ends while it waits, and was not refused. */
  endWaiting(call: IncomingCall, error: RpcError): void {
    if (call.isAnswered) this.releaseOneWay(call);
    call.fail(error);
  }

  /** A call that waited is refused. */
  refuseWaiting(call: IncomingCall, error: RpcError): void {
    const { id, endpoint, isAnswered } = call;
    if (isAnswered) this.releaseOneWay(call);
    this.writeRefusal(endpoint, endpoint.path, isAnswered ? Flag.ONE_WAY : 0, id, error);
    call.stream?.close(error);
    if (!isAnswered) this.onAnswered(call);
    call.finish(true);
  }

  /** A call that was started is refused after all: nothing of it has run. */
  refuseStarted(call: IncomingCall, error: RpcError): void {
    const { id, endpoint, isAnswered } = call;
    call.failedWith = error.code;
    this.writeRefusal(endpoint, endpoint.path, isAnswered ? Flag.ONE_WAY : 0, id, error);
    if (!isAnswered) this.onAnswered(call);
    call.finish();
  }

  /** Why the call cannot run; undefined if it can. It takes a lease unless it `hasLease`. Throws {@link FrameError} for an id that is in use. */
  private refusalOf(
    method: DefinedMethod,
    flags: number,
    id: number,
    bytes: number,
    hasLease: boolean,
  ): RpcError | undefined {
    const { limits } = this.session;
    const isOneWay = (flags & Flag.ONE_WAY) !== 0;
    if (!isOneWay && slotOf(id) >= limits.maxCallsPerConnection) return noSuchSlot(id, limits.maxCallsPerConnection);
    if (!isOneWay && this.isTaken(slotOf(id))) throw slotInUse(id);
    if (this.taken >= limits.maxCallsPerConnection)
      return full("calls of the connection", limits.maxCallsPerConnection);
    if (this.session.isOverfull) return full("bytes that wait for the caller to read", limits.maxUnsentBytes);
    if (this.inFlightBytes + bytes > limits.maxInFlightBytes) return full("request bytes", limits.maxInFlightBytes);
    if (this.grants !== undefined && !hasLease && !this.grants.take(method.path))
      return full("calls for the leases given", 0);
    method.endpoint ??= this.acceptor.find(method.path);
    if (method.endpoint === undefined) return localError(Code.UNIMPLEMENTED, "no such method at this server", "never");
    return (flags & SHAPE_FLAGS) === Flag.END ? undefined : shapeRefusal(method.endpoint, flags);
  }

  private refuse({ path, endpoint }: DefinedMethod, flags: number, id: number, error: RpcError): void {
    this.writeRefusal(endpoint, path, flags, id, error);
  }

  /** Counts a refusal, and answers the call unless it is one-way. */
  private writeRefusal(endpoint: Endpoint | undefined, path: string, flags: number, id: number, error: RpcError): void {
    const { session } = this;
    session.hooks.counters.callsRefused++;
    session.hooks.callRefused(session.remote, path, error.message);
    if ((flags & Flag.ONE_WAY) !== 0) return;
    session.touch();
    // What will never have room, such as a message that is too long, is not as good as run.
    const lacksRoom = error.code === Code.RESOURCE_EXHAUSTED && error.retry === "safe";
    if (lacksRoom && endpoint?.gate.answersRefused === true) {
      beginFrame(session.outbox);
      endFrame(session.outbox, FrameType.RESPONSE, Flag.END, Code.OK, id);
    } else {
      const refused = error.retry === "safe" ? Flag.REFUSED : 0;
      writeStatusFrame(session.outbox, id, Flag.END | refused, error, session.peer.maxFrameBytes);
    }
  }

  /** Takes a call that was admitted. */
  private take(
    method: DefinedMethod,
    admission: Admission,
    flags: number,
    id: number,
    buf: Buffer,
    start: number,
    end: number,
  ): void {
    const call = freeCalls.take();
    const endpoint = method.endpoint as Endpoint;
    const isOneWay = (flags & Flag.ONE_WAY) !== 0;
    call.begin(this.session, endpoint, id, isOneWay);
    if (!isOneWay) this.open(call, end - start);
    this.taken++;
    const at = this.readHead(call, flags, buf, start + HEADER_BYTES, end);
    if (at === UNREADABLE) return;
    if (isLate(call, this.time())) call.fail(expired());
    else if (admission === Admission.START) this.run(call, flags, buf, at, end);
    else this.hold(call, method, flags, buf, start, at, end);
  }

  /** Has a call wait whose message is in `buf[at, end)`. */
  private hold(
    call: IncomingCall,
    method: DefinedMethod,
    flags: number,
    buf: Buffer,
    start: number,
    at: number,
    end: number,
  ): void {
    method.backlog ??= this.backlogOf(call.endpoint);
    if (call.isAnswered) this.holdOneWay(call, end - start);
    call.wait(method.backlog, buf, at, end, flags);
  }

  /** Starts the handler of a call; `buf` is undefined where its endpoint has opened the call. */
  private run(call: IncomingCall, flags: number, buf: Buffer | undefined, start: number, end: number): void {
    const { endpoint } = call;
    this.session.hooks.counters.callsServed++;
    const startedAt = endpoint.gate.start(call);
    if (buf === undefined) this.runOpened(call);
    else if (isCompressed(flags)) this.serveCompressed(call, flags, buf, start, end);
    else endpoint.serve(call, buf, start, end, flags);
    if (startedAt === 0) return;
    endpoint.gate.onYield(startedAt);
    // It may have taken a while.
    this.sinceClockRead = REQUESTS_PER_CLOCK_READ;
  }

  private backlogOf(endpoint: Endpoint): Backlog {
    this.backlogs ??= new Map();
    let backlog = this.backlogs.get(endpoint);
    if (backlog === undefined) {
      backlog = endpoint.gate.newBacklog();
      this.backlogs.set(endpoint, backlog);
    }
    return backlog;
  }

  /** A one-way call begins to wait: until then it is none of those that are open. */
  private holdOneWay(call: IncomingCall, bytes: number): void {
    call.requestBytes = bytes;
    this.inFlightBytes += bytes;
    this.heldOneWay++;
  }

  /** A one-way call waits no more: the connection may have been waiting for that. */
  private releaseOneWay(call: IncomingCall): void {
    this.inFlightBytes -= call.requestBytes;
    this.heldOneWay--;
    this.session.onCallEnded();
  }

  private runOpened(call: IncomingCall): void {
    this.watchDeadline(call);
    call.endpoint.run?.(call);
  }

  private serveCompressed(call: IncomingCall, flags: number, buf: Buffer, start: number, end: number): void {
    const message = this.decompress(buf, start, end);
    if (message instanceof RpcError) call.fail(message);
    else call.endpoint.serve(call, message, 0, message.length, flags);
  }

  /** The message in `buf[start, end)`, or why there is none. */
  private decompress(buf: Buffer, start: number, end: number): Buffer | RpcError {
    try {
      return decompress(buf.subarray(start, end), this.session.limits.maxMessageBytes, availableCompressions);
    } catch (error) {
      if (error instanceof RpcError) return error;
      return localError(Code.INVALID_ARGUMENT, (error as Error).message, "never", error);
    }
  }

  private find(id: number): IncomingCall | undefined {
    const call = this.serving[slotOf(id)];
    return call?.id === id ? call : undefined;
  }

  private isTaken(slot: number): boolean {
    return this.serving[slot] !== undefined || (this.partial.size > 0 && this.partial.has(slot));
  }

  private methodOf(buf: Buffer, start: number, id: number): DefinedMethod {
    const method = this.methods[readArg(buf, start)];
    if (method === undefined) throw noSuchMethod(readArg(buf, start));
    if ((id & 1) === this.session.side) throw wrongSide(id);
    return method;
  }

  /** Ends a call, whose request may not have arrived whole, or whose response may not have left whole. */
  private end(id: number, code: Code, text: string): void {
    const { assembler } = this.session;
    const sender = this.cut.get(id);
    const isArriving = assembler.typeOf(id) === FrameType.REQUEST;
    if (sender === undefined && !isArriving) {
      const call = this.find(id);
      call?.cancel(localError(code, `${call.endpoint.path}: ${text}`, "unsafe"));
      return;
    }
    assembler.forget(id);
    this.cut.delete(id);
    this.partial.delete(slotOf(id));
    sender?.stop(undefined);
    this.session.touch();
    const error = localError(code, text, isArriving ? "safe" : "unsafe");
    writeStatusFrame(this.session.outbox, id, Flag.END, error, this.session.peer.maxFrameBytes);
    this.session.onCallEnded();
  }

  private open(call: IncomingCall, bytes: number): void {
    call.requestBytes = bytes;
    this.serving[slotOf(call.id)] = call;
    this.openCount++;
    this.inFlightBytes += bytes;
  }

  /** Reads what precedes the message; returns where the message begins, or {@link UNREADABLE} once it has answered. */
  private readHead(call: IncomingCall, flags: number, buf: Buffer, start: number, end: number): number {
    if ((flags & Flag.DEADLINE) === 0) return this.readMetadata(call, flags, buf, start, end);
    if (end - start < 4) return unreadable(call, new DecodeError("the frame ends inside the deadline"));
    call.deadline = Math.ceil(this.session.arrivedAt + readUint32(buf, start));
    return this.readMetadata(call, flags, buf, start + 4, end);
  }

  private readMetadata(call: IncomingCall, flags: number, buf: Buffer, at: number, end: number): number {
    if ((flags & Flag.METADATA) === 0) return at;
    try {
      const bytes = metadataBlockBytes(buf, at, end, this.session.limits.maxMetadataBytes);
      call.metadata = decodeMetadata(buf, at);
      return at + bytes;
    } catch (error) {
      return unreadable(call, error as Error);
    }
  }

  /** The time, read anew every few requests: a chunk may hold hundreds, and their handlers take time. */
  private time(): number {
    if (++this.sinceClockRead >= REQUESTS_PER_CLOCK_READ) {
      this.sinceClockRead = 0;
      this.session.now = this.session.wheel.clock.now();
    }
    return this.session.now;
  }
}

/** What the method's gate says of a call that nothing else forbids. */
function admit({ endpoint, backlog }: DefinedMethod): Admission | RpcError {
  return (endpoint as Endpoint).gate.admit(backlog);
}

function unreadable(call: IncomingCall, error: Error): number {
  call.fail(localError(Code.INVALID_ARGUMENT, error.message, "never", error));
  return UNREADABLE;
}

function isCompressed(flags: number): boolean {
  return (flags & (Flag.COMPRESSED | Flag.NO_MESSAGE)) === Flag.COMPRESSED;
}

function isLate({ deadline }: IncomingCall, now: number): boolean {
  return deadline - now < LEAST_REMAINING_MS;
}

function expired(): RpcError {
  return localError(Code.DEADLINE_EXCEEDED, "the deadline passed before the call could start", "safe");
}

function broken(text: string): FrameError {
  return new FrameError(CloseReason.PROTOCOL_ERROR, text);
}

// These texts are made by functions of their own: the engine makes one that is written out in two places of what it compiles
// into one piece before either, for every call.

function noSuchMethod(index: number): FrameError {
  return broken(`REQUEST for the undefined method ${index}`);
}

function wrongSide(id: number): FrameError {
  return broken(`REQUEST ${idText(id)} has an id of the receiving side`);
}

function slotInUse(id: number): FrameError {
  return broken(`REQUEST ${idText(id)} uses a slot whose call is not answered`);
}

function noSuchSlot(id: number, limit: number): RpcError {
  return full(`call slot ${slotOf(id)}`, limit);
}

/** Why an endpoint cannot serve a request of this shape. */
function shapeRefusal({ kind }: Endpoint, flags: number): RpcError | undefined {
  const isOneMessage = (flags & Flag.END) !== 0 && (flags & Flag.NO_MESSAGE) === 0;
  const isOneWay = (flags & Flag.ONE_WAY) !== 0;
  if ((flags & Flag.MORE) !== 0) return unimplemented("a one-way call is not cut up");
  if (isOneWay && kind !== "unary") return unimplemented("a stream cannot be called one-way");
  return isOneMessage || streamsRequests(kind) ? undefined : unimplemented("the method takes one request");
}

function unimplemented(text: string): RpcError {
  return localError(Code.UNIMPLEMENTED, text, "never");
}

function full(what: string, limit: number): RpcError {
  return localError(Code.RESOURCE_EXHAUSTED, `too many ${what}: the limit is ${limit}`, "safe");
}
