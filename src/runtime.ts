// All that generated code imports: message types and the functions their codecs are made of, the well-known types, and
// what describes services and carries calls.

export type { BatchReplies } from "./call/batch-replies.js";
export type { BidiStream, Caller, CallOptions, ClientStream, ServerStream } from "./call/caller.js";
export type { CallContext } from "./call/context.js";
export * from "./codec/json-value.js";
export * from "./codec/message-runtime.js";
export * from "./codec/method.js";
export * from "./codec/well-known/any.js";
export * from "./codec/well-known/any-of.js";
export * from "./codec/well-known/duration.js";
export * from "./codec/well-known/empty.js";
export * from "./codec/well-known/field_mask.js";
export * from "./codec/well-known/time.js";
export * from "./codec/well-known/timestamp.js";
export * from "./codec/well-known/wrappers.js";
