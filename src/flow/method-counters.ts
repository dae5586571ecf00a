// What is counted for one method that has a policy, the same at both ends. Invariant: each call that was made or came
// moves exactly one of `succeeded`, `failed`, `logged`, `queued` and the counters in `rejected` when it ends.

import { type Code, codeName } from "../codec/status.js";
import type { BatchStats } from "./batch.js";

/**
 * Why a call was not let in. `concurrency`: as many were under way as may be; `queue`: as many waited as may; `rate`: no
 * token was left; `throttle`: the server refuses too many; `deadline`: it waited too long for its time; `overload`: those
 * before it waited too long; `store`: a durable queue could not take it.
 */
export type Rejection = "concurrency" | "queue" | "rate" | "throttle" | "deadline" | "overload" | "store";

/** A method's counters and gauges. */
export interface MethodStats {
  /** Calls that were let in. */
  readonly started: number;
  readonly succeeded: number;
  /** Calls that were let in, or waited, and ended with an error. */
  readonly failed: number;
  /** Those of `failed` by the names of their status codes, such as `UNAVAILABLE`; a code that never came is not there. */
  readonly errors: { readonly [code: string]: number };
  /** Attempts that were made because one had failed. */
  readonly retried: number;
  /** Attempts that were made because one was slow. */
  readonly hedged: number;
  /** Calls that were not let in, by reason; a reason that never came is not there. */
  readonly rejected: { readonly [reason in Rejection]?: number };
  /** Calls that were dropped, and answered as if they had run. */
  readonly logged: number;
  /** Calls that were stored in a durable queue. */
  readonly queued: number;
  /** Calls that wait to be let in now. */
  readonly waiting: number;
  /** Calls that were let in and have not ended. */
  readonly running: number;
  /** Calls that may be let in at once now; Infinity for any number. */
  readonly limit: number;
  /** Calls that waited and were then let in. */
  readonly waited: number;
  /** How long those waited in all, in milliseconds. */
  readonly waitedMs: number;
  /** Calls whose time was measured: a sample of those that were let in. */
  readonly measured: number;
  /** How long those took in all from when they were let in, in milliseconds. */
  readonly measuredMs: number;
  /** How large its batches were; undefined where each call has a handler call of its own. */
  readonly batches?: BatchStats | undefined;
}

/** What is kept in other shapes than it is read in. */
interface KeptMaps {
  readonly errors: ReadonlyMap<Code, number>;
  readonly rejected: ReadonlyMap<Rejection, number>;
}

/** Counts; its owner writes the fields. */
export class MethodCounters {
  started = 0;
  succeeded = 0;
  failed = 0;
  retried = 0;
  hedged = 0;
  logged = 0;
  queued = 0;
  waiting = 0;
  running = 0;
  limit: number = Number.POSITIVE_INFINITY;
  waited = 0;
  waitedMs = 0;
  measured = 0;
  measuredMs = 0;
  private readonly rejected = new Map<Rejection, number>();
  private readonly errors = new Map<Code, number>();

  /** A call has ended with an error. */
  fail(code: Code): void {
    this.failed++;
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  /** A call was not let in. */
  reject(reason: Rejection): void {
    this.rejected.set(reason, (this.rejected.get(reason) ?? 0) + 1);
  }

  /** A copy, as of now. */
  read(): MethodStats {
    const { rejected, errors, ...counts } = this as unknown as Omit<MethodStats, "errors" | "rejected"> & KeptMaps;
    const byName = Array.from(errors, ([code, count]) => [codeName(code), count] as const);
    return { ...counts, errors: Object.fromEntries(byName), rejected: Object.fromEntries(rejected) };
  }
}
