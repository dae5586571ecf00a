// The comparison of two checkouts: rounds are compared one by one, and a difference is told apart from the noise.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { prepare } from "../../bench/check/checkout.js";
import { formatCheck, judge, makeCheckRow } from "../../bench/check/report.js";

const work = { payloadBytes: 100, outstanding: 64 };
const rounds = (...rates: number[]) =>
  rates.map((callsPerSecond) => ({ callsPerSecond, cpuUsPerCall: 1e6 / callsPerSecond, p99Us: 7 }));

it("compares the rounds one by one: a machine that slows down does so for both", () => {
  const row = makeCheckRow(work, rounds(100, 50, 200), rounds(110, 55, 220));
  expect(row).toMatchObject({ ratio: 1.1, leastRatio: 1.1, mostRatio: 1.1, cpuRatio: 0.9091, rounds: 3 });
  expect(row.a).toEqual({ callsPerSecond: 100, cpuUsPerCall: 10_000, p99Us: 7 });
});

it("tells a difference from noise", () => {
  const judged = (...rates: number[]): string =>
    judge(makeCheckRow(work, rounds(...rates.map(() => 100)), rounds(...rates)));
  expect(judged(104, 98, 105)).toBe("x64, 100 bytes: B is 4.0% faster, within the noise of 7.0%");
  expect(judged(90, 92, 91)).toBe("x64, 100 bytes: B is 9.0% slower, in every round, which differ by 2.0%");
  expect(judged(100, 100)).toBe("x64, 100 bytes: B is as fast, within the noise of 0.0%");
  expect(judged(120)).toBe("x64, 100 bytes: B is 20% faster, and one round says nothing of the noise");
});

it("shows what was compared", () => {
  const header = { command: "bench", date: "now", node: "v20", cpu: "cpu", cores: 2, pinned: true };
  const rows = [makeCheckRow(work, rounds(1_000_000), rounds(970_000))];
  const text = formatCheck({ header, a: "/one abc", b: "/two def", rows }).join("\n");
  for (const part of ["/one abc", "/two def", "1.00 M", "970 k", "0.9700", "3.0% slower"]) expect(text).toContain(part);
});

it("refuses a folder that is no checkout, and says so", () => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-no-checkout-"));
  try {
    expect(() => prepare({ name: "B", folder })).toThrow(`B: ${folder} is no checkout of the project`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
