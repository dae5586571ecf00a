// What a handler sees of the call that it serves. Everything but four fields is made when first asked for, because most
// handlers ask for nothing.

import { Metadata } from "../codec/metadata.js";
import type { AnyMethod } from "../codec/method.js";
import type { RpcError } from "../codec/status.js";
import type { IncomingCall, IncomingContext } from "../transport/incoming-call.js";
import type { Session } from "../transport/session.js";
import type { Stream } from "../transport/stream.js";

/** The other end of a connection. */
export interface Peer {
  /** Its address: `10.0.0.1:52114`, `unix:`, `memory:a`. */
  readonly remote: string;
  /** What it calls itself, the same on each of its connections; empty if it gave no name. */
  readonly id: string;
  /** Its software, for logs; not to be trusted. */
  readonly agent: string;
}

/** The other end of `session`. */
export function peerOf({ remote, peer }: Session): Peer {
  return { remote, id: peer.peerId, agent: peer.agent };
}

/** One call, as its handler sees it. It may be kept; after the call has ended its fields no longer change. */
export class CallContext implements IncomingContext {
  /** The method being served. */
  readonly method: AnyMethod;
  private readonly session: Session;
  private readonly expiresAt: number;
  /**
   * True: compress what the handler sends, if the caller can read that and it becomes smaller; false: do not. Default: the
   * server's `compression`. It may change from one message of a stream to the next.
   */
  compress: boolean | undefined = undefined;
  private requestMetadata: Metadata | undefined;
  private controller: AbortController | undefined = undefined;
  private cancelError: RpcError | undefined = undefined;
  private responseHeaders: Metadata | undefined = undefined;
  private responseTrailers: Metadata | undefined = undefined;
  private headersAreSent = false;
  private stream: Stream | undefined = undefined;

  /** Made by the dispatcher. */
  constructor(method: AnyMethod, call: IncomingCall) {
    this.method = method;
    this.session = call.session;
    this.expiresAt = call.expiresAt;
    this.requestMetadata = call.metadata;
  }

  /** Who calls. */
  get peer(): Peer {
    return peerOf(this.session);
  }

  /** What the caller sent beside the request. */
  get metadata(): Metadata {
    this.requestMetadata ??= new Metadata();
    return this.requestMetadata;
  }

  /** Milliseconds until the deadline, negative after it; Infinity if the caller waits for ever. */
  get remainingMs(): number {
    return this.expiresAt - this.session.wheel.clock.now();
  }

  /** Aborted when the caller cancels, the deadline passes or the connection is lost; its reason is an `RpcError`. */
  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.cancelError !== undefined) this.controller.abort(this.cancelError);
    }
    return this.controller.signal;
  }

  /** True once nobody waits for the response any more. */
  get isCancelled(): boolean {
    return this.cancelError !== undefined;
  }

  /** Metadata that is sent ahead of the response, or of the first message of a stream; set it before that. */
  get headers(): Metadata {
    this.responseHeaders ??= new Metadata();
    return this.responseHeaders;
  }

  /** Sends {@link headers} now, ahead of the first message of a stream. A unary call's travel with its response. */
  sendHeaders(): void {
    const headers = this.stream === undefined ? undefined : this.takeHeaders();
    if (headers !== undefined && !this.isCancelled) void this.stream?.sender.sendEmpty(0, headers);
  }

  /** Metadata that is sent behind the response or with the error; set it before the handler returns. */
  get trailers(): Metadata {
    this.responseTrailers ??= new Metadata();
    return this.responseTrailers;
  }

  /** For the dispatcher: the streams of the call. */
  openStream(stream: Stream): void {
    this.stream = stream;
  }

  /** For the connection: the headers that were set, if any, the first time it asks. */
  takeHeaders(): Metadata | undefined {
    if (this.headersAreSent) return undefined;
    this.headersAreSent = true;
    return this.responseHeaders;
  }

  /** For the connection: the trailers that were set, if any. */
  get sentTrailers(): Metadata | undefined {
    return this.responseTrailers;
  }

  /** For the connection: nobody waits for the response any more. */
  cancel(error: RpcError): void {
    this.cancelError = error;
    this.controller?.abort(error);
  }
}
