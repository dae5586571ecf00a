// Durations as manifests write them, and as what shows policies writes them again.

import { MAX_POLICY_MS } from "./policy-limits.js";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * Milliseconds of a duration such as `500ms`, `2s`, `1.5m` or `1h`, or why it is none. `what` it is, such as `a deadline`,
 * and the least that makes sense are for messages.
 */
export function parseDuration(text: string, what: string, least: 0 | 1 = 0): number | string {
  const found = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)$/.exec(text);
  if (found === null) return `expected a duration such as "500ms", "2s", "1m" or "1h", found ${JSON.stringify(text)}`;
  const ms = Number(found[1]) * UNIT_MS[found[2]!]!;
  if (ms < least || !Number.isInteger(ms)) {
    return `${what} is a whole number of milliseconds${least === 0 ? "" : ", 1 or more"}; "${text}" is ${ms} ms`;
  }
  return ms > MAX_POLICY_MS ? `${what} is at most ${MAX_POLICY_MS} ms (about 24 days); "${text}" is more` : ms;
}

/** `ms` whole milliseconds as manifests write them, in the largest unit of which they are a whole number: `"20ms"`, `"2s"`. */
export function formatDuration(ms: number): string {
  const [unit, unitMs] = Object.entries(UNIT_MS).findLast(([, each]) => ms > 0 && ms % each === 0) ?? ["ms", 1];
  return `${ms / unitMs}${unit}`;
}
