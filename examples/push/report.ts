// What the demo shows of its measurements: a line for each as it is made, then a table, a chart and the ratios.

import type { Mode } from "sluice";
import {
  type Column,
  formatBars,
  formatCount,
  formatMicroseconds,
  formatRatio,
  formatTable,
} from "../../bench/lib/table.js";
import type { Ran } from "./messages.js";

/** One measurement: a mode under a load. */
export interface Row extends Ran {
  readonly mode: Mode;
  readonly outstanding: number;
  readonly serverCpuUs: number;
}

/** A line for a measurement that has just been made. */
export function formatProgress({ mode, outstanding, callsPerSecond }: Row): string {
  return `${mode.padEnd(9)} ${String(outstanding).padStart(4)} outstanding ${formatCount(callsPerSecond).padStart(7)} calls/s`;
}

const COLUMNS: readonly Column[] = [
  { title: "at once" },
  { title: "mode", align: "left" },
  { title: "calls/s" },
  { title: "p50" },
  { title: "p99" },
  { title: "connections" },
  { title: "CPU us/call" },
  { title: "client" },
  { title: "server" },
];

/** The lines that compare what was measured; `byLoad` has the modes under the same load together. */
export function formatReport(byLoad: readonly (readonly Row[])[]): string[] {
  const lines = ["", ...formatRows(byLoad), "", "Calls per second", "", ...formatChart(byLoad), ""];
  return [...lines, ...byLoad.map(formatRatios)].map((line) => (line === "" ? "" : `   ${line}`));
}

function formatRows(byLoad: readonly (readonly Row[])[]): string[] {
  const lines = formatTable(COLUMNS, byLoad.flat().map(formatRow));
  const [titles, rule, ...cells] = lines as [string, string, ...string[]];
  return [titles, rule, ...cells.flatMap((line, at) => (at > 0 && at % byLoad[0]!.length === 0 ? ["", line] : [line]))];
}

function formatRow(row: Row): string[] {
  const perCall = (us: number): string => (us / row.calls).toFixed(us < 100 * row.calls ? 1 : 0);
  return [
    String(row.outstanding),
    row.mode,
    formatCount(row.callsPerSecond),
    formatMicroseconds(row.p50Us),
    formatMicroseconds(row.p99Us),
    row.connections.toLocaleString("en-US"),
    perCall(row.cpuUs + row.serverCpuUs),
    perCall(row.cpuUs),
    perCall(row.serverCpuUs),
  ];
}

/** One scale for all bars: what more calls outstanding do to each mode is to be seen. */
function formatChart(byLoad: readonly (readonly Row[])[]): string[] {
  const bars = byLoad.flat().map(({ outstanding, mode, callsPerSecond }) => ({
    label: `${String(outstanding).padStart(4)} ${mode}`,
    value: callsPerSecond,
  }));
  return formatBars(bars, 56).flatMap((line, at) => (at > 0 && at % byLoad[0]!.length === 0 ? ["", line] : [line]));
}

function formatRatios(rows: readonly Row[]): string {
  const rateOf = (mode: Mode): number => rows.find((row) => row.mode === mode)?.callsPerSecond ?? Number.NaN;
  const times = (mode: Mode): string => `${formatRatio(rateOf("pipelined") / rateOf(mode))} those of ${mode}`;
  return `With ${rows[0]?.outstanding} outstanding, pipelined makes ${times("short")} and ${times("pooled")}`;
}
