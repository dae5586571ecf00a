// The command line of the macro benchmark: what may be said, what holds when nothing is said, and the refusals.

import { integer, list, number, oneOf, readValues, UsageError } from "../lib/arguments.js";
import { MODES, type Mode, VARIANTS, type Variant } from "./peer.js";
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
  /** What Sluice's calls carry; each in each mode. */
  readonly variants: readonly Variant[];
  /** What it is compared with. */
  readonly peers: readonly System[];
  /** Open loops, as shares of the floor's rate at {@link OPEN_OUTSTANDING}: of Sluice pipelined and of the floor. */
  readonly rates: readonly number[];
  /** How often every cell is measured; rows are medians. */
  readonly rounds: number;
}

/** An open loop's rate is a share of the floor's with so many calls in flight. */
export const OPEN_OUTSTANDING = 64;

const PEERS = SYSTEMS.filter((system) => system !== "sluice");
const DEFAULT_PEERS: readonly System[] = ["floor", "grpc-js"];

/** How to use the benchmark. */
export const USAGE: string = `npm run bench -- [options]
  --json FILE           write the rows to FILE
  --seconds N           length of each timed window (default 1)
  --warmup N            the most seconds a warm-up may take; it ends once the rate is level (default 4)
  --payload LIST        payload bytes (default 100)
  --outstanding LIST    calls in flight (default 1,64,1024)
  --modes LIST          Sluice's modes: short, pooled, pipelined or none (default all)
  --variants LIST       what Sluice's calls carry: default, bare, loaded (default default)
  --peers LIST          other systems, or none (default floor,grpc-js); there are
                        ${PEERS.join(", ")}
  --rates LIST          open loops of Sluice and the floor, at these shares of the floor's rate at 64 outstanding (default none)
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
    variants: { type: "string", default: "default" },
    peers: { type: "string", default: DEFAULT_PEERS.join() },
    rates: { type: "string", default: "none" },
    rounds: { type: "string", default: "3" },
  });
  const options: BenchOptions = {
    json: values.json,
    seconds: number("--seconds", values.seconds, 0.05, 3600),
    longestWarmupSeconds: number("--warmup", values.warmup, 0, 3600),
    payloadBytes: list(values.payload).map((text) => integer("--payload", text, 0, 64 * 1024 * 1024)),
    outstanding: list(values.outstanding).map((text) => integer("--outstanding", text, 1, 65_536)),
    modes: list(values.modes).map((text) => oneOf("--modes", text, MODES)),
    variants: list(values.variants).map((text) => oneOf("--variants", text, VARIANTS)),
    peers: list(values.peers).map((text) => oneOf("--peers", text, PEERS)),
    rates: list(values.rates).map((text) => number("--rates", text, 0.001, 10)),
    rounds: integer("--rounds", values.rounds, 1, 1000),
  };
  const { rates, peers, outstanding } = options;
  if (rates.length > 0 && !(peers.includes("floor") && outstanding.includes(OPEN_OUTSTANDING))) {
    throw new UsageError(`--rates needs the floor among --peers and ${OPEN_OUTSTANDING} among --outstanding`);
  }
  return options;
}
