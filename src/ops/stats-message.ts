// Counters as they travel: the messages of `proto/sluice/admin.proto`, whose fields have the names of those in TypeScript.

import type { MethodStats } from "../flow/method-counters.js";
import type { MethodStatsInit } from "./gen/sluice/admin.js";

/** What was counted for a method, as a message. */
export function methodStatsMessage({ limit, errors, ...counts }: MethodStats): MethodStatsInit {
  return {
    ...counts,
    errors: Object.entries(errors).map(([code, count]) => ({ code, count })),
    limit: Number.isFinite(limit) ? limit : undefined,
  };
}
