// The overload benchmark: its command line, and what it makes of its measurements.

import { describe, expect, it } from "vitest";
import { UsageError } from "../../bench/lib/arguments.js";
import { drawCurve } from "../../bench/overload/curve.js";
import { parseOptions } from "../../bench/overload/options.js";
import {
  formatReport,
  gather,
  judge,
  type LoadRow,
  makeLoadRow,
  makeScenarioValues,
  refusalCostOf,
  type ScenarioRows,
} from "../../bench/overload/report.js";

const row = (load: number, fields: Partial<LoadRow> = {}): LoadRow => ({
  ...{ load, offeredPerSecond: load * 1000, goodputPerSecond: Math.min(load, 1) * 1000, success: 1 },
  ...{ p50Ms: 1, p99Ms: 10, refusedPerSecond: 0, refusedP99Ms: 0, expiredPerSecond: 0 },
  ...{ serverCpu: 1, overheadUsPerServed: 50, cpuUsPerServed: 1000, servedPerSecond: 1000 },
  ...fields,
});
const measured = { expiredStarted: 0, failed: 0, lateP99Ms: 0.1 };
const base = {
  ...{ deadlineMs: 100, peakPerSecond: 1000, peaksPerSecond: [1000], loads: [], scenarios: {} },
  ...{ refusalCost: undefined, ...measured },
};
const missed = (rows: { loads?: readonly LoadRow[]; scenarios?: ScenarioRows; refusalCost?: number }): string[] =>
  judge({ ...base, ...rows })
    .filter(({ isMet }) => !isMet)
    .map(({ name }) => name);

describe("parseOptions", () => {
  it("measures everything when nothing is said", () => {
    expect(parseOptions([])).toEqual({
      ...{ json: undefined, svg: undefined, seconds: 5, warmupSeconds: 2, rounds: 3, connections: 8, seed: 1 },
      ...{ loads: [0.5, 0.8, 1, 2, 5, 10], peakPerSecond: undefined },
      scenarios: ["refused", "step", "fall", "priority", "fairness"],
    });
  });

  it.each([
    ["an unknown scenario", ["--scenarios", "flood"], '"flood"'],
    ["a load of nothing", ["--loads", "0"], "--loads"],
    ["no connections", ["--connections", "0"], "from 1"],
  ])("refuses %s, and says which", (_, args, reason) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(reason);
  });
});

describe("rows", () => {
  const summary = (good: number) => ({
    ...{ seconds: 2, calls: 4000, good, refused: 1000, heldBack: 0, expired: 0, failed: 0 },
    ...{ p50Ms: 1, p99Ms: good / 100, refusedP99Ms: 2 },
  });
  const served = { seconds: 2, started: 1000, cpuUs: 1_100_000, burntUs: 1_000_000 };

  it("are the medians of the rounds", () => {
    const rounds = [1000, 3000, 1400].map((good) => ({ summary: summary(good), served, ...measured }));
    expect(makeLoadRow(2, rounds)).toMatchObject({
      ...{ load: 2, offeredPerSecond: 2000, goodputPerSecond: 700, success: 0.35, p99Ms: 14, refusedPerSecond: 500 },
      ...{ serverCpu: 0.55, overheadUsPerServed: 100, cpuUsPerServed: 1100, servedPerSecond: 500 },
    });
  });

  it("of a scenario, too, but for its errors", () => {
    const rounds = [1, 4, 2].map((errors) => ({
      ...measured,
      values: { errors, errorsBefore: 1, p99Ms: errors, moreTimes: 1, mostTimes: errors * 2 },
    }));
    expect(makeScenarioValues<"fairness">(rounds)).toEqual({
      ...{ errors: 7, errorsBefore: 3, p99Ms: 2, moreTimes: 1, mostTimes: 4 },
    });
  });

  it("add up what must not happen in any measurement", () => {
    const rounds = [
      { expiredStarted: 1, failed: 0, lateP99Ms: 3 },
      { expiredStarted: 2, failed: 5, lateP99Ms: 1 },
    ];
    expect(gather(rounds)).toEqual({ expiredStarted: 3, failed: 5, lateP99Ms: 3 });
    expect(gather([])).toEqual({ expiredStarted: 0, failed: 0, lateP99Ms: 0 });
  });
});

describe("refusalCostOf", () => {
  const usual = row(0.8, { overheadUsPerServed: 40, cpuUsPerServed: 1040 });

  it("is what is left of the CPU at ten times the peak, for each refusal, as a share of a served call", () => {
    // 104 us for each of the thousand served, 40 of them for serving: 64 ms for 8,000 refusals, 8 us each.
    const most = row(10, { overheadUsPerServed: 104, refusedPerSecond: 8000 });
    expect(refusalCostOf([usual, most])).toBeCloseTo(8 / 1040, 5);
  });

  it("is unknown without those loads, or without refusals", () => {
    expect(refusalCostOf([usual])).toBeUndefined();
    expect(refusalCostOf([row(10)])).toBeUndefined();
    expect(refusalCostOf([usual, row(10)])).toBeUndefined();
  });
});

describe("judge", () => {
  it("wants of goodput 97%, 95% and 90% of the peak at 2, 5 and 10 times as much", () => {
    const loads = (shares: readonly number[]): LoadRow[] =>
      [2, 5, 10].map((load, at) => row(load, { goodputPerSecond: shares[at]! * 1000 }));
    expect(missed({ loads: loads([0.97, 0.95, 0.9]) })).toEqual([]);
    expect(missed({ loads: loads([0.969, 0.949, 0.899]) })).toEqual(
      ["2x", "5x", "10x"].map((load) => `${load}: goodput, of the peak`),
    );
    expect(missed({ loads: [row(0.5, { goodputPerSecond: 1 }), row(1, { p99Ms: 500 })] })).toEqual([]);
  });

  it("bounds the times of what is let in and of what is refused", () => {
    expect(missed({ loads: [row(2, { p50Ms: 20, p99Ms: 100, refusedP99Ms: 10 })] })).toEqual([]);
    expect(missed({ loads: [row(2, { p50Ms: 20.1, p99Ms: 100.1, refusedP99Ms: 10.1 })] })).toHaveLength(3);
  });

  it("bounds what a refusal costs, and takes no expired work", () => {
    expect(missed({ refusalCost: 0.008 })).toEqual([]);
    expect(missed({ refusalCost: 0.0081 })).toHaveLength(1);
    expect(judge({ ...base, expiredStarted: 1 })).toMatchObject([{ isMet: false }]);
  });

  it("bounds the scenarios", () => {
    const at = (settledMs: number, normalMs: number, success: number, times: number, errors: number): ScenarioRows => ({
      ...{ step: { settledMs }, fall: { normalMs, usualP99Ms: 5 }, priority: { success, p99Ms: 5 } },
      fairness: { errors, errorsBefore: 0, p99Ms: 5, moreTimes: times, mostTimes: times },
    });
    expect(missed({ scenarios: at(500, 2000, 0.99, 2, 0) })).toEqual([]);
    expect(missed({ scenarios: at(501, 2001, 0.989, 2.01, 1) })).toHaveLength(6);
  });
});

describe("a report", () => {
  it("shows loads, scenarios and targets", () => {
    const loads = [row(0.8), row(10, { goodputPerSecond: 850, refusedPerSecond: 9000 })];
    const rows = { ...base, loads, scenarios: { step: { settledMs: 300 } }, refusalCost: 0.01 };
    const header = { command: "bench", date: "now", node: "v20", cpu: "cpu", cores: 2, pinned: true };
    const text = formatReport({ header, ...rows, targets: judge(rows) }).join("\n");
    expect(text).toContain("85.0%");
    expect(text).toContain("settledMs 300");
    expect(text.match(/MISSED/g)).toHaveLength(2);
  });
});

describe("drawCurve", () => {
  const svg = drawCurve({ peakPerSecond: 1000, loads: [row(10, { goodputPerSecond: 930 }), row(0.5), row(1)] });

  it("says in words what it shows", () => {
    expect(svg).toContain(
      "peak of 1000 calls a second: 50% at 0.5 times the peak, 100% at 1 times the peak, 93% at 10",
    );
    expect(svg).toContain('role="img"');
  });

  it("has a point for each load, in order", () => {
    expect(svg.match(/<circle/g)).toHaveLength(3);
    const xs = [...svg.matchAll(/cx="(\d+)"/g)].map(([, x]) => Number(x));
    expect(xs).toEqual(xs.toSorted((a, b) => a - b));
    expect(svg).not.toMatch(/NaN|undefined/);
  });
});
