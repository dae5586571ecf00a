// What a log says of a stretch of time. Goodput is what the caller has of a server: right replies within the deadline, which
// counts from when a call was due. A call that was let in has been answered, or it has expired; it is one of those whose
// percentiles are taken in either case.

import { percentile } from "../lib/statistics.js";
import { type CallLog, Outcome } from "./call-log.js";

/** The deadline of every call, in milliseconds: `bench/v1/work.proto`'s. */
export const DEADLINE_MS = 100;

/** The calls that were due in a stretch of time. */
export interface Summary {
  readonly seconds: number;
  readonly calls: number;
  /** Answered within the deadline. */
  readonly good: number;
  readonly refused: number;
  readonly heldBack: number;
  readonly expired: number;
  readonly failed: number;
  /** Of the calls that were let in, from when they were due; 0 if none was. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Until a refusal had come; 0 if none did. */
  readonly refusedP99Ms: number;
}

/** Summarises the calls that were due from `fromMs` to `toMs`. */
export function summarize(log: CallLog, fromMs: number, toMs: number): Summary {
  const counts = [0, 0, 0, 0, 0, 0];
  const admitted: number[] = [];
  const refused: number[] = [];
  let good = 0;
  const end = log.placeAt(toMs);
  const first = log.placeAt(fromMs);
  for (let place = first; place < end; place++) {
    const outcome = log.outcome(place);
    const tookMs = log.tookMs(place);
    counts[outcome]!++;
    if (outcome === Outcome.ANSWERED && tookMs <= DEADLINE_MS) good++;
    if (outcome === Outcome.ANSWERED || outcome === Outcome.EXPIRED) admitted.push(tookMs);
    else if (outcome === Outcome.REFUSED) refused.push(tookMs);
  }
  admitted.sort((a, b) => a - b);
  refused.sort((a, b) => a - b);
  return {
    seconds: (toMs - fromMs) / 1000,
    calls: end - first,
    good,
    refused: counts[Outcome.REFUSED]!,
    heldBack: counts[Outcome.HELD_BACK]!,
    expired: counts[Outcome.EXPIRED]!,
    failed: counts[Outcome.FAILED]! + counts[Outcome.OPEN]!,
    p50Ms: percentile(admitted, 0.5),
    p99Ms: percentile(admitted, 0.99),
    refusedP99Ms: percentile(refused, 0.99),
  };
}

/** The share of the calls that were answered within the deadline; 1 of none. */
export function successShare({ calls, good }: Summary): number {
  return calls === 0 ? 1 : good / calls;
}

/** The stretches of time in which goodput is counted, in milliseconds. */
export const WINDOW_MS = 100;
/** What is to be so again is looked at for so long. */
const LASTING_MS = 1000;

/**
 * How long after `fromMs` goodput is at least `leastPerSecond` in a {@link WINDOW_MS} and in the second that begins with it;
 * Infinity if it never is. A reply counts when it comes.
 */
export function settledAfterMs(log: CallLog, fromMs: number, toMs: number, leastPerSecond: number): number {
  const windows = new Array<number>(Math.floor((toMs - fromMs) / WINDOW_MS)).fill(0);
  for (let place = 0; place < log.count; place++) {
    const tookMs = log.tookMs(place);
    if (log.outcome(place) !== Outcome.ANSWERED || tookMs > DEADLINE_MS) continue;
    const window = Math.floor((log.dueMs(place) + tookMs - fromMs) / WINDOW_MS);
    if (window in windows) windows[window]!++;
  }
  const least = (leastPerSecond * WINDOW_MS) / 1000;
  const lasting = LASTING_MS / WINDOW_MS;
  for (let at = 0; at + lasting <= windows.length; at++) {
    const good = windows.slice(at, at + lasting).reduce((sum, count) => sum + count, 0);
    if (windows[at]! >= least && good >= least * lasting) return at * WINDOW_MS;
  }
  return Number.POSITIVE_INFINITY;
}

/**
 * How long after `fromMs` 99% of the calls that are due within a second succeed, with a p99 of at most `mostP99Ms`;
 * Infinity if they never do.
 */
export function normalAfterMs(log: CallLog, fromMs: number, toMs: number, mostP99Ms: number): number {
  for (let at = fromMs; at + LASTING_MS <= toMs; at += WINDOW_MS) {
    const summary = summarize(log, at, at + LASTING_MS);
    if (successShare(summary) >= LEAST_SUCCESS && summary.p99Ms <= mostP99Ms) return at - fromMs;
  }
  return Number.POSITIVE_INFINITY;
}

/** The share of calls that succeed when nothing is wrong. */
export const LEAST_SUCCESS = 0.99;
