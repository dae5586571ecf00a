// `sluice/health`: gRPC's health service, grpc.health.v1, which probes and load balancers ask whether a server can do its
// work. It keeps statuses and tells who watches them; it decides nothing about them. A watcher that waits is one
// callback in a set, and the latest status is all that it is ever owed: nothing queues up for a slow one.

import type { CallContext } from "../call/context.js";
import { Code, RpcError } from "../codec/status.js";
import type { Server } from "../server/server.js";
import { checkLimit } from "../transport/settings.js";
import {
  Health,
  type HealthCheckRequest,
  type HealthCheckResponseInit,
  type HealthHandlers,
  type HealthListResponseInit,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "./gen/grpc/health/v1/health.js";

export * from "./gen/grpc/health/v1/health.js";

/** Whether a service, or the whole server, does its work. */
export type ServingState = "serving" | "not-serving";

const STATUSES: ReadonlyMap<ServingState, ServingStatus> = new Map([
  ["serving", ServingStatus.SERVING],
  ["not-serving", ServingStatus.NOT_SERVING],
]);

/** The name of the whole server in the health protocol. */
const OVERALL = "";
/** The protocol's bound for an answer to List. */
const MAX_LISTED = 100;

/** Options of {@link serveHealth}. */
export interface HealthOptions {
  /** Watch calls at once, on all connections; one more fails RESOURCE_EXHAUSTED. Default 1,000, at most 65,536. */
  readonly maxWatchers?: number;
}

/** What a server says of its health; made by {@link serveHealth}. */
export interface ServerHealth {
  /**
   * Sets the status of a service, by its descriptor or full name (`"push.v1.Register"`), or with `""` of the whole server,
   * and tells who watches it. Once the server drains nothing changes it any more.
   */
  set(service: string | { readonly typeName: string }, state: ServingState): void;
}

/**
 * Serves `grpc.health.v1.Health`:
 *
 *     const health = serveHealth(server);
 *     health.set("push.v1.Register", "not-serving");
 *
 * The whole server is serving until told otherwise, and every service that it serves is what the whole is unless set by
 * itself. When the server begins to drain all become not-serving, for good; watchers are told, and their calls end, so
 * that they do not hold up the drain. An unknown service is NOT_FOUND to Check and SERVICE_UNKNOWN to Watch, which goes on;
 * of one that is handled later, watchers hear at the next change.
 */
export function serveHealth(server: Server, options: HealthOptions = {}): ServerHealth {
  const health = new HealthBoard(server, checkLimit("maxWatchers", options.maxWatchers ?? 1_000, 1, 65_536));
  server.handle(Health, health);
  server.once("drain", () => health.drain());
  return health;
}

/** The statuses, and the handlers that tell them. */
class HealthBoard implements ServerHealth, HealthHandlers {
  private readonly server: Pick<Server, "services">;
  private readonly maxWatchers: number;
  private readonly statuses = new Map<string, ServingStatus>([[OVERALL, ServingStatus.SERVING]]);
  /** Watchers that wait for a change. */
  private readonly waiting = new Set<() => void>();
  private watchers = 0;
  private isDraining = false;

  constructor(server: Pick<Server, "services">, maxWatchers: number) {
    this.server = server;
    this.maxWatchers = maxWatchers;
  }

  set(service: string | { readonly typeName: string }, state: ServingState): void {
    const status = STATUSES.get(state);
    if (status === undefined)
      throw new TypeError(`a service is "serving" or "not-serving", not ${JSON.stringify(state)}`);
    this.statuses.set(typeof service === "string" ? service : service.typeName, status);
    this.wakeAll();
  }

  drain(): void {
    this.isDraining = true;
    this.wakeAll();
  }

  check({ service }: HealthCheckRequest): HealthCheckResponseInit {
    const status = this.find(service);
    if (status === undefined) throw new RpcError(Code.NOT_FOUND, `no service ${JSON.stringify(service)} here`);
    return { status };
  }

  list(): HealthListResponseInit {
    const names = new Set([...this.statuses.keys(), ...this.server.services.map(({ typeName }) => typeName)]);
    if (names.size > MAX_LISTED)
      throw new RpcError(Code.RESOURCE_EXHAUSTED, `${names.size} services, the protocol lists at most ${MAX_LISTED}`);
    return { statuses: Object.fromEntries(Array.from(names, (name) => [name, { status: this.find(name) }])) };
  }

  async *watch({ service }: HealthCheckRequest, { signal }: CallContext): AsyncGenerator<HealthCheckResponseInit> {
    if (this.watchers >= this.maxWatchers)
      throw new RpcError(Code.RESOURCE_EXHAUSTED, `${this.watchers} calls watch health here, the limit`);
    this.watchers++;
    try {
      let told: ServingStatus | undefined;
      while (!signal.aborted) {
        const status = this.find(service) ?? ServingStatus.SERVICE_UNKNOWN;
        if (status !== told) {
          told = status;
          yield { status };
        } else if (this.isDraining) return;
        else await this.change(signal);
      }
    } finally {
      this.watchers--;
    }
  }

  private find(service: string): ServingStatus | undefined {
    const isServed = (): boolean => this.server.services.some(({ typeName }) => typeName === service);
    const status = this.statuses.get(service) ?? (isServed() ? this.statuses.get(OVERALL) : undefined);
    return status !== undefined && this.isDraining ? ServingStatus.NOT_SERVING : status;
  }

  /** Resolves when a status may have changed, or when `signal` is aborted; nothing is left behind then. */
  private change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.waiting.add(wake);
      signal.addEventListener("abort", wake);
    });
  }

  private wakeAll(): void {
    for (const wake of [...this.waiting]) wake();
  }
}
