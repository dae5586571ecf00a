// What a run of the overload benchmark leaves: rows (medians over its rounds), the targets that they meet or miss, and the
// tables that show them.

import { formatHeader, type Header } from "../lib/header.js";
import { median, round } from "../lib/statistics.js";
import { type Column, formatCount, formatDigits, formatTable } from "../lib/table.js";
import { atLeast, atMost, formatTargets, type Target } from "../lib/targets.js";
import type { LoadMeasured, Measured, ScenarioMeasured } from "./cell.js";
import { SCENARIOS, type Scenario } from "./plan.js";
import type { ScenarioValues } from "./scenarios.js";
import { DEADLINE_MS, LEAST_SUCCESS, type Summary, successShare } from "./summary.js";

/** The least share of the peak that goodput is under so many times the peak. */
const LEAST_SHARES: Readonly<Record<number, number>> = { 2: 0.97, 5: 0.95, 10: 0.9 };
const MOST_P50_MS = 20;
const MOST_REFUSED_P99_MS = 10;
const MOST_REFUSAL_COST = 0.008;
const MOST_SETTLED_MS = 500;
const MOST_NORMAL_MS = 2000;
const MOST_TIMES_FAIR = 2;
/** Where a served call's CPU is taken from, and a refused one's. */
const SERVED_LOAD = 0.8;
const REFUSED_LOAD = 10;

/** The medians of a constant load. */
export interface LoadRow {
  /** Times the peak. */
  readonly load: number;
  readonly offeredPerSecond: number;
  readonly goodputPerSecond: number;
  /** Of the calls that were offered, those that succeeded. */
  readonly success: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly refusedPerSecond: number;
  readonly refusedP99Ms: number;
  readonly expiredPerSecond: number;
  /** Of the server: shares of a core, and microseconds for each call that was served, without the millisecond. */
  readonly serverCpu: number;
  readonly overheadUsPerServed: number;
  /** Microseconds for each handler that was started, with the millisecond. */
  readonly cpuUsPerServed: number;
  readonly servedPerSecond: number;
}

/** The medians of a scenario's rounds. */
export type ScenarioRows = { readonly [S in Scenario]?: ScenarioValues[S] };

/** What is written with `--json`. */
export interface OverloadReport {
  readonly header: Header;
  readonly deadlineMs: number;
  /** The highest offered rate at which 99% succeed; the median of what each round has found. */
  readonly peakPerSecond: number;
  readonly peaksPerSecond: readonly number[];
  readonly loads: readonly LoadRow[];
  readonly scenarios: ScenarioRows;
  /** Of all measurements: handlers started too late, calls that failed in other ways, the generator's own lateness at most. */
  readonly expiredStarted: number;
  readonly failed: number;
  readonly lateP99Ms: number;
  /** What a refusal costs at ten times the peak, as a share of what a served call does. */
  readonly refusalCost: number | undefined;
  readonly targets: readonly Target[];
}

/** The medians of a load's measurements, of which there is at least one. */
export function makeLoadRow(load: number, measurements: readonly LoadMeasured[]): LoadRow {
  const middle = (value: (m: LoadMeasured) => number): number => round(median(measurements.map(value)));
  const rate = (count: (summary: Summary) => number): number =>
    middle(({ summary }) => count(summary) / summary.seconds);
  return {
    load,
    offeredPerSecond: rate(({ calls }) => calls),
    goodputPerSecond: rate(({ good }) => good),
    success: middle(({ summary }) => successShare(summary)),
    p50Ms: middle(({ summary }) => summary.p50Ms),
    p99Ms: middle(({ summary }) => summary.p99Ms),
    refusedPerSecond: rate(({ refused }) => refused),
    refusedP99Ms: middle(({ summary }) => summary.refusedP99Ms),
    expiredPerSecond: rate(({ expired }) => expired),
    serverCpu: middle(({ served }) => served.cpuUs / served.seconds / 1e6),
    overheadUsPerServed: middle(({ served }) => (served.cpuUs - served.burntUs) / Math.max(1, served.started)),
    cpuUsPerServed: middle(({ served }) => served.cpuUs / Math.max(1, served.started)),
    servedPerSecond: middle(({ served }) => served.started / served.seconds),
  };
}

/** The medians of a scenario's measurements; errors are added up. */
export function makeScenarioValues<S extends Scenario>(
  measurements: readonly ScenarioMeasured<S>[],
): ScenarioValues[S] {
  const all = measurements.map(({ values }) => values as unknown as Readonly<Record<string, number>>);
  const entries = Object.keys(all[0]!).map((name) => {
    const values = all.map((each) => each[name]!);
    return [name, name.startsWith("errors") ? values.reduce((a, b) => a + b, 0) : round(median(values))] as const;
  });
  return Object.fromEntries(entries) as unknown as ScenarioValues[S];
}

/** What all measurements together say of expired work, failures and the generator. */
export function gather(measurements: readonly Measured[]): Pick<OverloadReport, keyof Measured> {
  const sum = (value: (m: Measured) => number): number => measurements.reduce((all, m) => all + value(m), 0);
  return {
    expiredStarted: sum((m) => m.expiredStarted),
    failed: sum((m) => m.failed),
    lateP99Ms: round(Math.max(0, ...measurements.map((m) => m.lateP99Ms))),
  };
}

/**
 * What a refusal costs, as a share of a served call: the CPU that the server uses at ten times the peak beyond what its
 * handlers burn and what serving takes at 0.8 of it, by how many are refused. Undefined without those two loads.
 */
export function refusalCostOf(loads: readonly LoadRow[]): number | undefined {
  const [usual, most] = [SERVED_LOAD, REFUSED_LOAD].map((load) => loads.find((row) => row.load === load));
  if (usual === undefined || most === undefined || most.refusedPerSecond === 0) return undefined;
  const overheadUs = (most.overheadUsPerServed - usual.overheadUsPerServed) * most.servedPerSecond;
  return round(overheadUs / most.refusedPerSecond / usual.cpuUsPerServed);
}

/** What the rows say of the targets, as far as there are rows for them. */
export function judge(report: Omit<OverloadReport, "header" | "targets">): Target[] {
  const { loads, peakPerSecond, refusalCost, expiredStarted } = report;
  return [
    ...loads.flatMap((row) => judgeLoad(row, peakPerSecond)),
    ...(refusalCost === undefined
      ? []
      : [atMost("a refusal's cost, of a served call's", refusalCost, MOST_REFUSAL_COST)]),
    ...judgeScenarios(report.scenarios),
    atMost("expired work started", expiredStarted, 0),
  ];
}

function judgeLoad(row: LoadRow, peakPerSecond: number): Target[] {
  const least = LEAST_SHARES[row.load];
  if (least === undefined) return [];
  const name = `${row.load}x: `;
  return [
    atLeast(`${name}goodput, of the peak`, row.goodputPerSecond / peakPerSecond, least),
    atMost(`${name}p50 of admitted calls, ms`, row.p50Ms, MOST_P50_MS),
    atMost(`${name}p99 of admitted calls, ms`, row.p99Ms, DEADLINE_MS),
    atMost(`${name}p99 of refusals, ms`, row.refusedP99Ms, MOST_REFUSED_P99_MS),
  ];
}

function judgeScenarios({ step, fall, priority, fairness }: ScenarioRows): Target[] {
  return [
    ...(step === undefined ? [] : [atMost("0.5x to 10x: settled, ms", step.settledMs, MOST_SETTLED_MS)]),
    ...(fall === undefined ? [] : [atMost("10x to 0.8x: normal again, ms", fall.normalMs, MOST_NORMAL_MS)]),
    ...(priority === undefined
      ? []
      : [atLeast("high priority at 0.7x beside 10x: success", priority.success, LEAST_SUCCESS)]),
    ...(fairness === undefined
      ? []
      : [
          atMost("fairness: errors of the others", fairness.errors, 0),
          atMost("fairness: their p99 beside 0.25x, times", fairness.moreTimes, MOST_TIMES_FAIR),
          atMost("fairness: their p99 beside 10x, times", fairness.mostTimes, MOST_TIMES_FAIR),
        ]),
  ];
}

/** The lines that show a report to a person. */
export function formatReport(report: OverloadReport): string[] {
  const { header, peakPerSecond, peaksPerSecond, loads, targets, scenarios } = report;
  const found = peaksPerSecond.map(formatCount).join(", ");
  return [
    ...formatHeader(header),
    "",
    `Peak: ${formatCount(peakPerSecond)} calls/s${found === "" ? ", as given" : ` (found: ${found})`}; deadline ${DEADLINE_MS} ms`,
    ...(loads.length > 0 ? ["", ...formatLoads(loads, peakPerSecond)] : []),
    "",
    ...SCENARIOS.flatMap((scenario) => formatScenario(scenario, scenarios[scenario])),
    `generator: 99% of calls made at most ${formatDigits(report.lateP99Ms, 2)} ms late; ${report.failed} failed otherwise`,
    ...["", "Targets", "", ...formatTargets(targets)],
  ];
}

function formatScenario(scenario: Scenario, values: ScenarioValues[Scenario] | undefined): string[] {
  if (values === undefined) return [];
  const parts = Object.entries(values).map(
    ([name, value]) => `${name} ${Number.isFinite(value) ? formatDigits(value, 3) : "never"}`,
  );
  return [`${scenario}: ${parts.join(", ")}`];
}

const COLUMNS: readonly Column[] = [
  { title: "load" },
  { title: "offered/s" },
  { title: "goodput/s" },
  { title: "of peak" },
  { title: "success" },
  { title: "p50 ms" },
  { title: "p99 ms" },
  { title: "refused/s" },
  { title: "p99 ms" },
  { title: "expired/s" },
  { title: "server CPU" },
  { title: "us/served" },
];

function formatLoads(rows: readonly LoadRow[], peakPerSecond: number): string[] {
  return formatTable(
    COLUMNS,
    rows.map((row) => [
      `${row.load}x`,
      formatCount(row.offeredPerSecond),
      formatCount(row.goodputPerSecond),
      formatPercent(row.goodputPerSecond / peakPerSecond),
      formatPercent(row.success),
      formatDigits(row.p50Ms, 3),
      formatDigits(row.p99Ms, 3),
      formatCount(row.refusedPerSecond),
      formatDigits(row.refusedP99Ms, 3),
      formatCount(row.expiredPerSecond),
      formatPercent(row.serverCpu),
      formatCount(row.cpuUsPerServed),
    ]),
  );
}

const formatPercent = (share: number): string => `${(share * 100).toFixed(1)}%`;
