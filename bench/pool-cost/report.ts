// What the task pool costs while nothing is overloaded: the calls a second that a server makes with it and without it, by
// calls in flight. Rounds are compared one by one, so that a machine that slows down does so for both.

import { formatHeader, type Header } from "../lib/header.js";
import { median, round } from "../lib/statistics.js";
import { formatCount, formatDigits, formatTable } from "../lib/table.js";
import { atMost, formatTargets, type Target } from "../lib/targets.js";
import type { Measurement } from "../macro/cell.js";

const MOST_COST = 0.05;

/** The medians of one number of calls in flight. */
export interface CostRow {
  readonly outstanding: number;
  /** Calls a second, with the pool and without it. */
  readonly pooled: number;
  readonly direct: number;
  /** The server's CPU, in microseconds a call. */
  readonly pooledCpuUs: number;
  readonly directCpuUs: number;
  /** The share of calls a second that the pool costs: the median over the rounds; below 0 where noise hides it. */
  readonly cost: number;
  /** Failed calls and wrong replies of all rounds. */
  readonly errors: number;
}

/** What is written with `--json`. */
export interface CostReport {
  readonly header: Header;
  readonly rows: readonly CostRow[];
  readonly targets: readonly Target[];
}

type Measured = Pick<Measurement, "callsPerSecond" | "serverCpuUsPerCall" | "errors">;

/** The row of as many measurements with the pool as without it, at least one. */
export function makeCostRow(outstanding: number, pooled: readonly Measured[], direct: readonly Measured[]): CostRow {
  const costs = pooled.map(({ callsPerSecond }, at) => 1 - callsPerSecond / direct[at]!.callsPerSecond);
  const middle = (of: readonly Measured[], value: (m: Measured) => number): number => round(median(of.map(value)));
  return {
    outstanding,
    pooled: middle(pooled, (m) => m.callsPerSecond),
    direct: middle(direct, (m) => m.callsPerSecond),
    pooledCpuUs: middle(pooled, (m) => m.serverCpuUsPerCall),
    directCpuUs: middle(direct, (m) => m.serverCpuUsPerCall),
    cost: round(median(costs)),
    errors: [...pooled, ...direct].reduce((sum, { errors }) => sum + errors, 0),
  };
}

/** What the rows say of the target. */
export function judgeCost(rows: readonly CostRow[]): Target[] {
  return rows.map(({ outstanding, cost }) =>
    atMost(`x${outstanding}: the pool's cost, of the throughput`, cost, MOST_COST),
  );
}

/** The lines that show a report to a person. */
export function formatCosts({ header, rows, targets }: CostReport): string[] {
  const titles = ["outstanding", "calls/s", "without pool", "cost", "server CPU us", "without pool", "errors"];
  const table = formatTable(
    titles.map((title) => ({ title })),
    rows.map((row) => [
      String(row.outstanding),
      formatCount(row.pooled),
      formatCount(row.direct),
      `${(row.cost * 100).toFixed(1)}%`,
      formatDigits(row.pooledCpuUs, 3),
      formatDigits(row.directCpuUs, 3),
      String(row.errors),
    ]),
  );
  return [...formatHeader(header), "", ...table, "", ...formatTargets(targets)];
}
