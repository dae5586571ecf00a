// What strains the task pools of a run, drawn before it: crowds of calls, dependencies that stall, and policies that change
// while calls wait. Unlike faults these break nothing: what is asked of calls beside them is asked as ever.

import type { ClientPolicy, ServerPolicy } from "../../src/codec/policy.js";
import type { Dice } from "./dice.js";
import { MILL_METHODS, type MillMethod } from "./mill.js";
import { type CallPlan, type Scenario, WORK_MS } from "./scenario.js";
import type { Behaviour } from "./work.js";

/** Every kind of strain that a call can be under. */
export const PRESSURES = [
  "flood", // a client makes very many calls of the method
  "jam", // handlers of the method do not end for a while
  "policy", // the method's policy is replaced
  "compute", // handlers hold the event loop
  "retry", // the caller retries
] as const;
/** One of the kinds. */
export type Pressure = (typeof PRESSURES)[number];

/** Many calls of one client. */
export interface FloodPlan {
  readonly atMs: number;
  /** When its last call is made. */
  readonly untilMs: number;
  readonly client: number;
  readonly method: MillMethod;
  readonly computes: boolean;
  readonly calls: readonly CallPlan[];
}

/** A dependency of a method of one server stalls. */
export interface JamPlan {
  readonly atMs: number;
  readonly forMs: number;
  readonly server: number;
  readonly method: MillMethod;
}

/** A method of one server gets another policy. */
export interface PolicyPlan {
  readonly atMs: number;
  readonly server: number;
  readonly method: MillMethod;
  readonly policy: ServerPolicy;
}

/** All that strains the pools of a run. */
export interface StrainPlan {
  /** Of each server, at first. */
  readonly policies: readonly Readonly<Record<MillMethod, ServerPolicy>>[];
  /** Of each client, for `plain` and `urgent`; undefined if it has none. */
  readonly clientPolicies: readonly (ClientPolicy | undefined)[];
  readonly floods: readonly FloodPlan[];
  readonly jams: readonly JamPlan[];
  readonly changes: readonly PolicyPlan[];
  /** Other policies of clients that have one. */
  readonly clientChanges: readonly { readonly atMs: number; readonly client: number; readonly policy: ClientPolicy }[];
}

/** Nonces of these calls begin here. */
const MILL_NONCES = 0x1000_0000;
const FLOOD_SHARE = 0.45;
/** Of those, runs in which urgent calls take all workers for a while. */
const SIEGE_SHARE = 0.25;
const SIEGE_CALLS = 250;
const MAX_JAM_MS = 1_500;
/** The mean of the pauses between the calls of a flood that lasts, in milliseconds. */
const RATE_MS = 2;

/** A crowd of so many calls is a flood. */
export const MIN_FLOOD = 50;

/** Draws what strains a run. */
export function drawStrains(dice: Dice, { clients, servers }: Scenario): StrainPlan {
  const nonces = { next: MILL_NONCES };
  const floods: FloodPlan[] = [];
  const jams: JamPlan[] = [];
  const changes: PolicyPlan[] = [];
  const crowds = dice.chance(FLOOD_SHARE) ? dice.integer(1, 2) : 0;
  for (let crowd = 0; crowd < crowds; crowd++) {
    const flood = drawFlood(dice, nonces, clients.length, crowd === 0 ? dice.pick([80, 150, 300]) : 60);
    floods.push(flood);
    const { atMs, untilMs, method } = flood;
    const soon = (): number => dice.between(atMs - 20, untilMs + 100);
    for (const server of servers.keys()) {
      if (dice.chance(0.4)) jams.push({ ...drawJam(dice, server, method), atMs: soon() });
      for (let left = dice.integer(0, 2); left > 0; left--)
        changes.push({ atMs: soon(), server, method, policy: drawPolicy(dice, method) });
    }
    floods.push(drawRare(dice, nonces, clients.length, flood));
  }
  for (let left = dice.integer(1, 2); left > 0; left--)
    floods.push(drawFlood(dice, nonces, clients.length, dice.integer(1, 8)));
  const clientPolicies = clients.map(() => (dice.chance(0.5) ? drawClientPolicy(dice, true) : undefined));
  const clientChanges = clientPolicies.flatMap((policy, client) =>
    policy !== undefined && dice.chance(0.5)
      ? [{ atMs: drawBusyTime(dice, floods), client, policy: { ...drawClientPolicy(dice, false), ...retryOf(policy) } }]
      : [],
  );
  const policies = servers.map(() => drawPolicies(dice));
  if (crowds > 0 && dice.chance(SIEGE_SHARE)) besiege(dice, nonces, floods, policies, clients.length);
  return { policies, clientPolicies, floods, jams, changes, clientChanges };
}

/** The first crowd becomes one of urgent calls, which need every worker of a server that has few, beside calls that are not urgent. */
function besiege(
  dice: Dice,
  nonces: { next: number },
  floods: FloodPlan[],
  policies: Record<MillMethod, ServerPolicy>[],
  clients: number,
): void {
  const { atMs, client } = floods[0]!;
  const calls = Array.from({ length: SIEGE_CALLS }, () => ({
    ...drawCall(dice, nonces.next++, "urgent", atMs),
    timeoutMs: 5_000,
    handlerMs: 10,
  }));
  const siege: FloodPlan = { atMs, untilMs: atMs + 200, client, method: "urgent", computes: false, calls };
  floods[0] = siege;
  floods.push({ ...drawRare(dice, nonces, clients, { ...siege, method: "slack" }) });
  for (const policy of policies) {
    policy.urgent = { queue: 300, queueDeadlineMs: 1_500 };
    policy.slack = { concurrency: 4, queue: 64, queueDeadlineMs: 1_500 };
  }
}

/** What the retries of a policy depend on: who judges the calls knows one policy for the whole run. */
function retryOf({ failure, retry }: ClientPolicy): ClientPolicy {
  return failure === undefined || retry === undefined ? {} : { failure, retry };
}

function drawBusyTime(dice: Dice, floods: readonly FloodPlan[]): number {
  const { atMs, untilMs } = dice.pick(floods);
  return dice.between(atMs, untilMs + 50);
}

function drawPolicies(dice: Dice): Record<MillMethod, ServerPolicy> {
  return Object.fromEntries(MILL_METHODS.map((method) => [method, drawPolicy(dice, method)])) as Record<
    MillMethod,
    ServerPolicy
  >;
}

/** A policy that a method may have, most often a narrow one. */
export function drawPolicy(dice: Dice, method: MillMethod): ServerPolicy {
  const policy: { -readonly [K in keyof ServerPolicy]: ServerPolicy[K] } = {
    concurrency: dice.pick([1, 2, 4, dice.integer(1, 30)]),
  };
  if (dice.chance(0.9)) policy.queue = dice.pick([0, 1, 8, 64, 300]);
  if (policy.queue !== 0 && dice.chance(0.6)) policy.queueDeadlineMs = dice.pick([5, 30, 200, 1_500]);
  if (dice.chance(0.25)) policy.rate = dice.pick([2, 20, 100, 1_000]);
  if (policy.rate !== undefined && dice.chance(0.5)) policy.burst = dice.pick([1, 5]);
  if (method !== "pour" && dice.chance(0.15)) policy.limiter = "adaptive";
  if (method === "drop" && dice.chance(0.4)) policy.overflow = "log";
  return policy;
}

function drawClientPolicy(dice: Dice, mayRetry: boolean): ClientPolicy {
  const policy: { -readonly [K in keyof ClientPolicy]: ClientPolicy[K] } = {};
  if (dice.chance(0.5)) policy.concurrency = dice.pick([1, 4, 40]);
  if (dice.chance(0.3)) policy.rate = dice.pick([50, 500]);
  if (policy.concurrency !== undefined && dice.chance(0.5)) policy.queue = dice.pick([1, 8, 100]);
  if (mayRetry && dice.chance(0.7)) {
    policy.failure = "retry";
    policy.retry = { maxAttempts: dice.integer(2, 4), initialBackoffMs: dice.pick([1, 20]), maxBackoffMs: 200 };
  }
  return policy;
}

function drawJam(dice: Dice, server: number, method: MillMethod): JamPlan {
  return { atMs: 0, forMs: dice.pick([dice.between(5, 100), dice.between(100, MAX_JAM_MS)]), server, method };
}

/** `count` calls of one method, all at once or over a while. */
function drawFlood(dice: Dice, nonces: { next: number }, clients: number, count: number): FloodPlan {
  const atMs = dice.between(0, WORK_MS - 1_000);
  const spacingMs = dice.pick([0, 0, RATE_MS * dice.random()]);
  const method = dice.pick(MILL_METHODS);
  const computes = method !== "drop" && method !== "pour" && dice.chance(0.25);
  const behaviour: Behaviour = computes ? "compute" : "answer";
  const handlerMs = computes ? dice.pick([0.2, 1, 3]) : dice.pick([0, 2, 10, dice.between(0, 60)]);
  const timeoutMs = dice.pick([30, 200, 1_000, 5_000]);
  const calls = Array.from({ length: count }, (_, index) => ({
    ...drawCall(dice, nonces.next++, method, atMs + index * spacingMs),
    timeoutMs: dice.chance(0.9) ? timeoutMs : 60,
    behaviour: dice.chance(0.95) ? behaviour : dice.pick(["throw", "garble"] as const),
    handlerMs,
  }));
  return { atMs, untilMs: atMs + count * spacingMs, client: dice.integer(0, clients - 1), method, computes, calls };
}

/** Another client makes a call of the method now and then. */
function drawRare(dice: Dice, nonces: { next: number }, clients: number, flood: FloodPlan): FloodPlan {
  const { atMs, method } = flood;
  const other = dice.chance(0.7) ? method : dice.pick(MILL_METHODS);
  const calls = Array.from({ length: 8 }, (_, index) => ({
    ...drawCall(dice, nonces.next++, other, atMs + 10 + index * 40),
    timeoutMs: 4_000,
    handlerMs: 1,
  }));
  const client = (flood.client + 1) % clients;
  return { atMs, untilMs: atMs + 330, client, method: other, computes: false, calls };
}

function drawCall(dice: Dice, nonce: number, method: MillMethod, atMs: number): CallPlan {
  return {
    nonce,
    atMs,
    timeoutMs: undefined,
    abort: dice.chance(0.04) ? { atMs: atMs + dice.between(0, 60) } : undefined,
    waitForReady: undefined,
    method,
    behaviour: "answer",
    handlerMs: 0,
    requestBytes: dice.pick([0, 20]),
    replyBytes: dice.pick([0, 20]),
  };
}
