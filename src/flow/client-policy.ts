// A client's policy with the defaults filled in, as a gate enforces it.

import type { ClientFailure, ClientOverflow, ClientPolicy } from "../codec/policy.js";
import { Code } from "../codec/status.js";

/** Calls of a method that wait for room, where its policy says nothing. */
export const DEFAULT_CLIENT_QUEUE = 1_024;
/** Attempts in all, where the policy says nothing. */
export const DEFAULT_MAX_ATTEMPTS = 3;
/** The delay before the second attempt, before jitter, in milliseconds, where the policy says nothing. */
export const DEFAULT_INITIAL_BACKOFF_MS = 10;
/** The longest delay, before jitter, in milliseconds, where the policy says nothing. */
export const DEFAULT_MAX_BACKOFF_MS = 1_000;
/** What is worth another attempt, where the policy says nothing. */
export const DEFAULT_RETRY_CODES: readonly Code[] = Object.freeze([Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED]);

/** {@link ClientPolicy} with nothing left open. */
export interface EnforcedClientPolicy {
  /** Infinity for any number. */
  readonly concurrency: number;
  readonly queue: number;
  /** Undefined for any number. */
  readonly rate: number | undefined;
  readonly burst: number;
  readonly overflow: ClientOverflow;
  readonly failure: ClientFailure;
  readonly maxAttempts: number;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly codes: ReadonlySet<Code>;
  /** Undefined: what 95% of the method's calls take. */
  readonly hedgeDelayMs: number | undefined;
  readonly throttle: boolean;
  readonly queueName: string | undefined;
  readonly queueKey: string | undefined;
  readonly storeAlways: boolean;
}

/** Fills in the defaults. */
export function resolveClientPolicy(policy: ClientPolicy): EnforcedClientPolicy {
  const { rate, retry } = policy;
  return Object.freeze({
    concurrency: policy.concurrency ?? Number.POSITIVE_INFINITY,
    queue: policy.queue ?? DEFAULT_CLIENT_QUEUE,
    rate,
    burst: policy.burst ?? Math.max(1, Math.floor((rate ?? 0) / 10)),
    overflow: policy.overflow ?? "block",
    failure: policy.failure ?? "fail",
    maxAttempts: retry?.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
    initialBackoffMs: retry?.initialBackoffMs ?? DEFAULT_INITIAL_BACKOFF_MS,
    maxBackoffMs: retry?.maxBackoffMs ?? DEFAULT_MAX_BACKOFF_MS,
    codes: new Set(retry?.codes ?? DEFAULT_RETRY_CODES),
    hedgeDelayMs: policy.hedge?.delayMs,
    throttle: policy.throttle ?? false,
    queueName: policy.queueName,
    queueKey: policy.queueKey,
    storeAlways: policy.storeAlways ?? false,
  });
}
