// Many seeds, one after the other, and what they add up to.

import { Coverage, type CoverageCounts } from "./coverage.js";
import { simulate } from "./simulation.js";
import { type StreamCounts, StreamCoverage } from "./stream-coverage.js";

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
  /** Seeds that broke an invariant. */
  failures: number;
  coverage: Coverage;
  streamCount: number;
  streams: StreamCoverage;
}

/** A summary as plain data. */
export type PlainSummary = Omit<Summary, "coverage" | "streams"> & {
  readonly coverage: CoverageCounts;
  readonly streams: StreamCounts;
};

/** What should have been met and was not. */
export function gapsOf({ coverage, streams }: Summary): string[] {
  return [...coverage.gaps(), ...streams.gaps()];
}

/** A summary of nothing. */
export function newSummary(): Summary {
  return {
    runs: 0,
    calls: 0,
    faults: 0,
    failures: 0,
    coverage: new Coverage(),
    streamCount: 0,
    streams: new StreamCoverage(),
  };
}

/** Adds `part` to `total`. */
export function merge(total: Summary, part: PlainSummary): void {
  total.runs += part.runs;
  total.calls += part.calls;
  total.faults += part.faults;
  total.failures += part.failures;
  total.coverage.merge(part.coverage);
  total.streamCount += part.streamCount;
  total.streams.merge(part.streams);
}

/** Runs a range of seeds. `print` gets a few lines for each seed that fails; with `stop` the first one ends it. */
export async function runSeeds(
  { first, end, step }: SeedRange,
  stop: boolean,
  print: (text: string) => void,
): Promise<Summary> {
  const total = newSummary();
  for (let seed = first; seed < end; seed += step) {
    const { violations, ...report } = await simulate(seed);
    merge(total, { runs: 1, failures: violations.length > 0 ? 1 : 0, ...report });
    if (violations.length === 0) continue;
    print(failureText(seed, violations));
    if (stop) break;
  }
  return total;
}

/** The counts and the coverage table. */
export function summaryText({ runs, calls, streamCount, faults, failures, coverage, streams }: Summary): string {
  const counts = `${runs} runs, ${calls} calls, ${streamCount} streams, ${faults} faults, ${failures} failed runs`;
  return `${counts}\n${coverage.toString()}\n${streams.toString()}`;
}

function failureText(seed: number, violations: readonly string[]): string {
  const shown = violations.slice(0, 5).map((text) => `  ${text}`);
  if (violations.length > 5) shown.push(`  and ${violations.length - 5} more`);
  return `seed ${seed} failed; replay with: npm run sim -- --seed ${seed} --trace\n${shown.join("\n")}`;
}
