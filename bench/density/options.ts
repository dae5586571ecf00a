// The command line of the benchmark of many connections.

import { integer, list, number, oneOf, readValues, UsageError } from "../lib/arguments.js";
import { SYSTEMS, type System } from "./systems.js";

/** What is pushed from the server. */
export interface PushLoad {
  /** Connections that listen. */
  readonly active: number;
  readonly perSecond: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
}

/** What a run measures. */
export interface DensityOptions {
  /** Where the rows go as JSON; nowhere when undefined. */
  readonly json: string | undefined;
  readonly systems: readonly System[];
  readonly connections: number;
  /** Processes that hold the connections' other ends. */
  readonly clients: number;
  readonly idleSeconds: number;
  /** Undefined: nothing is pushed. */
  readonly push: PushLoad | undefined;
  readonly rounds: number;
}

/** How to use the benchmark. */
export const USAGE = `npm run bench:density -- [options]
  --json FILE           write the rows to FILE
  --connections N       connections to the server (default 19000)
  --clients N           processes that hold their other ends (default 4)
  --systems LIST        bare, floor, sluice (default all); only sluice pushes
  --idle-seconds N      how long the connections are left alone (default 60)
  --push-seconds N      how long the server pushes to some of them; 0: not at all (default 120)
  --push-warmup N       seconds of pushing before (default 10)
  --push-rate N         messages a second in all (default 20000)
  --push-share N        how many of a hundred connections listen (default 5)
  --rounds N            rounds over everything; rows are medians (default 1)`;

/** Reads the arguments after the program's name. Throws `UsageError`. */
export function parseOptions(args: readonly string[]): DensityOptions {
  const values = readValues(args, {
    json: { type: "string" },
    connections: { type: "string", default: "19000" },
    clients: { type: "string", default: "4" },
    systems: { type: "string", default: SYSTEMS.join() },
    "idle-seconds": { type: "string", default: "60" },
    "push-seconds": { type: "string", default: "120" },
    "push-warmup": { type: "string", default: "10" },
    "push-rate": { type: "string", default: "20000" },
    "push-share": { type: "string", default: "5" },
    rounds: { type: "string", default: "1" },
  });
  const connections = integer("--connections", values.connections, 1, 1_000_000);
  const clients = integer("--clients", values.clients, 1, 64);
  if (clients > connections) throw new UsageError(`--clients ${clients} are more than --connections ${connections}`);
  const seconds = number("--push-seconds", values["push-seconds"], 0, 3_600);
  const share = number("--push-share", values["push-share"], 0.01, 100) / 100;
  const push: PushLoad = {
    active: Math.max(1, Math.round(connections * share)),
    perSecond: number("--push-rate", values["push-rate"], 1, 1_000_000),
    warmupSeconds: number("--push-warmup", values["push-warmup"], 0, 600),
    seconds,
  };
  return {
    json: values.json,
    systems: list(values.systems).map((text) => oneOf("--systems", text, SYSTEMS)),
    connections,
    clients,
    idleSeconds: number("--idle-seconds", values["idle-seconds"], 0, 3_600),
    push: seconds === 0 ? undefined : push,
    rounds: integer("--rounds", values.rounds, 1, 100),
  };
}

/** Cuts `total` into `parts` that differ by one at most. */
export function cut(total: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, at) => Math.floor((total + at) / parts));
}
