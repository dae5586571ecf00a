// A server's policy with the defaults filled in.

import type { ServerOverflow, ServerPolicy } from "../codec/policy.js";
import { fieldMistakes } from "../codec/policy-rules.js";
import { Code, localError } from "../codec/status.js";
import { batchConcurrency } from "./batch.js";

/** Calls of a method that wait for a worker, where its policy says nothing. */
export const DEFAULT_QUEUE = 1_024;

/** {@link ServerPolicy}, as a gate enforces it. */
export interface GatePolicy {
  readonly concurrency: number;
  readonly limiter: "static" | "adaptive";
  readonly queue: number;
  /** Undefined: it follows from each call's deadline. */
  readonly queueDeadlineMs: number | undefined;
  /** Undefined: any number. */
  readonly rate: number | undefined;
  readonly burst: number;
  readonly overflow: ServerOverflow;
}

/** Fills in the defaults. `workers` is what all methods share, `handlers` what a method has of them that says nothing. */
export function resolveServerPolicy(policy: ServerPolicy, workers: number, handlers: number = workers): GatePolicy {
  const { rate } = policy;
  const concurrency = policy.batch === undefined ? policy.concurrency : batchConcurrency(policy);
  return Object.freeze({
    concurrency: Math.min(concurrency ?? handlers, workers),
    limiter: policy.limiter ?? "static",
    queue: policy.queue ?? DEFAULT_QUEUE,
    queueDeadlineMs: policy.queueDeadlineMs,
    rate,
    burst: policy.burst ?? Math.max(1, Math.floor((rate ?? 0) / 10)),
    overflow: policy.overflow ?? "reject",
  });
}

/**
 * `policy`, which holds for every method that does not say otherwise. Throws `RpcError` INVALID_ARGUMENT, which names the
 * `option`, for what no method can have, and for batches, which are an affair of a method's handler.
 */
export function checkDefaultPolicy(option: string, policy: ServerPolicy): ServerPolicy {
  const mistakes = fieldMistakes({ server: policy, client: {} }).map(({ text }) => text);
  if (policy.batch !== undefined) mistakes.push("batch is for a method, whose handler takes many calls: leave it out");
  if (mistakes.length === 0) return policy;
  throw localError(Code.INVALID_ARGUMENT, `${option}: ${mistakes.join("; ")}`, "never");
}
