// What the processes of a cell tell each other.

import type { Memory } from "../lib/memory.js";
import type { Sample } from "../macro/messages.js";

/** What a process says of its streams. */
export interface Tally {
  /** Messages that the sinks of the process have taken, and that its sources have given. */
  readonly taken: number;
  readonly sent: number;
  readonly errors: number;
  readonly firstError: string | undefined;
}

/** What a server process says of itself. */
export interface ServerReport {
  readonly sample: Sample;
  readonly tally: Tally;
  /** The most so far. */
  readonly memory: Memory;
}

/** What the client of a throughput cell measured; errors are of the whole run. */
export interface ThroughputResult {
  readonly before: Sample;
  readonly after: Sample;
  /** Messages that came in the window, of a stream of the server. */
  readonly taken: number;
  readonly errors: number;
  readonly firstError: string | undefined;
}

/** What the client of a cell with small calls measured; errors are of the whole run. */
export interface BesideResult {
  readonly before: Sample;
  readonly after: Sample;
  /** Small calls that were meant to be made in the window. */
  readonly calls: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** What went on beside them: bytes of long messages, or messages of streams, a second. */
  readonly loadPerSecond: number;
  /** The most, and how much of that was there before any load. */
  readonly memory: Memory;
  readonly idleMemory: Memory;
  readonly errors: number;
  readonly firstError: string | undefined;
}
