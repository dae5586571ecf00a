// What is measured at a time: the peak, a constant load, or a scenario. Each starts a server and a generator process for
// itself, a core each.

import { measurePair, type PairMeasurement, type Program } from "../lib/pair.js";
import { CallLog } from "./call-log.js";
import type { LoadResult, PeakResult, ServerReport } from "./messages.js";
import type { OverloadOptions } from "./options.js";
import { mostProbes, type Search } from "./peak.js";
import { type Plan, planLoad, planScenario, type Scale, type Scenario } from "./plan.js";
import { evaluate, type ScenarioValues } from "./scenarios.js";
import { type Summary, summarize } from "./summary.js";

/** A call takes a millisecond: no server answers a thousand a second. */
const SEARCH: Search = { from: 400, factor: 1.15, halvings: 4 };
const MOST_TIMES_FROM = 3;
/** What the last calls of a step, and the rest after it, may take. */
const STEP_REST_SECONDS = 1;

/** What the server did between two of its reports. */
export interface Served {
  readonly seconds: number;
  /** Handlers that were started. */
  readonly started: number;
  readonly cpuUs: number;
  /** What handlers used of that. */
  readonly burntUs: number;
}

/** What every measurement of a plan has. */
export interface Measured {
  /** Handlers that were started although their calls had no time left. */
  readonly expiredStarted: number;
  /** Calls that failed in a way that no load explains. */
  readonly failed: number;
  /** How late the generator made 99% of its calls at most. */
  readonly lateP99Ms: number;
}

/** A constant load. */
export interface LoadMeasured extends Measured {
  readonly summary: Summary;
  readonly served: Served;
}

/** A scenario. */
export interface ScenarioMeasured<S extends Scenario = Scenario> extends Measured {
  readonly values: ScenarioValues[S];
}

type PlanMeasurement = PairMeasurement<ServerReport, LoadResult>;

const SERVER: Program = { module: new URL("./server-process.js", import.meta.url), args: [] };

/** Searches for the highest offered rate at which 99% of the calls succeed. */
export async function measurePeak(options: OverloadOptions, seed: number): Promise<PeakResult> {
  const { seconds, warmupSeconds, connections } = options;
  const args = [JSON.stringify(SEARCH), seconds, warmupSeconds, connections, seed].map(String);
  const client = { module: new URL("./peak-client.js", import.meta.url), args };
  const windowMs = (mostProbes(SEARCH, MOST_TIMES_FROM) * (seconds + STEP_REST_SECONDS) + warmupSeconds) * 1000;
  return (await measurePair<ServerReport, PeakResult>(SERVER, client, { warmupMs: 0, windowMs })).result;
}

/** Measures a constant load of `load` times the peak. */
export async function measureLoad(load: number, scale: Scale, seed: number): Promise<LoadMeasured> {
  const plan = planLoad(load, scale);
  const measurement = await carryOut(plan, seed);
  const summary = summarize(logsOf(measurement)[0]!, plan.warmupMs, plan.warmupMs + plan.windowMs);
  return { summary, served: servedOf(measurement), ...measuredOf(measurement) };
}

/** Measures a scenario. */
export async function measureScenario<S extends Scenario>(
  scenario: S,
  scale: Scale,
  seed: number,
): Promise<ScenarioMeasured<S>> {
  const plan = planScenario(scenario, scale);
  const measurement = await carryOut(plan, seed);
  const { seconds, cpuUs } = servedOf(measurement);
  const values = evaluate(scenario, {
    logs: logsOf(measurement),
    beginMs: plan.warmupMs,
    phaseMs: scale.seconds * 1000,
    peakPerSecond: scale.peakPerSecond,
    serverCpuUsPerSecond: cpuUs / seconds,
  });
  return { values, ...measuredOf(measurement) };
}

async function carryOut(plan: Plan, seed: number): Promise<PlanMeasurement> {
  const client = { module: new URL("./load-client.js", import.meta.url), args: [JSON.stringify(plan), String(seed)] };
  return await measurePair<ServerReport, LoadResult>(SERVER, client, plan);
}

function logsOf({ result }: PlanMeasurement): CallLog[] {
  return result.logs.map((columns) => CallLog.of(columns));
}

function measuredOf(measurement: PlanMeasurement): Measured {
  const failed = logsOf(measurement).map((log) => summarize(log, 0, Number.POSITIVE_INFINITY).failed);
  return {
    expiredStarted: measurement.final.expired,
    failed: failed.reduce((sum, each) => sum + each, 0),
    lateP99Ms: measurement.result.lateP99Ms,
  };
}

function servedOf({ before, after }: PlanMeasurement): Served {
  return {
    seconds: (after.sample.atUs - before.sample.atUs) / 1e6,
    started: after.started - before.started,
    cpuUs: after.sample.cpuUs - before.sample.cpuUs,
    burntUs: after.burntUs - before.burntUs,
  };
}
