// Real clients and servers under simulated faults: a thousand seeds in every test run, new ones each time. A seed that
// fails is printed with the command that replays it.

import { describe, expect, it } from "vitest";
import { testSeed } from "../support/seed.js";
import { gapsOf, runSeeds, summaryText } from "./runner.js";
import { type RunReport, simulate } from "./simulation.js";

const SEEDS = 1_000;
/** The first of a thousand seeds. */
const BASE = testSeed();

describe("the simulation", () => {
  it(`holds every invariant in ${SEEDS} seeds from ${BASE}, and each fault meets each outcome`, {
    timeout: 300_000,
  }, async () => {
    const failures: string[] = [];
    const summary = await runSeeds({ first: BASE, end: BASE + SEEDS, step: 1 }, (text) => failures.push(text));
    console.log(`base seed ${BASE}; ${summaryText(summary)}`);
    expect(failures.join("\n")).toBe("");
    expect(gapsOf(summary)).toEqual([]);
    expect(summary.runs).toBe(SEEDS);
  });

  it("gives the same events for the same seed", async () => {
    for (let seed = 0; seed < 10; seed++) {
      const first = await simulate(seed, true);
      const second = await simulate(seed, true);
      expect(firstDifference(first, second)).toBeUndefined();
      expect(second.digest).toBe(first.digest);
    }
  });

  it("has enough of everything in each seed", async () => {
    for (let seed = 0; seed < 10; seed++) {
      const { calls, streamCount, faults } = await simulate(seed);
      expect(calls).toBeGreaterThanOrEqual(200);
      expect(streamCount).toBeGreaterThanOrEqual(10);
      expect(faults).toBeGreaterThanOrEqual(5);
    }
  });
});

function firstDifference(a: RunReport, b: RunReport): string | undefined {
  const at = a.trace.findIndex((line, index) => line !== b.trace[index]);
  return at === -1 ? undefined : `seed ${a.seed}, line ${at}: ${a.trace[at]} / ${b.trace[at]}`;
}
