// Interceptors wrap every call of a channel or every handler of a server. They are composed once, when the channel or
// the server is built: an interceptor is given the next function and returns its own.

import type { AnyMethod } from "../codec/method.js";
import type { CallOptions } from "./caller.js";
import type { CallContext } from "./context.js";

/** Makes a unary call. */
export type UnaryCall = (method: AnyMethod, request: unknown, options: CallOptions) => Promise<unknown>;
/** Serves a unary call. */
export type UnaryHandler = (request: unknown, context: CallContext) => unknown;

/** Wraps the calls of a channel. */
export interface ClientInterceptor {
  /** Returns a function that makes unary calls by way of `next`. Called once, when the channel is made. */
  unary?(next: UnaryCall): UnaryCall;
}

/** Wraps the handlers of a server. */
export interface ServerInterceptor {
  /** Returns a function that serves the unary calls of `method` by way of `next`. Called once for each method. */
  unary?(next: UnaryHandler, method: AnyMethod): UnaryHandler;
}

/** The first interceptor is the outermost. */
export function composeCall(interceptors: readonly ClientInterceptor[], call: UnaryCall): UnaryCall {
  const composed = interceptors.reduceRight((next, interceptor) => interceptor.unary?.(next) ?? next, call);
  // An interceptor that throws rejects the call, as one that rejects does: callers need not expect both.
  return composed === call ? call : async (method, request, options) => composed(method, request, options);
}

/** The first interceptor is the outermost. */
export function composeHandler(
  interceptors: readonly ServerInterceptor[],
  method: AnyMethod,
  handler: UnaryHandler,
): UnaryHandler {
  return interceptors.reduceRight((next, interceptor) => interceptor.unary?.(next, method) ?? next, handler);
}
