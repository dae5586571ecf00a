// One cell of the benchmark: a system in a mode at a payload and a number of calls in flight. Measuring one starts a
// server and a client process for it alone, each on a core of its own, so that no cell inherits another's heap or
// compiled code.

import { Child } from "../lib/child.js";
import type { ClientResult, FromClient, FromServer, Sample, ToServer } from "./messages.js";
import type { BenchOptions } from "./options.js";
import type { Mode } from "./peer.js";
import type { System } from "./peers.js";

const SERVER_CORE = 0;
const CLIENT_CORE = 1;
/** What starting, a sample or the last calls may take beyond the time the load itself takes. */
const PATIENCE_MS = 15_000;

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

type ServerChild = Child<FromServer>;
type ClientChild = Child<FromClient>;

/** Measures a cell once. Rejects when a process fails or does not answer in time; leaves no process behind. */
export async function measureCell(cell: Cell, options: BenchOptions): Promise<Measurement> {
  const server: ServerChild = Child.start(new URL("./server-process.js", import.meta.url), [cell.system], SERVER_CORE);
  try {
    const { address } = await server.receive("listening", PATIENCE_MS);
    return await measureAgainst(server, address, cell, options);
  } finally {
    await server.stop();
  }
}

async function measureAgainst(
  server: ServerChild,
  address: string,
  cell: Cell,
  { longestWarmupSeconds, seconds }: BenchOptions,
): Promise<Measurement> {
  const { system, mode, payloadBytes, outstanding } = cell;
  const numbers = [payloadBytes, outstanding, longestWarmupSeconds * 1000, seconds * 1000];
  const args = [system, mode, address, ...numbers.map(String)];
  const client: ClientChild = Child.start(new URL("./client-process.js", import.meta.url), args, CLIENT_CORE);
  try {
    await client.receive("window-began", longestWarmupSeconds * 1000 + PATIENCE_MS);
    const before = await sampleServer(server);
    await client.receive("window-ended", seconds * 1000 + PATIENCE_MS);
    const after = await sampleServer(server);
    const { result } = await client.receive("finished", PATIENCE_MS);
    return combine(result, before.sample, after);
  } finally {
    await client.stop();
  }
}

type ServerReport = Extract<FromServer, { type: "sampled" }>;

async function sampleServer(server: ServerChild): Promise<ServerReport> {
  server.send({ type: "sample" } satisfies ToServer);
  return await server.receive("sampled", PATIENCE_MS);
}

/**
 * The server is sampled a little after the client's window begins and ends, so its CPU is taken as a rate over its own
 * time between the samples, not as an amount.
 */
function combine(result: ClientResult, before: Sample, { sample: after, connections }: ServerReport): Measurement {
  const callsPerUs = result.calls / result.elapsedUs;
  const serverCpuShare = (after.cpuUs - before.cpuUs) / (after.atUs - before.atUs);
  return {
    callsPerSecond: callsPerUs * 1e6,
    p50Us: result.p50Us,
    p99Us: result.p99Us,
    clientCpuUsPerCall: result.cpuUs / result.calls,
    serverCpuUsPerCall: serverCpuShare / callsPerUs,
    connections: connections.peak,
    connectionsOpened: connections.opened,
    errors: result.errors,
    firstError: result.firstError,
  };
}
