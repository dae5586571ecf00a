// How a handler that is no plain function of requests is served: it carries, under a symbol, what makes its endpoint. This
// is the only thing that dispatch knows of worker threads, for instance.

import type { AnyMethod } from "../codec/method.js";
import type { TaskPool } from "../flow/task-pool.js";
import type { Endpoint } from "../transport/incoming-call.js";
import type { ServerInterceptor } from "./interceptors.js";

/** An endpoint that may hold something beyond its calls. */
export interface OwningEndpoint extends Endpoint {
  /** The server drains: nothing may wait for calls that will not come. */
  drain?(): void;
  /** The server is closed and no call is open: lets go of what the endpoint holds. Never rejects. */
  close?(): Promise<void>;
}

/** Where an endpoint is to be. */
export interface EndpointSetting {
  readonly method: AnyMethod;
  readonly pool: TaskPool;
  readonly interceptors: readonly ServerInterceptor[];
}

/** The name under which a handler has its {@link EndpointMaker}. */
export const MAKE_ENDPOINT: unique symbol = Symbol("sluice.makeEndpoint");

/** A handler that says itself how it is served. */
export interface EndpointMaker {
  /** Throws `RpcError` INVALID_ARGUMENT if the method cannot be served so. */
  [MAKE_ENDPOINT](setting: EndpointSetting): OwningEndpoint;
}

/** True for a handler that says itself how it is served. */
export function isEndpointMaker(handler: object): handler is EndpointMaker {
  return MAKE_ENDPOINT in handler;
}
