// What a channel can be told, its defaults and their bounds.

import { FORWARDED_METADATA } from "../call/call-maker.js";
import type { ClientInterceptor, ServerInterceptor } from "../call/interceptors.js";
import type { Compression } from "../codec/compression.js";
import type { Service } from "../codec/method.js";
import type { ServerPolicy } from "../codec/policy.js";
import { type SlabPool, sharedSlabs } from "../codec/slab.js";
import { Code, localError } from "../codec/status.js";
import type { Logger } from "../flow/logger.js";
import type { QueueStore } from "../flow/queue/store.js";
import { checkDefaultPolicy } from "../flow/server-policy.js";
import { type Clock, type Random, systemClock } from "../transport/clock.js";
import { checkCompression } from "../transport/compress.js";
import type { Network } from "../transport/pipe.js";
import { type ConnectionLimits, checkLimit, LIMITS, resolveLimits } from "../transport/settings.js";
import { socketNetwork } from "../transport/socket.js";

/**
 * How calls share connections. `pipelined`: many calls at once on few connections. `pooled`: a connection belongs to one
 * call from request to response and goes back to a pool. `short`: a connection for each call.
 */
export type Mode = "pipelined" | "pooled" | "short";

/** Options of `connect`, the limits of its connections among them; every one has a default. */
export interface ConnectOptions extends Partial<ConnectionLimits> {
  /** Default `"pipelined"`. */
  readonly mode?: Mode;
  /** The deadline of a call that has none of its own, nor one in the manifest, in milliseconds. Default 30,000; `Infinity` for none. */
  readonly timeoutMs?: number;
  /**
   * False: calls fail UNAVAILABLE at once when no connection is ready; in the pooled and short modes, which connect for a
   * call, when that fails. Default true: they wait, until their deadline.
   */
  readonly waitForReady?: boolean;
  /** The most connections: default 1 pipelined, 8 pooled, 256 short. */
  readonly maxConnections?: number;
  /** The most idle connections that the pooled mode keeps. Default: `maxConnections`. */
  readonly maxIdleConnections?: number;
  /** A pooled connection, or a pipelined one beyond the first, closes after this long without a call, in milliseconds. Default 30,000. */
  readonly idleTimeoutMs?: number;
  /** Calls that may wait for a connection; one more fails RESOURCE_EXHAUSTED. Default 65,536. */
  readonly maxWaitingCalls?: number;
  /** Bytes of requests that may wait for a connection. Default 64 MiB. */
  readonly maxWaitingBytes?: number;
  /** From the first packet to an open socket, in milliseconds. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** The delay after every address has failed once, before jitter, in milliseconds; it grows by 1.6 each round. Default 50. */
  readonly initialBackoffMs?: number;
  /** The longest delay between rounds, in milliseconds. Default 5,000. */
  readonly maxBackoffMs?: number;
  /** Handlers that may run at once for calls that the server makes to this client. Default 4,096. */
  readonly maxCalls?: number;
  /** What holds for the methods that this channel serves and whose manifest does not say otherwise, field by field. */
  readonly handlerPolicy?: ServerPolicy;
  /**
   * Metadata keys that calls send on from their `parent`. Default: those of W3C's trace context and baggage: `traceparent`,
   * `tracestate`, `baggage`.
   */
  readonly forwardMetadata?: readonly string[];
  /** Wrap the calls of this channel; the first is the outermost. */
  readonly interceptors?: readonly ClientInterceptor[];
  /** Wrap the handlers of this channel, for calls that the server makes. */
  readonly handlerInterceptors?: readonly ServerInterceptor[];
  /** Keeps the calls of methods whose policy says QUEUE. Default: none; such calls fail FAILED_PRECONDITION. */
  readonly queues?: QueueStore;
  /**
   * Services whose queues are delivered from the start, with what an earlier process has left in them. Default: those of the
   * methods that are called, from their first call on.
   */
  readonly deliver?: readonly Service[];
  /** Logs calls that a policy has dropped, and policies that were changed. Default: none. */
  readonly logger?: Logger;
  /** Names this client to servers, the same on each connection; at most 64 bytes. Default: random. */
  readonly peerId?: string;
  /** Where connections come from. Default: TCP and Unix sockets. */
  readonly network?: Network;
  /** Default: the clock of the process. */
  readonly clock?: Clock;
  /** Jitter and the default peer id come from here. Default `Math.random`. */
  readonly random?: Random;
  /**
   * What messages are compressed with, where the server can read that. What is sent before it has said so is not: the first
   * calls of a connection, which in the short mode are all. Default: nothing is compressed.
   */
  readonly compression?: Compression;
  /** Where buffers come from. Default: one pool for the process. */
  readonly slabs?: SlabPool;
}

/** {@link ConnectOptions} with the defaults filled in. */
export interface ResolvedConnectOptions {
  readonly mode: Mode;
  readonly timeoutMs: number;
  readonly waitForReady: boolean;
  readonly maxConnections: number;
  readonly maxIdleConnections: number;
  readonly idleTimeoutMs: number;
  readonly maxWaitingCalls: number;
  readonly maxWaitingBytes: number;
  readonly connectTimeoutMs: number;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly maxCalls: number;
  readonly handlerPolicy: ServerPolicy;
  readonly interceptors: readonly ClientInterceptor[];
  readonly forwardMetadata: readonly string[];
  readonly handlerInterceptors: readonly ServerInterceptor[];
  readonly queues: QueueStore | undefined;
  readonly deliver: readonly Service[];
  readonly logger: Logger | undefined;
  readonly peerId: string;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly slabs: SlabPool;
  readonly compression: Compression | undefined;
  readonly limits: ConnectionLimits;
}

const DEFAULT_MAX_CONNECTIONS: { readonly [mode in Mode]: number } = { pipelined: 1, pooled: 8, short: 256 };

/** Fills in the defaults. Throws `RpcError` INVALID_ARGUMENT, which names the option and its range. */
export function resolveConnectOptions(given: ConnectOptions): ResolvedConnectOptions {
  const mode = given.mode ?? "pipelined";
  if (!Object.hasOwn(DEFAULT_MAX_CONNECTIONS, mode)) {
    throw localError(Code.INVALID_ARGUMENT, `mode: ${JSON.stringify(mode)} is not pipelined, pooled or short`, "never");
  }
  const random = given.random ?? Math.random;
  const maxConnections = checkLimit("maxConnections", given.maxConnections ?? DEFAULT_MAX_CONNECTIONS[mode], 1, 65_536);
  return Object.freeze({
    mode,
    timeoutMs: checkTimeout(given.timeoutMs ?? 30_000),
    waitForReady: given.waitForReady ?? true,
    maxConnections,
    maxIdleConnections: checkLimit("maxIdleConnections", given.maxIdleConnections ?? maxConnections, 0, 65_536),
    idleTimeoutMs: checkLimit("idleTimeoutMs", given.idleTimeoutMs ?? 30_000, 1, 86_400_000),
    maxWaitingCalls: checkLimit("maxWaitingCalls", given.maxWaitingCalls ?? 65_536, 0, 16_777_216),
    maxWaitingBytes: checkLimit("maxWaitingBytes", given.maxWaitingBytes ?? 67_108_864, 0, Number.MAX_SAFE_INTEGER),
    connectTimeoutMs: checkLimit("connectTimeoutMs", given.connectTimeoutMs ?? 5_000, 1, 600_000),
    initialBackoffMs: checkLimit("initialBackoffMs", given.initialBackoffMs ?? 50, 1, 600_000),
    maxBackoffMs: checkLimit("maxBackoffMs", given.maxBackoffMs ?? 5_000, 1, 600_000),
    maxCalls: checkLimit("maxCalls", given.maxCalls ?? LIMITS.maxCallsPerConnection[0], 1, 16_777_216),
    handlerPolicy: checkDefaultPolicy("handlerPolicy", given.handlerPolicy ?? {}),
    interceptors: given.interceptors ?? [],
    forwardMetadata: given.forwardMetadata ?? FORWARDED_METADATA,
    handlerInterceptors: given.handlerInterceptors ?? [],
    queues: given.queues,
    deliver: given.deliver ?? [],
    logger: given.logger,
    peerId: given.peerId ?? randomId(random),
    network: given.network ?? socketNetwork,
    clock: given.clock ?? systemClock,
    random,
    slabs: given.slabs ?? sharedSlabs,
    compression: checkCompression(given.compression),
    limits: resolveLimits(given),
  });
}

/** `timeoutMs`, if it is a number above 0. Throws `RpcError` INVALID_ARGUMENT otherwise. */
export function checkTimeout(timeoutMs: number): number {
  if (timeoutMs > 0) return timeoutMs;
  throw localError(Code.INVALID_ARGUMENT, `timeoutMs: ${String(timeoutMs)} is not a number above 0`, "never");
}

function randomId(random: Random): string {
  return Array.from({ length: 4 }, () =>
    Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, "0"),
  ).join("");
}
