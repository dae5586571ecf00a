// The command line of the scenarios.

import { integer, list, number, oneOf, readValues } from "../lib/arguments.js";
import { MODES, type Mode } from "../macro/peer.js";
import { DISTURBANCES, type Disturbance, type Scale } from "./scenarios.js";

/** What a run measures. */
export interface ScenarioOptions {
  /** Where the rows go as JSON; nowhere when undefined. */
  readonly json: string | undefined;
  readonly scale: Scale;
  readonly modes: readonly Mode[];
  readonly disturbances: readonly Disturbance[];
  /** The most connections to one server that the search for enough of them tries. */
  readonly mostPerPeer: number;
  readonly rounds: number;
}

/** How to use the benchmark. */
export const USAGE = `npm run bench:scenarios -- [options]
  --json FILE           write the rows to FILE
  --peers N             servers, each at a port of its own (default 200)
  --rate N              calls a second that are offered, over all servers (default 50000)
  --seconds N           length of each phase: calm, disturbed, afterwards (default 3)
  --warmup N            seconds of load before (default 2)
  --modes LIST          short, pooled, pipelined (default all)
  --scenarios LIST      calm, slow-peer, jitter, crowd (default all)
  --most-per-peer N     the most connections to a server that the pooled mode is given in search of enough (default 12)
  --rounds N            rounds over everything; rows are medians (default 3)`;

/** Reads the arguments after the program's name. Throws `UsageError`. */
export function parseOptions(args: readonly string[]): ScenarioOptions {
  const values = readValues(args, {
    json: { type: "string" },
    peers: { type: "string", default: "200" },
    rate: { type: "string", default: "50000" },
    seconds: { type: "string", default: "3" },
    warmup: { type: "string", default: "2" },
    modes: { type: "string", default: MODES.join() },
    scenarios: { type: "string", default: DISTURBANCES.join() },
    "most-per-peer": { type: "string", default: "12" },
    rounds: { type: "string", default: "3" },
  });
  return {
    json: values.json,
    scale: {
      peers: integer("--peers", values.peers, 1, 5_000),
      offeredPerSecond: number("--rate", values.rate, 1, 10_000_000),
      phaseSeconds: number("--seconds", values.seconds, 0.1, 600),
      warmupSeconds: number("--warmup", values.warmup, 0, 600),
    },
    modes: list(values.modes).map((text) => oneOf("--modes", text, MODES)),
    disturbances: list(values.scenarios).map((text) => oneOf("--scenarios", text, DISTURBANCES)),
    mostPerPeer: integer("--most-per-peer", values["most-per-peer"], 1, 64),
    rounds: integer("--rounds", values.rounds, 1, 1_000),
  };
}
