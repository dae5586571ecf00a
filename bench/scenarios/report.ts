// What the scenarios' measurements come to: a row for each cell and the targets.

import { formatHeader, type Header } from "../lib/header.js";
import type { PairMeasurement } from "../lib/pair.js";
import { median, round } from "../lib/statistics.js";
import { formatCount, formatDigits, formatTable } from "../lib/table.js";
import { atLeast, atMost, formatTargets, type Target } from "../lib/targets.js";
import type { ClientResult, PhaseResult, ServersReport } from "./messages.js";
import type { Cell, Scale } from "./scenarios.js";

/** A load is carried if so much of it is. */
export const CARRIED_SHARE = 0.98;
/** Memory has returned within this many times what it was, and some MB. */
const RETURNED_TIMES = 1.1;
const RETURNED_BYTES = 8_000_000;

/** The medians of a cell. */
export interface ScenarioRow extends Cell {
  readonly phases: readonly PhaseResult[];
  /** The most that were open at once, and those that were opened from start to end. */
  readonly connections: number;
  readonly connectionsOpened: number;
  readonly heapBytes: ClientResult["heapBytes"];
  readonly rssBytes: ClientResult["rssBytes"];
  /** True if heap and external memory came back to 1.1 times what they were before the load, and 8 MB. */
  readonly memoryReturned: boolean;
  /** Calls that failed in all rounds, by why. */
  readonly failures: Readonly<Record<string, number>>;
  readonly lateP99Ms: number;
}

/** What is written with `--json`. */
export interface ScenariosReport {
  readonly header: Header;
  readonly scale: Scale;
  /** Connections to each server with which the pooled mode first carried the calm load, in one run; undefined if there were never enough. */
  readonly pooledNeedsPerPeer: number | undefined;
  readonly rows: readonly ScenarioRow[];
  readonly targets: readonly Target[];
}

type Measurement = Pick<PairMeasurement<ServersReport, ClientResult>, "result" | "final">;

/** The row of at least one measurement. */
export function makeScenarioRow(cell: Cell, measurements: readonly Measurement[]): ScenarioRow {
  const middle = (value: (measured: Measurement) => number): number => round(median(measurements.map(value)));
  const memory = (kind: "heapBytes" | "rssBytes"): ClientResult["heapBytes"] => ({
    before: middle(({ result }) => result[kind].before),
    peak: middle(({ result }) => result[kind].peak),
    after: middle(({ result }) => result[kind].after),
  });
  const heapBytes = memory("heapBytes");
  const failures: Record<string, number> = {};
  for (const { result } of measurements)
    for (const [why, count] of Object.entries(result.failures)) failures[why] = (failures[why] ?? 0) + count;
  return {
    ...cell,
    phases: measurements[0]!.result.phases.map(({ phase }, at) => ({
      phase,
      offeredPerSecond: middle(({ result }) => result.phases[at]!.offeredPerSecond),
      carriedPerSecond: middle(({ result }) => result.phases[at]!.carriedPerSecond),
      carriedShare: middle(({ result }) => result.phases[at]!.carriedShare),
      p50Ms: middle(({ result }) => result.phases[at]!.p50Ms),
      p99Ms: middle(({ result }) => result.phases[at]!.p99Ms),
    })),
    connections: middle(({ result }) => result.connections),
    connectionsOpened: middle(({ final }) => final.connectionsOpened),
    heapBytes,
    rssBytes: memory("rssBytes"),
    memoryReturned: heapBytes.after <= heapBytes.before * RETURNED_TIMES + RETURNED_BYTES,
    failures,
    lateP99Ms: middle(({ result }) => result.lateP99Ms),
  };
}

/** What the rows say of the targets. */
export function judgeScenarios(rows: readonly ScenarioRow[], { peers }: Scale): Target[] {
  const calm = rows.filter(({ disturbance }) => disturbance === "calm");
  const targets: Target[] = [];
  const pipelined = calm.find(({ mode }) => mode === "pipelined");
  if (pipelined !== undefined) {
    targets.push(
      atLeast("calm: pipelined carries, of what is offered", pipelined.phases[0]!.carriedShare, CARRIED_SHARE),
      atMost("calm: pipelined has connections", pipelined.connections, peers),
    );
  }
  const pooled = calm.find(({ mode, connectionsPerPeer }) => mode === "pooled" && connectionsPerPeer === 1);
  if (pooled !== undefined) {
    const name = "calm: pooled with as many connections carries less";
    targets.push(atMost(name, pooled.phases[0]!.carriedShare, CARRIED_SHARE));
  }
  for (const { mode, disturbance, heapBytes } of rows)
    if (mode === "pipelined" && disturbance !== "calm") {
      const most = heapBytes.before * RETURNED_TIMES + RETURNED_BYTES;
      targets.push(atMost(`${disturbance}: pipelined, heap afterwards, of what it may be`, heapBytes.after / most, 1));
    }
  return targets;
}

/** The lines that show a report to a person. */
export function formatScenarios({ header, scale, pooledNeedsPerPeer, rows, targets }: ScenariosReport): string[] {
  const { peers, offeredPerSecond } = scale;
  const enough =
    pooledNeedsPerPeer === undefined
      ? " The pooled mode never had connections enough."
      : ` In a search the pooled mode carried them first with ${pooledNeedsPerPeer} connections to a server, ${pooledNeedsPerPeer * peers} in all.`;
  const needs = rows.some(({ mode }) => mode === "pooled") ? enough : "";
  return [
    ...formatHeader(header),
    "",
    `${peers} servers, ${formatCount(offeredPerSecond)} calls/s offered.${needs}`,
    "",
    ...formatRows(rows),
    "",
    ...formatTargets(targets),
  ];
}

const TITLES = [
  "conns",
  "opened",
  "phase",
  "carried/s",
  "share",
  "p50 ms",
  "p99 ms",
  "heap MB",
  "peak",
  "after",
  "rss MB",
  "peak",
  "after",
  "failures",
];

function formatRows(rows: readonly ScenarioRow[]): string[] {
  const columns = [
    { title: "scenario", align: "left" as const },
    { title: "mode", align: "left" as const },
    ...TITLES.map((title) => (title === "failures" ? { title, align: "left" as const } : { title })),
  ];
  return formatTable(
    columns,
    rows.flatMap((row) => row.phases.map((phase, at) => formatPhase(row, phase, at === 0))),
  );
}

function formatPhase(row: ScenarioRow, phase: PhaseResult, isFirst: boolean): string[] {
  const megabytes = (bytes: number): string => formatDigits(bytes / 1e6, 3);
  const { heapBytes, rssBytes, failures } = row;
  const memory = [heapBytes, rssBytes].flatMap(({ before, peak, after }) => [before, peak, after].map(megabytes));
  const why = Object.entries(failures).map(([name, count]) => `${count} ${name}`);
  const own = isFirst ? [...memory, why.join(", ")] : ["", "", "", "", "", "", ""];
  return [
    ...(isFirst
      ? [row.disturbance, row.mode, String(row.connections), formatCount(row.connectionsOpened)]
      : ["", "", "", ""]),
    phase.phase,
    formatCount(phase.carriedPerSecond),
    `${(phase.carriedShare * 100).toFixed(1)}%`,
    formatMs(phase.p50Ms),
    formatMs(phase.p99Ms),
    ...own,
  ];
}

function formatMs(ms: number): string {
  return Number.isFinite(ms) ? formatDigits(ms, 3) : "never";
}
