// What the processes of the overload benchmark tell each other.

import type { Sample } from "../macro/messages.js";
import type { Columns } from "./call-log.js";
import type { Probe } from "./peak.js";

/** What a server process says of itself. */
export interface ServerReport {
  readonly sample: Sample;
  /** Handlers that have begun to burn. */
  readonly started: number;
  /** Those among them whose calls had no time left. */
  readonly expired: number;
  /** What they have burnt, in microseconds. */
  readonly burntUs: number;
}

/** What a generator has done. */
export interface LoadResult {
  /** One log for each flow of the plan. */
  readonly logs: readonly Columns[];
  /** How late 99% of the calls were made at most, in milliseconds. */
  readonly lateP99Ms: number;
}

/** What a search has found. */
export interface PeakResult {
  readonly perSecond: number;
  readonly probes: readonly Probe[];
}
