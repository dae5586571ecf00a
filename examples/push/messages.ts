// What the demo and the processes that it starts tell each other.

import type { Sample } from "../../bench/macro/messages.js";

/** From a server process. */
export type FromServer =
  | { readonly type: "listening"; readonly address: string }
  | ({ readonly type: "used" } & Sample);

/** To a client process: work with so many calls outstanding, for so long or until about so many calls were made. */
export interface Run {
  readonly type: "run";
  readonly outstanding: number;
  readonly ms: number;
  readonly maxCalls: number;
}

/** From a client process: what came of a run. */
export interface Ran {
  readonly type: "ran";
  /** Calls that were answered, rightly or not. */
  readonly calls: number;
  /** Replies that did not follow from their request. */
  readonly wrong: number;
  /** Calls that ended with an error. */
  readonly failed: number;
  /** The first thing that went wrong. */
  readonly problem: string | undefined;
  readonly callsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuUs: number;
  /** Connections that the run opened. */
  readonly connections: number;
}
