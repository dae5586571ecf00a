// Many seeds, one after the other, and what they add up to.

import { Coverage, type CoverageEntries } from "./coverage.js";
import { simulate } from "./simulation.js";

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
}

/** A summary of nothing. */
export function newSummary(): Summary {
  return { runs: 0, calls: 0, faults: 0, failures: 0, coverage: new Coverage() };
}

/** Adds `part` to `total`. */
export function merge(total: Summary, part: Omit<Summary, "coverage"> & { readonly coverage: CoverageEntries }): void {
  total.runs += part.runs;
  total.calls += part.calls;
  total.faults += part.faults;
  total.failures += part.failures;
  total.coverage.merge(part.coverage);
}

/** Runs a range of seeds. `print` gets a few lines for each seed that fails; with `stop` the first one ends it. */
export async function runSeeds(
  { first, end, step }: SeedRange,
  stop: boolean,
  print: (text: string) => void,
): Promise<Summary> {
  const total = newSummary();
  for (let seed = first; seed < end; seed += step) {
    const { calls, faults, violations, coverage } = await simulate(seed);
    merge(total, { runs: 1, calls, faults, failures: violations.length > 0 ? 1 : 0, coverage });
    if (violations.length === 0) continue;
    print(failureText(seed, violations));
    if (stop) break;
  }
  return total;
}

/** The counts and the coverage table. */
export function summaryText({ runs, calls, faults, failures, coverage }: Summary): string {
  return `${runs} runs, ${calls} calls, ${faults} faults, ${failures} failed runs\n${coverage.toString()}`;
}

function failureText(seed: number, violations: readonly string[]): string {
  const shown = violations.slice(0, 5).map((text) => `  ${text}`);
  if (violations.length > 5) shown.push(`  and ${violations.length - 5} more`);
  return `seed ${seed} failed; replay with: npm run sim -- --seed ${seed} --trace\n${shown.join("\n")}`;
}
