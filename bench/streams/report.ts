// What a run of the benchmark of streams leaves: rows (medians over its rounds), the targets that they meet or miss, and
// the tables that show them.

import { formatHeader, type Header } from "../lib/header.js";
import type { Memory } from "../lib/memory.js";
import { median, round, spread } from "../lib/statistics.js";
import { type Column, formatCount, formatDigits, formatMicroseconds, formatRatio, formatTable } from "../lib/table.js";
import { atLeast, atMost, formatTargets, type Target } from "../lib/targets.js";
import { isBulk } from "./background.js";
import type { Beside, BesideCell, MemoryCell, Throughput, ThroughputCell } from "./cell.js";
import { IN_FLIGHT_BYTES } from "./sluice.js";

const LEAST_MESSAGES_PER_SECOND = 1_000_000;
const LEAST_SHARE_OF_FLOOR = 0.6;
const LEAST_TIMES_GRPC = 20;
const MOST_TIMES_OWN_CONNECTION = 2;

/** The medians of one stream. */
export interface ThroughputRow extends ThroughputCell {
  readonly messagesPerSecond: number;
  /** Largest minus smallest messages/s of the rounds, as a share of the median. */
  readonly spread: number;
  readonly clientCpuUsPerMessage: number;
  readonly serverCpuUsPerMessage: number;
  /** Messages of all rounds that were not what was sent. */
  readonly errors: number;
}

/** The medians of small calls with something beside them. */
export interface BesideRow extends BesideCell {
  readonly calls: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Bytes of long messages a second, or messages of streams. */
  readonly loadPerSecond: number;
  /** Shares of a core. */
  readonly clientCpu: number;
  readonly serverCpu: number;
  /** Failed calls and wrong replies of all rounds. */
  readonly errors: number;
}

/** The most memory of any round that a load took in its two processes, garbage not counted. */
export interface MemoryRow extends MemoryCell {
  readonly sender: Memory;
  readonly receiver: Memory;
  /** Failed calls and wrong replies of all rounds. */
  readonly errors: number;
}

/** What is written with `--json`. */
export interface StreamReport {
  readonly header: Header;
  readonly callsPerSecond: number;
  readonly bulkBytes: number;
  readonly streamMessages: number;
  readonly throughput: readonly ThroughputRow[];
  readonly beside: readonly BesideRow[];
  readonly memory: readonly MemoryRow[];
  readonly targets: readonly Target[];
}

/** The medians of a stream's measurements, of which there is at least one. */
export function makeThroughputRow(cell: ThroughputCell, measurements: readonly Throughput[]): ThroughputRow {
  const rates = measurements.map((m) => m.messagesPerSecond);
  return {
    ...cell,
    messagesPerSecond: Math.round(median(rates)),
    spread: round(spread(rates)),
    clientCpuUsPerMessage: round(median(measurements.map((m) => m.clientCpuUsPerMessage))),
    serverCpuUsPerMessage: round(median(measurements.map((m) => m.serverCpuUsPerMessage))),
    errors: sum(measurements),
  };
}

/** The medians of small calls' measurements, of which there is at least one. */
export function makeBesideRow(cell: BesideCell, measurements: readonly Beside[]): BesideRow {
  const middle = (value: (m: Beside) => number): number => round(median(measurements.map(value)));
  return {
    ...cell,
    calls: middle((m) => m.calls),
    p50Us: middle((m) => m.p50Us),
    p99Us: middle((m) => m.p99Us),
    loadPerSecond: middle((m) => m.loadPerSecond),
    clientCpu: middle((m) => m.clientCpu),
    serverCpu: middle((m) => m.serverCpu),
    errors: sum(measurements),
  };
}

/** The most of a load's measurements, of which there is at least one. */
export function makeMemoryRow(cell: MemoryCell, measurements: readonly Beside[]): MemoryRow {
  return {
    ...cell,
    sender: most(measurements.map(({ senderMemory }) => senderMemory)),
    receiver: most(measurements.map(({ receiverMemory }) => receiverMemory)),
    errors: sum(measurements),
  };
}

function most(memories: readonly Memory[]): Memory {
  return {
    heapBytes: Math.max(...memories.map(({ heapBytes }) => heapBytes)),
    rssBytes: Math.max(...memories.map(({ rssBytes }) => rssBytes)),
  };
}

const sum = (measurements: readonly { errors: number }[]): number =>
  measurements.reduce((errors, m) => errors + m.errors, 0);

/** What the rows say of the targets, as far as there are rows for them. */
export function judge({
  throughput,
  beside,
  memory,
  bulkBytes,
}: Pick<StreamReport, "throughput" | "beside" | "memory" | "bulkBytes">): Target[] {
  return [
    ...throughput.filter(({ system }) => system === "sluice").flatMap((row) => judgeThroughput(row, throughput)),
    ...beside.filter(({ connection }) => connection === "same").flatMap((row) => judgeBeside(row, beside)),
    ...memory.map(({ memoryOf, sender }) =>
      atMost(`${memoryOf}: sender's memory, bytes`, sender.heapBytes, IN_FLIGHT_BYTES + bulkBytes),
    ),
  ];
}

function judgeThroughput({ direction, messagesPerSecond }: ThroughputRow, rows: readonly ThroughputRow[]): Target[] {
  const rateOf = (system: string): number | undefined =>
    rows.find((row) => row.system === system && row.direction === direction)?.messagesPerSecond;
  const [floor, grpc] = [rateOf("floor"), rateOf("grpc-js")];
  const least = Math.min(LEAST_MESSAGES_PER_SECOND, (floor ?? Number.POSITIVE_INFINITY) * LEAST_SHARE_OF_FLOOR);
  return [
    atLeast(`${direction}: messages/s`, messagesPerSecond, least),
    ...(grpc === undefined ? [] : [atLeast(`${direction}: times grpc-js`, messagesPerSecond / grpc, LEAST_TIMES_GRPC)]),
  ];
}

function judgeBeside(same: BesideRow, rows: readonly BesideRow[]): Target[] {
  const { load } = same;
  const own = rows.find((row) => row.load === load && row.connection === "own");
  const ratio = (what: string, value: (row: BesideRow) => number): Target[] =>
    own === undefined
      ? []
      : [
          atMost(
            `${load}: ${what} over that with two connections`,
            value(same) / value(own),
            MOST_TIMES_OWN_CONNECTION,
          ),
        ];
  return [...ratio("p50", (row) => row.p50Us), ...ratio("p99", (row) => row.p99Us)];
}

/** The lines that show a report to a person. */
export function formatReport(report: StreamReport): string[] {
  const { header, throughput, beside, memory, targets } = report;
  return [
    ...formatHeader(header),
    ...(throughput.length > 0 ? ["", "One stream, 100-byte payloads", "", ...formatThroughput(throughput)] : []),
    ...(beside.length > 0 ? ["", titleOf(report), "", ...formatBeside(beside)] : []),
    ...(memory.length > 0 ? ["", "Memory of a load, without garbage", "", ...formatMemory(memory)] : []),
    ...(targets.length > 0 ? ["", "Targets", "", ...formatTargets(targets)] : []),
  ];
}

const THROUGHPUT_COLUMNS: readonly Column[] = [
  { title: "stream", align: "left" },
  { title: "system", align: "left" },
  { title: "messages/s" },
  { title: "spread" },
  { title: "client CPU us" },
  { title: "server CPU us" },
  { title: "errors" },
  { title: "vs floor" },
  { title: "vs grpc-js" },
];

function formatThroughput(rows: readonly ThroughputRow[]): string[] {
  return formatTable(
    THROUGHPUT_COLUMNS,
    rows.map((row) => {
      const rateOf = (system: string): number =>
        rows.find((other) => other.system === system && other.direction === row.direction)?.messagesPerSecond ??
        Number.NaN;
      return [
        row.direction,
        row.system,
        formatCount(row.messagesPerSecond),
        `${(row.spread * 100).toFixed(0)}%`,
        formatDigits(row.clientCpuUsPerMessage, 3),
        formatDigits(row.serverCpuUsPerMessage, 3),
        String(row.errors),
        formatRatio(row.messagesPerSecond / rateOf("floor")),
        formatRatio(row.messagesPerSecond / rateOf("grpc-js")),
      ];
    }),
  );
}

function titleOf({ callsPerSecond, bulkBytes, streamMessages }: StreamReport): string {
  const bulk = `${formatDigits(bulkBytes / 1e6, 3)} MB messages`;
  return `${callsPerSecond} small calls/s beside ${bulk}, or streams of ${formatCount(streamMessages)} messages`;
}

const BESIDE_COLUMNS: readonly Column[] = [
  { title: "beside", align: "left" },
  { title: "connection", align: "left" },
  { title: "p50" },
  { title: "p99" },
  { title: "calls" },
  { title: "load/s" },
  { title: "client CPU" },
  { title: "server CPU" },
  { title: "errors" },
];

function formatBeside(rows: readonly BesideRow[]): string[] {
  return formatTable(
    BESIDE_COLUMNS,
    rows.map((row) => [
      row.load,
      row.load === "nothing" ? "" : row.connection,
      formatMicroseconds(row.p50Us),
      formatMicroseconds(row.p99Us),
      String(row.calls),
      isBulk(row.load) ? `${formatMegabytes(row.loadPerSecond)}` : formatCount(row.loadPerSecond),
      `${(row.clientCpu * 100).toFixed(0)}%`,
      `${(row.serverCpu * 100).toFixed(0)}%`,
      String(row.errors),
    ]),
  );
}

function formatMemory(rows: readonly MemoryRow[]): string[] {
  return formatTable(
    [
      { title: "load", align: "left" },
      { title: "sender's heap" },
      { title: "rss" },
      { title: "receiver's heap" },
      { title: "rss" },
      { title: "errors" },
    ],
    rows.map(({ memoryOf, sender, receiver, errors }) => [
      memoryOf,
      ...[sender, receiver].flatMap(({ heapBytes, rssBytes }) => [
        `+${formatMegabytes(heapBytes)}`,
        `+${formatMegabytes(rssBytes)}`,
      ]),
      String(errors),
    ]),
  );
}

const formatMegabytes = (bytes: number): string => `${formatDigits(bytes / 1e6, 3)} MB`;
