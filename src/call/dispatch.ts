// From a method's path to who serves it.

import type { AnyMethod, Service } from "../codec/method.js";
import { Code, localError } from "../codec/status.js";
import type { Endpoint } from "../transport/incoming-call.js";
import type { Acceptor, CallBudget } from "../transport/incoming-calls.js";
import { composeHandler, type ServerInterceptor } from "./interceptors.js";
import { StreamEndpoint } from "./stream-endpoint.js";
import { UnaryEndpoint } from "./unary-endpoint.js";

/** The handlers of a server, or of a channel that serves its server's calls, by method path. */
export class Dispatcher implements Acceptor {
  readonly budget: CallBudget;
  /** The services that were added, in order. */
  readonly services: Service[] = [];
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

  /** Serves every method of `service`. Throws `RpcError` if a handler is missing or a method is served already. */
  add<Handlers extends object>(service: Service<Handlers>, handlers: Handlers): void {
    const added = Object.values(service.methods).map(
      (method) => [method.path, this.endpoint(method, handlers)] as const,
    );
    for (const [path] of added) {
      if (this.endpoints.has(path)) throw localError(Code.INVALID_ARGUMENT, `${path} is served already`, "never");
    }
    for (const [path, endpoint] of added) this.endpoints.set(path, endpoint);
    this.services.push(service as Service);
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
    const composed = composeHandler(this.interceptors, method, handler.bind(handlers));
    return method.kind === "unary" ? new UnaryEndpoint(method, composed) : new StreamEndpoint(method, composed);
  }
}
