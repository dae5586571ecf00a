// What batches gain: the calls a second of each way to save, and the target for the ratio.

import { formatHeader, type Header } from "../lib/header.js";
import type { PairMeasurement } from "../lib/pair.js";
import { median, round } from "../lib/statistics.js";
import { formatCount, formatDigits, formatMicroseconds, formatTable } from "../lib/table.js";
import { atLeast, formatTargets, type Target } from "../lib/targets.js";
import type { ClientResult, StoreReport } from "./messages.js";

const LEAST_GAIN = 20;

/** The medians of one way to save. */
export interface BatchingRow {
  readonly method: "save" | "saveTogether";
  readonly callsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Entries in a round trip of the store. */
  readonly entriesPerTrip: number;
  /** Answers of all rounds that were not the call's own. */
  readonly errors: number;
}

/** What is written with `--json`. */
export interface BatchingReport {
  readonly header: Header;
  readonly outstanding: number;
  readonly rows: readonly BatchingRow[];
  readonly targets: readonly Target[];
}

/** The row of at least one measurement. */
export function makeBatchingRow(
  method: BatchingRow["method"],
  measurements: readonly Pick<PairMeasurement<StoreReport, ClientResult>, "result" | "before" | "after">[],
): BatchingRow {
  const middle = (value: (m: (typeof measurements)[number]) => number): number =>
    round(median(measurements.map(value)));
  return {
    method,
    callsPerSecond: middle(({ result }) => result.calls / result.seconds),
    p50Us: middle(({ result }) => result.p50Us),
    p99Us: middle(({ result }) => result.p99Us),
    entriesPerTrip: middle(({ before, after }) => (after.entries - before.entries) / (after.trips - before.trips)),
    errors: measurements.reduce((sum, { result }) => sum + result.errors, 0),
  };
}

/** What the rows say of the target. */
export function judgeBatching(rows: readonly BatchingRow[]): Target[] {
  const rateOf = (method: BatchingRow["method"]): number =>
    rows.find((row) => row.method === method)?.callsPerSecond ?? Number.NaN;
  return [atLeast("throughput in batches / one by one", rateOf("saveTogether") / rateOf("save"), LEAST_GAIN)];
}

/** The lines that show a report to a person. */
export function formatBatching({ header, outstanding, rows, targets }: BatchingReport): string[] {
  const titles = ["calls/s", "p50", "p99", "entries a trip", "errors"];
  const table = formatTable(
    [{ title: `${outstanding} outstanding`, align: "left" as const }, ...titles.map((title) => ({ title }))],
    rows.map((row) => [
      row.method === "save" ? "one by one" : "in batches",
      formatCount(row.callsPerSecond),
      formatMicroseconds(row.p50Us),
      formatMicroseconds(row.p99Us),
      formatDigits(row.entriesPerTrip, 3),
      String(row.errors),
    ]),
  );
  return [...formatHeader(header), "", ...table, "", ...formatTargets(targets)];
}
