// The command line of the overload benchmark.

import { integer, list, number, oneOf, readValues } from "../lib/arguments.js";
import { SCENARIOS, type Scenario } from "./plan.js";

/** What a run measures. */
export interface OverloadOptions {
  /** Where the rows go as JSON, and the curve as SVG; nowhere when undefined. */
  readonly json: string | undefined;
  readonly svg: string | undefined;
  /** The length of each timed window, of each phase of a scenario, and of each step of the search. */
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** How often everything is measured; rows are medians. */
  readonly rounds: number;
  /** Constant loads, as multiples of the peak. */
  readonly loads: readonly number[];
  readonly scenarios: readonly Scenario[];
  readonly connections: number;
  /** Calls a second to take for the peak; searched for when undefined. */
  readonly peakPerSecond: number | undefined;
  readonly seed: number;
}

/** How to use the benchmark. */
export const USAGE = `npm run bench:overload -- [options]
  --json FILE           write the rows to FILE
  --svg FILE            draw goodput over offered load into FILE
  --seconds N           length of each window, phase and step (default 5)
  --warmup N            seconds of load before each (default 2)
  --rounds N            rounds over everything; rows are medians (default 3)
  --loads LIST          constant loads, as multiples of the peak, or none (default 0.5,0.8,1,2,5,10)
  --scenarios LIST      refused, step, fall, priority, fairness or none (default all)
  --connections N       connections of the generator, except for fairness (default 8)
  --peak N              calls a second to take for the peak, instead of a search for it
  --seed N              of the arrivals (default 1)`;

/** Reads the arguments after the program's name. Throws `UsageError`. */
export function parseOptions(args: readonly string[]): OverloadOptions {
  const values = readValues(args, {
    json: { type: "string" },
    svg: { type: "string" },
    seconds: { type: "string", default: "5" },
    warmup: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
    loads: { type: "string", default: "0.5,0.8,1,2,5,10" },
    scenarios: { type: "string", default: SCENARIOS.join() },
    connections: { type: "string", default: "8" },
    peak: { type: "string" },
    seed: { type: "string", default: "1" },
  });
  return {
    json: values.json,
    svg: values.svg,
    seconds: number("--seconds", values.seconds, 0.1, 3600),
    warmupSeconds: number("--warmup", values.warmup, 0.1, 3600),
    rounds: integer("--rounds", values.rounds, 1, 1000),
    loads: list(values.loads).map((text) => number("--loads", text, 0.01, 100)),
    scenarios: list(values.scenarios).map((text) => oneOf("--scenarios", text, SCENARIOS)),
    connections: integer("--connections", values.connections, 1, 10_000),
    peakPerSecond: values.peak === undefined ? undefined : number("--peak", values.peak, 1, 1_000_000),
    seed: integer("--seed", values.seed, 0, 2 ** 31),
  };
}
