// What a seed means: the servers, the clients with their modes and options, every call each of them will make, and the
// faults that will come. Plain data, drawn once before the run, so that a fault cannot change what is asked for.

import type { Dice } from "./dice.js";
import { FAULT_KINDS, type FaultKind } from "./faults.js";
import type { MillMethod } from "./mill.js";
import type { Behaviour } from "./work.js";

/** Calls are begun and faults come within this time, in milliseconds. */
export const WORK_MS = 10_000;
/** The longest that a fault holds, in milliseconds. */
export const MAX_FAULT_MS = 4_000;
/** The frame limit of every connection, in bytes: the least that the protocol allows, to keep large messages cheap. */
export const MAX_FRAME_BYTES = 131_072;

/** A queue that overflows. */
export const TINY_QUEUE_CALLS = 6;
/** Calls that a client may have under way before the server has announced its limit (PROTOCOL.md). */
const INITIAL_MAX_CALLS = 128;
/** A server that takes so many calls on a connection runs few for all of its clients together. */
const SHARED_CALLS = 64;
const BUSY_CALLS = 12;
const MIN_CALLS = 200;
const MIN_FAULTS = 6;
const METHOD_MIX: readonly MethodName[] = ["note", "missing", ...new Array<MethodName>(11).fill("perform")];
const BEHAVIOUR_MIX: readonly Behaviour[] = [
  ...(["hang", "throw", "throw", "refuse", "refuse", "garble", "garble"] as const),
  ...new Array<Behaviour>(17).fill("answer"),
];
/** Faults whose effect is short come more often. */
const FAULT_MIX: readonly FaultKind[] = [...FAULT_KINDS, "cut", "half-close", "refuse", "dial-hang"];
/** What a frame may hold beside the payload of a request or reply. */
export const FRAME_OVERHEAD_BYTES = 512;

/** One call to make. */
export interface CallPlan {
  /** Unique in the run. */
  readonly nonce: number;
  readonly atMs: number;
  /** Undefined: the channel's default. */
  readonly timeoutMs: number | undefined;
  /** Undefined: the call is not aborted. Calls with the same `abort` share a signal. */
  readonly abort: AbortPlan | undefined;
  readonly waitForReady: boolean | undefined;
  readonly method: MethodName;
  readonly behaviour: Behaviour;
  readonly handlerMs: number;
  readonly requestBytes: number;
  readonly replyBytes: number;
}

/** A method of the service, its one-way method, one that no server has, or one that crowds go to. */
export type MethodName = "perform" | "note" | "missing" | MillMethod;

/** A signal and when it is aborted. */
export interface AbortPlan {
  readonly atMs: number;
}

/** The ways in which a channel uses connections. */
export type Mode = "pipelined" | "pooled" | "short";

/** One client. */
export interface ClientPlan {
  readonly name: string;
  readonly mode: Mode;
  /** Indexes of servers. */
  readonly servers: readonly number[];
  readonly waitForReady: boolean;
  readonly defaultTimeoutMs: number;
  /** Calls that may wait for a connection. */
  readonly maxWaitingCalls: number;
  readonly calls: readonly CallPlan[];
}

/** One server. */
export interface ServerPlan {
  readonly name: string;
  readonly maxCallsPerConnection: number;
}

/** One fault. */
export interface FaultPlan {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly forMs: number;
  readonly client: number;
  readonly server: number;
  /** For what breaks at a byte: how many more are delivered, and in which direction. */
  readonly bytes: number;
  readonly fromClient: boolean;
}

/** Everything that happens in a run. */
export interface Scenario {
  readonly servers: readonly ServerPlan[];
  readonly clients: readonly ClientPlan[];
  readonly faults: readonly FaultPlan[];
}

/** True if the server takes fewer calls than a client may send before it knows. */
export function isTight({ maxCallsPerConnection }: ServerPlan): boolean {
  return maxCallsPerConnection < INITIAL_MAX_CALLS;
}

/** How many handlers a server runs at once, for all of its clients. */
export function maxCallsOf({ maxCallsPerConnection }: ServerPlan): number {
  return maxCallsPerConnection === SHARED_CALLS ? BUSY_CALLS : 65_536;
}

/** Draws a scenario. */
export function drawScenario(dice: Dice): Scenario {
  const servers = Array.from({ length: dice.integer(1, 3) }, (_, index) => drawServer(dice, index));
  const count = dice.integer(3, 5);
  const nonces = new Nonces(dice);
  const clients = Array.from({ length: count }, (_, index) =>
    drawClient(dice, index, servers.length, Math.ceil(MIN_CALLS / count), nonces),
  );
  const busyTimes = clients.flatMap((client) => client.calls.map((call) => call.atMs));
  const faults = Array.from({ length: dice.integer(MIN_FAULTS, MIN_FAULTS + 6) }, () =>
    drawFault(dice, count, servers.length, busyTimes),
  );
  return { servers, clients, faults };
}

/** Numbers that no two calls of a run share. */
class Nonces {
  private next: number;

  constructor(dice: Dice) {
    this.next = dice.integer(1, 1_000_000);
  }

  take(): number {
    return this.next++;
  }
}

function drawServer(dice: Dice, index: number): ServerPlan {
  return { name: `s${index}`, maxCallsPerConnection: dice.pick([4096, 4096, SHARED_CALLS, 4]) };
}

function drawClient(dice: Dice, index: number, servers: number, minCalls: number, nonces: Nonces): ClientPlan {
  const first = dice.integer(0, servers - 1);
  const several = servers > 1 && dice.chance(0.6);
  const mode = dice.pick(["pipelined", "pipelined", "pooled", "short"] as const);
  const calls: CallPlan[] = [];
  while (calls.length < minCalls) calls.push(...drawBurst(dice, nonces));
  return {
    name: `c${index}`,
    mode,
    servers: several ? [first, (first + 1) % servers] : [first],
    waitForReady: dice.chance(mode === "pipelined" ? 0.8 : 0.95),
    defaultTimeoutMs: dice.pick([3_000, 10_000]),
    maxWaitingCalls: dice.chance(0.15) ? TINY_QUEUE_CALLS : 65_536,
    calls: calls.sort((a, b) => a.atMs - b.atMs),
  };
}

/** Calls that are made together, or one soon after the other. */
function drawBurst(dice: Dice, nonces: Nonces): CallPlan[] {
  const atMs = dice.between(0, WORK_MS);
  const spacingMs = dice.pick([0, 0, 0.3, 20]);
  const shared = dice.chance(0.1) ? { atMs: atMs + dice.between(0, 500) } : undefined;
  return Array.from({ length: dice.integer(1, 16) }, (_, index) =>
    drawCall(dice, nonces.take(), atMs + index * spacingMs, shared),
  );
}

function drawCall(dice: Dice, nonce: number, atMs: number, shared: AbortPlan | undefined): CallPlan {
  const own = dice.chance(0.06)
    ? { atMs: atMs + dice.pick([-1, 0, dice.between(0, 50), dice.between(0, 2_000)]) }
    : undefined;
  return {
    nonce,
    atMs,
    timeoutMs: dice.pick([undefined, 30, 150, 600, 2_500, 8_000]),
    abort: shared ?? own,
    waitForReady: dice.chance(0.1) ? dice.chance(0.5) : undefined,
    ...drawWork(dice),
  };
}

function drawWork(dice: Dice): Pick<CallPlan, "method" | "behaviour" | "handlerMs" | "requestBytes" | "replyBytes"> {
  const method = dice.pick(METHOD_MIX);
  const drawn = dice.pick(BEHAVIOUR_MIX);
  // Nobody ends a one-way call whose handler waits to be cancelled.
  const behaviour = method === "note" && drawn === "hang" ? "answer" : drawn;
  const handlerMs = dice.pick([0, 0, 0, 1, dice.between(0, 30), dice.between(0, 400), dice.between(0, 3_000)]);
  return { method, behaviour, handlerMs, requestBytes: drawSize(dice), replyBytes: drawSize(dice) };
}

function drawSize(dice: Dice): number {
  const roll = dice.random();
  if (roll < 0.005) return MAX_FRAME_BYTES - FRAME_OVERHEAD_BYTES;
  if (roll < 0.02) return MAX_FRAME_BYTES + 1;
  if (roll < 0.04) return dice.integer(1_000, 60_000);
  return dice.pick([0, 1, dice.integer(0, 100), dice.integer(0, 1_000)]);
}

/** A fault, most often near a time at which calls are made. */
function drawFault(dice: Dice, clients: number, servers: number, busyTimes: readonly number[]): FaultPlan {
  const nearMs = dice.pick(busyTimes) + dice.pick([-1, 0, 0.5, 2, 20]) * dice.random();
  return {
    kind: dice.pick(FAULT_MIX),
    atMs: dice.chance(0.8) ? Math.max(0, nearMs) : dice.between(0, WORK_MS),
    forMs: dice.pick([dice.between(5, 100), dice.between(100, 1_000), dice.between(1_000, MAX_FAULT_MS)]),
    client: dice.integer(0, clients - 1),
    server: dice.integer(0, servers - 1),
    bytes: dice.pick([0, 1, dice.integer(0, 12), dice.integer(0, 300), dice.integer(0, 20_000)]),
    fromClient: dice.chance(0.5),
  };
}
