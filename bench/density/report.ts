// What is made of the measurements: a row for each system, medians over the rounds, the pushing beside them, and the targets.

import { formatHeader, type Header } from "../lib/header.js";
import { median, percentile } from "../lib/statistics.js";
import { formatCount, formatDigits, formatTable } from "../lib/table.js";
import { atMost, formatTargets, type Target } from "../lib/targets.js";
import type { Measurement, Pushed } from "./measure.js";
import type { Footprint, HeapPoint } from "./messages.js";
import type { PushLoad } from "./options.js";
import type { System } from "./systems.js";

/** The server's resident set, of that of the floor's server, at most. */
const MOST_OF_FLOOR = 1.3;
/** Of a core, with all connections idle, at most. */
const MOST_IDLE_CPU = 0.05;
const MOST_PUSH_MS = 50;
const MOST_DELAY_MS = 50;
const MOST_HEAP_MB_A_MINUTE = 0.5;

/** A system's server with idle connections. */
export interface IdleRow {
  readonly system: System;
  readonly connections: number;
  /** Of the whole process, with all connections. */
  readonly rssBytes: number;
  /** What a connection adds to it, to V8's heap, and to what is outside of it. */
  readonly rssBytesEach: number;
  readonly heapBytesEach: number;
  readonly externalBytesEach: number;
  /** Of a core. */
  readonly cpu: number;
  /** The resident sets of all client processes together, for each connection. */
  readonly clientRssBytesEach: number;
}

/** Pushing from Sluice's server. */
export interface PushRow {
  readonly active: number;
  readonly perSecond: number;
  readonly bytesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly longestMs: number;
  /** What 99.99% of the event loop's delays did not exceed, and the longest of all rounds. */
  readonly delayP9999Ms: number;
  readonly longestDelayMs: number;
  readonly heapMegabytesPerMinute: number;
  readonly majorCollections: number;
  readonly longestCollectionMs: number;
  /** Of a core, of the server. */
  readonly cpu: number;
  /** Share of the time in which the server was ready to run while others had its core: next to none where it is quiet. */
  readonly waitedForCoreShare: number;
  readonly longestBacklog: number;
  readonly lateP99Ms: number;
  /** Over all rounds: updates that never came, and that were not the next one of their subscription. */
  readonly lost: number;
  readonly outOfOrder: number;
}

/** The whole report, as its result file has it. */
export interface DensityReport {
  readonly header: Header;
  readonly connections: number;
  readonly idleSeconds: number;
  readonly rows: readonly IdleRow[];
  readonly push: PushRow | undefined;
  readonly targets: readonly Target[];
}

/** The row of a system. */
export function makeIdleRow(system: System, connections: number, rounds: readonly Measurement[]): IdleRow {
  const middle = (pick: (measurement: Measurement) => number): number => median(rounds.map(pick));
  const each = (pick: (footprint: Footprint) => number): number =>
    middle(({ idle }) => (pick(idle.after) - pick(idle.before)) / connections);
  return {
    system,
    connections,
    rssBytes: middle(({ idle }) => idle.after.rssBytes),
    rssBytesEach: each(({ rssBytes }) => rssBytes),
    heapBytesEach: each(({ heapBytes }) => heapBytes),
    externalBytesEach: each(({ externalBytes }) => externalBytes),
    cpu: middle(({ idle }) => idle.cpu),
    clientRssBytesEach: middle(({ clientRssBytes }) => clientRssBytes / connections),
  };
}

/** The row of what was pushed. */
export function makePushRow({ active, seconds }: PushLoad, rounds: readonly Pushed[]): PushRow {
  const middle = (pick: (pushed: Pushed) => number): number => median(rounds.map(pick));
  const most = (pick: (pushed: Pushed) => number): number => Math.max(...rounds.map(pick));
  const times = rounds.map(({ received }) => sortTimes(received.map(({ tookMs }) => tookMs)));
  const time = (p: number): number => median(times.map((sorted) => percentile(sorted, p)));
  const sum = (pick: (pushed: Pushed) => number): number => rounds.map(pick).reduce((a, b) => a + b, 0);
  return {
    active,
    perSecond: middle(({ report }) => report.measured / seconds),
    bytesPerSecond: middle(({ report }) => report.sentBytes / seconds),
    p50Ms: time(0.5),
    p99Ms: time(0.99),
    p999Ms: time(0.999),
    longestMs: Math.max(...times.map((sorted) => sorted.at(-1) ?? 0)),
    delayP9999Ms: middle(({ report }) => report.delayP9999Ms),
    longestDelayMs: most(({ report }) => report.longestDelayMs),
    heapMegabytesPerMinute: middle(({ report }) => slope(report.heap) / 1e6),
    majorCollections: middle(({ report }) => report.majorCollections),
    longestCollectionMs: most(({ report }) => report.longestCollectionMs),
    cpu: middle(({ report }) => report.cpu),
    waitedForCoreShare: middle(({ report }) => report.waitedForCoreMs / 1_000 / seconds),
    longestBacklog: most(({ report }) => report.longestBacklog),
    lateP99Ms: middle(({ report }) => report.lateP99Ms),
    lost: sum(({ report, received }) => report.sent - received.reduce((total, { updates }) => total + updates, 0)),
    outOfOrder: sum(({ received }) => received.reduce((total, each) => total + each.outOfOrder, 0)),
  };
}

function sortTimes(parts: readonly Float32Array[]): number[] {
  const all = new Float32Array(parts.reduce((total, { length }) => total + length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return Array.from(all.sort());
}

/** Bytes a minute: the slope of the line with the least squares through `points`; 0 of fewer than two. */
export function slope(points: readonly HeapPoint[]): number {
  const mean = (pick: (point: HeapPoint) => number): number =>
    points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const [meanMinutes, meanBytes] = [mean(({ minutes }) => minutes), mean(({ bytes }) => bytes)];
  let [over, under] = [0, 0];
  for (const { minutes, bytes } of points) {
    over += (minutes - meanMinutes) * (bytes - meanBytes);
    under += (minutes - meanMinutes) ** 2;
  }
  return under === 0 ? 0 : over / under;
}

/** What the rows say of the targets. */
export function judgeDensity(rows: readonly IdleRow[], push: PushRow | undefined): Target[] {
  const find = (wanted: System): IdleRow | undefined => rows.find(({ system }) => system === wanted);
  const [floor, sluice] = [find("floor"), find("sluice")];
  const targets: Target[] = [];
  if (sluice !== undefined) {
    if (floor !== undefined) {
      targets.push(atMost("idle: RSS of the server, of the floor's", sluice.rssBytes / floor.rssBytes, MOST_OF_FLOOR));
    }
    targets.push(atMost("idle: CPU of the server, of a core", sluice.cpu, MOST_IDLE_CPU));
  }
  if (push !== undefined) {
    targets.push(
      atMost("push: p99 from when it was due, ms", push.p99Ms, MOST_PUSH_MS),
      atMost("push: 99.99% of the event loop's delays, ms", push.delayP9999Ms, MOST_DELAY_MS),
      atMost("push: growth of the server's heap, MB/min", push.heapMegabytesPerMinute, MOST_HEAP_MB_A_MINUTE),
      atMost("push: messages lost or out of order", push.lost + push.outOfOrder, 0),
    );
  }
  return targets;
}

/** The lines that show a report to a person. */
export function formatDensity({ header, connections, idleSeconds, rows, push, targets }: DensityReport): string[] {
  return [
    ...formatHeader(header),
    "",
    `${connections} connections to one server process, idle for ${idleSeconds} s, garbage collected.`,
    "",
    ...formatTable(
      [{ title: "server", align: "left" }, ...TITLES.map((title) => ({ title }))],
      rows.map((row) => formatRow(row)),
    ),
    ...(push === undefined ? [] : ["", ...formatPush(push)]),
    "",
    ...formatTargets(targets),
  ];
}

const TITLES = ["RSS MB", "RSS KB each", "heap KB each", "outside KB each", "CPU of a core", "clients KB each"];

function formatRow(row: IdleRow): string[] {
  const kilobytes = (bytes: number): string => formatDigits(bytes / 1e3, 3);
  return [
    row.system,
    formatDigits(row.rssBytes / 1e6, 3),
    kilobytes(row.rssBytesEach),
    kilobytes(row.heapBytesEach),
    kilobytes(row.externalBytesEach),
    formatPercent(row.cpu),
    kilobytes(row.clientRssBytesEach),
  ];
}

function formatPush(push: PushRow): string[] {
  const ms = (value: number): string => `${formatDigits(value, 3)} ms`;
  return [
    `Pushed: ${formatCount(push.perSecond)} messages/s, ${formatDigits(push.bytesPerSecond / 1e6, 3)} MB/s, to ${push.active} connections; ` +
      `${formatPercent(push.cpu)} of a core, and ${formatPercent(push.waitedForCoreShare)} of the time spent waiting for it.`,
    `  from when due    p50 ${ms(push.p50Ms)}, p99 ${ms(push.p99Ms)}, p99.9 ${ms(push.p999Ms)}, longest ${ms(push.longestMs)}; made late p99 ${ms(push.lateP99Ms)}`,
    `  event loop       99.99% of delays ${ms(push.delayP9999Ms)}, longest ${ms(push.longestDelayMs)}`,
    `  heap             ${formatDigits(push.heapMegabytesPerMinute, 3)} MB/min; ${push.majorCollections} major collections, longest pause of any ${ms(push.longestCollectionMs)}`,
    `  messages         lost ${push.lost}, out of order ${push.outOfOrder}; at most ${push.longestBacklog} waited for one connection`,
  ];
}

function formatPercent(share: number): string {
  return `${formatDigits(share * 100, 3)}%`;
}
