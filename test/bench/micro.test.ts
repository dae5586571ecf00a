// The micro-benchmarks: every case does what it is timed for, and a pool is judged by the fastest way to do without it.

import { describe, expect, it } from "vitest";
import { formatMicro, judgeCases, type MicroCase, measureCases } from "../../bench/lib/micro.js";
import { allCases } from "../../bench/micro/cases.js";

const TIMES = 128;

describe("the cases", () => {
  const cases = allCases();

  it.each(cases.map((each) => [`${each.subject}: ${each.way}`, each] as const))("%s", async (_, { run }) => {
    await run(TIMES);
    await run(TIMES);
  });

  it("have a way without it for each pool, and a name of their own", () => {
    const names = cases.map(({ subject, way }) => `${subject}: ${way}`);
    expect(new Set(names).size).toBe(names.length);
    const { pools } = judgeCases(
      cases,
      cases.map(() => [1]),
    );
    expect(pools.length).toBeGreaterThan(0);
  });
});

const named = (subject: string, way: string, isPool = false): MicroCase => ({ subject, way, isPool, run() {} });

it("judges a pool by the fastest other way, round by round", () => {
  const cases = [named("a", "pool", true), named("a", "slow"), named("a", "fast"), named("b", "other")];
  const { pools, targets, rows } = judgeCases(cases, [
    [10, 20, 30],
    [90, 90, 90],
    [20, 40, 60],
    [1, 1, 1],
  ]);
  expect(pools).toEqual([
    { pool: "a", withNs: 20, withoutWay: "fast", withoutNs: 40, timesAsLong: 2, verdict: "pays" },
  ]);
  expect(targets).toMatchObject([{ measured: 2, least: 1, isMet: true }]);
  expect(rows[0]).toEqual({ subject: "a", way: "pool", medianNs: 20, goodNs: 10, spread: 1 });
});

it("says of a pool that does not pay that it does not", () => {
  const cases = [named("a", "pool", true), named("a", "without")];
  const result = judgeCases(cases, [[20], [19]]);
  expect(result.targets[0]!.isMet).toBe(false);
  expect(formatMicro(result).join("\n")).toContain("does not pay");
});

it("refuses a pool that is compared with nothing", () => {
  expect(() => judgeCases([named("a", "pool", true)], [[1]])).toThrow("a: nothing is measured without the pool");
});

it("measures every case once a round, and has a sample of each", async () => {
  let calls = 0;
  const run = (): void => {
    calls++;
  };
  const rounds: number[] = [];
  const samples = await measureCases([{ subject: "a", way: "b", run }], 2, (round) => rounds.push(round));
  expect(samples).toMatchObject([[expect.any(Number), expect.any(Number)]]);
  expect(calls).toBeGreaterThan(0);
  expect(rounds.filter((round) => round > 0)).toEqual([1, 2]);
});
