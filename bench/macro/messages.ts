// What the benchmark's processes tell each other, and the sample both kinds take of themselves.

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
}
