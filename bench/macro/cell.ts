// One cell of the benchmark: a system in a mode at a payload and a number of calls in flight. Measuring one starts a
// server and a client process for it alone.

import { measurePair, type PairMeasurement } from "../lib/pair.js";
import { type ClientResult, cpuShare, type ServerReport } from "./messages.js";
import type { BenchOptions } from "./options.js";
import type { Mode } from "./peer.js";
import type { System } from "./peers.js";

/** What is measured. */
export interface Cell {
  readonly system: System;
  readonly mode: Mode;
  readonly payloadBytes: number;
  readonly outstanding: number;
}

/** What one measurement of a cell gave. */
export interface Measurement {
  readonly callsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly clientCpuUsPerCall: number;
  readonly serverCpuUsPerCall: number;
  /** TCP connections open at once, at most. */
  readonly connections: number;
  /** TCP connections opened from start to end, warm-up included. */
  readonly connectionsOpened: number;
  readonly errors: number;
  readonly firstError: string | undefined;
}

const SERVER = new URL("./server-process.js", import.meta.url);

/**
 * Measures a cell once, with the server program `module`. Rejects when a process fails or does not answer in time; leaves no
 * process behind.
 */
export async function measureCell(
  cell: Cell,
  { longestWarmupSeconds, seconds }: Pick<BenchOptions, "longestWarmupSeconds" | "seconds">,
  module: URL = SERVER,
): Promise<Measurement> {
  const { system, mode, payloadBytes, outstanding } = cell;
  const warmupMs = longestWarmupSeconds * 1000;
  const windowMs = seconds * 1000;
  const numbers = [payloadBytes, outstanding, warmupMs, windowMs];
  const server = { module, args: [system] };
  const client = {
    module: new URL("./client-process.js", import.meta.url),
    args: [system, mode, ...numbers.map(String)],
  };
  return combine(await measurePair<ServerReport, ClientResult>(server, client, { warmupMs, windowMs }));
}

/** The server's CPU is taken as a rate over its own time between the reports, not as an amount. */
function combine({ result, before, after }: PairMeasurement<ServerReport, ClientResult>): Measurement {
  const callsPerUs = result.calls / result.elapsedUs;
  return {
    callsPerSecond: callsPerUs * 1e6,
    p50Us: result.p50Us,
    p99Us: result.p99Us,
    clientCpuUsPerCall: result.cpuUs / result.calls,
    serverCpuUsPerCall: cpuShare(before.sample, after.sample) / callsPerUs,
    connections: after.connections.peak,
    connectionsOpened: after.connections.opened,
    errors: result.errors,
    firstError: result.firstError,
  };
}
