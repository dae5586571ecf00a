// What the scenarios are about: the numbers that each takes from the logs of its flows. Phase 0 is the first after the
// warm-up.

import type { CallLog } from "./call-log.js";
import type { Scenario } from "./plan.js";
import { normalAfterMs, type Summary, settledAfterMs, summarize } from "./summary.js";

/** The share of the peak that goodput has when it has settled. */
export const SETTLED_SHARE = 0.9;
/** A p99 is back when it is at most so many times what it was. */
const MOST_TIMES_USUAL = 2;

/** What each scenario measures. */
export interface ScenarioValues {
  /** Every call is refused: the server's CPU for each, in microseconds, and until 99% of the refusals had come. */
  readonly refused: { readonly cpuUs: number; readonly p99Ms: number };
  /** From the step on, until goodput is 90% of the peak again. */
  readonly step: { readonly settledMs: number };
  /** From the fall on, until everything is as it was before the step. */
  readonly fall: { readonly normalMs: number; readonly usualP99Ms: number };
  /** The urgent calls. */
  readonly priority: { readonly success: number; readonly p99Ms: number };
  /**
   * The calls of the others: those that did not succeed while one connection called more and most, and before that; the p99
   * before that, and how many times that it was meanwhile.
   */
  readonly fairness: {
    readonly errors: number;
    readonly errorsBefore: number;
    readonly p99Ms: number;
    readonly moreTimes: number;
    readonly mostTimes: number;
  };
}

/** What a scenario has left. */
export interface Evidence {
  /** One for each flow. */
  readonly logs: readonly CallLog[];
  /** When phase 0 begins, and how long each takes. */
  readonly beginMs: number;
  readonly phaseMs: number;
  readonly peakPerSecond: number;
  /** CPU microseconds of the server for each second of phase 0. */
  readonly serverCpuUsPerSecond: number;
}

const evaluators: { readonly [S in Scenario]: (evidence: Evidence) => ScenarioValues[S] } = {
  refused(evidence) {
    const { refused, seconds, refusedP99Ms } = phase(evidence, 0);
    return { cpuUs: (evidence.serverCpuUsPerSecond * seconds) / refused, p99Ms: refusedP99Ms };
  },
  step(evidence) {
    const least = SETTLED_SHARE * evidence.peakPerSecond;
    return { settledMs: settledAfterMs(evidence.logs[0]!, ...stretch(evidence, 1), least) };
  },
  fall(evidence) {
    const usualP99Ms = phase(evidence, 0).p99Ms;
    const most = MOST_TIMES_USUAL * usualP99Ms;
    return { normalMs: normalAfterMs(evidence.logs[0]!, ...stretch(evidence, 2), most), usualP99Ms };
  },
  priority(evidence) {
    const { calls, good, p99Ms } = phase(evidence, 0);
    return { success: good / calls, p99Ms };
  },
  fairness(evidence) {
    const [before, more, most] = [phase(evidence, 0), phase(evidence, 1), phase(evidence, 2)];
    return {
      errors: more.calls - more.good + most.calls - most.good,
      errorsBefore: before.calls - before.good,
      p99Ms: before.p99Ms,
      moreTimes: more.p99Ms / before.p99Ms,
      mostTimes: most.p99Ms / before.p99Ms,
    };
  },
};

/** What `scenario` measures, of what it has left. */
export function evaluate<S extends Scenario>(scenario: S, evidence: Evidence): ScenarioValues[S] {
  return evaluators[scenario](evidence);
}

function stretch({ beginMs, phaseMs }: Evidence, number: number): readonly [fromMs: number, toMs: number] {
  return [beginMs + number * phaseMs, beginMs + (number + 1) * phaseMs];
}

/** The calls of the first flow in a phase. */
function phase(evidence: Evidence, number: number): Summary {
  return summarize(evidence.logs[0]!, ...stretch(evidence, number));
}
