// A server's policy with the defaults filled in.

import type { ServerOverflow, ServerPolicy } from "../codec/policy.js";
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
