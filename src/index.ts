// The public face of Sluice.

export type { BatchReplies } from "./call/batch-replies.js";
export type {
  BidiStream,
  Caller,
  CallOptions,
  ClientStream,
  RequestStream,
  ResponseStream,
  ServerStream,
  StreamCall,
} from "./call/caller.js";
export { CallContext, Context, ContextKey, type ContextOptions, createContext } from "./call/context.js";
export type {
  AnyStream,
  ClientInterceptor,
  ServerInterceptor,
  StreamCaller,
  StreamHandler,
  UnaryCall,
  UnaryHandler,
} from "./call/interceptors.js";
export { Peer } from "./call/peer.js";
export type { ChannelState } from "./client/carrier.js";
export { Channel, type ChannelEvents, type ChannelStats, connect } from "./client/channel.js";
export type { ConnectOptions, Mode } from "./client/options.js";
export type { Compression } from "./codec/compression.js";
export { DecodeError, MAX_MESSAGE_DEPTH, MessageType } from "./codec/message.js";
export { MAX_METADATA_ENTRIES, Metadata, type MetadataInit, type MetadataValue } from "./codec/metadata.js";
export { type AnyMethod, type Idempotency, Method, type MethodKind, type Priority, Service } from "./codec/method.js";
export type {
  BatchPolicy,
  ClientFailure,
  ClientOverflow,
  ClientPolicy,
  HedgePolicy,
  Limiter,
  RetryPolicy,
  ServerOverflow,
  ServerPolicy,
} from "./codec/policy.js";
export { SlabPool, type SlabPoolOptions } from "./codec/slab.js";
export {
  Code,
  codeName,
  type ErrorDetail,
  type ErrorOrigin,
  type RetrySafety,
  RpcError,
  type RpcErrorOptions,
} from "./codec/status.js";
export type { Logger } from "./flow/logger.js";
export type { MethodStats, Rejection } from "./flow/method-counters.js";
export type { MethodName, Policies, PolicyEntry } from "./flow/policies.js";
export type { Refusal } from "./flow/refusals.js";
export type { ServerOptions } from "./server/options.js";
export { createServer, Server, type ServerEvents, type ServerStats } from "./server/server.js";
export type { Clock, Random, TimerHandle } from "./transport/clock.js";
export { Counters } from "./transport/hooks.js";
export type { Lease } from "./transport/leases.js";
export type { Address, Dialing, Listener, ListenOptions, Network, Pipe, PipeSink } from "./transport/pipe.js";
export { type ConnectionLimits, LIMITS } from "./transport/settings.js";
