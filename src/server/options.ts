// What a server can be told, its defaults and their bounds.

import type { Logger } from "pino";
import type { ServerInterceptor } from "../call/interceptors.js";
import type { Compression } from "../codec/compression.js";
import { type SlabPool, sharedSlabs } from "../codec/slab.js";
import { type Clock, type Random, systemClock } from "../transport/clock.js";
import { checkCompression } from "../transport/compress.js";
import type { Network } from "../transport/pipe.js";
import { type ConnectionLimits, checkLimit, resolveLimits } from "../transport/settings.js";
import { socketNetwork } from "../transport/socket.js";

/** Options of `createServer`, the limits of its connections among them; every one has a default. */
export interface ServerOptions extends Partial<ConnectionLimits> {
  /** Connections at once, on all addresses; one more is told so and closed. Default 20,000. */
  readonly maxConnections?: number;
  /** Handlers that run at once, on all connections; further calls are refused RESOURCE_EXHAUSTED. Default 65,536. */
  readonly maxCalls?: number;
  /** Wrap the handlers; the first is the outermost. */
  readonly interceptors?: readonly ServerInterceptor[];
  /** Logs connections, refusals and handler errors. Default: none. */
  readonly logger?: Logger;
  /** On SIGTERM, drain for this long and close, in milliseconds. Default: the signal is left alone. */
  readonly drainOnSigtermMs?: number;
  /** Names this server to its clients, the same on each connection; at most 64 bytes. Default: empty. */
  readonly peerId?: string;
  /** Where connections come from. Default: TCP and Unix sockets. */
  readonly network?: Network;
  /** Default: the clock of the process. */
  readonly clock?: Clock;
  /** Default `Math.random`. */
  readonly random?: Random;
  /** What messages are compressed with, where the peer can read that. Default: nothing is compressed. */
  readonly compression?: Compression;
  /** Where buffers come from. Default: one pool for the process. */
  readonly slabs?: SlabPool;
}

/** {@link ServerOptions} with the defaults filled in. */
export interface ResolvedServerOptions {
  readonly maxConnections: number;
  readonly maxCalls: number;
  readonly interceptors: readonly ServerInterceptor[];
  readonly logger: Logger | undefined;
  readonly drainOnSigtermMs: number | undefined;
  readonly peerId: string;
  readonly network: Network;
  readonly clock: Clock;
  readonly slabs: SlabPool;
  readonly compression: Compression | undefined;
  readonly limits: ConnectionLimits;
}

/** Fills in the defaults. Throws `RpcError` INVALID_ARGUMENT, which names the option and its range. */
export function resolveServerOptions(given: ServerOptions): ResolvedServerOptions {
  const { drainOnSigtermMs } = given;
  return Object.freeze({
    maxConnections: checkLimit("maxConnections", given.maxConnections ?? 20_000, 1, 16_777_216),
    maxCalls: checkLimit("maxCalls", given.maxCalls ?? 65_536, 1, 16_777_216),
    interceptors: given.interceptors ?? [],
    logger: given.logger,
    drainOnSigtermMs:
      drainOnSigtermMs === undefined ? undefined : checkLimit("drainOnSigtermMs", drainOnSigtermMs, 0, 86_400_000),
    peerId: given.peerId ?? "",
    network: given.network ?? socketNetwork,
    clock: given.clock ?? systemClock,
    slabs: given.slabs ?? sharedSlabs,
    compression: checkCompression(given.compression),
    limits: resolveLimits(given),
  });
}
