// What must hold for every call of a run, whatever the faults were. Each check returns what is wrong with one call, in
// words; a run with any is a failed run.

import { Code, codeName, type RpcError } from "../../src/codec/status.js";
import { BUDGET_WINDOW_MS } from "../../src/flow/retry-budget.js";
import type { MethodStats } from "../../src/index.js";
import type { FaultKind } from "./faults.js";
import type { Stall } from "./host.js";
import { isMillMethod } from "./mill.js";
import { type CallPlan, FRAME_OVERHEAD_BYTES, MAX_FRAME_BYTES, type MethodName } from "./scenario.js";
import { isReplyTo, pattern, REFUSAL, SECRET, type WorkReply, type WorkRequest } from "./work.js";

/** How late a call may settle beyond its deadline and its process's own stalls, in virtual milliseconds. */
const DEADLINE_SLACK_MS = 5;
/** How early: timers and the remaining time on the wire are rounded. */
const EARLY_SLACK_MS = 2;
/** A handler whose caller has given up is aborted within this time, in milliseconds, if no fault interferes. */
export const CANCELLED_WITHIN_MS = 500;
/** A fault is felt for this long after it: the longest pause between attempts to connect, in milliseconds. */
export const RECOVERY_MS = 6_000;
/** A calm network answers a call within this time, beside what its handler takes, in milliseconds. */
const CALM_MS = 5_000;
/** A stall that ends this soon after a deadline may go unnoticed, in milliseconds. */
const SHORT_STALL_MS = 25;
/** A server that drains finishes every call that takes less than this, in milliseconds. */
const DRAINED_MS = 100;

/** Attempts beside the calls in any window of 10 seconds: a fifth of the calls, and 10 a second. */
const RETRY_SHARE = 0.2;
const RETRY_RESERVE = 120;

/** What is known of a call after the run. Times are those of the world. */
export interface CallRecord {
  readonly plan: CallPlan;
  readonly request: WorkRequest;
  readonly client: string;
  readonly timeoutMs: number;
  readonly waitsForReady: boolean;
  readonly startMs: number;
  /** When its signal was aborted, if it was. */
  abortedMs: number | undefined;
  /** How often the promise's handlers ran. */
  settled: number;
  /** How often its metadata callback ran. */
  heard: number;
  endMs: number;
  code: Code | undefined;
  reply: WorkReply | undefined;
  error: RpcError | undefined;
}

/** What the rest of the run says of one call. */
export interface Evidence {
  /** Handlers that were begun for it. */
  readonly runs: number;
  /** When its handler ended; Infinity if it did not, 0 if there was none. */
  readonly handlerEndMs: number;
  /** True if no fault affected its client from {@link RECOVERY_MS} before its begin to its end. */
  readonly wasCalmBefore: boolean;
  /** True if no fault affected its client until {@link CANCELLED_WITHIN_MS} after its end. */
  readonly wasCalmAfterwards: boolean;
  /** Times that its request was handed to a pipe. */
  readonly writes: number;
  /** When the last byte of its reply reached its process; Infinity if it never did. */
  readonly replyArrivedMs: number;
  /** The faults that affected its client while it was under way. */
  readonly faults: ReadonlySet<FaultKind>;
  /** Those that struck within {@link RECOVERY_MS} before, too. */
  readonly faultsLately: ReadonlySet<FaultKind>;
  /** The stalls of its client. */
  readonly stalls: readonly Stall[];
  /** True if few calls may wait at the client. */
  readonly hasTinyQueue: boolean;
  /** True if one of its servers takes fewer calls than a client may send before it knows the limit. */
  readonly hasTightServer: boolean;
  /** True if a call may have to wait until others have ended: few calls at once, or one for each of few connections. */
  readonly mayQueue: boolean;
  /** True if the client may make the call more than once. */
  readonly mayRepeat: boolean;
  /** True if the client was closed before the call ended. */
  readonly closed: boolean;
}

type Check = (record: CallRecord, evidence: Evidence) => string | undefined;

/** True if a call of this method that goes well has a reply. */
export function isAnswered(method: MethodName): boolean {
  return method === "perform" || (isMillMethod(method) && method !== "drop");
}

/** Everything that is wrong with a call. */
export function findFaults(record: CallRecord, evidence: Evidence): string[] {
  const found = CHECKS.map((check) => check(record, evidence)).filter((text) => text !== undefined);
  return found.map((text) => `call ${record.plan.nonce} of ${record.client}: ${text}; ${describe(record, evidence)}`);
}

/** A gate of a client at the end of a run, and the calls that were to pass through it. */
export interface GateEnd {
  readonly name: string;
  readonly stats: MethodStats;
  readonly made: number;
}

/** What is wrong with the counters of a client's gate. */
export function findGateFaults({ name, stats, made }: GateEnd): string[] {
  const { running, waiting, succeeded, failed, logged, queued, rejected } = stats;
  const found: string[] = [];
  if (running !== 0 || waiting !== 0) found.push(`${running} calls are under way and ${waiting} wait at the end`);
  const refused = Object.values(rejected).reduce((sum, count) => sum + count, 0);
  const ended = succeeded + failed + logged + queued + refused;
  if (ended !== made) found.push(`counted ${ended} ends of ${made} calls`);
  return found.map((text) => `${name}: ${text}`);
}

/** What is wrong with the attempts that a client has made through its gates, which share a budget, in `lastedMs`. */
export function findRetryFaults(name: string, gates: readonly GateEnd[], lastedMs: number): string[] {
  const windows = Math.max(1, Math.ceil(lastedMs / BUDGET_WINDOW_MS));
  const made = gates.reduce((sum, gate) => sum + gate.made, 0);
  const retried = gates.reduce((sum, { stats }) => sum + stats.retried, 0);
  // A call counts in the windows that end after it: in two of those that follow one another, at most.
  const isTooMany = retried > RETRY_SHARE * made * Math.min(2, windows) + RETRY_RESERVE * windows;
  return isTooMany ? [`${name}: made ${retried} attempts more than its ${made} calls`] : [];
}

/** The request that a plan stands for. */
export function requestOf(plan: CallPlan): WorkRequest {
  const { nonce, behaviour, handlerMs, replyBytes } = plan;
  return { nonce, behaviour, delayMs: handlerMs, replyBytes, payload: pattern(nonce, plan.requestBytes) };
}

const settlesOnce: Check = ({ settled, heard }) => {
  if (settled !== 1) return `settled ${settled} times`;
  return heard > 1 ? `heard of its response ${heard} times` : undefined;
};

const settlesInTime: Check = ({ settled, startMs, timeoutMs, endMs }, { stalls }) => {
  const latestMs = afterStalls(startMs + timeoutMs + DEADLINE_SLACK_MS, stalls) + DEADLINE_SLACK_MS;
  return settled > 0 && endMs > latestMs ? `settled ${(endMs - latestMs).toFixed(1)} ms too late` : undefined;
};

const repliesMatch: Check = ({ request, reply }) => {
  if (reply === undefined || isReplyTo(request, reply)) return undefined;
  return reply.nonce === ~request.nonce >>> 0 || reply.nonce === request.nonce
    ? "a wrong reply"
    : `the reply of ${reply.nonce}`;
};

const runsAtMostOnce: Check = (_, { runs, mayRepeat }) => (runs > 1 && !mayRepeat ? `ran ${runs} times` : undefined);

/** A call is sent again only where the server may have refused it without running it. */
const leavesAtMostOnce: Check = (_, { writes, faults, hasTightServer }) =>
  writes > 1 && !hasTightServer && !faults.has("drain") ? `left the client ${writes} times` : undefined;

const runsOnlyIfSent: Check = (_, { runs, writes }) => (runs > writes ? "ran without having been sent" : undefined);

const cancelsTravel: Check = ({ plan, endMs }, { handlerEndMs, wasCalmAfterwards }) => {
  const wentOn = handlerEndMs > endMs + CANCELLED_WITHIN_MS;
  return plan.method !== "note" && plan.method !== "drop" && wasCalmAfterwards && wentOn
    ? "its handler went on after its end"
    : undefined;
};

/** A reply that had arrived before the deadline counts, even if the process slept through the deadline. */
const repliesWinOverDeadlines: Check = ({ code, startMs, timeoutMs, endMs }, { replyArrivedMs, faults }) => {
  const wasLost = faults.has("cut") || faults.has("half-close") || faults.has("slow-reader");
  const deadlineMs = startMs + timeoutMs;
  const hadArrived = replyArrivedMs < deadlineMs - EARLY_SLACK_MS && endMs - deadlineMs > SHORT_STALL_MS;
  return code === Code.DEADLINE_EXCEEDED && hadArrived && !wasLost ? "its reply had arrived in time" : undefined;
};

const secretsStay: Check = ({ error }) =>
  String(error?.message).includes(SECRET) ? "a handler's secret travelled" : undefined;

/** Every outcome needs a reason in what was asked for or in what befell the client. */
const hasReason: Check = (record, evidence) => {
  if (record.code === undefined) return undefined;
  const reason = REASONS.get(record.code);
  return reason?.(record, evidence) === true ? undefined : `${codeName(record.code)} without a reason`;
};

const CHECKS: readonly Check[] = [
  settlesOnce,
  settlesInTime,
  repliesMatch,
  runsAtMostOnce,
  leavesAtMostOnce,
  runsOnlyIfSent,
  cancelsTravel,
  repliesWinOverDeadlines,
  secretsStay,
  hasReason,
];

type Reason = (record: CallRecord, evidence: Evidence) => boolean;

const REASONS: ReadonlyMap<Code, Reason> = new Map<Code, Reason>([
  [Code.OK, wasDone],
  [Code.UNKNOWN, ({ plan }) => isAnswered(plan.method) && plan.behaviour === "throw"],
  [REFUSAL, ({ plan }) => plan.method === "perform" && plan.behaviour === "refuse"],
  [Code.INVALID_ARGUMENT, ({ plan }, { runs }) => isAnswered(plan.method) && plan.behaviour === "garble" && runs === 0],
  [Code.UNIMPLEMENTED, ({ plan }, { runs }) => plan.method === "missing" && runs === 0],
  [Code.RESOURCE_EXHAUSTED, wasTooMuch],
  [Code.CANCELLED, ({ abortedMs, endMs }, { closed }) => closed || (abortedMs !== undefined && abortedMs <= endMs)],
  [Code.DEADLINE_EXCEEDED, hadToExpire],
  [Code.UNAVAILABLE, couldNotBeServed],
]);

/** The handler has run and answered; a one-way call has left, and has run unless a fault or the server's limit was in the way. */
function wasDone({ plan, reply }: CallRecord, evidence: Evidence): boolean {
  const { runs, writes, wasCalmAfterwards, hasTightServer, mayRepeat } = evidence;
  if (isAnswered(plan.method)) {
    const isMeant = plan.behaviour === "answer" || plan.behaviour === "compute";
    return reply !== undefined && isMeant && (runs === 1 || (mayRepeat && runs > 1));
  }
  if (plan.method === "missing" || writes === 0) return false;
  return runs === 1 || plan.behaviour === "garble" || !wasCalmAfterwards || hasTightServer;
}

/** A long message that may not be cut, or that got stuck, a full queue at the client, or more calls at once than the server takes. */
function wasTooMuch(
  { plan, error }: CallRecord,
  { runs, writes, faults, hasTinyQueue, hasTightServer, mayRepeat }: Evidence,
): boolean {
  const isLong = Math.max(plan.requestBytes, plan.replyBytes) > MAX_FRAME_BYTES - FRAME_OVERHEAD_BYTES;
  // A one-way call is not cut up; another one may stop halfway, for longer than it may.
  if (isLong && (plan.method === "note" || faults.size > 0)) return true;
  // A stream whose peer has stopped to take it.
  if (plan.method === "pour" && faults.size > 0) return true;
  if (error?.retry === "never" || (runs > 0 && !mayRepeat)) return false;
  return mayHaveLeft(plan, writes) ? hasTightServer : hasTinyQueue;
}

/** Not before its time; and if nothing was wrong, only because the handler takes longer than the caller waits. */
function hadToExpire({ plan, startMs, timeoutMs, endMs }: CallRecord, { wasCalmBefore, mayQueue }: Evidence): boolean {
  if (endMs < startMs + timeoutMs - EARLY_SLACK_MS) return false;
  const answersItself = plan.behaviour !== "hang";
  return !(answersItself && wasCalmBefore && !mayQueue && timeoutMs > plan.handlerMs + CALM_MS);
}

/** A call that was sent was lost with its connection; one that was not would have waited, had it been allowed to. */
function couldNotBeServed(record: CallRecord, { faults, faultsLately, writes, closed }: Evidence): boolean {
  if (closed || !record.waitsForReady) return true;
  // What a slow link still has to carry when it is fast again delays the word that the server drains.
  const onlyDrained = faultsLately.size === 1 && faults.has("drain");
  return mayHaveLeft(record.plan, writes) && faults.size > 0 && !(onlyDrained && wasQuick(record));
}

/** The request of a stream of requests leaves before its first message, which is what is seen on the wire. */
function mayHaveLeft({ method }: CallPlan, writes: number): boolean {
  return writes > 0 || method === "pour";
}

/** A call that a drain has time for, and that was not waiting behind a large message. */
function wasQuick({ plan, startMs, endMs }: CallRecord): boolean {
  return plan.behaviour !== "hang" && plan.handlerMs < DRAINED_MS && endMs - startMs < DRAINED_MS;
}

/** `atMs`, or the end of the stall that covers it. */
export function afterStalls(atMs: number, stalls: readonly Stall[]): number {
  let latestMs = atMs;
  for (const { fromMs, untilMs } of stalls) if (fromMs <= latestMs && untilMs > latestMs) latestMs = untilMs;
  return latestMs;
}

function describe(record: CallRecord, { runs, writes, faults }: Evidence): string {
  const { plan, startMs, endMs, timeoutMs, code, error } = record;
  const outcome =
    code === undefined ? "pending" : `${codeName(code)}${error === undefined ? "" : ` "${error.message}"`}`;
  const asked = `${plan.method} ${plan.behaviour} ${plan.handlerMs.toFixed(1)} ms, timeout ${timeoutMs} ms`;
  const times = `begun ${startMs.toFixed(2)}, ended ${endMs.toFixed(2)}`;
  return `${outcome}; ${asked}; ${times}; sent ${writes}, run ${runs}; met ${[...faults].join(", ") || "no fault"}`;
}
