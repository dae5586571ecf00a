// Counters in the words of tables: what `sluice policy` and `sluice stats` show alike.

import type { MethodStats } from "../ops/admin.js";

/** `3/64`: calls that run, and how many may. */
export function runningWords(stats: MethodStats | undefined): string {
  return stats === undefined ? "" : `${stats.running}${stats.limit === undefined ? "" : `/${stats.limit}`}`;
}

/** `12 queue, 1 rate`, in all or, with a reading `before`, a second; `-` where nothing was rejected. */
export function rejectedWords(stats: MethodStats | undefined, before?: MethodStats, seconds: number = 1): string {
  const old: Readonly<Record<string, number>> = { ...before?.rejected };
  const reasons = Object.entries(stats?.rejected ?? {})
    .map(([reason, count]) => [reason, (count - (old[reason] ?? 0)) / seconds] as const)
    .filter(([, count]) => count > 0);
  const words = reasons.map(([reason, count]) => `${formatCount(count)} ${reason}`);
  return words.length === 0 ? "-" : words.join(", ");
}

/** `1,204`, or `0.5` where it is no whole number. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US", { maximumFractionDigits: 1 });
}

/** The method, and the channel if it is one's. */
export function nameOf({ method, channel }: { readonly method: string; readonly channel: string }): string {
  return channel === "" ? method : `${method} (${channel})`;
}
