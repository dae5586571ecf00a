// What the processes of a scenario tell each other.

/** What the server process says of all its servers. */
export interface ServersReport {
  /** Connections open now, and accepted since the start. */
  readonly connections: number;
  readonly connectionsOpened: number;
}

/** The calls that were due in a phase. */
export interface PhaseResult {
  readonly phase: string;
  readonly offeredPerSecond: number;
  /** Right answers within the deadline, a second. */
  readonly carriedPerSecond: number;
  /** Of all that were due, as a share. */
  readonly carriedShare: number;
  /** From when a call was due, whatever became of it. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What a client process measured. */
export interface ClientResult {
  readonly phases: readonly PhaseResult[];
  /** The most connections that were open at once, as far as was looked. */
  readonly connections: number;
  /** V8's heap and what it keeps outside, in bytes: idle before the load, at most, and idle again. */
  readonly heapBytes: { readonly before: number; readonly peak: number; readonly after: number };
  readonly rssBytes: { readonly before: number; readonly peak: number; readonly after: number };
  /** Calls that failed, by the name of their code. */
  readonly failures: Readonly<Record<string, number>>;
  /** How late calls were made, at most, of 99%: what of the times is the client's own. */
  readonly lateP99Ms: number;
}
