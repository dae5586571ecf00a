// Counters of several processes, added up: what the admin service tells of them as of one. Counts and gauges are sums, a
// limit too: 4 processes that run 64 calls each run 256. What has no limit in one of them has none.

import type {
  BatchesInit,
  CodeCountInit,
  MethodStatsInit,
  NamedMethodStatsInit,
  ServerStatsInit,
  StatsInit,
} from "./gen/sluice/admin.js";

/** The gauges: what is so now, and is nothing once the process has ended. */
const SERVER_GAUGES: ServerStatsInit = { connections: 0, running: 0, waiting: 0 };
const METHOD_GAUGES: MethodStatsInit = { waiting: 0, running: 0, limit: 0 };

/** One reading of all; methods in the order in which they come first. */
export function addStats(readings: readonly StatsInit[], nowMs: number): StatsInit {
  const methods = new Map<string, NamedMethodStatsInit>();
  let server: ServerStatsInit = {};
  for (const reading of readings) {
    server = addNumbers(server, reading.server ?? {});
    for (const method of reading.methods ?? []) {
      const key = `${method.channel ?? ""} ${method.method ?? ""}`;
      const { stats } = methods.get(key) ?? {};
      methods.set(key, { ...method, stats: addMethodStats(stats, method.stats) });
    }
  }
  return { nowMs, server, methods: [...methods.values()] };
}

/** Two readings of a method as one. */
export function addMethodStats(a: MethodStatsInit | undefined, b: MethodStatsInit | undefined): MethodStatsInit {
  if (a === undefined || b === undefined) return a ?? b ?? {};
  return {
    ...addNumbers(a, b),
    limit: a.limit === undefined || b.limit === undefined ? undefined : a.limit + b.limit,
    errors: addErrors([...(a.errors ?? []), ...(b.errors ?? [])]),
    rejected: addNumbers(a.rejected ?? {}, b.rejected ?? {}),
    batches: addBatches(a.batches, b.batches),
  };
}

/** The counts of a process that has ended: they stay, its gauges do not. */
export function withoutGauges({ nowMs, server, methods = [] }: StatsInit): StatsInit {
  return {
    nowMs,
    server: { ...server, ...SERVER_GAUGES },
    methods: methods.map(({ stats, ...method }) => ({ ...method, stats: { ...stats, ...METHOD_GAUGES } })),
  };
}

/** The fields that are numbers, added; others are those of `a`. */
function addNumbers<T extends object>(a: T, b: T): T {
  const sum = { ...a } as Record<string, unknown>;
  for (const [name, value] of Object.entries(b)) {
    if (typeof value === "number") sum[name] = ((sum[name] as number | undefined) ?? 0) + value;
  }
  return sum as T;
}

function addErrors(errors: readonly CodeCountInit[]): CodeCountInit[] {
  const counts = new Map<string, number>();
  for (const { code = "", count = 0 } of errors) counts.set(code, (counts.get(code) ?? 0) + count);
  return [...counts].map(([code, count]) => ({ code, count }));
}

function addBatches(a: BatchesInit | undefined, b: BatchesInit | undefined): BatchesInit | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const [long, short] = [a.bySize ?? [], b.bySize ?? []].sort((x, y) => y.length - x.length) as [number[], number[]];
  return { ...addNumbers(a, b), bySize: long.map((count, i) => count + (short[i] ?? 0)) };
}
