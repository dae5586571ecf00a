// The suite of the macro benchmark: which cells it measures, and what it says of its targets. Judged from rows that are
// made up.

import { describe, expect, it } from "vitest";
import type { Cell, Measurement } from "../../bench/macro/cell.js";
import { makeRow, type Row } from "../../bench/macro/report.js";
import { FloorRates } from "../../bench/macro/run.js";
import { cellsOf, GROUPS, judge } from "../../bench/macro/suite-plan.js";

const PLAIN: Measurement = {
  ...{ callsPerSecond: 1000, offeredPerSecond: 0, p50Us: 10, p99Us: 20, lateP99Us: 0, clientCpuUsPerCall: 1 },
  ...{ serverCpuUsPerCall: 1, clientAllocatedBytesPerCall: 900, serverAllocatedBytesPerCall: 800, decodedBytes: 200 },
  ...{ clientRssBytes: 2 ** 26, serverRssBytes: 2 ** 25, connections: 1, connectionsOpened: 1, errors: 0 },
  ...{ firstError: undefined, loadBytes: 100 },
};

const SMALL: Pick<Cell, "payloadBytes" | "outstanding" | "share"> = { payloadBytes: 100, outstanding: 64, share: 0 };

function row(cell: Partial<Cell>, measured: Partial<Measurement>): Row {
  const whole: Cell = { system: "sluice", mode: "pipelined", variant: "default", ...SMALL, ...cell };
  return makeRow(whole, [{ ...PLAIN, ...measured }]);
}

const met = (rows: readonly Row[], ...groups: Parameters<typeof judge>[0]): boolean[] =>
  judge(groups, rows).map(({ isMet }) => isMet);

describe("cellsOf", () => {
  it("has each cell once, and open loops after the floor whose rate they take", () => {
    const cells = cellsOf(GROUPS);
    expect(new Set(cells.map((cell) => JSON.stringify(cell))).size).toBe(cells.length);
    const floor = cells.findIndex(
      ({ system, share, outstanding, payloadBytes }) =>
        system === "floor" && share === 0 && outstanding === 64 && payloadBytes === 100,
    );
    const open = cells.findIndex(({ share }) => share > 0);
    expect(floor).toBeGreaterThanOrEqual(0);
    expect(open).toBeGreaterThan(floor);
  });

  it("has no more than the groups asked for need", () => {
    expect(cellsOf(["x1"]).map(({ system, outstanding }) => [system, outstanding])).toEqual([
      ["sluice", 1],
      ["floor", 1],
      ["grpc-js", 1],
    ]);
  });
});

describe("judge", () => {
  const floor = row({ system: "floor" }, { callsPerSecond: 100_000 });
  const grpc = row({ system: "grpc-js" }, { callsPerSecond: 2000 });

  it("meets targets at their limits and misses them beyond", () => {
    const at = row({}, { callsPerSecond: 90_000, clientCpuUsPerCall: 1.6 });
    const beyond = row({}, { callsPerSecond: 84_000, clientCpuUsPerCall: 1.7 });
    expect(met([at, floor, grpc], "x64")).toEqual([true, true, true, true]);
    expect(met([beyond, floor, grpc], "x64")).toEqual([true, false, false, false]);
  });

  it("counts allocations beyond the decoded message, the client's beyond the load's own too", () => {
    const over = { clientAllocatedBytesPerCall: 901 };
    expect(met([row({}, {})], "allocation")).toEqual([true, true]);
    expect(met([row({}, over)], "allocation")).toEqual([false, true]);
  });

  it("compares variants, modes and open loops with the right rows", () => {
    const rows = [
      row({}, { callsPerSecond: 1000 }),
      row({ variant: "loaded" }, { callsPerSecond: 850 }),
      row({ mode: "pooled" }, { callsPerSecond: 250 }),
      row({ mode: "short" }, { callsPerSecond: 41 }),
      row({ share: 0.5 }, { p99Us: 40, offeredPerSecond: 500 }),
      row({ share: 0.5, system: "floor" }, { p99Us: 20, offeredPerSecond: 500 }),
    ];
    expect(met(rows, "loaded")[0]).toBe(true);
    expect(met(rows, "modes")).toEqual([false, true, true]);
    expect(met(rows, "open")).toEqual([true]);
  });

  it("misses every target whose cells were not measured", () => {
    expect(judge(GROUPS, []).some(({ isMet }) => isMet)).toBe(false);
  });
});

describe("makeRow", () => {
  it("tells an open loop from a closed one, and bytes in MiB", () => {
    expect(row({ share: 0.5 }, { offeredPerSecond: 1234.4 })).toMatchObject({ openLoop: true, offeredPerSecond: 1234 });
    expect(row({}, {})).toMatchObject({ openLoop: false, clientRssMiB: 64, serverRssMiB: 32, variant: "default" });
  });
});

describe("FloorRates", () => {
  const cell = (system: Cell["system"], share: number): Cell => ({
    ...SMALL,
    ...{ system, mode: "pipelined", variant: "default", share },
  });

  it("offers a share of the median of the floor's closed loops, and none to closed loops", () => {
    const rates = new FloorRates();
    for (const callsPerSecond of [100, 300, 200]) rates.note(cell("floor", 0), { callsPerSecond });
    rates.note(cell("floor", 0.5), { callsPerSecond: 1 });
    rates.note(cell("sluice", 0), { callsPerSecond: 1 });
    expect(rates.offeredTo(cell("sluice", 0.5))).toBe(100);
    expect(rates.offeredTo(cell("sluice", 0))).toBe(0);
  });

  it("refuses a share of a rate that nobody measured", () => {
    expect(() => new FloorRates().offeredTo(cell("sluice", 0.5))).toThrow("was not measured");
  });
});
