// A streamed call as its caller sees it: it sends messages, reads messages, and hears how the call ended.

import { Flag } from "../codec/frame.js";
import type { DecodeError } from "../codec/message.js";
import { Metadata } from "../codec/metadata.js";
import { Code, localError, RpcError } from "../codec/status.js";
import type { OutgoingCall } from "../transport/outgoing-call.js";
import { Stream, type StreamSink } from "../transport/stream.js";
import type { BidiStream, ClientStream } from "./caller.js";
import { MessageReader } from "./message-reader.js";

/** What every send that need not wait returns. */
const SENT: Promise<void> = Promise.resolve();

/** A streamed call of any kind; the kind says which half of it is used. */
export class OutgoingStream implements BidiStream<unknown, unknown>, ClientStream<unknown, unknown> {
  private readonly call: OutgoingCall;
  private readonly sink: CallerSink;
  private readonly stream: Stream;
  private isClosed = false;

  /** `call` has not been given to a connection yet. */
  constructor(call: OutgoingCall) {
    this.call = call;
    this.sink = new CallerSink(call);
    this.stream = new Stream(this.sink);
    this.sink.reader.open(this.stream);
    this.stream.sender.compress = call.options.compress;
    call.stream = this.stream;
    // Who sends or reads messages hears of an error there: nobody has to look at this promise.
    call.promise.catch(() => {});
  }

  get headers(): Promise<Metadata> {
    return this.sink.headers.promise;
  }

  get trailers(): Promise<Metadata> {
    return this.sink.trailers.promise;
  }

  get response(): Promise<unknown> {
    return this.call.promise;
  }

  send(message: unknown): Promise<void> {
    if (this.isClosed) return Promise.reject(this.failure("the stream was closed", Code.FAILED_PRECONDITION));
    try {
      return waiting(this.stream.sender.send(this.call.method.input, message));
    } catch (error) {
      if (error instanceof RpcError) return this.refused(error);
      const reason = error instanceof Error ? error.message : String(error);
      return Promise.reject(this.failure(`the message cannot be encoded: ${reason}`, Code.INTERNAL, error));
    }
  }

  close(): Promise<void> {
    if (this.isClosed) return SENT;
    this.isClosed = true;
    try {
      return waiting(this.stream.sender.sendEmpty(Flag.END));
    } catch (error) {
      return this.refused(error);
    }
  }

  cancel(reason?: unknown): void {
    this.call.abort(reason);
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    return this.sink.reader.next();
  }

  return(): Promise<IteratorResult<unknown, undefined>> {
    return this.sink.reader.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** While the call goes on nobody else would tell of the message that is missing. */
  private refused(error: unknown): Promise<void> {
    const refusal = Promise.reject(error);
    if (this.call.isSettled) refusal.catch(() => {});
    return refusal;
  }

  private failure(text: string, code: Code, cause?: unknown): RpcError {
    return localError(code, `${this.call.method.path}: ${text}`, "never", cause);
  }
}

/** What a send returns that may wait. It fails only with its call, so that it may go unheard as the call's promise may. */
function waiting(sending: Promise<void> | undefined): Promise<void> {
  sending?.catch(() => {});
  return sending ?? SENT;
}

/** The caller's end of a stream. */
class CallerSink implements StreamSink {
  readonly reader: MessageReader<unknown>;
  readonly headers: Told<Metadata> = new Told();
  readonly trailers: Told<Metadata> = new Told();
  private readonly call: OutgoingCall;

  constructor(call: OutgoingCall) {
    this.call = call;
    this.reader = new MessageReader(call.method.output, () => call.abort(undefined));
  }

  onHeaders(headers: Metadata): void {
    this.headers.resolve(headers);
  }

  onTrailers(headers: Metadata | undefined, trailers: Metadata): void {
    this.headers.resolve(headers ?? new Metadata());
    this.trailers.resolve(trailers);
  }

  onMessage(buf: Buffer, start: number, end: number, bytes: number): void {
    if (!this.headers.isTold) this.headers.resolve(new Metadata());
    try {
      this.reader.push(buf, start, end, bytes);
    } catch (error) {
      this.onBroken(error as DecodeError);
    }
  }

  onEnd(): void {}

  onBroken(error: DecodeError | RpcError): void {
    if (error instanceof RpcError) this.giveUp(error.code, error.message, error);
    else this.giveUp(Code.INTERNAL, `a message does not decode: ${error.message}`, error);
  }

  onStall(error: RpcError): void {
    this.giveUp(error.code, error.message);
  }

  onClosed(error: RpcError | undefined): void {
    // What the user has given up, or had no time for, is not wanted any more.
    if (error?.origin === "local" && (error.code === Code.CANCELLED || error.code === Code.DEADLINE_EXCEEDED))
      this.reader.drop();
    this.reader.end(error);
    this.headers.reject(error);
    this.trailers.resolve(new Metadata());
  }

  private giveUp(code: Code, text: string, cause?: unknown): void {
    this.call.giveUp(localError(code, `${this.call.method.path}: ${text}`, "unsafe", cause));
  }
}

/** A value that becomes known once, and its promise, which is made when somebody asks. */
class Told<T> {
  private outcome: Promise<T> | undefined = undefined;
  private settle: ((outcome: Promise<T>) => void) | undefined = undefined;
  private asked: Promise<T> | undefined = undefined;

  /** True once the value, or that there is none, is known. */
  get isTold(): boolean {
    return this.outcome !== undefined;
  }

  get promise(): Promise<T> {
    if (this.outcome !== undefined) return this.outcome;
    this.asked ??= new Promise((resolve) => {
      this.settle = resolve;
    });
    return this.asked;
  }

  resolve(value: T): void {
    if (this.outcome === undefined) this.become(Promise.resolve(value));
  }

  reject(error: RpcError | undefined): void {
    if (this.outcome === undefined) this.become(Promise.reject(error));
  }

  private become(outcome: Promise<T>): void {
    this.outcome = outcome;
    // It is no fault if nobody asks.
    outcome.catch(() => {});
    this.settle?.(outcome);
    this.asked?.catch(() => {});
  }
}
