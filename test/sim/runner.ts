// Many seeds, one after the other, and what they add up to.

import { Coverage, type CoverageCounts } from "./coverage.js";
import { type PoolCounts, PoolCoverage } from "./pool-coverage.js";
import { simulate } from "./simulation.js";
import { type StreamCounts, StreamCoverage } from "./stream-coverage.js";

/** Failed seeds that a summary names. */
const MAX_NAMED_SEEDS = 20;

/** Seeds from `first` up to `end`, without it. */
export interface SeedRange {
  readonly first: number;
  readonly end: number;
  readonly step: number;
}

/** What many runs have shown. */
export interface Summary {
  runs: number;
  calls: number;
  faults: number;
  /** The seeds that broke an invariant. */
  readonly failed: number[];
  coverage: Coverage;
  streamCount: number;
  streams: StreamCoverage;
  pools: PoolCoverage;
}

/** A summary as plain data. */
export type PlainSummary = Omit<Summary, "coverage" | "streams" | "pools"> & {
  readonly coverage: CoverageCounts;
  readonly streams: StreamCounts;
  readonly pools: PoolCounts;
};

/** What should have been met and was not. */
export function gapsOf({ coverage, streams, pools }: Summary): string[] {
  return [...coverage.gaps(), ...streams.gaps(), ...pools.gaps()];
}

/** What a summary says, as plain data. */
export function plain(summary: Summary): PlainSummary {
  return {
    ...summary,
    coverage: summary.coverage.counts,
    streams: summary.streams.counts,
    pools: summary.pools.counts,
  };
}

/** A summary of nothing. */
export function newSummary(): Summary {
  return {
    runs: 0,
    calls: 0,
    faults: 0,
    failed: [],
    coverage: new Coverage(),
    streamCount: 0,
    streams: new StreamCoverage(),
    pools: new PoolCoverage(),
  };
}

/** Adds `part` to `total`. */
export function merge(total: Summary, part: PlainSummary): void {
  total.runs += part.runs;
  total.calls += part.calls;
  total.faults += part.faults;
  total.failed.push(...part.failed);
  total.coverage.merge(part.coverage);
  total.streamCount += part.streamCount;
  total.streams.merge(part.streams);
  total.pools.merge(part.pools);
}

/**
 * Runs a range of seeds. `print` gets a few lines for each seed that fails. `goOn` gets what there is after each seed;
 * the run ends early if it returns false.
 */
export async function runSeeds(
  { first, end, step }: SeedRange,
  print: (text: string) => void,
  goOn: (total: Summary) => boolean = () => true,
): Promise<Summary> {
  const total = newSummary();
  for (let seed = first; seed < end; seed += step) {
    const { violations, ...report } = await simulate(seed);
    merge(total, { runs: 1, failed: violations.length > 0 ? [seed] : [], ...report });
    if (violations.length > 0) print(failureText(seed, violations));
    if (!goOn(total)) break;
  }
  return total;
}

/** The counts, the coverage tables and the seeds that failed. */
export function summaryText({ runs, calls, streamCount, faults, failed, ...tables }: Summary): string {
  const counts = `${runs} runs, ${calls} calls, ${streamCount} streams, ${faults} faults, ${failed.length} failed runs`;
  const text = `${counts}\n${tables.coverage}\n${tables.streams}\n${tables.pools}`;
  if (failed.length === 0) return text;
  const more = failed.length > MAX_NAMED_SEEDS ? ` and ${failed.length - MAX_NAMED_SEEDS} more` : "";
  return `${text}\nfailed seeds: ${failed
    .toSorted((a, b) => a - b)
    .slice(0, MAX_NAMED_SEEDS)
    .join(", ")}${more}`;
}

function failureText(seed: number, violations: readonly string[]): string {
  const shown = violations.slice(0, 5).map((text) => `  ${text}`);
  if (violations.length > 5) shown.push(`  and ${violations.length - 5} more`);
  return `seed ${seed} failed; replay with: npm run sim -- --seed ${seed} --trace\n${shown.join("\n")}`;
}
