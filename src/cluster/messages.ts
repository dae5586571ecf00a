// What the primary process and its workers tell each other, over the channel that node:cluster gives them; each message is
// plain JSON with a field `sluice`, so that a program may send messages of its own beside them.
//
//   worker           primary
//     hello  ->                    it can be told something
//            <-  start             the changes of policies until now
//     ready  ->                    it listens; or `failed`, and why
//            <-  ask               answered by `answer`
//            <-  changes           to be made now, or when a channel knows the method
//            <-  drain
//     ended  ->                    its last counters; it exits

import { type Code, type RetrySafety, RpcError } from "../codec/status.js";
import type { SetPolicyRequest, StatsInit } from "../ops/admin.js";

/** What a worker is asked for: the methods of `AdminView`. */
export type Question = "getPolicies" | "setPolicy" | "getStats" | "listRefusals";

/** A change of a policy, and by whom. */
export interface Change {
  readonly request: SetPolicyRequest;
  readonly by: string;
}

/** From the primary process. */
export type ToWorker =
  | { readonly sluice: "start"; readonly changes: readonly Change[] }
  | {
      readonly sluice: "ask";
      readonly id: number;
      readonly question: Question;
      readonly request?: unknown;
      readonly by?: string | undefined;
    }
  | { readonly sluice: "changes"; readonly changes: readonly Change[] }
  | { readonly sluice: "drain"; readonly graceMs: number };

/** From a worker. */
export type ToPrimary =
  | { readonly sluice: "hello" }
  | { readonly sluice: "ready"; readonly addresses: readonly string[] }
  | { readonly sluice: "failed"; readonly text: string }
  | { readonly sluice: "answer"; readonly id: number; readonly reply?: unknown; readonly error?: WrittenError }
  | { readonly sluice: "ended"; readonly stats: StatsInit };

/** An `RpcError` as JSON. */
export interface WrittenError {
  readonly code: number;
  readonly message: string;
  readonly retry: RetrySafety;
}

/** Whether a message is one of ours. */
export function isOurs<T extends ToWorker | ToPrimary>(message: unknown): message is T {
  return typeof message === "object" && message !== null && "sluice" in message;
}

/** An error for the way. */
export function writeError(thrown: unknown): WrittenError {
  const { code, message, retry } = RpcError.from(thrown);
  return { code, message, retry };
}

/** The error that was written. */
export function readError({ code, message, retry }: WrittenError): RpcError {
  return new RpcError(code as Code, message, { retry });
}
