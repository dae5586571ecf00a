// The command line of the macro benchmark: what may be said, what holds when nothing is said, and the refusals.

import { integer, list, number, oneOf, readValues } from "../lib/arguments.js";
import { MODES, type Mode } from "./peer.js";
import { SYSTEMS, type System } from "./peers.js";

/** What a run measures. */
export interface BenchOptions {
  /** Where the rows go as JSON; nowhere when undefined. */
  readonly json: string | undefined;
  /** The length of each timed window. */
  readonly seconds: number;
  /** The most that a warm-up before a window may take; it ends when the rate has stopped rising. */
  readonly longestWarmupSeconds: number;
  readonly payloadBytes: readonly number[];
  readonly outstanding: readonly number[];
  /** The modes in which Sluice is measured; none leaves it out. */
  readonly modes: readonly Mode[];
  /** What it is compared with. */
  readonly peers: readonly System[];
  /** How often every cell is measured; rows are medians. */
  readonly rounds: number;
}

/** How to use the benchmark. */
export const USAGE = `npm run bench -- [options]
  --json FILE           write the rows to FILE
  --seconds N           length of each timed window (default 1)
  --warmup N            the most seconds a warm-up may take; it ends once the rate is level (default 4)
  --payload LIST        payload bytes (default 100)
  --outstanding LIST    calls in flight (default 1,64,1024)
  --modes LIST          Sluice's modes: short, pooled, pipelined or none (default all)
  --peers LIST          other systems: floor, grpc-js or none (default all)
  --rounds N            rounds over all cells; rows are medians (default 3)`;

/** Reads the arguments after the program's name. Throws `UsageError`. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const values = readValues(args, {
    json: { type: "string" },
    seconds: { type: "string", default: "1" },
    warmup: { type: "string", default: "4" },
    payload: { type: "string", default: "100" },
    outstanding: { type: "string", default: "1,64,1024" },
    modes: { type: "string", default: MODES.join() },
    peers: { type: "string", default: PEERS.join() },
    rounds: { type: "string", default: "3" },
  });
  return {
    json: values.json,
    seconds: number("--seconds", values.seconds, 0.05, 3600),
    longestWarmupSeconds: number("--warmup", values.warmup, 0, 3600),
    payloadBytes: list(values.payload).map((text) => integer("--payload", text, 0, 64 * 1024 * 1024)),
    outstanding: list(values.outstanding).map((text) => integer("--outstanding", text, 1, 65_536)),
    modes: list(values.modes).map((text) => oneOf("--modes", text, MODES)),
    peers: list(values.peers).map((text) => oneOf("--peers", text, PEERS)),
    rounds: integer("--rounds", values.rounds, 1, 1000),
  };
}

const PEERS = SYSTEMS.filter((system) => system !== "sluice");
