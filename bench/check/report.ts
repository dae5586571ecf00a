// What the measurements of two checkouts come to. Rounds are compared one by one, so that a machine that slows down does so for
// both; how far the rounds' ratios lie apart is the noise, and a difference that some round has the other way round is within it.

import { formatHeader, type Header } from "../lib/header.js";
import { median, round } from "../lib/statistics.js";
import { formatCount, formatDigits, formatTable } from "../lib/table.js";
import type { Row } from "../macro/report.js";
import type { Work } from "./checkout.js";

/** Medians of one side. */
export interface Side {
  readonly callsPerSecond: number;
  readonly cpuUsPerCall: number;
  readonly p99Us: number;
}

/** Two checkouts at the same work. */
export interface CheckRow extends Work {
  readonly a: Side;
  readonly b: Side;
  /** B's calls a second over A's in the same round: the median, the least and the most. */
  readonly ratio: number;
  readonly leastRatio: number;
  readonly mostRatio: number;
  /** The same for the CPU that a call takes: the median. */
  readonly cpuRatio: number;
  readonly rounds: number;
}

/** What is written with `--json`. */
export interface CheckReport {
  readonly header: Header;
  /** The commits that were compared. */
  readonly a: string;
  readonly b: string;
  readonly rows: readonly CheckRow[];
}

type Measured = Pick<Row, "callsPerSecond" | "cpuUsPerCall" | "p99Us">;

/** The row of as many measurements of A as of B, at least one; those of a round stand at the same place. */
export function makeCheckRow(work: Work, a: readonly Measured[], b: readonly Measured[]): CheckRow {
  const ratios = (value: (m: Measured) => number): number[] => b.map((each, at) => value(each) / value(a[at]!));
  const rates = ratios((m) => m.callsPerSecond);
  return {
    ...work,
    ...{ a: sideOf(a), b: sideOf(b), rounds: a.length },
    ratio: round(median(rates)),
    leastRatio: round(Math.min(...rates)),
    mostRatio: round(Math.max(...rates)),
    cpuRatio: round(median(ratios((m) => m.cpuUsPerCall))),
  };
}

function sideOf(measured: readonly Measured[]): Side {
  const middle = (value: (m: Measured) => number): number => round(median(measured.map(value)));
  return {
    callsPerSecond: middle((m) => m.callsPerSecond),
    cpuUsPerCall: middle((m) => m.cpuUsPerCall),
    p99Us: middle((m) => m.p99Us),
  };
}

/** A sentence such as `x64, 100 bytes: B is 4.0% faster, within the noise of 6.1%`. */
export function judge({ outstanding, payloadBytes, ratio, leastRatio, mostRatio, rounds }: CheckRow): string {
  const percent = `${formatDigits(Math.abs(ratio - 1) * 100, 2)}%`;
  const difference = ratio === 1 ? "B is as fast" : `B is ${percent} ${ratio > 1 ? "faster" : "slower"}`;
  const noise = `${formatDigits((mostRatio - leastRatio) * 100, 2)}%`;
  const isWithin = leastRatio <= 1 && mostRatio >= 1;
  const verdict =
    rounds < 2
      ? "and one round says nothing of the noise"
      : isWithin
        ? `within the noise of ${noise}`
        : `in every round, which differ by ${noise}`;
  return `x${outstanding}, ${payloadBytes} bytes: ${difference}, ${verdict}`;
}

/** The lines that show a comparison to a person. */
export function formatCheck({ header, a, b, rows }: CheckReport): string[] {
  const titles = [
    "outstanding",
    "bytes",
    "A calls/s",
    "B calls/s",
    "B/A",
    "least",
    "most",
    "A CPU us",
    "B CPU us",
    "B/A",
    "A p99 us",
    "B p99 us",
  ];
  const ratio = (value: number): string => formatDigits(value, 4);
  const table = formatTable(
    titles.map((title) => ({ title })),
    rows.map((row) => [
      ...[String(row.outstanding), String(row.payloadBytes)],
      ...[formatCount(row.a.callsPerSecond), formatCount(row.b.callsPerSecond)],
      ...[ratio(row.ratio), ratio(row.leastRatio), ratio(row.mostRatio)],
      ...[formatDigits(row.a.cpuUsPerCall, 3), formatDigits(row.b.cpuUsPerCall, 3), ratio(row.cpuRatio)],
      ...[formatDigits(row.a.p99Us, 3), formatDigits(row.b.p99Us, 3)],
    ]),
  );
  return [...formatHeader(header), "", `A: ${a}`, `B: ${b}`, "", ...table, "", ...rows.map(judge)];
}
