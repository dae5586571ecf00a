// Operations that take nanoseconds, timed in one process: every case in short cells, interleaved over many rounds, so that what
// disturbs the machine disturbs all of them. What a case leaves to the garbage collector is collected in its own cell, nearly
// always: a cell is long enough for many collections of young objects.

import { median, percentile, round } from "./statistics.js";
import { formatDigits, formatTable } from "./table.js";
import { atLeast, type Target } from "./targets.js";

/** How long a case runs in a round. */
const CELL_MS = 15;
/** Rounds that are not counted: code is compiled then. */
const WARM_UP_ROUNDS = 3;
const OPERATIONS_PER_READING = 256;
const GOOD_PERCENTILE = 0.1;

/** One way to do one thing. */
export interface MicroCase {
  /** What is done; ways to do the same thing have the same subject. */
  readonly subject: string;
  /** How. */
  readonly way: string;
  /** True for the way that uses a pool, which is to be faster than every other way to do the same. */
  readonly isPool?: boolean;
  /** Does it so many times, a multiple of 64. */
  readonly run: (times: number) => void | Promise<void>;
}

/** The times of a case. */
export interface MicroRow {
  readonly subject: string;
  readonly way: string;
  /** An operation: the median over the rounds, and what a tenth of them did not exceed. */
  readonly medianNs: number;
  readonly goodNs: number;
  /** Half of the rounds lie within so much of the median, as a share of it: the distance of the quartiles. */
  readonly spread: number;
}

/** What a pool is worth. */
export interface PoolRow {
  readonly pool: string;
  readonly withNs: number;
  /** The fastest way without it. */
  readonly withoutWay: string;
  readonly withoutNs: number;
  /** How many times longer that takes: the median over the rounds. */
  readonly timesAsLong: number;
  readonly verdict: "pays" | "does not pay";
}

/** What has been measured. */
export interface MicroResult {
  readonly rows: readonly MicroRow[];
  readonly pools: readonly PoolRow[];
  readonly targets: readonly Target[];
}

/** Measures the cases; gives the nanoseconds of an operation, for each case a sample a round. `onRound` hears of the progress. */
export async function measureCases(
  cases: readonly MicroCase[],
  rounds: number,
  onRound: (round: number) => void = () => {},
): Promise<number[][]> {
  const samples: number[][] = cases.map(() => []);
  for (let at = 1 - WARM_UP_ROUNDS; at <= rounds; at++) {
    for (const [index, each] of cases.entries()) {
      const ns = await measureCell(each);
      if (at > 0) samples[index]!.push(ns);
    }
    onRound(at);
  }
  return samples;
}

async function measureCell({ run }: MicroCase): Promise<number> {
  let times = 0;
  const start = performance.now();
  let now = start;
  for (; now - start < CELL_MS; now = performance.now()) {
    const later = run(OPERATIONS_PER_READING);
    if (later !== undefined) await later;
    times += OPERATIONS_PER_READING;
  }
  return ((now - start) * 1e6) / times;
}

/** What the samples of the cases come to. */
export function judgeCases(cases: readonly MicroCase[], samples: readonly (readonly number[])[]): MicroResult {
  const rows = cases.map(({ subject, way }, at) => rowOf(subject, way, samples[at]!));
  const pools = cases.flatMap((each, at) => (each.isPool === true ? [poolOf(cases, samples, at)] : []));
  const targets = pools.map(({ pool, withoutWay, timesAsLong }) =>
    atLeast(`${pool}: ${withoutWay} takes times as long`, timesAsLong, 1),
  );
  return { rows, pools, targets };
}

function rowOf(subject: string, way: string, samples: readonly number[]): MicroRow {
  const sorted = samples.toSorted((a, b) => a - b);
  const medianNs = median(sorted);
  const spread = (percentile(sorted, 0.75) - percentile(sorted, 0.25)) / medianNs;
  return {
    ...{ subject, way, medianNs: round(medianNs), goodNs: round(percentile(sorted, GOOD_PERCENTILE)) },
    spread: round(spread),
  };
}

/** The pool of the case at `own`, beside the other ways to do the same. */
function poolOf(cases: readonly MicroCase[], samples: readonly (readonly number[])[], own: number): PoolRow {
  const { subject } = cases[own]!;
  const others = cases.map((_, at) => at).filter((at) => at !== own && cases[at]!.subject === subject);
  if (others.length === 0) throw new Error(`${subject}: nothing is measured without the pool`);
  const best = others.reduce((a, b) => (median(samples[b]!) < median(samples[a]!) ? b : a));
  const timesAsLong = median(samples[best]!.map((ns, at) => ns / samples[own]![at]!));
  return {
    pool: subject,
    withNs: round(median(samples[own]!)),
    withoutWay: cases[best]!.way,
    withoutNs: round(median(samples[best]!)),
    timesAsLong: round(timesAsLong),
    verdict: timesAsLong >= 1 ? "pays" : "does not pay",
  };
}

/** The lines that show a result to a person. */
export function formatMicro({ rows, pools }: MicroResult): string[] {
  const ns = (value: number): string => formatDigits(value, 3);
  const text = (title: string): { title: string; align: "left" } => ({ title, align: "left" });
  const number = (title: string): { title: string } => ({ title });
  return [
    ...formatTable(
      [text("operation"), text("way"), number("median ns"), number("good ns"), number("quartiles")],
      rows.map((row) => [row.subject, row.way, ns(row.medianNs), ns(row.goodNs), `${(row.spread * 100).toFixed(0)}%`]),
    ),
    "",
    ...formatTable(
      [text("pool"), number("with, ns"), text("without"), number("ns"), number("times"), text("verdict")],
      pools.map(({ pool, withNs, withoutWay, withoutNs, timesAsLong, verdict }) => [
        ...[pool, ns(withNs), withoutWay, ns(withoutNs), formatDigits(timesAsLong, 3), verdict],
      ]),
    ),
  ];
}
