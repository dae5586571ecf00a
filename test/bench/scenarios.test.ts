// What the benchmark of many servers makes of its calls.

import { expect, it } from "vitest";
import { CoarseDelay } from "../../bench/scenarios/coarse-delay.js";
import { Ledger } from "../../bench/scenarios/ledger.js";
import type { ClientResult } from "../../bench/scenarios/messages.js";
import { parseOptions } from "../../bench/scenarios/options.js";
import { formatScenarios, judgeScenarios, makeScenarioRow } from "../../bench/scenarios/report.js";
import { type Cell, cellsOf, phasesOf } from "../../bench/scenarios/scenarios.js";

const { scale } = parseOptions([]);
const cell: Cell = { disturbance: "calm", mode: "pipelined", connectionsPerPeer: 1 };

const measured = (carriedShare: number, after = 10e6): Parameters<typeof makeScenarioRow>[1][number] => {
  const memory = { before: 10e6, peak: 50e6, after };
  const phase = { phase: "calm", offeredPerSecond: 100, carriedPerSecond: 100 * carriedShare, carriedShare };
  const result: ClientResult = {
    phases: [{ ...phase, p50Ms: 1, p99Ms: Number.POSITIVE_INFINITY }],
    connections: 200,
    heapBytes: memory,
    rssBytes: memory,
    failures: { UNAVAILABLE: 2 },
    lateP99Ms: 1,
  };
  return { result, final: { connections: 0, connectionsOpened: 200 } };
};

it("counts what was due in a phase and answered within the deadline", () => {
  const ledger = new Ledger(5);
  for (const dueMs of [0, 10, 20, 30]) ledger.open(dueMs);
  ledger.settle(0, 5, true);
  ledger.settle(1, 1_000.5, true);
  ledger.settle(2, 3, false);
  // The last one never ends, and is due in the next phase.
  expect(ledger.summarize("calm", 0, 30)).toMatchObject({ carriedShare: 1 / 3, p50Ms: 5, p99Ms: 1_000.5 });
  expect(ledger.summarize("disturbed", 30, 60)).toMatchObject({ carriedShare: 0, p99Ms: Number.POSITIVE_INFINITY });
  ledger.open(40);
  expect(() => ledger.open(50)).toThrow("more than 5 calls");
});

it("compares pooled with as many connections as pipelined has, and with enough", () => {
  const cells = cellsOf(["pooled", "pipelined"], ["calm", "jitter"], 3);
  expect(cells.map(({ disturbance, mode, connectionsPerPeer }) => [disturbance, mode, connectionsPerPeer])).toEqual([
    ["calm", "pooled", 1],
    ["calm", "pooled", 3],
    ["calm", "pipelined", 1],
    ["jitter", "pooled", 3],
    ["jitter", "pipelined", 1],
  ]);
  expect(cells.map(phasesOf).map(({ length }) => length)).toEqual([1, 1, 1, 3, 3]);
});

it("wants 98% carried over one connection to each server, and memory that comes back", () => {
  const judge = (share: number, after: number): unknown[] => {
    const rows = [
      makeScenarioRow(cell, [measured(share), measured(0.1), measured(1)]),
      makeScenarioRow({ ...cell, mode: "pooled" }, [measured(0.5)]),
      makeScenarioRow({ ...cell, disturbance: "jitter" }, [measured(share, after)]),
    ];
    const targets = judgeScenarios(rows, scale);
    const text = formatScenarios({ header, scale, pooledNeedsPerPeer: 2, rows, targets }).join("\n");
    expect(text).toContain("first with 2 connections to a server, 400 in all");
    expect(text).toContain("6 UNAVAILABLE");
    return targets.map(({ isMet }) => isMet);
  };
  const header = { command: "c", date: "d", node: "n", cpu: "x", cores: 2, pinned: true };
  expect(judge(0.98, 19e6)).toEqual([true, true, true, true]);
  expect(judge(0.979, 19.1e6)).toEqual([false, true, true, false]);
});

it("holds answers back together, and none while it is paused", async () => {
  const delay = new CoarseDelay();
  const [first, second] = [delay.after(2), delay.after(2)];
  expect(first).toBe(second);
  delay.pause(20);
  const began = performance.now();
  await first;
  expect(performance.now() - began).toBeGreaterThanOrEqual(19);
});
