// What a generated client needs from whatever carries its calls: a channel, or one connection (a peer).

import type { Metadata, MetadataInit } from "../codec/metadata.js";
import type { Method } from "../codec/method.js";

/** What one call may say for itself. */
export interface CallOptions {
  /** Milliseconds until the call fails DEADLINE_EXCEEDED. Default: the method's, else the channel's. `Infinity`: never. */
  readonly timeoutMs?: number | undefined;
  /** Cancels the call when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Sent with the request. */
  readonly metadata?: MetadataInit | undefined;
  /** False: fail UNAVAILABLE at once when no connection is ready or, in the pooled and short modes, can be opened. Default: the channel's (true). */
  readonly waitForReady?: boolean | undefined;
  /** Called once, before the promise settles, with what the server sent beside the response. */
  readonly onResponseMetadata?: ((headers: Metadata, trailers: Metadata) => void) | undefined;
}

/** Carries calls. Generated clients are built on one: `new RegisterClient(channel)` or `new RoomClient(peer)`. */
export interface Caller {
  /** One request, one response. Rejects with an `RpcError`. */
  unary<I, IInit, O, OInit>(
    method: Method<I, IInit, O, OInit>,
    request: IInit,
    options?: CallOptions | undefined,
  ): Promise<O>;
}
