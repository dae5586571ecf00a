// The benchmark of what the task pool costs: the server without it works, and rows are of rounds compared one by one.

import { expect, it } from "vitest";
import { openGates } from "../../bench/pool-cost/open-gate.js";
import { formatCosts, judgeCost, makeCostRow } from "../../bench/pool-cost/report.js";
import { TaskPool } from "../../src/flow/task-pool.js";
import { Rig } from "../support/rig.js";

const rounds = (...rates: number[]) =>
  rates.map((callsPerSecond) => ({ callsPerSecond, serverCpuUsPerCall: 1e6 / callsPerSecond, errors: 1 }));

it("serves at open gates, past the pool", async () => {
  const close = openGates(TaskPool);
  const rig = new Rig();
  try {
    const server = await rig.serve({}, { maxCalls: 1 });
    const client = rig.client();
    const calls = [1n, 2n, 3n].map((id) => client.hold({ id }));
    expect(await rig.now(client.echo({ id: 7n }))).toMatchObject({ id: 7n });
    expect([rig.held.length, server.stats().running]).toEqual([3, 0]);
    rig.releaseHeld();
    expect((await rig.now(Promise.all(calls))).map(({ id }) => id)).toEqual([1n, 2n, 3n]);
  } finally {
    close();
    await rig.close();
  }
});

it("takes the median of what each round lost", () => {
  const row = makeCostRow(64, rounds(90, 50, 200), rounds(100, 100, 202));
  expect(row).toMatchObject({ outstanding: 64, pooled: 90, direct: 100, cost: 0.1, errors: 6 });
});

it("allows five percent", () => {
  const at = (pooled: number) => judgeCost([makeCostRow(1, rounds(pooled), rounds(100))])[0]!.isMet;
  expect([at(95.01), at(94.9), at(120)]).toEqual([true, false, true]);
});

it("shows both rates", () => {
  const header = { command: "bench", date: "now", node: "v20", cpu: "cpu", cores: 2, pinned: true };
  const rows = [makeCostRow(64, rounds(970_000), rounds(1_000_000))];
  const text = formatCosts({ header, rows, targets: judgeCost(rows) }).join("\n");
  expect(text).toContain("970 k");
  expect(text).toContain("3.0%");
});
