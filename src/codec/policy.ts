// What happens to a method's calls under pressure, as a manifest says it and a running process may change it. Plain data:
// every field may be left out, and what enforces a policy has the defaults. `policy-rules.ts` says what makes sense.

import type { Code } from "./status.js";

/**
 * What a server does with a call for which there is no room. `reject`: refuses it, undecoded, and says when to come again.
 * `log`: answers as if it had run, counts it, and writes one rate-limited line.
 */
export type ServerOverflow = "reject" | "log";

/**
 * What a client does with a call for which there is no room. `block`: waits for room until the deadline. `reject`: fails it
 * RESOURCE_EXHAUSTED. `log`: drops it, counts it, writes one rate-limited line, and resolves. `queue`: stores it in a durable
 * queue, which delivers it later.
 */
export type ClientOverflow = "block" | "reject" | "log" | "queue";

/**
 * What a client does with a call whose attempt failed. `fail`: tells the caller. `retry`: tries again. `hedge`: sends a second
 * attempt when the first is slow, and takes the first answer. `log` and `queue`: as in {@link ClientOverflow}.
 */
export type ClientFailure = "fail" | "retry" | "hedge" | "log" | "queue";

/** How many handlers of a method run at once: a fixed number, or one that follows what the method's times say. */
export type Limiter = "static" | "adaptive";

/** Many calls that one handler call serves. */
export interface BatchPolicy {
  /** Calls in a batch, at most. Default 64. */
  readonly maxSize?: number;
  /**
   * How long the first call of a batch waits for others, in milliseconds, unless the batch is full before. Default 0: for what
   * has arrived with it, and while other batches run for what comes until one of them ends.
   */
  readonly maxDelayMs?: number;
  /** Bytes of requests in a batch, at most; a longer request goes alone. Default 1 MiB. */
  readonly maxBytes?: number;
}

/** What a server does with a method's calls. */
export interface ServerPolicy {
  /**
   * Handlers of the method that run at once, over all connections. Default: the server's `maxCalls`. With `batch` it counts
   * the calls in batches, those that gather among them: `concurrency / maxSize` batches run at once, at least one; default one.
   */
  readonly concurrency?: number;
  /** Default `"static"`: `concurrency` is the limit; with `"adaptive"` it is the most that the limit may grow to. */
  readonly limiter?: Limiter;
  /** Calls of the method that wait for a worker. Default 1,024. */
  readonly queue?: number;
  /**
   * How long a call may wait for a worker, in milliseconds. Default: half of the time that it has left when it comes, or nine
   * tenths where other connections call much more.
   */
  readonly queueDeadlineMs?: number;
  /** Calls started a second. Default: any number. */
  readonly rate?: number;
  /** Calls that may start at once after a pause under `rate`. Default: a tenth of `rate`, at least 1. */
  readonly burst?: number;
  /** Default `"reject"`. */
  readonly overflow?: ServerOverflow;
  /** Default: every call has a handler call of its own. */
  readonly batch?: BatchPolicy;
}

/** When and how often a failed attempt is made again. */
export interface RetryPolicy {
  /** Attempts in all, the first among them, 2 to 5. Default 3. */
  readonly maxAttempts?: number;
  /** The delay before the second attempt, before jitter, in milliseconds; it doubles each time. Default 10. */
  readonly initialBackoffMs?: number;
  /** The longest delay, in milliseconds. Default 1,000. */
  readonly maxBackoffMs?: number;
  /** What is worth another attempt. Default UNAVAILABLE and RESOURCE_EXHAUSTED. */
  readonly codes?: readonly Code[];
}

/** When a second attempt is made although the first has not failed. */
export interface HedgePolicy {
  /** How long the first attempt is waited for, in milliseconds. Default: what 95% of the method's calls take. */
  readonly delayMs?: number;
}

/** What a client does with a method's calls. */
export interface ClientPolicy {
  /** Calls of the method under way at once, over a channel. Default: any number. */
  readonly concurrency?: number;
  /** Calls that wait for room here, with `overflow: BLOCK`. Default 1,024. */
  readonly queue?: number;
  /** Calls begun a second. Default: any number. */
  readonly rate?: number;
  /** Calls that may begin at once after a pause under `rate`. Default: a tenth of `rate`, at least 1. */
  readonly burst?: number;
  /** Default `"block"`. */
  readonly overflow?: ClientOverflow;
  /** Default `"fail"`. */
  readonly failure?: ClientFailure;
  readonly retry?: RetryPolicy;
  readonly hedge?: HedgePolicy;
  /** True: calls are rejected here, in part, while the server refuses more than half of them. Default false. */
  readonly throttle?: boolean;
  /** The durable queue of `overflow: QUEUE`, `failure: QUEUE` and `store`. */
  readonly queueName?: string;
  /**
   * The request's field whose value keeps queued calls in order among themselves, by its name in TypeScript: `userId` where the
   * manifest has `user_id`. Default: no order.
   */
  readonly queueKey?: string;
  /** True: every call goes through the queue. Default false. */
  readonly storeAlways?: boolean;
}
