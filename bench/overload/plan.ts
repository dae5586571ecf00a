// What the generator does in each scenario: who calls what, how often, on which connections. Rates are shares of the peak.
// Every flow begins with a warm-up in which nothing is counted.

import type { Phase } from "../lib/arrivals.js";

/** How the handler is called; see `bench/v1/work.proto`. */
export type Way = "burn" | "urgent" | "insist" | "shut";

/** Calls of one method, each on one of some connections, by chance. */
export interface Flow {
  readonly way: Way;
  /** The first of its connections, and how many they are. */
  readonly connections: readonly [first: number, count: number];
  readonly phases: readonly Phase[];
}

/** All calls of a generator. */
export interface Plan {
  readonly flows: readonly Flow[];
  readonly warmupMs: number;
  /** How long it takes after that. */
  readonly windowMs: number;
}

/** What is measured beside cells of a constant load. */
export const SCENARIOS = ["refused", "step", "fall", "priority", "fairness"] as const;
/** What is measured beside cells of a constant load. */
export type Scenario = (typeof SCENARIOS)[number];

/** What the plans of a run have in common. */
export interface Scale {
  readonly peakPerSecond: number;
  readonly connections: number;
  readonly warmupSeconds: number;
  /** The length of what is measured, and of each of its phases. */
  readonly seconds: number;
}

/** Of the peak, in the fairness scenario: each connection's calls, and those of the one that calls more and more. */
export const FAIR_SHARES = { each: 0.005, more: 0.25, most: 10 } as const;
/** Connections in the fairness scenario. */
export const FAIR_CONNECTIONS = 100;
/** The offered loads before and after a step, and after a fall. */
export const STEP_LOADS = { before: 0.5, during: 10, after: 0.8 } as const;
/** Of the peak: the urgent calls beside {@link STEP_LOADS}.during of others. */
export const URGENT_SHARE = 0.7;

/** A constant load of `load` times the peak. */
export function planLoad(load: number, scale: Scale): Plan {
  return plan(scale, [{ way: "burn", loads: [load] }]);
}

/** What a scenario does. */
export function planScenario(scenario: Scenario, scale: Scale): Plan {
  const { before, during, after } = STEP_LOADS;
  switch (scenario) {
    case "refused":
      // What is refused of the highest load, without what is served of it.
      return plan(scale, [{ way: "shut", loads: [during - 1] }]);
    case "step":
      return plan(scale, [{ way: "burn", loads: [before, during] }]);
    case "fall":
      return plan(scale, [{ way: "insist", loads: [after, during, after] }]);
    case "priority":
      return plan(scale, [
        { way: "urgent", loads: [URGENT_SHARE] },
        { way: "burn", loads: [during] },
      ]);
    case "fairness":
      return planFairness(scale);
  }
}

function planFairness(scale: Scale): Plan {
  const { each, more, most } = FAIR_SHARES;
  const others = FAIR_CONNECTIONS - 1;
  const rest = each * others;
  return plan(scale, [
    { way: "burn", loads: [rest, rest, rest], connections: [0, others] },
    { way: "burn", loads: [each, more, most], connections: [others, 1] },
  ]);
}

interface Loads {
  readonly way: Way;
  /** One phase each; the first is that of the warm-up, too. */
  readonly loads: readonly number[];
  readonly connections?: readonly [number, number];
}

function plan({ peakPerSecond, connections, warmupSeconds, seconds }: Scale, flows: readonly Loads[]): Plan {
  const phases = flows[0]!.loads.length;
  return {
    flows: flows.map(({ way, loads, connections: own }) => ({
      way,
      connections: own ?? [0, connections],
      phases: [loads[0]!, ...loads].map((load, phase) => ({
        perSecond: load * peakPerSecond,
        seconds: phase === 0 ? warmupSeconds : seconds,
      })),
    })),
    warmupMs: warmupSeconds * 1000,
    windowMs: phases * seconds * 1000,
  };
}

/** How many connections a plan needs. */
export function connectionsOf({ flows }: Plan): number {
  return Math.max(...flows.map(({ connections: [first, count] }) => first + count));
}
