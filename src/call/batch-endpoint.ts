// Serves a unary method whose handler takes many calls at once. Each call is decoded when it comes and has a context of its
// own; it waits for its batch, and leaves when it is cancelled, when its time is over or when its connection is gone. The
// handler answers with an array: a reply, an error or a promise for each call, in the order of the requests.
//
// Interceptors wrap each call, as they do everywhere: what they see is one request and one reply, and `next` waits for the
// batch. Invariants: a call is answered once and ends once; one that has ended is in no batch that begins later.

import type { AnyMethod, MethodKind } from "../codec/method.js";
import { Code, localError, RpcError } from "../codec/status.js";
import { BatchItem, BatchQueue, BatchSizes, batchLimits } from "../flow/batch.js";
import type { MethodGate } from "../flow/method-gate.js";
import type { Gate } from "../transport/gate.js";
import type { SessionHooks } from "../transport/hooks.js";
import type { Endpoint, IncomingCall } from "../transport/incoming-call.js";
import type { TimerWheel } from "../transport/timers.js";
import { CallContext } from "./context.js";
import { composeHandler, type ServerInterceptor, type UnaryHandler } from "./interceptors.js";
import { answer, isThenable, undecodable } from "./unary-endpoint.js";

/** Serves many calls; `contexts[i]` is that of `requests[i]`. Returns `BatchReplies`, or a promise of them. */
export type BatchHandler = (requests: unknown[], contexts: CallContext[]) => unknown;

/** Serves one batched method. */
export class BatchEndpoint implements Endpoint {
  readonly path: string;
  readonly kind: MethodKind = "unary";
  readonly gate: Gate;
  private readonly sizes = new BatchSizes();
  private readonly method: AnyMethod;
  private readonly handler: BatchHandler;
  private readonly wheel: TimerWheel;
  private readonly queue: BatchQueue<BatchedCall>;
  /** What interceptors make of a call; undefined where nothing wraps it. */
  private readonly wrapped: UnaryHandler | undefined;

  constructor(
    method: AnyMethod,
    handler: BatchHandler,
    gate: MethodGate,
    wheel: TimerWheel,
    interceptors: readonly ServerInterceptor[],
  ) {
    this.path = method.path;
    this.gate = gate;
    gate.sizes = this.sizes;
    // A policy without `batch` has its defaults: the handler stays what it is.
    gate.onReplaced = (policy) => this.queue.setLimits(batchLimits(policy));
    this.method = method;
    this.handler = handler;
    this.wheel = wheel;
    this.queue = new BatchQueue(batchLimits(gate.current), wheel, (items) => this.serveBatch(items));
    const join: UnaryHandler = (request, context) => this.joinWrapped(request, context as BatchContext);
    const wrapped = composeHandler(interceptors, method, join);
    this.wrapped = wrapped === join ? undefined : wrapped;
  }

  /** From now on no call waits for others to come: the server drains. */
  drain(): void {
    this.queue.hurry();
  }

  serve(call: IncomingCall, buf: Buffer, start: number, end: number): void {
    const { method, wrapped } = this;
    let request: unknown;
    try {
      request = method.input.decode(buf, start, end, 0);
    } catch (error) {
      call.fail(undecodable(error));
      return;
    }
    const context = new BatchContext(method, call, this.queue, end - start);
    call.context = context;
    if (wrapped === undefined) {
      call.session.incoming.watchDeadline(call);
      this.join(new DirectCall(request, context, call));
    } else this.serveWrapped(call, wrapped, request, context);
  }

  private serveWrapped(call: IncomingCall, wrapped: UnaryHandler, request: unknown, context: CallContext): void {
    let result: unknown;
    try {
      result = wrapped(request, context);
    } catch (error) {
      call.fail(error);
      return;
    }
    answer(call, this.method, result);
  }

  private joinWrapped(request: unknown, context: BatchContext): Promise<unknown> {
    if (context.error !== undefined) return Promise.reject(context.error);
    const item = new WrappedCall(request, context);
    this.join(item);
    return item.reply;
  }

  private join(item: BatchedCall): void {
    item.context.item = item;
    this.queue.add(item);
  }

  private serveBatch(waited: BatchedCall[]): void {
    const items = this.stillWanted(waited);
    const [first] = items;
    if (first === undefined) {
      this.queue.ended();
      return;
    }
    this.sizes.count(items.length);
    const { counters } = first.context.hooks;
    counters.batches++;
    counters.batchedCalls += items.length;
    const requests = items.map(({ request }) => request);
    const contexts = items.map(({ context }) => context);
    let result: unknown;
    try {
      result = this.handler(requests, contexts);
    } catch (error) {
      this.failAll(items, error);
      return;
    }
    if (!isThenable(result)) this.answerAll(items, result);
    else
      Promise.resolve(result).then(
        (replies) => this.answerAll(items, replies),
        (error) => this.failAll(items, error),
      );
  }

  /** What has not been given up. The clock may be ahead of the timers: what is late does not start. */
  private stillWanted(items: BatchedCall[]): BatchedCall[] {
    const now = this.wheel.clock.now();
    return items.filter((item) => {
      const { error, expiresAt } = item.context;
      if (error === undefined && expiresAt > now) return true;
      item.fail(error ?? localError(Code.DEADLINE_EXCEEDED, "the deadline passed while the call waited", "safe"));
      return false;
    });
  }

  private answerAll(items: readonly BatchedCall[], replies: unknown): void {
    if (Array.isArray(replies) && replies.length === items.length) {
      for (const [i, item] of items.entries()) settle(item, replies[i]);
      this.queue.ended();
      return;
    }
    const given = Array.isArray(replies) ? `${replies.length} replies` : "no array of replies";
    const text = `the batch handler returned ${given} for ${items.length} calls`;
    this.failAll(items, localError(Code.INTERNAL, text, "never"), new Error(text));
  }

  /** Every call fails with `thrown`; the log tells of `logged` once. */
  private failAll(items: readonly BatchedCall[], thrown: unknown, logged: unknown = thrown): void {
    const awaited = items.find(({ context }) => !context.isCancelled);
    if (awaited !== undefined && !(logged instanceof RpcError)) awaited.context.hooks.handlerFailed(this.path, logged);
    const error = RpcError.from(thrown);
    for (const item of items) item.fail(error);
    this.queue.ended();
  }
}

/** Ends a call with what the handler has given for it. */
function settle(item: BatchedCall, reply: unknown): void {
  if (isThenable(reply))
    Promise.resolve(reply).then(
      (value) => settle(item, value),
      (error) => item.fail(error),
    );
  else if (reply instanceof Error) item.fail(reply);
  else item.succeed(reply);
}

/** The context of a call that waits for its batch. */
class BatchContext extends CallContext {
  readonly requestBytes: number;
  readonly hooks: SessionHooks;
  item: BatchedCall | undefined = undefined;
  private readonly queue: BatchQueue<BatchedCall>;

  constructor(method: AnyMethod, call: IncomingCall, queue: BatchQueue<BatchedCall>, requestBytes: number) {
    super(method, call);
    this.requestBytes = requestBytes;
    this.hooks = call.session.hooks;
    this.queue = queue;
  }

  get waitsFor(): string | undefined {
    return this.item?.isWaiting === true ? "its batch" : undefined;
  }

  /** A call that is over leaves before its batch has begun; once it has begun, the handler has the signal. */
  override cancel(error: RpcError): void {
    super.cancel(error);
    const { item } = this;
    if (item === undefined || !item.isWaiting) return;
    this.queue.remove(item);
    item.fail(error);
  }
}

/** A call that waits for its batch or is in it; either of the two ends it, once. */
abstract class BatchedCall extends BatchItem {
  readonly request: unknown;
  readonly context: BatchContext;

  constructor(request: unknown, context: BatchContext) {
    super(context.requestBytes);
    this.request = request;
    this.context = context;
  }

  abstract succeed(reply: unknown): void;
  abstract fail(error: unknown): void;
}

/** A call that nothing wraps. */
class DirectCall extends BatchedCall {
  private readonly call: IncomingCall;

  constructor(request: unknown, context: BatchContext, call: IncomingCall) {
    super(request, context);
    this.call = call;
  }

  override succeed(reply: unknown): void {
    this.call.respond(this.context.method.output, reply);
  }

  override fail(error: unknown): void {
    this.call.fail(error);
  }
}

/** A call whose interceptors wait for its reply. */
class WrappedCall extends BatchedCall {
  readonly reply: Promise<unknown>;
  private resolve: (reply: unknown) => void = () => {};
  private reject: (error: unknown) => void = () => {};

  constructor(request: unknown, context: BatchContext) {
    super(request, context);
    this.reply = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  override succeed(reply: unknown): void {
    this.resolve(reply);
  }

  override fail(error: unknown): void {
    this.reject(error);
  }
}
