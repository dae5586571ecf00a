// The command line of the benchmark of streams.

import { integer, list, number, oneOf, readValues } from "../lib/arguments.js";
import { LOADS, type Load } from "./background.js";
import { DIRECTIONS, type Direction } from "./cell.js";
import { STREAM_SYSTEMS, type StreamSystem } from "./peers.js";

/** What a run measures. */
export interface StreamBenchOptions {
  /** Where the rows go as JSON; nowhere when undefined. */
  readonly json: string | undefined;
  /** The length of each timed window. */
  readonly seconds: number;
  /** How long is warmed up before small calls are timed; before a stream's rate is, at most that long. */
  readonly longestWarmupSeconds: number;
  /** How often every cell is measured; rows are medians. */
  readonly rounds: number;
  /** Which side's streams are measured alone. */
  readonly directions: readonly Direction[];
  /** What their throughput is compared with. */
  readonly peers: readonly StreamSystem[];
  /** What is put beside small calls. */
  readonly loads: readonly Load[];
  readonly callsPerSecond: number;
  /** The payload of a long message. */
  readonly bulkBytes: number;
  /** The messages of a stream beside small calls. */
  readonly streamMessages: number;
  /** The folder for a CPU profile of every process; none are made when undefined. */
  readonly profileInto: string | undefined;
}

/** How to use the benchmark. */
export const USAGE = `npm run bench:streams -- [options]
  --json FILE           write the rows to FILE
  --seconds N           length of each timed window (default 5)
  --warmup N            seconds to warm up; less once a stream's rate is level (default 3)
  --rounds N            rounds over all cells; rows are medians (default 3)
  --directions LIST     streams alone: server-stream, client-stream or none (default all)
  --peers LIST          other systems for these: floor, grpc-js or none (default all)
  --loads LIST          beside small calls: nothing, bulk-requests, bulk-responses, server-stream, client-stream or none
                        (default all)
  --rate N              small calls a second (default 500)
  --bulk N              bytes of a long message (default 50000000)
  --messages N          messages of a stream beside small calls (default 1000000)
  --profile DIR         write a CPU profile of every process to DIR`;

/** Reads the arguments after the program's name. Throws `UsageError`. */
export function parseOptions(args: readonly string[]): StreamBenchOptions {
  const values = readValues(args, {
    json: { type: "string" },
    seconds: { type: "string", default: "5" },
    warmup: { type: "string", default: "3" },
    rounds: { type: "string", default: "3" },
    directions: { type: "string", default: DIRECTIONS.join() },
    peers: { type: "string", default: PEERS.join() },
    loads: { type: "string", default: LOADS.join() },
    rate: { type: "string", default: "500" },
    bulk: { type: "string", default: "50000000" },
    messages: { type: "string", default: "1000000" },
    profile: { type: "string" },
  });
  return {
    json: values.json,
    seconds: number("--seconds", values.seconds, 0.05, 3600),
    longestWarmupSeconds: number("--warmup", values.warmup, 0, 3600),
    rounds: integer("--rounds", values.rounds, 1, 1000),
    directions: list(values.directions).map((text) => oneOf("--directions", text, DIRECTIONS)),
    peers: list(values.peers).map((text) => oneOf("--peers", text, PEERS)),
    loads: list(values.loads).map((text) => oneOf("--loads", text, LOADS)),
    callsPerSecond: number("--rate", values.rate, 1, 100_000),
    bulkBytes: integer("--bulk", values.bulk, 1, 67_000_000),
    streamMessages: integer("--messages", values.messages, 1, 1_000_000_000),
    profileInto: values.profile,
  };
}

const PEERS = STREAM_SYSTEMS.filter((system) => system !== "sluice");
