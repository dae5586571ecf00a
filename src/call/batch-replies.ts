// What the handler of a batch answers; generated handlers are declared with it.

import type { RpcError } from "../codec/status.js";

/**
 * What the handler of a batched method answers with: for each request, in their order, a reply, the error that this caller
 * alone gets, or a promise of either, which no other caller waits for. A handler that throws fails the whole batch.
 */
export type BatchReplies<T> = readonly (T | RpcError | Promise<T | RpcError>)[];
