// What a server can be told, its defaults and their bounds.

import type { Logger } from "pino";
import { FORWARDED_METADATA } from "../call/call-maker.js";
import type { ClientInterceptor, ServerInterceptor } from "../call/interceptors.js";
import type { PeerPolicy } from "../call/peer.js";
import type { Compression } from "../codec/compression.js";
import type { ServerPolicy } from "../codec/policy.js";
import { type SlabPool, sharedSlabs } from "../codec/slab.js";
import { checkDefaultPolicy } from "../flow/server-policy.js";
import { type Clock, type Random, systemClock } from "../transport/clock.js";
import { checkCompression } from "../transport/compress.js";
import type { Network } from "../transport/pipe.js";
import { type ConnectionLimits, checkLimit, resolveLimits } from "../transport/settings.js";
import { socketNetwork } from "../transport/socket.js";

/** Options of `createServer`, the limits of its connections among them; every one has a default. */
export interface ServerOptions extends Partial<ConnectionLimits> {
  /** Connections at once, on all addresses; one more is told so and closed. Default 20,000. */
  readonly maxConnections?: number;
  /** True: clients make only calls for which they were given a lease by `Peer.lease`. Default false. */
  readonly leases?: boolean;
  /**
   * A connection is drained when it has been open for this long, give or take 10%, in milliseconds; its client opens another
   * one. Default `Infinity`.
   */
  readonly maxConnectionAgeMs?: number;
  /** What calls have left to finish when their connection has reached its age, in milliseconds. Default 10,000. */
  readonly connectionAgeGraceMs?: number;
  /** Handlers that run at once, on all connections; further calls wait as their policies say. Default 65,536. */
  readonly maxCalls?: number;
  /** What holds for methods whose manifest does not say otherwise, field by field. */
  readonly policy?: ServerPolicy;
  /** Wrap the handlers; the first is the outermost. */
  readonly interceptors?: readonly ServerInterceptor[];
  /**
   * The deadline of a unary call that this server makes to a peer, where neither the call nor its method has one, in
   * milliseconds. Default 30,000; `Infinity` for none.
   */
  readonly timeoutMs?: number;
  /** Calls that may wait for one peer that takes no more; one more fails RESOURCE_EXHAUSTED. Default 1,024. */
  readonly maxWaitingCalls?: number;
  /** Bytes of requests that may wait for one peer. Default 4 MiB. */
  readonly maxWaitingBytes?: number;
  /** Wrap the calls that this server makes to its peers; the first is the outermost. */
  readonly callInterceptors?: readonly ClientInterceptor[];
  /** Metadata keys that such calls send on from their `parent`. Default: `traceparent`, `tracestate`, `baggage`. */
  readonly forwardMetadata?: readonly string[];
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
  /** Jitter comes from here. Default `Math.random`. */
  readonly random?: Random;
  /** What messages are compressed with, where the peer can read that. Default: nothing is compressed. */
  readonly compression?: Compression;
  /** Where buffers come from. Default: one pool for the process. */
  readonly slabs?: SlabPool;
}

/** {@link ServerOptions} with the defaults filled in. */
export interface ResolvedServerOptions {
  readonly maxConnections: number;
  readonly leases: boolean;
  readonly maxConnectionAgeMs: number;
  readonly connectionAgeGraceMs: number;
  readonly random: Random;
  readonly maxCalls: number;
  readonly policy: ServerPolicy;
  readonly interceptors: readonly ServerInterceptor[];
  readonly calls: PeerPolicy;
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
    leases: given.leases ?? false,
    maxConnectionAgeMs: checkLimit(
      "maxConnectionAgeMs",
      given.maxConnectionAgeMs ?? Number.POSITIVE_INFINITY,
      1,
      Number.POSITIVE_INFINITY,
    ),
    connectionAgeGraceMs: checkLimit("connectionAgeGraceMs", given.connectionAgeGraceMs ?? 10_000, 0, 86_400_000),
    random: given.random ?? Math.random,
    maxCalls: checkLimit("maxCalls", given.maxCalls ?? 65_536, 1, 16_777_216),
    policy: checkDefaultPolicy("policy", given.policy ?? {}),
    interceptors: given.interceptors ?? [],
    calls: {
      timeoutMs: checkLimit("timeoutMs", given.timeoutMs ?? 30_000, 1, Number.POSITIVE_INFINITY),
      maxWaitingCalls: checkLimit("maxWaitingCalls", given.maxWaitingCalls ?? 1_024, 0, 16_777_216),
      maxWaitingBytes: checkLimit("maxWaitingBytes", given.maxWaitingBytes ?? 4_194_304, 0, Number.MAX_SAFE_INTEGER),
      random: given.random ?? Math.random,
      logger: given.logger,
      queues: undefined,
      interceptors: given.callInterceptors ?? [],
      forwardMetadata: given.forwardMetadata ?? FORWARDED_METADATA,
    },
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
