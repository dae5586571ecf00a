// One cell of the benchmark: a system in a mode and a variant at a payload and a load. Measuring one starts a server and a
// client process for it alone.

import { measurePair, type PairMeasurement } from "../lib/pair.js";
import { type ClientPlan, type ClientResult, cpuShare, type ServerReport } from "./messages.js";
import type { BenchOptions } from "./options.js";
import type { Mode, Variant } from "./peer.js";
import type { System } from "./peers.js";

/** What is measured. */
export interface Cell {
  readonly system: System;
  readonly mode: Mode;
  readonly variant: Variant;
  readonly payloadBytes: number;
  /** Calls in flight of a closed loop; of an open one, those at which the floor's rate is taken. */
  readonly outstanding: number;
  /** The share of the floor's rate at which an open loop makes calls; 0 for a closed loop. */
  readonly share: number;
}

/** What one measurement of a cell gave. */
export interface Measurement {
  readonly callsPerSecond: number;
  /** The rate of an open loop; 0 for a closed one. */
  readonly offeredPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** How late an open loop made its calls, p99; part of their latency. 0 for a closed one. */
  readonly lateP99Us: number;
  readonly clientCpuUsPerCall: number;
  readonly serverCpuUsPerCall: number;
  /** Growth of the used heap between collections, over calls; the client's includes what the load itself allocates. */
  readonly clientAllocatedBytesPerCall: number;
  readonly serverAllocatedBytesPerCall: number;
  /** The heap that a decoded reply takes, as the client gets it; 0 in an open loop. */
  readonly decodedBytes: number;
  /** What the client's load itself allocates for a call; 0 in an open loop. */
  readonly loadBytes: number;
  /** Resident sets at the end of the window. */
  readonly clientRssBytes: number;
  readonly serverRssBytes: number;
  /** TCP connections open at once, at most. */
  readonly connections: number;
  /** TCP connections opened from start to end, warm-up included. */
  readonly connectionsOpened: number;
  readonly errors: number;
  readonly firstError: string | undefined;
}

/** How a cell is measured, where it is not as usual. */
export interface CellOptions {
  /** The server program. */
  readonly module?: URL;
  /** The rate of an open loop, in calls a second; 0, the default, for a closed loop. */
  readonly offeredPerSecond?: number;
}

const SERVER = new URL("./server-process.js", import.meta.url);

/**
 * Measures a cell once. Rejects when a process fails or does not answer in time, or no call ended; leaves no
 * process behind.
 */
export async function measureCell(
  { system, mode, variant, payloadBytes, outstanding }: Cell,
  { longestWarmupSeconds, seconds }: Pick<BenchOptions, "longestWarmupSeconds" | "seconds">,
  { module = SERVER, offeredPerSecond = 0 }: CellOptions = {},
): Promise<Measurement> {
  const warmupMs = longestWarmupSeconds * 1000;
  const windowMs = seconds * 1000;
  const plan: ClientPlan = {
    ...{ system, mode, variant, payloadBytes, outstanding, offeredPerSecond, warmupMs, windowMs },
  };
  const server = { module, args: [system, variant] };
  const client = { module: new URL("./client-process.js", import.meta.url), args: [JSON.stringify(plan)] };
  const measured = await measurePair<ServerReport, ClientResult>(server, client, { warmupMs, windowMs });
  return { ...combine(measured), offeredPerSecond };
}

/** The server's CPU and allocations are taken as rates over its own time, not as amounts. */
function combine(measured: PairMeasurement<ServerReport, ClientResult>): Omit<Measurement, "offeredPerSecond"> {
  const { result, before, after, final } = measured;
  if (result.calls === 0) throw new Error("no call ended in the window; a longer one is needed (--seconds)");
  const callsPerUs = result.calls / result.elapsedUs;
  return {
    callsPerSecond: callsPerUs * 1e6,
    p50Us: result.p50Us,
    p99Us: result.p99Us,
    lateP99Us: result.lateP99Us,
    clientCpuUsPerCall: result.cpuUs / result.calls,
    serverCpuUsPerCall: cpuShare(before.sample, after.sample) / callsPerUs,
    clientAllocatedBytesPerCall: result.allocatedBytesPerUs / result.callsPerUsWhileCounting,
    serverAllocatedBytesPerCall: final.allocatedBytesPerUs / result.callsPerUsWhileCounting,
    decodedBytes: result.decodedBytes,
    loadBytes: result.loadBytes,
    clientRssBytes: result.rssBytes,
    serverRssBytes: after.rssBytes,
    connections: after.connections.peak,
    connectionsOpened: after.connections.opened,
    errors: result.errors,
    firstError: result.firstError,
  };
}
