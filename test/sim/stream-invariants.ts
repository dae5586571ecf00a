// What must hold for every streamed call of a run, and for every call from a server to its client.

import { Code, codeName } from "../../src/codec/status.js";
import type { FaultKind } from "./faults.js";
import type { Stall } from "./host.js";
import { afterStalls } from "./invariants.js";
import type { StreamRecord } from "./stream-caller.js";
import type { LanePlan, StreamPlan } from "./stream-plans.js";
import { REFUSAL, SECRET } from "./work.js";

/** How late a call may end beyond its deadline and the time for which its process stalls or computes, in virtual milliseconds. */
const LATE_MS = 10;
/** How early: times on the wire are whole milliseconds. */
const EARLY_MS = 2;
/** A calm network carries a call in this time, beside what its two ends take for it. */
const CALM_MS = 5_000;

/** The ways in which a streamed call can end. */
export const STREAM_ENDS = [
  "completed",
  "left",
  "aborted",
  "deadline",
  "failed",
  "lost",
  "refused",
  "stalled",
] as const;
/** How a streamed call has ended: `left` by its reader, `failed` by its handler, `lost` with its connection. */
export type StreamEnd = (typeof STREAM_ENDS)[number];

/** What the rest of the run says of a streamed call. */
export interface StreamEvidence {
  readonly caller: string;
  /** The faults that affected its client while it was under way. */
  readonly faults: ReadonlySet<FaultKind>;
  /** True if no fault affected its client from long before its begin to its end. */
  readonly wasCalmBefore: boolean;
  /** True if no fault affected its client until its callee must have heard of its end. */
  readonly wasCalmAfterwards: boolean;
  readonly cancelledWithinMs: number;
  /** Those of the caller's process. */
  readonly stalls: readonly Stall[];
  /** True if a call may have to wait until others have ended, or be refused: few calls at once. */
  readonly mayQueue: boolean;
  /** True if calls may not wait for a connection, or the connection may be given up between two calls of the client. */
  readonly isPicky: boolean;
  /** True if one of its ends was closed before it ended. */
  readonly closed: boolean;
}

/** What is said of a call whose peer has stopped to take its messages, or to go on with one. */
const STALLED = /has taken nothing of the stream|has not gone on with a message/;

/** How a call has ended; undefined if it has not, or in a way that it must not. */
export function endOf({ code, left, error }: StreamRecord): StreamEnd | undefined {
  if (code === Code.OK) return "completed";
  if (code === Code.CANCELLED) return left ? "left" : "aborted";
  if (code === Code.DEADLINE_EXCEEDED) return "deadline";
  if (code === Code.UNKNOWN || code === REFUSAL) return "failed";
  if (code === Code.UNAVAILABLE) return "lost";
  if (code === Code.RESOURCE_EXHAUSTED) return STALLED.test(String(error?.message)) ? "stalled" : "refused";
  return undefined;
}

type Check = (record: StreamRecord, evidence: StreamEvidence) => string | undefined;

/** Everything that is wrong with a call. */
export function findStreamFaults(record: StreamRecord, evidence: StreamEvidence): string[] {
  const found = CHECKS.map((check) => check(record, evidence)).filter((text) => text !== undefined);
  return found.map(
    (text) => `${record.plan.kind} ${record.plan.nonce} of ${evidence.caller}: ${text}; ${describe(record, evidence)}`,
  );
}

const runsAtMostOnce: Check = ({ show: { runs } }) => (runs > 1 ? `ran ${runs} times` : undefined);

const endsInTime: Check = ({ startMs, endMs, abortedMs, plan }, { stalls }) => {
  const dueMs = Math.min(startMs + (plan.timeoutMs ?? Number.POSITIVE_INFINITY), abortedMs ?? Number.POSITIVE_INFINITY);
  const latestMs = afterStalls(dueMs + LATE_MS, stalls) + LATE_MS;
  return endMs > latestMs ? `ended ${(endMs - latestMs).toFixed(1)} ms too late` : undefined;
};

/** Reader and writer hear of the end that the call has had, the reader once. */
const endsAlike: Check = ({ code, readCode, readErrors, left, sendCodes }) => {
  if (readErrors > 1) return `its reader heard of its end ${readErrors} times`;
  if (!left && readCode !== undefined && readCode !== code) return `its reader was told ${name(readCode)}`;
  for (const sent of sendCodes) if (sent !== code) return `its writer was told ${name(sent)}`;
  return undefined;
};

/** A reader that is told the end has had everything; so has one that is told what its callee has thrown. */
const isWhole: Check = ({ show: { up, down, handlerEnd }, plan, readCode }) => {
  if (up.hasEnded && up.taken !== plan.up.sizes.length) return `its callee has read ${up.taken} messages to the end`;
  const isBehind =
    readCode === Code.OK || (handlerEnd === "threw" && (readCode === Code.UNKNOWN || readCode === REFUSAL));
  return isBehind && down.taken !== down.given
    ? `its caller has read ${down.taken} of ${down.given} messages to the end`
    : undefined;
};

/** A call that went well was answered by its handler, from what the handler has read. */
const isAnswered: Check = ({ code, answer, show: { up, handlerEnd, runs }, plan }) => {
  if (code !== Code.OK) return undefined;
  if (handlerEnd !== "done" || runs !== 1) return "went well without its handler";
  if (plan.kind !== "tell" && plan.kind !== "ask") return undefined;
  if (answer === undefined || answer.nonce !== plan.nonce || answer.direction !== 1) return "another call's answer";
  if (answer.payload.length !== plan.down.sizes[0]) return `an answer of ${answer.payload.length} bytes`;
  return answer.sum === up.sum ? undefined : "an answer to other messages";
};

const cancelsTravel: Check = ({ endMs, show }, { wasCalmAfterwards, cancelledWithinMs }) =>
  wasCalmAfterwards && show.handlerEndMs > endMs + cancelledWithinMs ? "its handler went on after its end" : undefined;

const secretsStay: Check = ({ error }) =>
  String(error?.message).includes(SECRET) ? "a handler's secret travelled" : undefined;

/** Every end needs a reason in what was asked for or in what befell the client. */
const hasReason: Check = (record, evidence) => {
  const { plan, show, code, abortedMs, startMs, endMs } = record;
  if (code === undefined) return undefined;
  const { wasCalmBefore, mayQueue, isPicky, faults, closed } = evidence;
  const end = endOf(record);
  const isDue = endMs >= startMs + (plan.timeoutMs ?? Number.POSITIVE_INFINITY) - EARLY_MS;
  const reasons: Readonly<Record<StreamEnd, boolean>> = {
    completed: plan.ending === "answer",
    left: true,
    aborted: abortedMs !== undefined && abortedMs <= endMs,
    deadline:
      isDue && (mayNotEnd(plan) || !wasCalmBefore || mayQueue || takesMs(plan) + CALM_MS > (plan.timeoutMs ?? 0)),
    failed: show.handlerEnd === "threw",
    lost: closed || isPicky || faults.size > 0,
    refused: mayQueue && show.runs === 0,
    stalled: stops(plan.up) || stops(plan.down) || !wasCalmBefore,
  };
  return end !== undefined && reasons[end] ? undefined : `${name(code)} without a reason`;
};

const CHECKS: readonly Check[] = [
  runsAtMostOnce,
  endsInTime,
  endsAlike,
  isWhole,
  isAnswered,
  cancelsTravel,
  secretsStay,
  hasReason,
];

function stops({ readsUntil, afterwards, sizes }: LanePlan): boolean {
  return afterwards === "stop" && readsUntil <= sizes.length;
}

/** True if only its deadline, or what it meets, ends the call. */
function mayNotEnd({ ending, up, down }: StreamPlan): boolean {
  return ending === "hang" || !up.closes || stops(up) || stops(down);
}

/** What the two ends take for the call at most. */
function takesMs({ up, down, endsAfter }: StreamPlan): number {
  return laneMs(up) + laneMs(down) + endsAfter;
}

function laneMs({ sizes, writePauseMs, readPauseMs }: LanePlan): number {
  return sizes.length * (writePauseMs + readPauseMs + 4);
}

function name(code: number): string {
  return codeName(code as Code);
}

function describe({ plan, show, code, error, startMs, endMs }: StreamRecord, { faults }: StreamEvidence): string {
  const outcome = code === undefined ? "pending" : `${name(code)}${error === undefined ? "" : ` "${error.message}"`}`;
  const { up, down } = show;
  const counts = `up ${up.given}/${up.left}/${up.taken} of ${plan.up.sizes.length}, down ${down.given}/${down.left}/${down.taken} of ${plan.down.sizes.length}`;
  const handler = `handler ${show.runs} ${show.handlerEnd} (${plan.ending}) ${show.handlerEndMs.toFixed(2)}`;
  const times = `begun ${startMs.toFixed(2)}, ended ${endMs.toFixed(2)}, timeout ${plan.timeoutMs}`;
  return `${outcome}; ${handler}; ${counts}; ${times}; met ${[...faults].join(", ") || "no fault"}`;
}
