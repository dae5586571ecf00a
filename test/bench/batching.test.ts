// What the benchmark of batches makes of its measurements.

import { expect, it } from "vitest";
import { isRefused, refusalOf } from "../../bench/batching/messages.js";
import { formatBatching, judgeBatching, makeBatchingRow } from "../../bench/batching/report.js";

const measured = (calls: number, entries: number, errors = 0): Parameters<typeof makeBatchingRow>[1][number] => ({
  result: { calls, seconds: 2, p50Us: 10, p99Us: 20, refused: 0, errors, firstError: undefined },
  before: { trips: 10, entries: 10 },
  after: { trips: 20, entries: 10 + entries },
});

it("takes medians of rates and of entries a trip, and adds up wrong answers", () => {
  const row = makeBatchingRow("save", [measured(2_000, 10), measured(2_400, 30, 1), measured(1_000, 20, 2)]);
  expect(row).toEqual({ method: "save", callsPerSecond: 1_000, p50Us: 10, p99Us: 20, entriesPerTrip: 2, errors: 3 });
});

it("wants twenty times the throughput, and tells when it is missed", () => {
  const [slow, enough, short] = [2_000, 40_000, 39_800].map((calls) => measured(calls, 10));
  const rows = (together: typeof slow) => [
    makeBatchingRow("save", [slow!]),
    makeBatchingRow("saveTogether", [together!]),
  ];
  expect(judgeBatching(rows(enough))).toMatchObject([{ measured: 20, isMet: true }]);
  expect(judgeBatching(rows(short))).toMatchObject([{ measured: 19.9, isMet: false }]);
  const header = { command: "c", date: "d", node: "n", cpu: "x", cores: 2, pinned: true };
  const text = formatBatching({ header, outstanding: 8, rows: rows(short), targets: judgeBatching(rows(short)) }).join(
    "\n",
  );
  expect(text).toContain("MISSED");
  expect(text).toContain("8 outstanding");
});

it("refuses one entry in a hundred, by name", () => {
  expect(Array.from({ length: 300 }, (_, i) => BigInt(i)).filter(isRefused)).toEqual([99n, 199n, 299n]);
  expect(refusalOf(99n)).toBe("entry 99 is there");
});
