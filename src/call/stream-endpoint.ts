// Serves a streamed method: gives the handler its requests as they come, and sends the responses as the caller takes them.

import type { DecodeError } from "../codec/message.js";
import { type AnyMethod, type MethodKind, streamsRequests, streamsResponses } from "../codec/method.js";
import { RpcError } from "../codec/status.js";
import type { Gate } from "../transport/gate.js";
import type { Endpoint, IncomingCall } from "../transport/incoming-call.js";
import type { StreamSink } from "../transport/stream.js";
import { CallContext } from "./context.js";
import type { StreamHandler } from "./interceptors.js";
import { MessageReader } from "./message-reader.js";
import { answer, undecodable } from "./unary-endpoint.js";

/** What a handler's responses are read from. */
type Responses = AsyncIterator<unknown> | Iterator<unknown>;

/** Serves one streamed method, of any kind. */
export class StreamEndpoint implements Endpoint {
  readonly path: string;
  readonly kind: MethodKind;
  readonly gate: Gate;
  readonly open: Endpoint["open"];
  private readonly method: AnyMethod;
  private readonly handler: StreamHandler;

  constructor(method: AnyMethod, handler: StreamHandler, gate: Gate) {
    this.path = method.path;
    this.kind = method.kind;
    this.gate = gate;
    // A single request may wait as it is; of a stream of them more may come.
    this.open = streamsRequests(method.kind) ? this.openRequests : undefined;
    this.method = method;
    this.handler = handler;
  }

  serve(call: IncomingCall, buf: Buffer, start: number, end: number, flags: number): void {
    const { method } = this;
    const sink = new ServingSink(call, method);
    if (streamsRequests(this.kind)) {
      const stream = call.openStream(sink);
      sink.reader.open(stream);
      this.handle(call, sink, sink.reader);
      stream.onFirst(buf, start, end, flags);
      return;
    }
    let request: unknown;
    try {
      request = method.input.decode(buf, start, end, 0);
    } catch (error) {
      call.fail(undecodable(error));
      return;
    }
    call.openStream(sink).end();
    this.handle(call, sink, request);
  }

  run(call: IncomingCall): void {
    const sink = call.opened as ServingSink;
    this.handle(call, sink, sink.reader);
  }

  private openRequests(call: IncomingCall, buf: Buffer, start: number, end: number, flags: number): void {
    const sink = new ServingSink(call, this.method);
    call.opened = sink;
    const stream = call.openStream(sink);
    sink.reader.open(stream);
    stream.onFirst(buf, start, end, flags);
  }

  private handle(call: IncomingCall, sink: ServingSink, input: unknown): void {
    const { method } = this;
    const context = new CallContext(method, call);
    call.context = context;
    if (call.stream !== undefined) context.openStream(call.stream);
    let result: unknown;
    try {
      result = this.handler(input, context);
    } catch (error) {
      call.fail(error);
      return;
    }
    if (streamsResponses(this.kind)) void sendAll(call, sink, method, result);
    else answer(call, method, result);
  }
}

/** The callee's end of a stream. */
class ServingSink implements StreamSink {
  readonly reader: MessageReader<unknown>;
  /** Where the responses come from, while they do. */
  responses: Responses | undefined = undefined;
  private stopping: Promise<void> | undefined = undefined;
  private readonly call: IncomingCall;

  constructor(call: IncomingCall, method: AnyMethod) {
    this.call = call;
    this.reader = new MessageReader(method.input, () => {});
  }

  onHeaders(): void {}

  onTrailers(): void {}

  onMessage(buf: Buffer, start: number, end: number, bytes: number): void {
    try {
      this.reader.push(buf, start, end, bytes);
    } catch (error) {
      this.onBroken(error as DecodeError);
    }
  }

  onEnd(): void {
    this.reader.end();
  }

  onBroken(error: DecodeError | RpcError): void {
    this.call.cancel(error instanceof RpcError ? error : undecodable(error));
  }

  onStall(error: RpcError): void {
    this.call.cancel(error);
  }

  onClosed(error: RpcError | undefined): void {
    this.reader.drop(error);
    this.reader.end(error);
    // A generator that waits for something else hears of it by its signal; an iterator of another kind, by this.
    if (error !== undefined) void this.stopResponses();
  }

  /** Nobody wants further responses; resolves when their source has ended. */
  stopResponses(): Promise<void> | undefined {
    const { responses } = this;
    this.responses = undefined;
    if (responses !== undefined) this.stopping = end(responses);
    return this.stopping;
  }
}

async function end(responses: Responses): Promise<void> {
  try {
    await responses.return?.();
  } catch {
    // The call has ended already: nobody is there to be told.
  }
}

/** Sends what a handler's iterable gives, no faster than the caller takes it, and ends the call. */
async function sendAll(call: IncomingCall, sink: ServingSink, method: AnyMethod, result: unknown): Promise<void> {
  try {
    const responses = iterate(await result, method);
    sink.responses = responses;
    while (!call.isAnswered) {
      const next = await responses.next();
      if (next.done === true || call.isAnswered) break;
      const sending = call.send(method.output, next.value);
      if (sending !== undefined) await sending;
    }
    if (call.isAnswered) await sink.stopResponses();
    sink.responses = undefined;
    call.respondEnd();
  } catch (error) {
    await sink.stopResponses();
    call.fail(error);
  }
}

function iterate(result: unknown, { path }: AnyMethod): Responses {
  if (typeof result === "object" && result !== null) {
    if (Symbol.asyncIterator in result) return (result as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    if (Symbol.iterator in result) return (result as Iterable<unknown>)[Symbol.iterator]();
  }
  throw new TypeError(`${path}: the handler returned no iterable of responses`);
}
