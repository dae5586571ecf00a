// What a run leaves: rows (medians over its rounds), and the tables that show them with their ratios.

import { formatHeader, type Header } from "../lib/header.js";
import { median, round, spread } from "../lib/statistics.js";
import {
  type Column,
  formatBars,
  formatCount,
  formatDigits,
  formatMicroseconds,
  formatRatio,
  formatTable,
} from "../lib/table.js";
import type { Cell, Measurement } from "./cell.js";

const MEBIBYTE = 1024 * 1024;

/** One cell's medians. */
export interface Row extends Cell {
  readonly callsPerSecond: number;
  /** Largest minus smallest calls/s of the rounds, as a share of the median. */
  readonly spread: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Both processes together. */
  readonly cpuUsPerCall: number;
  readonly clientCpuUsPerCall: number;
  readonly serverCpuUsPerCall: number;
  /** TCP connections open at once, at most, in any round. */
  readonly connections: number;
  /** TCP connections opened in a round, warm-up included. */
  readonly connectionsOpened: number;
  /** Failed calls and wrong replies of all rounds. */
  readonly errors: number;
  /** Whether calls were made at a fixed rate, {@link Row.offeredPerSecond}, and timed from when they were due. */
  readonly openLoop: boolean;
  readonly offeredPerSecond: number;
  /** How late an open loop made its calls, p99. */
  readonly lateP99Us: number;
  /** Heap, see {@link Measurement}. */
  readonly clientAllocatedBytesPerCall: number;
  readonly serverAllocatedBytesPerCall: number;
  readonly decodedBytes: number;
  readonly loadBytes: number;
  /** Resident sets, in MiB. */
  readonly clientRssMiB: number;
  readonly serverRssMiB: number;
}

/** What is written with `--json`. */
export interface Report {
  readonly header: Header;
  readonly rows: readonly Row[];
}

/** The medians of a cell's measurements, of which there is at least one. */
export function makeRow(cell: Cell, measurements: readonly Measurement[]): Row {
  const rates = measurements.map((measurement) => measurement.callsPerSecond);
  const middle = (value: (measurement: Measurement) => number): number => round(median(measurements.map(value)));
  return {
    ...cell,
    callsPerSecond: Math.round(median(rates)),
    spread: round(spread(rates)),
    p50Us: middle((m) => m.p50Us),
    p99Us: middle((m) => m.p99Us),
    cpuUsPerCall: middle((m) => m.clientCpuUsPerCall + m.serverCpuUsPerCall),
    clientCpuUsPerCall: middle((m) => m.clientCpuUsPerCall),
    serverCpuUsPerCall: middle((m) => m.serverCpuUsPerCall),
    connections: Math.max(...measurements.map((m) => m.connections)),
    connectionsOpened: middle((m) => m.connectionsOpened),
    errors: measurements.reduce((sum, m) => sum + m.errors, 0),
    openLoop: cell.share > 0,
    offeredPerSecond: Math.round(median(measurements.map((m) => m.offeredPerSecond))),
    lateP99Us: middle((m) => m.lateP99Us),
    clientAllocatedBytesPerCall: middle((m) => m.clientAllocatedBytesPerCall),
    serverAllocatedBytesPerCall: middle((m) => m.serverAllocatedBytesPerCall),
    decodedBytes: middle((m) => m.decodedBytes),
    loadBytes: middle((m) => m.loadBytes),
    clientRssMiB: middle((m) => m.clientRssBytes / MEBIBYTE),
    serverRssMiB: middle((m) => m.serverRssBytes / MEBIBYTE),
  };
}

const COLUMNS: readonly Column[] = [
  { title: "system", align: "left" },
  { title: "mode", align: "left" },
  { title: "variant", align: "left" },
  { title: "calls/s" },
  { title: "spread" },
  { title: "p50" },
  { title: "p99" },
  { title: "CPU us/call" },
  { title: "client" },
  { title: "server" },
  { title: "bytes/call: client" },
  { title: "server" },
  { title: "decoded" },
  { title: "load" },
  { title: "RSS MiB: client" },
  { title: "server" },
  { title: "connections" },
  { title: "opened" },
  { title: "errors" },
  { title: "vs floor" },
  { title: "vs grpc-js" },
];

/** The lines that show a report to a person: a table and a chart for each payload and number of calls in flight. */
export function formatReport({ header, rows }: Report): string[] {
  return [...formatHeader(header), ...groups(rows).flatMap(formatGroup)];
}

/** Rows that did the same work side by side. */
function groups(rows: readonly Row[]): Row[][] {
  const byWork = new Map<string, Row[]>();
  for (const row of rows) {
    const work = `${row.payloadBytes} ${row.outstanding} ${row.share}`;
    byWork.set(work, [...(byWork.get(work) ?? []), row]);
  }
  return [...byWork.values()];
}

function formatGroup(rows: readonly Row[]): string[] {
  const title = titleOf(rows[0]!);
  const table = formatTable(
    COLUMNS,
    rows.map((row) => formatRow(row, rows)),
  );
  const bars = rows.map((row) => ({ label: nameOf(row), value: row.callsPerSecond }));
  return ["", title, "", ...table, "", ...formatBars(bars), ...formatComparison(rows)];
}

function titleOf({ payloadBytes, outstanding, share, offeredPerSecond }: Row): string {
  if (share === 0) return `${payloadBytes}-byte payload, ${outstanding} outstanding`;
  const rate = `${formatDigits(share, 2)} of the floor's rate at ${outstanding} outstanding`;
  return `${payloadBytes}-byte payload, open loop of ${formatCount(offeredPerSecond)} calls/s: ${rate}`;
}

/** The pipelined mode's calls/s beside every other row's, in a sentence. */
function formatComparison(rows: readonly Row[]): string[] {
  const pipelined = rows.find(
    ({ system, mode, variant }) => system === "sluice" && mode === "pipelined" && variant === "default",
  );
  const others = rows.filter((row) => row !== pipelined);
  if (pipelined === undefined || others.length === 0 || pipelined.openLoop) return [];
  const ratios = others.map((row) => `${formatRatio(pipelined.callsPerSecond / row.callsPerSecond)} ${nameOf(row)}`);
  return ["", `${nameOf(pipelined)} makes ${ratios.join(", ")}`];
}

/** How a row, or what one is to be of, is called. */
export function nameOf({ system, mode, variant }: Cell): string {
  if (system !== "sluice") return system;
  return variant === "default" ? `${system} ${mode}` : `${system} ${mode}, ${variant}`;
}

function formatRow(row: Row, group: readonly Row[]): string[] {
  const rateOf = (system: string): number =>
    group.find((other) => other.system === system)?.callsPerSecond ?? Number.NaN;
  return [
    row.system,
    row.mode,
    row.variant,
    formatCount(row.callsPerSecond),
    `${(row.spread * 100).toFixed(0)}%`,
    formatMicroseconds(row.p50Us),
    formatMicroseconds(row.p99Us),
    formatDigits(row.cpuUsPerCall, 3),
    formatDigits(row.clientCpuUsPerCall, 3),
    formatDigits(row.serverCpuUsPerCall, 3),
    formatDigits(row.clientAllocatedBytesPerCall, 3),
    formatDigits(row.serverAllocatedBytesPerCall, 3),
    formatDigits(row.decodedBytes, 3),
    formatDigits(row.loadBytes, 3),
    row.clientRssMiB.toFixed(0),
    row.serverRssMiB.toFixed(0),
    String(row.connections),
    formatCount(row.connectionsOpened),
    String(row.errors),
    formatRatio(row.callsPerSecond / rateOf("floor")),
    formatRatio(row.callsPerSecond / rateOf("grpc-js")),
  ];
}
