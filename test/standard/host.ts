// A server that serves nothing over any connection: it has what was handled, so that handlers can be called as functions.

import { EventEmitter } from "node:events";
import type { Server, Service } from "../../src/index.js";

/** Stands for a {@link Server}. */
export class Host extends EventEmitter {
  readonly services: Service[] = [];
  private readonly served = new Map<unknown, unknown>();

  handle<Handlers extends object>(service: Service<Handlers>, handlers: Handlers): this {
    this.services.push(service as Service);
    this.served.set(service, handlers);
    return this;
  }

  /** What serves a service here. */
  handlers<Handlers extends object>(service: Service<Handlers>): Handlers {
    return this.served.get(service) as Handlers;
  }

  get server(): Server {
    return this as unknown as Server;
  }
}
