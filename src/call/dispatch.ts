// From a method's path to its handler: decodes the request, runs the handler, answers with what it returns or throws.

import type { AnyMethod, Service } from "../codec/method.js";
import { Code, localError } from "../codec/status.js";
import type { Endpoint, IncomingCall } from "../transport/incoming-call.js";
import type { Acceptor, CallBudget } from "../transport/incoming-calls.js";
import { CallContext } from "./context.js";
import { composeHandler, type ServerInterceptor, type UnaryHandler } from "./interceptors.js";

/** Serves one unary method. */
class UnaryEndpoint implements Endpoint {
  readonly path: string;
  private readonly method: AnyMethod;
  private readonly handler: UnaryHandler;

  constructor(method: AnyMethod, handler: UnaryHandler) {
    this.path = method.path;
    this.method = method;
    this.handler = handler;
  }

  serve(call: IncomingCall, buf: Buffer, start: number, end: number): void {
    const { method } = this;
    let request: unknown;
    try {
      request = method.input.decode(buf, start, end, 0);
    } catch (error) {
      call.fail(
        localError(Code.INVALID_ARGUMENT, `the request does not decode: ${(error as Error).message}`, "never", error),
      );
      return;
    }
    const context = new CallContext(method, call);
    call.context = context;
    let result: unknown;
    try {
      result = this.handler(request, context);
    } catch (error) {
      call.fail(error);
      return;
    }
    // Only a native promise is known to settle once; a call answered twice would be given to two callers.
    if (result instanceof Promise) call.respondLater(method.output, result);
    else if (isThenable(result)) call.respondLater(method.output, Promise.resolve(result));
    else call.respond(method.output, result);
  }
}

/** The handlers of a server, or of a channel that serves its server's calls, by method path. */
export class Dispatcher implements Acceptor {
  readonly budget: CallBudget;
  private readonly endpoints = new Map<string, Endpoint>();
  private readonly interceptors: readonly ServerInterceptor[];

  /** `maxCalls` handlers run at once, on all connections together. */
  constructor(maxCalls: number, interceptors: readonly ServerInterceptor[]) {
    this.budget = { running: 0, limit: maxCalls };
    this.interceptors = interceptors;
  }

  find(path: string): Endpoint | undefined {
    return this.endpoints.get(path);
  }

  /** Serves every unary method of `service`. Throws `RpcError` if a handler is missing or a method is served already. */
  add<Handlers extends object>(service: Service<Handlers>, handlers: Handlers): void {
    const added = Object.values(service.methods)
      .filter((method) => method.kind === "unary")
      .map((method) => [method.path, this.endpoint(method, handlers)] as const);
    for (const [path] of added) {
      if (this.endpoints.has(path)) throw localError(Code.INVALID_ARGUMENT, `${path} is served already`, "never");
    }
    for (const [path, endpoint] of added) this.endpoints.set(path, endpoint);
  }

  private endpoint(method: AnyMethod, handlers: object): Endpoint {
    const handler = (handlers as Record<string, unknown>)[method.localName];
    if (typeof handler !== "function") {
      throw localError(
        Code.INVALID_ARGUMENT,
        `${method.path}: the handlers have no function named ${method.localName}`,
        "never",
      );
    }
    const bound: UnaryHandler = handler.bind(handlers);
    return new UnaryEndpoint(method, composeHandler(this.interceptors, method, bound));
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
