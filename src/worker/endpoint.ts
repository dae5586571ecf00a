// Serves a unary method in worker threads. This thread copies a request out of the read buffer once, moves it to a thread and
// writes the reply that comes back as it is: the messages are decoded and encoded there.
// Where the server has interceptors they run here, around the call, as they do for every method. They are given the request
// and the reply themselves, so that this thread then decodes and encodes them, too.

import { CallContext } from "../call/context.js";
import type { EndpointSetting, OwningEndpoint } from "../call/endpoint-maker.js";
import { composeHandler, type UnaryHandler } from "../call/interceptors.js";
import { answer, undecodable } from "../call/unary-endpoint.js";
import { MessageType } from "../codec/message.js";
import type { AnyMethod, MethodKind } from "../codec/method.js";
import type { Writer } from "../codec/writer.js";
import type { Gate } from "../transport/gate.js";
import type { SessionHooks } from "../transport/hooks.js";
import type { IncomingCall } from "../transport/incoming-call.js";
import type { Threads } from "./threads.js";

/** A message that is encoded already. */
const ENCODED = new MessageType<Uint8Array>("an encoded message", writeBytes, copyBytes);

/** Serves one method. Its threads end when the server is closed. */
export class WorkerEndpoint implements OwningEndpoint {
  readonly path: string;
  readonly kind: MethodKind = "unary";
  readonly gate: Gate;
  private readonly method: AnyMethod;
  private readonly name: string;
  private readonly threads: Threads;
  /** What interceptors make of a call; undefined where nothing wraps it. */
  private readonly wrapped: UnaryHandler | undefined;
  private hooks: SessionHooks | undefined = undefined;
  private readonly log = (error: unknown): void => this.hooks?.handlerFailed(this.path, error);
  private closing: Promise<void> | undefined = undefined;

  /** Where the policy says nothing, as many calls run at once as there are `threads`; the others wait at the gate. */
  constructor({ method, pool, interceptors }: EndpointSetting, name: string, threads: number, shared: Threads) {
    this.path = method.path;
    this.method = method;
    this.name = name;
    this.threads = shared;
    this.gate = pool.newGate(method, threads);
    const serveDecoded: UnaryHandler = (request, context) => this.serveDecoded(request, context);
    const wrapped = composeHandler(interceptors, method, serveDecoded);
    this.wrapped = wrapped === serveDecoded ? undefined : wrapped;
  }

  serve(call: IncomingCall, buf: Buffer, start: number, end: number): void {
    const { method, wrapped } = this;
    this.hooks = call.session.hooks;
    const { refusal } = this.threads;
    if (refusal !== undefined) {
      call.decline(refusal);
      return;
    }
    const context = new CallContext(method, call);
    call.context = context;
    if (wrapped !== undefined) this.serveWrapped(call, context, wrapped, buf, start, end);
    else call.respondLater(ENCODED, this.compute(context, copyBytes(buf, start, end)));
  }

  close(): Promise<void> {
    this.closing ??= this.threads.release();
    return this.closing;
  }

  private compute(context: CallContext, request: Uint8Array): Promise<Uint8Array> {
    return this.threads.run(this.name, context, request, this.log);
  }

  private serveWrapped(
    call: IncomingCall,
    context: CallContext,
    wrapped: UnaryHandler,
    buf: Buffer,
    start: number,
    end: number,
  ): void {
    let request: unknown;
    try {
      request = this.method.input.decode(buf, start, end, 0);
    } catch (error) {
      call.fail(undecodable(error));
      return;
    }
    let result: unknown;
    try {
      result = wrapped(request, context);
    } catch (error) {
      call.fail(error);
      return;
    }
    answer(call, this.method, result);
  }

  private async serveDecoded(request: unknown, context: CallContext): Promise<unknown> {
    const { input, output } = this.method;
    return output.fromBytes(await this.compute(context, input.toBytes(request as never)));
  }
}

function writeBytes(bytes: Uint8Array, writer: Writer): void {
  writer.reserve(bytes.length);
  writer.buf.set(bytes, writer.pos);
  writer.pos += bytes.length;
}

/** The bytes in a buffer of their own, which can move to another thread. */
function copyBytes(buf: Buffer, start: number, end: number): Uint8Array {
  return new Uint8Array(buf.subarray(start, end));
}
