// What the benchmark's processes tell each other, and the sample both kinds take of themselves.

import type { Mode, Variant } from "./peer.js";
import type { System } from "./peers.js";

/** What a process has used up to a moment, by its own clock. Two samples make rates. */
export interface Sample {
  /** Microseconds on the process's monotonic clock. */
  readonly atUs: number;
  /** CPU microseconds, user and system. */
  readonly cpuUs: number;
}

/** Samples this process. */
export function sample(): Sample {
  const { user, system } = process.cpuUsage();
  return { atUs: performance.now() * 1000, cpuUs: user + system };
}

/** How much of one core a process has used between two samples: 1 is all of it. */
export function cpuShare(before: Sample, after: Sample): number {
  return (after.cpuUs - before.cpuUs) / (after.atUs - before.atUs);
}

/** What a server process says of itself. */
export interface ServerReport {
  readonly sample: Sample;
  readonly connections: ConnectionCounts;
  /** The resident set, in bytes. */
  readonly rssBytes: number;
  /** Bytes of heap that were allocated in a microsecond, in a short window after the timed one; 0 before. */
  readonly allocatedBytesPerUs: number;
}

/** TCP connections as the server process saw them, whichever system made them. */
export interface ConnectionCounts {
  /** Accepted since the start. */
  readonly opened: number;
  /** The most that were open at once. */
  readonly peak: number;
}

/** What a client process measured in its window. */
export interface ClientResult {
  /** Calls that ended in the window with the right reply. */
  readonly calls: number;
  /** Failed calls and wrong replies, from the first call to the last. */
  readonly errors: number;
  readonly firstError: string | undefined;
  readonly elapsedUs: number;
  readonly cpuUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** The resident set, in bytes, at the end of the window. */
  readonly rssBytes: number;
  /** In a short window after the timed one: bytes of heap that were allocated, and calls that ended, in a microsecond. */
  readonly allocatedBytesPerUs: number;
  readonly callsPerUsWhileCounting: number;
  /** Bytes of heap that one decoded reply takes; 0 in an open loop. */
  readonly decodedBytes: number;
  /** Bytes of heap that the load itself allocates for a call; 0 in an open loop. */
  readonly loadBytes: number;
  /** How late calls of an open loop were made, p99; 0 in a closed loop. */
  readonly lateP99Us: number;
}

/** How long allocations are counted after the timed window; the client goes on beyond the server's end. */
export const SERVER_COUNTS_MS = 300;
/** How long the client counts its own, while it goes on. */
export const CLIENT_COUNTS_MS = 450;

/** What a client process is to do. */
export interface ClientPlan {
  readonly system: System;
  readonly mode: Mode;
  readonly variant: Variant;
  readonly payloadBytes: number;
  readonly outstanding: number;
  /** The fixed rate of an open loop; 0 for a closed loop. */
  readonly offeredPerSecond: number;
  readonly warmupMs: number;
  readonly windowMs: number;
}
