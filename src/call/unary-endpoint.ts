// Serves a unary method: decodes the request, runs the handler, answers with what it returns or throws.

import type { AnyMethod, MethodKind } from "../codec/method.js";
import { Code, localError, type RpcError } from "../codec/status.js";
import type { Gate } from "../transport/gate.js";
import type { Endpoint, IncomingCall } from "../transport/incoming-call.js";
import { CallContext } from "./context.js";
import type { UnaryHandler } from "./interceptors.js";

/** Serves one unary method. */
export class UnaryEndpoint implements Endpoint {
  readonly path: string;
  readonly kind: MethodKind = "unary";
  readonly gate: Gate;
  private readonly method: AnyMethod;
  private readonly handler: UnaryHandler;

  constructor(method: AnyMethod, handler: UnaryHandler, gate: Gate) {
    this.path = method.path;
    this.gate = gate;
    this.method = method;
    this.handler = handler;
  }

  serve(call: IncomingCall, buf: Buffer, start: number, end: number): void {
    const { method } = this;
    let request: unknown;
    try {
      request = method.input.decode(buf, start, end, 0);
    } catch (error) {
      call.fail(undecodable(error));
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
    answer(call, method, result);
  }
}

/** Answers `call` with the one response that its handler has returned. */
export function answer(call: IncomingCall, { output }: AnyMethod, result: unknown): void {
  // Only a native promise is known to settle once; a call answered twice would be given to two callers.
  if (result instanceof Promise) call.respondLater(output, result);
  else if (isThenable(result)) call.respondLater(output, Promise.resolve(result));
  else call.respond(output, result);
}

/** What a call fails with whose request does not decode. */
export function undecodable(error: unknown): RpcError {
  return localError(Code.INVALID_ARGUMENT, `the request does not decode: ${(error as Error).message}`, "never", error);
}

/** True for anything that promises a value. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
