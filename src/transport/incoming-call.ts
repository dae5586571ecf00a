// A call that the peer has begun and this side serves: it is answered once, and it ends when its handler has ended too.
// The objects are reused, so user code never sees one; its context holds a reference only while the call runs.

import { beginFrame, endFrame, Flag, FrameType, HEADER_BYTES } from "../codec/frame.js";
import type { MessageType } from "../codec/message.js";
import { encodeMetadata, type Metadata } from "../codec/metadata.js";
import type { MethodKind } from "../codec/method.js";
import { Code, localError, RpcError } from "../codec/status.js";
import type { Backlog, Gate } from "./gate.js";
import type { Session } from "./session.js";
import { encodeStatus, errorCode } from "./status-frame.js";
import { Stream, type StreamSink } from "./stream.js";
import { Timer } from "./timers.js";

/** Serves the calls of one method; `call/dispatch.ts` makes them. */
export interface Endpoint {
  readonly path: string;
  readonly kind: MethodKind;
  /** Decides when its calls run. */
  readonly gate: Gate;
  /**
   * Decodes the request `buf[start, end)`, or the first of a stream of requests, runs the handler and answers `call`; never
   * throws. `flags` are the REQUEST's.
   */
  serve(call: IncomingCall, buf: Buffer, start: number, end: number, flags: number): void;
  /** Only where requests are streamed: takes in what comes before the handler may run. {@link run} then runs it. */
  readonly open?: ((call: IncomingCall, buf: Buffer, start: number, end: number, flags: number) => void) | undefined;
  /** Runs the handler of a call that was opened. */
  run?(call: IncomingCall): void;
}

/** What a call needs of the context that its handler sees. */
export interface IncomingContext {
  /** False while the handler has certainly set neither headers nor trailers. */
  readonly hasResponseMetadata: boolean;
  /** The headers that the handler has set, the first time they are asked for; undefined for none. */
  takeHeaders(): Metadata | undefined;
  /** Whether the handler wants what it sends compressed; undefined to do as the connection does. */
  readonly compress: boolean | undefined;
  /** The trailers that the handler has set; undefined for none. */
  readonly sentTrailers: Metadata | undefined;
  /** What the call waits for although it was started, in words; undefined while its handler runs. */
  readonly waitsFor?: string | undefined;
  /** Nobody waits for the response any more: the handler's signal is aborted with `error`. */
  cancel(error: RpcError): void;
}

/** One call from the peer. */
export class IncomingCall extends Timer {
  // What every call needs comes first, so that it lies in few cache lines.
  /** Fixed for each use of the object, from `begin` to `finish`. */
  session: Session = undefined as unknown as Session;
  endpoint: Endpoint = undefined as unknown as Endpoint;
  id = 0;
  requestBytes = 0;
  /** What it was answered with, if that was an error, or why it cannot be answered; else OK. */
  failedWith: Code = Code.OK;
  /** Whether the handler was started, and whether how long it takes is measured. Only the gate sets them. */
  isStarted = false;
  isMeasured = false;
  private answered = false;
  private isOneWay = false;
  private expiry: number | undefined = undefined;
  metadata: Metadata | undefined = undefined;
  context: IncomingContext | undefined = undefined;
  private output: MessageType<unknown, never> | undefined = undefined;
  private readonly onValue = (value: unknown): void => this.respond(this.output as MessageType<unknown, never>, value);
  private readonly onError = (error: unknown): void => this.fail(error);
  stream: Stream | undefined = undefined;
  /** Where it waits for a worker, its neighbours there, and since when. Only its gate writes them. */
  backlog: Backlog | undefined = undefined;
  older: IncomingCall | undefined = undefined;
  newer: IncomingCall | undefined = undefined;
  waitingSince = 0;
  /** While it waits: its message, and the flags of its REQUEST. */
  private held: Buffer | undefined = undefined;
  private heldFlags = 0;
  /** What the endpoint keeps of a call that it has opened. */
  opened: unknown = undefined;
  /** When it was started, if it is measured. */
  startedAt = 0;

  /** When the caller stops waiting, in the clock's milliseconds; Infinity for never. A whole number needs no memory of its own. */
  get deadline(): number {
    return this.expiry ?? Number.POSITIVE_INFINITY;
  }

  set deadline(at: number) {
    this.expiry = at;
  }

  /** True once a response has been written, or cannot be any more. */
  get isAnswered(): boolean {
    return this.answered;
  }

  /** Starts a use of this object. */
  begin(session: Session, endpoint: Endpoint, id: number, isOneWay: boolean): void {
    this.session = session;
    this.endpoint = endpoint;
    this.id = id;
    this.requestBytes = 0;
    this.expiry = undefined;
    this.isStarted = this.isMeasured = false;
    this.failedWith = Code.OK;
    this.answered = isOneWay;
    this.isOneWay = isOneWay;
  }

  /** Waits for a worker, with the message in `buf[start, end)`, which is still as it came. */
  wait(backlog: Backlog, buf: Buffer, start: number, end: number, flags: number): void {
    const { endpoint } = this;
    this.heldFlags = flags;
    if (endpoint.open !== undefined) this.session.incoming.openWaiting(this, buf, start, end, flags);
    else this.held = Buffer.from(buf.subarray(start, end));
    // What it has sent may not be readable: then it was answered.
    if (this.answered && !this.isOneWay) this.finish();
    else endpoint.gate.wait(this, backlog);
  }

  /** A worker is free: starts the handler. */
  resume(): void {
    const { held } = this;
    this.held = undefined;
    this.session.incoming.start(this, held, this.heldFlags);
  }

  /** Ends a call that waits: it has not run, for the reason that `error` gives. */
  refuse(error: RpcError): void {
    this.session.incoming.refuseWaiting(this, error);
  }

  /** Ends a call that was started: nothing of it has run, for the reason that `error` gives. */
  decline(error: RpcError): void {
    this.session.incoming.refuseStarted(this, error);
  }

  /** Ends a call that waits, for a reason that is none of its gate's. */
  endWaiting(error: RpcError): void {
    this.session.incoming.endWaiting(this, error);
  }

  /** Opens the streams of a call, if its method has any. */
  openStream(sink: StreamSink): Stream {
    this.stream = new Stream(sink);
    this.stream.attach(this.session, this.id);
    this.session.incoming.watchDeadline(this);
    return this.stream;
  }

  /**
   * Sends a message of the response's stream; undefined if it was written at once, else a promise of when it will have been.
   * One that cannot be sent ends the call at once, and throws.
   */
  send(output: MessageType<unknown, never>, message: unknown): Promise<void> | undefined {
    const { sender } = this.stream as Stream;
    sender.compress = this.context?.compress;
    try {
      return sender.send(output, message, this.context?.takeHeaders());
    } catch (error) {
      const responseError = this.asResponseError(error);
      this.cancel(responseError);
      throw responseError;
    }
  }

  /** Ends the response's stream. */
  respondEnd(): void {
    if (!this.answered) {
      try {
        this.writeEnd();
      } catch (error) {
        this.session.outbox.abandonFrame();
        this.writeError(this.asResponseError(error));
      }
    }
    this.finish();
  }

  /** Answers with what `promise` settles to. */
  respondLater(output: MessageType<unknown, never>, promise: PromiseLike<unknown>): void {
    this.output = output;
    promise.then(this.onValue, this.onError);
    this.session.incoming.watchDeadline(this);
  }

  /** Answers OK with `message`, which the handler has returned. */
  respond(output: MessageType<unknown, never>, message: unknown): void {
    if (!this.answered) {
      try {
        this.writeMessage(output, message);
      } catch (error) {
        this.session.outbox.abandonFrame();
        this.writeError(this.asResponseError(error));
      }
    }
    this.finish();
  }

  /** Answers with the status of anything the handler has thrown. */
  fail(thrown: unknown): void {
    const isAwaited = !this.answered;
    // After a cancel a handler may throw what it likes; from a one-way call nobody else will hear of it.
    if ((isAwaited || this.isOneWay) && !(thrown instanceof RpcError)) {
      this.session.hooks.handlerFailed(this.endpoint.path, thrown);
    }
    const error = RpcError.from(thrown);
    if (isAwaited) this.writeError(error);
    else if (this.failedWith === Code.OK) this.failedWith = errorCode(error);
    this.finish();
  }

  /** Ends the call while its handler still runs: answers with `error` and aborts the handler's signal. */
  cancel(error: RpcError): void {
    if (this.answered) return;
    this.writeError(error);
    if (this.backlog !== undefined) this.finish();
    else this.context?.cancel(error);
  }

  /** The connection is gone: nobody can be answered. */
  disconnect(error: RpcError): void {
    this.answered = true;
    this.failedWith = errorCode(error);
    this.session.wheel.remove(this);
    this.stream?.close(error);
    if (this.backlog !== undefined) this.finish();
    else this.context?.cancel(error);
  }

  /** Sets the timer for the deadline, if the call was not answered in the tick that began it, and does not wait. */
  arm(): void {
    if (!this.answered && this.backlog === undefined) this.session.wheel.add(this, this.deadline);
  }

  /** The deadline has come while the handler runs, or the call has waited for too long. */
  override expire(): void {
    const { backlog, session } = this;
    if (backlog === undefined) this.cancel(late(this.context?.waitsFor));
    else if (this.deadline <= session.wheel.clock.now()) this.endWaiting(late("a worker"));
    else this.refuse(this.endpoint.gate.onWaitedTooLong(this));
  }

  /** The call has ended at this side: its handler has, or will not be started. `isRefused`: the gate has refused it while it waited. */
  finish(isRefused: boolean = false): void {
    const { session, endpoint } = this;
    if (this.isStarted) {
      endpoint.gate.finish(this);
    } else {
      if (this.backlog !== undefined) endpoint.gate.leave(this, isRefused);
      else endpoint.gate.dismiss(this);
      this.held = undefined;
    }
    // What is armed when the tick ends may still have it.
    this.answered = true;
    this.context = undefined;
    this.metadata = undefined;
    this.output = undefined;
    if (this.stream !== undefined) this.stream = this.opened = undefined;
    // An object that waits for reuse must not keep a closed connection alive.
    this.session = undefined as unknown as Session;
    session.incoming.onFinished(this);
  }

  private writeEnd(): void {
    const { outbox } = this.session;
    this.session.touch();
    beginFrame(outbox);
    const flags = this.beginResponse(this.context);
    endFrame(outbox, FrameType.RESPONSE, flags | Flag.NO_MESSAGE, Code.OK, this.id);
    this.setAnswered(undefined);
  }

  private writeMessage(output: MessageType<unknown, never>, message: unknown): void {
    const { outbox, peer } = this.session;
    this.session.touch();
    beginFrame(outbox);
    const { context } = this;
    const head = this.beginResponse(context);
    const mark = outbox.pos - outbox.start;
    output.encode(message as never, outbox);
    const flags = head | this.session.compressor.compressTail(outbox, mark, context?.compress);
    const bytes = outbox.pos - outbox.start - HEADER_BYTES;
    if (bytes <= peer.maxFrameBytes) endFrame(outbox, FrameType.RESPONSE, flags, Code.OK, this.id);
    else this.writeCut(bytes, flags);
    this.setAnswered(undefined);
  }

  /** Sends the response that is in the outbox, of `bytes`, in fragments. */
  private writeCut(bytes: number, flags: number): void {
    const { session } = this;
    const { maxMessageBytes } = session.peer;
    const { maxInFlightBytes } = session.limits;
    const waitingBytes = session.flow.waitingBytes;
    if (bytes > maxMessageBytes)
      throw tooLong(`the response takes ${bytes} bytes; the caller accepts ${maxMessageBytes}`);
    if (waitingBytes > 0 && waitingBytes + bytes > maxInFlightBytes)
      throw tooLong(`${waitingBytes} bytes wait to be sent, with this response more than ${maxInFlightBytes}`);
    session.incoming.sendCut(this.id, flags, session.outbox.takeFrame(HEADER_BYTES));
  }

  private setAnswered(error: RpcError | undefined): void {
    this.answered = true;
    this.session.incoming.onAnswered(this);
    this.stream?.close(error);
  }

  private writeError(error: RpcError): void {
    this.failedWith = errorCode(error);
    try {
      this.writeErrorFrame(error, this.context);
    } catch {
      // The handler's metadata or details cannot travel; code and text must.
      this.session.outbox.abandonFrame();
      this.writeErrorFrame(new RpcError(error.code, error.message, { origin: error.origin }), undefined);
    }
    this.setAnswered(error);
  }

  private writeErrorFrame(error: RpcError, context: IncomingContext | undefined): void {
    const { outbox, peer } = this.session;
    this.session.touch();
    beginFrame(outbox);
    const flags = this.beginResponse(context);
    encodeStatus(error, outbox, peer.maxFrameBytes - (outbox.pos - outbox.start - HEADER_BYTES));
    endFrame(outbox, FrameType.RESPONSE, flags, errorCode(error), this.id);
  }

  /** Appends the metadata that the handler has set, if any; returns the frame's flags. */
  private beginResponse(context: IncomingContext | undefined): number {
    return context === undefined || !context.hasResponseMetadata ? Flag.END : this.writeResponseMetadata(context);
  }

  private writeResponseMetadata(context: IncomingContext): number {
    const { outbox, peer } = this.session;
    const { sentTrailers: trailers } = context;
    const headers = context.takeHeaders();
    if (headers !== undefined) encodeMetadata(headers, outbox, peer.maxMetadataBytes);
    if (trailers !== undefined) encodeMetadata(trailers, outbox, peer.maxMetadataBytes);
    return Flag.END | (headers === undefined ? 0 : Flag.METADATA) | (trailers === undefined ? 0 : Flag.TRAILERS);
  }

  private asResponseError(error: unknown): RpcError {
    if (error instanceof RpcError) return error;
    this.session.hooks.handlerFailed(this.endpoint.path, error);
    const reason = error instanceof Error ? error.message : String(error);
    return localError(Code.INTERNAL, `the response cannot be encoded: ${reason}`, "never", error);
  }
}

/** The deadline has passed while the call waited for something, or while its handler ran. */
function late(waitedFor: string | undefined): RpcError {
  const what = waitedFor === undefined ? "the handler ran" : `the call waited for ${waitedFor}`;
  const retry = waitedFor === undefined ? "unsafe" : "safe";
  return localError(Code.DEADLINE_EXCEEDED, `the deadline passed while ${what}`, retry);
}

function tooLong(text: string): RpcError {
  return localError(Code.RESOURCE_EXHAUSTED, text, "never");
}
