// From a method's path to who serves it.

import type { AnyMethod, Service } from "../codec/method.js";
import { Code, localError } from "../codec/status.js";
import type { TaskPool } from "../flow/task-pool.js";
import type { Endpoint } from "../transport/incoming-call.js";
import type { Acceptor } from "../transport/incoming-calls.js";
import { BatchEndpoint, type BatchHandler } from "./batch-endpoint.js";
import { isEndpointMaker, MAKE_ENDPOINT, type OwningEndpoint } from "./endpoint-maker.js";
import { composeHandler, type ServerInterceptor } from "./interceptors.js";
import { StreamEndpoint } from "./stream-endpoint.js";
import { UnaryEndpoint } from "./unary-endpoint.js";

/** The handlers of a server, or of a channel that serves its server's calls, by method path. */
export class Dispatcher implements Acceptor {
  readonly pool: TaskPool;
  /** The services that were added, in order. */
  readonly services: Service[] = [];
  private readonly endpoints = new Map<string, OwningEndpoint>();
  private readonly interceptors: readonly ServerInterceptor[];

  /** Their calls run in `pool`. */
  constructor(pool: TaskPool, interceptors: readonly ServerInterceptor[]) {
    this.pool = pool;
    this.interceptors = interceptors;
  }

  find(path: string): Endpoint | undefined {
    return this.endpoints.get(path);
  }

  /** Serves every method of `service`. Throws `RpcError` if a handler is missing or a method is served already. */
  add<Handlers extends object>(service: Service<Handlers>, handlers: Handlers): void {
    const methods = Object.values(service.methods);
    for (const { path } of methods) {
      if (this.endpoints.has(path)) throw localError(Code.INVALID_ARGUMENT, `${path} is served already`, "never");
    }
    const made: OwningEndpoint[] = [];
    try {
      for (const method of methods) made.push(this.endpoint(method, handlers));
    } catch (error) {
      // All of them, or none.
      this.pool.forget(methods.map(({ path }) => path));
      for (const endpoint of made) void endpoint.close?.();
      throw error;
    }
    for (const endpoint of made) this.endpoints.set(endpoint.path, endpoint);
    this.services.push(service as Service);
  }

  /** No call waits for others to come from now on. */
  drain(): void {
    for (const endpoint of this.endpoints.values()) endpoint.drain?.();
  }

  /** Ends the calls that wait still, and lets go of what endpoints hold beyond them. For when no connection is left. */
  async close(): Promise<void> {
    this.pool.close(localError(Code.UNAVAILABLE, "the server was closed before the call could start", "safe"));
    await Promise.all([...this.endpoints.values()].map((endpoint) => endpoint.close?.()));
  }

  private endpoint(method: AnyMethod, handlers: object): OwningEndpoint {
    const handler = (handlers as Record<string, unknown>)[method.localName];
    if (typeof handler !== "function") {
      throw localError(
        Code.INVALID_ARGUMENT,
        `${method.path}: the handlers have no function named ${method.localName}`,
        "never",
      );
    }
    const { pool, interceptors } = this;
    if (isEndpointMaker(handler)) return handler[MAKE_ENDPOINT]({ method, pool, interceptors });
    const gate = this.pool.newGate(method);
    const own = handler.bind(handlers);
    if (method.kind === "unary" && method.server.batch !== undefined)
      return new BatchEndpoint(method, own as BatchHandler, gate, pool.wheel, interceptors);
    const composed = composeHandler(interceptors, method, own);
    return method.kind === "unary"
      ? new UnaryEndpoint(method, composed, gate)
      : new StreamEndpoint(method, composed, gate);
  }
}
