// The fields of policies, each with what it may hold and its name in a manifest: the one list that checks a policy, reads
// it from options and finds where a mistake stands. What goes with what is `policy-rules.ts`'s business.

import type { BatchPolicy, ClientPolicy, HedgePolicy, RetryPolicy, ServerPolicy } from "./policy.js";
import { Code } from "./status.js";

/** The most that a count may be: calls, handlers, calls a second. */
export const MAX_POLICY_COUNT = 16_777_216;
/** The most milliseconds that a duration may have, about 24 days: what timers count. */
export const MAX_POLICY_MS: number = 2 ** 31 - 1;
/** The longest name of a durable queue. */
export const MAX_QUEUE_NAME_CHARACTERS = 100;

/** What one field of a policy may hold. */
export type PolicyField =
  | {
      readonly type: "count" | "ms";
      /** Its name in a manifest. */
      readonly option: string;
      readonly least: number;
      readonly most: number;
      /** What to write instead of less than the least. */
      readonly instead?: string;
    }
  | { readonly type: "choice"; readonly option: string; readonly values: readonly string[] }
  | { readonly type: "flag" | "queue name" | "field name" | "codes"; readonly option: string }
  | { readonly type: "group"; readonly option: string; readonly fields: PolicyFields };

/** The fields of a policy, or of a part of one, by their names in TypeScript. */
export type PolicyFields = { readonly [name: string]: PolicyField };

type FieldsOf<Policy> = { readonly [Name in keyof Policy]-?: PolicyField };

const count = (option: string, least: number, most: number, instead?: string): PolicyField => ({
  type: "count",
  option,
  least,
  most,
  ...(instead === undefined ? {} : { instead }),
});
const ms = (option: string, least: number, most: number = MAX_POLICY_MS): PolicyField => ({
  type: "ms",
  option,
  least,
  most,
});
const choice = (option: string, ...values: string[]): PolicyField => ({ type: "choice", option, values });

const NO_LIMIT = "for no limit, leave it out";

const RETRY_FIELDS: FieldsOf<RetryPolicy> = {
  maxAttempts: count("max_attempts", 2, 5, "for one attempt, write failure: FAIL"),
  initialBackoffMs: ms("initial_backoff", 1),
  maxBackoffMs: ms("max_backoff", 1),
  codes: { type: "codes", option: "codes" },
};

const HEDGE_FIELDS: FieldsOf<HedgePolicy> = { delayMs: ms("delay", 1) };

const BATCH_FIELDS: FieldsOf<BatchPolicy> = {
  maxSize: count("max_size", 2, 65_536, "for one call at a time, leave batch out"),
  maxDelayMs: ms("max_delay", 0, 60_000),
  maxBytes: count("max_bytes", 1, 1_073_741_824),
};

const CLIENT_FIELDS: FieldsOf<ClientPolicy> = {
  concurrency: count("concurrency", 1, MAX_POLICY_COUNT, NO_LIMIT),
  queue: count("queue", 1, MAX_POLICY_COUNT, "for calls that do not wait, write overflow: REJECT"),
  rate: count("rate", 1, MAX_POLICY_COUNT, NO_LIMIT),
  burst: count("burst", 1, MAX_POLICY_COUNT),
  overflow: choice("overflow", "block", "reject", "log", "queue"),
  failure: choice("failure", "fail", "retry", "hedge", "log", "queue"),
  retry: { type: "group", option: "retry", fields: RETRY_FIELDS },
  hedge: { type: "group", option: "hedge", fields: HEDGE_FIELDS },
  throttle: { type: "flag", option: "throttle" },
  queueName: { type: "queue name", option: "queue_name" },
  queueKey: { type: "field name", option: "queue_key" },
  storeAlways: { type: "flag", option: "store" },
};

const SERVER_FIELDS: FieldsOf<ServerPolicy> = {
  concurrency: count("concurrency", 1, MAX_POLICY_COUNT, NO_LIMIT),
  limiter: choice("limiter", "static", "adaptive"),
  queue: count("queue", 0, MAX_POLICY_COUNT),
  queueDeadlineMs: ms("queue_deadline", 1),
  rate: count("rate", 1, MAX_POLICY_COUNT, NO_LIMIT),
  burst: count("burst", 1, MAX_POLICY_COUNT),
  overflow: choice("overflow", "reject", "log"),
  batch: { type: "group", option: "batch", fields: BATCH_FIELDS },
};

/** Both sides of a policy, with all that either may say. */
export const POLICY_FIELDS: PolicyFields = {
  client: { type: "group", option: "client", fields: CLIENT_FIELDS },
  server: { type: "group", option: "server", fields: SERVER_FIELDS },
};

/** What is wrong with one field of a policy in itself; undefined if nothing is. */
export function fieldFlaw(field: PolicyField, value: unknown): string | undefined {
  switch (field.type) {
    case "count":
    case "ms":
      return numberFlaw(field, value);
    case "choice":
      return field.values.includes(value as string)
        ? undefined
        : `${field.option} is ${field.values.map((each) => each.toUpperCase()).join(", ")}; ${show(value)} is not`;
    case "flag":
      return typeof value === "boolean" ? undefined : `${field.option} is true or false; ${show(value)} is not`;
    case "queue name":
      return isQueueName(value) ? undefined : queueNameFlaw(value);
    case "field name":
      return typeof value === "string" && value !== "" ? undefined : `${field.option} names a field of the request`;
    case "codes":
      return codesFlaw(value);
    case "group":
      return isGroup(value) ? undefined : `${field.option} is written { ... }`;
  }
}

function isGroup(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function numberFlaw(field: Extract<PolicyField, { least: number }>, value: unknown): string | undefined {
  const { type, option, least, most, instead } = field;
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return undefined;
  const range = `${option} is from ${least} to ${most}${type === "ms" ? " ms" : ""}; ${show(value)} is not`;
  return instead !== undefined && (value as number) < least ? `${range}: ${instead}` : range;
}

function isQueueName(value: unknown): boolean {
  return typeof value === "string" && value.length <= MAX_QUEUE_NAME_CHARACTERS && /^\w[\w.-]*$/.test(value);
}

function queueNameFlaw(value: unknown): string {
  return `queue_name is at most ${MAX_QUEUE_NAME_CHARACTERS} letters, digits, "_", "." and "-", and begins with none of the last two; ${show(value)} is not`;
}

/** Codes after which another attempt makes no sense, with the reason. */
const POINTLESS_CODES: ReadonlyMap<unknown, string> = new Map([
  [Code.OK, "OK is no failure"],
  [Code.CANCELLED, "CANCELLED says that the caller gave up"],
  [Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED leaves no time, because the deadline is for all attempts together"],
]);

function codesFlaw(value: unknown): string | undefined {
  if (!Array.isArray(value)) return "codes is a list of status codes";
  if (value.length === 0) return "codes is empty: name a code, or leave it out for UNAVAILABLE and RESOURCE_EXHAUSTED";
  const known: readonly unknown[] = Object.values(Code);
  const unknown = value.find((code) => !known.includes(code));
  if (unknown !== undefined) return `${show(unknown)} is no status code`;
  const pointless = value.find((code) => POINTLESS_CODES.has(code));
  if (pointless !== undefined) return `${POINTLESS_CODES.get(pointless)}: leave it out of codes`;
  return new Set(value).size === value.length ? undefined : "codes names a code twice";
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 80)) : String(value);
}
