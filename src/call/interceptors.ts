// Interceptors wrap every call of a channel or every handler of a server. They are composed once, when the channel or
// the server is built: an interceptor is given the next function and returns its own.

import type { AnyMethod } from "../codec/method.js";
import type { BidiStream, CallOptions, ClientStream } from "./caller.js";
import type { CallContext } from "./context.js";

/** A streamed call of any kind, whose messages do not matter to the reader. */
export type AnyStream = BidiStream<unknown, unknown> & ClientStream<unknown, unknown>;
/** Begins a streamed call; `request` is undefined where the caller sends a stream. */
export type StreamCaller = (method: AnyMethod, request: unknown, options: CallOptions) => AnyStream;
/**
 * Serves a streamed call. `input` is the request, or an async iterable of the requests; it returns the response, or an
 * iterable of the responses.
 */
export type StreamHandler = (input: unknown, context: CallContext) => unknown;
/** Makes a unary call. */
export type UnaryCall = (method: AnyMethod, request: unknown, options: CallOptions) => Promise<unknown>;
/** Serves a unary call. */
export type UnaryHandler = (request: unknown, context: CallContext) => unknown;

/** Wraps the calls of a channel. */
export interface ClientInterceptor {
  /** Returns a function that makes unary calls by way of `next`. Called once, when the channel is made. */
  unary?(next: UnaryCall): UnaryCall;
  /** Returns a function that begins streamed calls by way of `next`. Called once, when the channel is made. */
  stream?(next: StreamCaller): StreamCaller;
}

/** Wraps the handlers of a server. */
export interface ServerInterceptor {
  /** Returns a function that serves the unary calls of `method` by way of `next`. Called once for each method. */
  unary?(next: UnaryHandler, method: AnyMethod): UnaryHandler;
  /** Returns a function that serves the streamed calls of `method` by way of `next`. Called once for each method. */
  stream?(next: StreamHandler, method: AnyMethod): StreamHandler;
}

/** The first interceptor is the outermost. */
export function composeCall(interceptors: readonly ClientInterceptor[], call: UnaryCall): UnaryCall {
  const composed = interceptors.reduceRight((next, interceptor) => interceptor.unary?.(next) ?? next, call);
  if (composed === call) return call;
  // An interceptor that throws rejects the call, as one that rejects does: callers need not expect both.
  return (method, request, options) => {
    try {
      const result: unknown = composed(method, request, options);
      return result instanceof Promise ? result : Promise.resolve(result);
    } catch (error) {
      return Promise.reject(error);
    }
  };
}

/** The first interceptor is the outermost. */
export function composeStream(interceptors: readonly ClientInterceptor[], call: StreamCaller): StreamCaller {
  return interceptors.reduceRight((next, interceptor) => interceptor.stream?.(next) ?? next, call);
}

/** The first interceptor is the outermost. */
export function composeHandler(
  interceptors: readonly ServerInterceptor[],
  method: AnyMethod,
  handler: StreamHandler,
): StreamHandler {
  const side = method.kind === "unary" ? "unary" : "stream";
  return interceptors.reduceRight((next, interceptor) => interceptor[side]?.(next, method) ?? next, handler);
}
