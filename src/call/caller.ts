// What a generated client needs from whatever carries its calls, a channel or one peer, and what it gives to its user.

import type { Metadata, MetadataInit } from "../codec/metadata.js";
import type { Method } from "../codec/method.js";
import type { Context } from "./context.js";

/** What one call may say for itself. */
export interface CallOptions {
  /**
   * Milliseconds until the call fails DEADLINE_EXCEEDED. Default: the method's; else the channel's for a unary call, and
   * none for a stream. `Infinity`: never.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * The context that the call belongs to, such as that of a handler: it ends with it at the latest, and sends on what the
   * channel forwards of its metadata.
   */
  readonly parent?: Context | undefined;
  /** Cancels the call when aborted. */
  readonly signal?: AbortSignal | undefined;
  /**
   * True: compress what is sent, if the callee can read that and it becomes smaller; false: do not. Default: the channel's
   * `compression`.
   */
  readonly compress?: boolean | undefined;
  /** Sent with the request. */
  readonly metadata?: MetadataInit | undefined;
  /** False: fail UNAVAILABLE at once when no connection is ready or, in the pooled and short modes, can be opened. Default: the channel's (true). */
  readonly waitForReady?: boolean | undefined;
  /** Called once, before the promise of a unary call settles, with what the server sent beside the response. */
  readonly onResponseMetadata?: ((headers: Metadata, trailers: Metadata) => void) | undefined;
}

/** What every streamed call has. */
export interface StreamCall {
  /** What the callee sent ahead of its first message. Rejects with the call's error if the call failed before. */
  readonly headers: Promise<Metadata>;
  /** What the callee sent when the call ended, with an error too; empty if the call ended without an answer. */
  readonly trailers: Promise<Metadata>;
  /** Gives the call up: both sides end CANCELLED. Nothing happens if the call has ended. */
  cancel(reason?: unknown): void;
}

/** The caller's messages. */
export interface RequestStream<I> {
  /**
   * Sends a message, which is encoded at once. Resolves when the next one may be sent: a callee that is slow makes its
   * caller wait. Rejects with the call's error once the call has failed, which may go unheard; FAILED_PRECONDITION once it
   * is closed; RESOURCE_EXHAUSTED if too many wait because they were not awaited.
   */
  send(message: I): Promise<void>;
  /** No message follows; the callee may go on. Resolves when everything was sent. */
  close(): Promise<void>;
}

/**
 * The callee's messages, in order; iterate them once. Leaving the loop early cancels the call; the loop throws the call's
 * error, if it fails.
 */
export interface ResponseStream<O> extends AsyncIterableIterator<O, undefined, undefined> {
  [Symbol.asyncIterator](): this;
}

/** A call with one request and a stream of responses. */
export interface ServerStream<O> extends StreamCall, ResponseStream<O> {}

/** A call with a stream of requests and one response. */
export interface ClientStream<I, O> extends StreamCall, RequestStream<I> {
  /** The response; it may come before {@link RequestStream.close}. Rejects with the call's error. */
  readonly response: Promise<O>;
}

/** A call with streams both ways, independent of each other. */
export interface BidiStream<I, O> extends StreamCall, RequestStream<I>, ResponseStream<O> {}

/** Carries calls. Generated clients are built on one: `new RegisterClient(channel)` or `new RoomClient(peer)`. */
export interface Caller {
  /** One request, one response. Rejects with an `RpcError`. */
  unary<I, IInit, O, OInit>(
    method: Method<I, IInit, O, OInit>,
    request: IInit,
    options?: CallOptions | undefined,
  ): Promise<O>;
  /** One request, a stream of responses. */
  serverStream<I, IInit, O, OInit>(
    method: Method<I, IInit, O, OInit>,
    request: IInit,
    options?: CallOptions | undefined,
  ): ServerStream<O>;
  /** A stream of requests, one response. */
  clientStream<I, IInit, O, OInit>(
    method: Method<I, IInit, O, OInit>,
    options?: CallOptions | undefined,
  ): ClientStream<IInit, O>;
  /** Streams both ways. */
  bidiStream<I, IInit, O, OInit>(
    method: Method<I, IInit, O, OInit>,
    options?: CallOptions | undefined,
  ): BidiStream<IInit, O>;
}
