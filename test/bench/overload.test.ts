// The overload benchmark's generator and what is made of its logs.

import { describe, expect, it } from "vitest";
import { Arrivals } from "../../bench/lib/arrivals.js";
import { percentile } from "../../bench/lib/statistics.js";
import { CallLog, Outcome } from "../../bench/overload/call-log.js";
import { Generator, outcomeOf } from "../../bench/overload/generator.js";
import { findPeak, mostProbes } from "../../bench/overload/peak.js";
import { connectionsOf, FAIR_CONNECTIONS, planLoad, planScenario, SCENARIOS } from "../../bench/overload/plan.js";
import { evaluate } from "../../bench/overload/scenarios.js";
import { normalAfterMs, settledAfterMs, successShare, summarize } from "../../bench/overload/summary.js";
import { Code, RpcError } from "../../src/index.js";
import { seededRandom } from "../../src/testing.js";

const SCALE = { peakPerSecond: 1000, connections: 8, warmupSeconds: 2, seconds: 5 };

/** A log of calls that are due every `everyMs` until `untilMs`, each with the end that `end` gives it. */
function logOf(
  everyMs: number,
  untilMs: number,
  end: (dueMs: number) => readonly [tookMs: number, outcome: Outcome],
): CallLog {
  const log = new CallLog();
  for (let at = 0; at * everyMs < untilMs; at++) log.settle(log.open(at * everyMs), ...end(at * everyMs));
  return log;
}

const answered = (tookMs: number) => [tookMs, Outcome.ANSWERED] as const;
const refused = (tookMs: number) => [tookMs, Outcome.REFUSED] as const;

describe("Arrivals", () => {
  const take = (phases: ConstructorParameters<typeof Arrivals>[0], seed = 1): number[] => {
    const arrivals = new Arrivals(phases, seededRandom(seed));
    const times: number[] = [];
    for (; arrivals.nextMs < Number.POSITIVE_INFINITY; arrivals.advance()) times.push(arrivals.nextMs);
    return times;
  };

  it("come at the rate of their phase, by chance, and no more after the last", () => {
    const times = take([
      { perSecond: 1000, seconds: 20 },
      { perSecond: 0, seconds: 5 },
      { perSecond: 100, seconds: 20 },
    ]);
    const within = (from: number, to: number): number[] => times.filter((ms) => ms >= from && ms < to);
    expect(within(0, 20_000).length).toBeCloseTo(20_000, -3);
    expect(within(20_000, 25_000)).toEqual([]);
    expect(within(25_000, 45_000).length).toBeCloseTo(2000, -3);
    expect(times.at(-1)).toBeLessThan(45_000);
    expect(times.toSorted((a, b) => a - b)).toEqual(times);
    const gaps = within(0, 20_000).map((ms, at, all) => ms - (all[at - 1] ?? 0));
    // Of exponential gaps a share of 1/e is longer than the mean.
    expect(gaps.filter((gap) => gap > 1).length / gaps.length).toBeCloseTo(1 / Math.E, 1);
  });

  it("are the same for the same seed", () => {
    const phases = [{ perSecond: 50, seconds: 1 }];
    expect(take(phases, 7)).toEqual(take(phases, 7));
    expect(take(phases, 7)).not.toEqual(take(phases, 8));
  });
});

describe("CallLog", () => {
  it("keeps what it was told beyond its first capacity, and through its columns", () => {
    const log = logOf(1, 10_000, (dueMs) => [dueMs / 2, dueMs % 2 === 0 ? Outcome.ANSWERED : Outcome.REFUSED]);
    for (const each of [log, CallLog.of(log.columns())]) {
      expect(each.count).toBe(10_000);
      expect([each.dueMs(9001), each.tookMs(9001), each.outcome(9001)]).toEqual([9001, 4500.5, Outcome.REFUSED]);
      expect([each.placeAt(-1), each.placeAt(500), each.placeAt(500.5), each.placeAt(1e9)]).toEqual([
        0, 500, 501, 10_000,
      ]);
    }
  });
});

describe("summarize", () => {
  it("counts the calls that were due in the stretch, and as good those answered in time", () => {
    const log = logOf(1, 1000, (dueMs) => {
      if (dueMs >= 600) return refused(dueMs / 100);
      if (dueMs === 500) return [100.1, Outcome.ANSWERED];
      if (dueMs === 501) return [101, Outcome.EXPIRED];
      return dueMs === 502 ? [1, Outcome.FAILED] : answered(100);
    });
    const summary = summarize(log, 500, 700);
    expect(summary).toMatchObject({ calls: 200, good: 97, refused: 100, expired: 1, failed: 1, heldBack: 0 });
    expect(summary).toMatchObject({ seconds: 0.2, p50Ms: 100, p99Ms: 101, refusedP99Ms: 6.98 });
    expect(successShare(summary)).toBe(97 / 200);
  });

  it("has calls that never ended among the failed", () => {
    const log = new CallLog();
    log.open(1);
    expect(summarize(log, 0, 10)).toMatchObject({ calls: 1, good: 0, failed: 1 });
  });

  it("takes percentiles as the value that so many do not exceed", () => {
    const values = Array.from({ length: 200 }, (_, at) => at + 1);
    expect([0, 0.5, 0.99, 1].map((p) => percentile(values, p))).toEqual([1, 100, 198, 200]);
    expect(percentile([], 0.5)).toBe(0);
  });
});

describe("settledAfterMs", () => {
  // A call each millisecond is 1,000 a second.
  const settled = (isGood: (dueMs: number) => boolean, least = 1000): number =>
    settledAfterMs(
      logOf(1, 6000, (dueMs) => (isGood(dueMs) ? answered(0.5) : refused(0.5))),
      1000,
      6000,
      least,
    );

  it("is the first window that is good, as the second is that begins with it", () => {
    expect(settled(() => true)).toBe(0);
    expect(settled((dueMs) => dueMs >= 1250)).toBe(300);
    expect(settled((dueMs) => dueMs >= 1250, 500)).toBe(200);
    expect(settled((dueMs) => dueMs >= 1250 && Math.floor(dueMs / 100) !== 20)).toBe(1100);
    expect(settled((dueMs) => dueMs >= 1250 && Math.floor(dueMs / 100) !== 20, 900)).toBe(300);
    expect(settled((dueMs) => dueMs < 1200 || dueMs >= 1300, 950)).toBe(300);
    expect(settled((dueMs) => dueMs < 2500)).toBe(0);
  });

  it("is never when no such second comes", () => {
    expect(settled(() => false)).toBe(Number.POSITIVE_INFINITY);
    expect(settled((dueMs) => dueMs >= 5100)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("normalAfterMs", () => {
  const normal = (end: Parameters<typeof logOf>[2]): number => normalAfterMs(logOf(1, 6000, end), 1000, 6000, 20);

  it("is when the calls of a second succeed, as fast as they did", () => {
    expect(normal(() => answered(20))).toBe(0);
    expect(normal((dueMs) => (dueMs < 1500 ? refused(1) : answered(1)))).toBe(500);
    expect(normal((dueMs) => answered(dueMs < 1500 ? 21 : 20))).toBe(500);
  });

  it("lets one call in a hundred fail", () => {
    expect(normal((dueMs) => (dueMs % 100 === 0 ? refused(1) : answered(1)))).toBe(0);
    expect(normal((dueMs) => (dueMs % 90 === 0 ? refused(1) : answered(1)))).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("findPeak", () => {
  const search = { from: 400, factor: 1.15, halvings: 4 };

  it.each([400, 455, 901, 1150])("finds a peak of %i, a little below at most", async (peak) => {
    const found = await findPeak(search, 0.99, async (rate) => (rate <= peak ? 1 : 0.98));
    expect(found).toBeLessThanOrEqual(peak);
    expect(found).toBeGreaterThan(peak * 0.99);
  });

  it("tries a rate twice, within so many probes", async () => {
    const tried = new Map<number, number>();
    let probes = 0;
    const found = await findPeak(search, 0.99, async (rate) => {
      probes++;
      const times = (tried.get(rate) ?? 0) + 1;
      tried.set(rate, times);
      return rate <= 900 && times === 2 ? 0.99 : 0.5;
    });
    expect(found).toBeGreaterThan(890);
    expect(Math.max(...tried.values())).toBe(2);
    expect(probes).toBeLessThanOrEqual(mostProbes(search, 3));
  });

  it("fails where there is none to be found", async () => {
    await expect(findPeak(search, 0.99, async () => 0.9)).rejects.toThrow("400 calls/s");
    await expect(findPeak(search, 0.99, async () => 1)).rejects.toThrow("still keeps up");
  });
});

describe("plans", () => {
  it("count from after the warm-up, whose load is that of the first phase", () => {
    const { flows, warmupMs, windowMs } = planScenario("step", SCALE);
    expect([warmupMs, windowMs]).toEqual([2000, 10_000]);
    expect(flows[0]!.phases).toEqual([
      { perSecond: 500, seconds: 2 },
      { perSecond: 500, seconds: 5 },
      { perSecond: 10_000, seconds: 5 },
    ]);
    expect(planLoad(2, SCALE).flows).toMatchObject([{ way: "burn", connections: [0, 8] }]);
  });

  it.each(SCENARIOS)("%s: every flow has a phase for each part of the window", (scenario) => {
    const { flows, warmupMs, windowMs } = planScenario(scenario, SCALE);
    for (const { phases } of flows) {
      expect(phases.reduce((sum, { seconds }) => sum + seconds * 1000, 0)).toBe(warmupMs + windowMs);
    }
  });

  it("give each of a hundred connections half a percent of the peak, one of them more and more", () => {
    const plan = planScenario("fairness", SCALE);
    expect(connectionsOf(plan)).toBe(FAIR_CONNECTIONS);
    const [others, one] = plan.flows;
    expect(others!.connections).toEqual([0, 99]);
    expect(new Set(others!.phases.map(({ perSecond }) => perSecond))).toEqual(new Set([495]));
    expect(one!.connections).toEqual([99, 1]);
    expect(one!.phases.map(({ perSecond }) => perSecond)).toEqual([5, 5, 250, 10_000]);
  });
});

describe("evaluate", () => {
  const evidence = (log: CallLog) => ({
    ...{ logs: [log], beginMs: 1000, phaseMs: 2000 },
    ...{ peakPerSecond: 1000, serverCpuUsPerSecond: 10_000 },
  });

  it("takes the CPU of a refusal from a load of which all is refused", () => {
    expect(evaluate("refused", evidence(logOf(1, 3000, () => refused(2))))).toEqual({ cpuUs: 10, p99Ms: 2 });
  });

  it("compares the p99 of those who do not call more with what it was", () => {
    const log = logOf(1, 7000, (dueMs) => {
      if (dueMs === 3500 || dueMs === 1500) return refused(1);
      return answered(dueMs < 3000 ? 10 : dueMs < 5000 ? 15 : 30);
    });
    expect(evaluate("fairness", evidence(log))).toEqual({
      ...{ errors: 1, errorsBefore: 1, p99Ms: 10, moreTimes: 1.5, mostTimes: 3 },
    });
  });

  it("takes a step in its second phase, and a fall in its third", () => {
    const log = logOf(1, 7000, (dueMs) =>
      (dueMs > 3000 && dueMs < 3300) || (dueMs > 5000 && dueMs < 5400) ? refused(1) : answered(1),
    );
    expect(evaluate("step", evidence(log))).toEqual({ settledMs: 300 });
    expect(evaluate("fall", evidence(log))).toEqual({ normalMs: 400, usualP99Ms: 1 });
  });
});

describe("Generator", () => {
  it("makes every call that is due on its flow's connections, and logs how it ended", async () => {
    const made = [0, 0, 0];
    const clients = made.map((_, at) => ({
      burn: async ({ id }: { id: bigint }) => {
        made[at]!++;
        if (id % 2n === 0n) throw new RpcError(Code.RESOURCE_EXHAUSTED, "no room", { origin: "remote" });
        return { id: id === 3n ? 4n : id };
      },
    }));
    const phases = [{ perSecond: 2000, seconds: 0.1 }];
    const flows = [{ way: "burn", connections: [1, 2], phases }] as const;
    const generator = new Generator(flows, clients as never, seededRandom(1));
    await generator.run();
    const log = generator.logs[0]!;
    const { calls, refused: refusals, failed, good } = summarize(log, 0, 1000);
    expect(calls).toBeGreaterThan(100);
    expect([made[0], made[1]! + made[2]!]).toEqual([0, calls]);
    expect(Math.min(made[1]!, made[2]!)).toBeGreaterThan(20);
    expect([refusals, failed]).toEqual([Math.ceil(calls / 2), 1]);
    expect(good).toBe(calls - refusals - 1);
    expect(generator.lateness.count).toBe(calls);
  });

  it("tells how calls end apart", () => {
    const error = (code: Code, origin: "local" | "remote" = "remote") => outcomeOf(new RpcError(code, "", { origin }));
    expect(error(Code.RESOURCE_EXHAUSTED)).toBe(Outcome.REFUSED);
    expect(error(Code.RESOURCE_EXHAUSTED, "local")).toBe(Outcome.HELD_BACK);
    expect(error(Code.DEADLINE_EXCEEDED)).toBe(Outcome.EXPIRED);
    expect(error(Code.UNAVAILABLE)).toBe(Outcome.FAILED);
    expect(outcomeOf(new TypeError("a bug"))).toBe(Outcome.FAILED);
  });
});
