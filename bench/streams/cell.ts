// The cells of the benchmark of streams. Measuring one starts a server and a client process for it alone.

import { growth, type Memory } from "../lib/memory.js";
import { measurePair, type PairMeasurement, type PairOptions } from "../lib/pair.js";
import { cpuShare } from "../macro/messages.js";
import type { Load } from "./background.js";
import type { BesideResult, ServerReport, ThroughputResult } from "./messages.js";
import type { StreamBenchOptions } from "./options.js";
import type { StreamSystem } from "./peers.js";

/** Which side sends a stream. */
export const DIRECTIONS = ["server-stream", "client-stream"] as const;
/** Which side sends a stream. */
export type Direction = (typeof DIRECTIONS)[number];
/** Whether what goes on beside small calls has their connection or one of its own. */
export type Connection = "same" | "own";

/** One stream, as fast as it goes. */
export interface ThroughputCell {
  readonly system: StreamSystem;
  readonly direction: Direction;
}

/** Small calls with something beside them. */
export interface BesideCell {
  readonly load: Load;
  readonly connection: Connection;
}

/** A load whose memory is measured. */
export interface MemoryCell {
  readonly memoryOf: Load;
}

/** What was wrong in a measurement. */
export interface Errors {
  readonly errors: number;
  readonly firstError: string | undefined;
}

/** What one measurement of a stream gave. */
export interface Throughput extends Errors {
  /** As the receiver counts. */
  readonly messagesPerSecond: number;
  readonly clientCpuUsPerMessage: number;
  readonly serverCpuUsPerMessage: number;
}

/** What one measurement of small calls gave. */
export interface Beside extends Errors {
  readonly calls: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Bytes of long messages, or messages of streams. */
  readonly loadPerSecond: number;
  /** Shares of a core. */
  readonly clientCpu: number;
  readonly serverCpu: number;
  /** The most memory that the process which sends the load had, and that the other one had, beyond what it had before. */
  readonly senderMemory: Memory;
  readonly receiverMemory: Memory;
}

const SERVER = new URL("./server-process.js", import.meta.url);

/** Measures a stream once. Rejects when a process fails or does not answer in time. */
export async function measureThroughput(cell: ThroughputCell, options: StreamBenchOptions): Promise<Throughput> {
  const times = timesOf(options);
  const { system, direction } = cell;
  const args = [system, direction, String(times.warmupMs), String(times.windowMs)];
  const measured = await measurePair<ServerReport, ThroughputResult>(
    { module: SERVER, args: [system] },
    { module: new URL("./throughput-client.js", import.meta.url), args },
    times,
  );
  return throughputOf(cell, measured);
}

function throughputOf(
  { direction }: ThroughputCell,
  { result, before, after, final }: PairMeasurement<ServerReport, ThroughputResult>,
): Throughput {
  const messagesPerUs =
    direction === "server-stream"
      ? result.taken / (result.after.atUs - result.before.atUs)
      : (after.tally.taken - before.tally.taken) / (after.sample.atUs - before.sample.atUs);
  return {
    messagesPerSecond: messagesPerUs * 1e6,
    clientCpuUsPerMessage: cpuShare(result.before, result.after) / messagesPerUs,
    serverCpuUsPerMessage: cpuShare(before.sample, after.sample) / messagesPerUs,
    ...errorsOf(result, final),
  };
}

/** Measures small calls once, with what goes on beside them. Rejects when a process fails or does not answer in time. */
export async function measureBeside(cell: BesideCell, options: StreamBenchOptions): Promise<Beside> {
  return await callBeside(cell, options, timesOf(options));
}

/**
 * The same, for the memory that the load takes: garbage does not count, and its collection makes the times useless. Rejects
 * when a process fails or does not answer in time.
 */
export async function measureMemory({ memoryOf }: MemoryCell, options: StreamBenchOptions): Promise<Beside> {
  const times = timesOf(options);
  const nodeFlags = [...(times.nodeFlags ?? []), "--expose-gc"];
  return await callBeside({ load: memoryOf, connection: "same" }, options, { ...times, nodeFlags });
}

async function callBeside(
  { load, connection }: BesideCell,
  options: StreamBenchOptions,
  times: PairOptions,
): Promise<Beside> {
  const { callsPerSecond, bulkBytes, streamMessages } = options;
  const isServers = load === "bulk-responses" || load === "server-stream";
  const numbers = [callsPerSecond, bulkBytes, streamMessages, times.warmupMs, times.windowMs];
  const { result, idle, before, after, final } = await measurePair<ServerReport, BesideResult>(
    { module: SERVER, args: ["sluice", String(bulkBytes)] },
    { module: new URL("./beside-client.js", import.meta.url), args: [load, connection, ...numbers.map(String)] },
    times,
  );
  const clientMemory = growth(result.idleMemory, result.memory);
  const serverMemory = growth(idle.memory, final.memory);
  return {
    calls: result.calls,
    p50Us: result.p50Us,
    p99Us: result.p99Us,
    loadPerSecond: result.loadPerSecond,
    clientCpu: cpuShare(result.before, result.after),
    serverCpu: cpuShare(before.sample, after.sample),
    senderMemory: isServers ? serverMemory : clientMemory,
    receiverMemory: isServers ? clientMemory : serverMemory,
    ...errorsOf(result, final),
  };
}

function timesOf({ longestWarmupSeconds, seconds, profileInto }: StreamBenchOptions): PairOptions {
  const nodeFlags = profileInto === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileInto}`];
  return { warmupMs: longestWarmupSeconds * 1000, windowMs: seconds * 1000, nodeFlags };
}

function errorsOf(client: Errors, { tally }: ServerReport): Errors {
  return { errors: client.errors + tally.errors, firstError: client.firstError ?? tally.firstError };
}
