// What each streamed call of a run will do, drawn before the run: what travels each way and how fast, who stops reading or
// leaves, how the handler ends. Both ends look their part up by the call's nonce; so does who judges them.

import type { Dice } from "./dice.js";
import { MAX_FRAME_BYTES, type Scenario, WORK_MS } from "./scenario.js";

/** What a stream may send ahead of its reader in the simulation, in bytes. The windows do not grow. */
export const STREAM_WINDOW_BYTES = 65_536;
/** A stream whose reader has stopped ends after this long, in milliseconds. */
export const STREAM_STALL_MS = 2_000;
/** Calls that a client with little room serves at once. */
export const FEW_CALLS = 2;

/** The kinds of call: a stream of replies, a stream of requests, both, and neither. */
export const STREAM_KINDS = ["listen", "tell", "sing", "ask"] as const;
/** One of the kinds of call. */
export type StreamKind = (typeof STREAM_KINDS)[number];

/** How one direction of a call is written and read. */
export interface LanePlan {
  /** The bytes of each message. */
  readonly sizes: readonly number[];
  /** The writer waits for each message to leave before it gives the next one. */
  readonly awaits: boolean;
  readonly writePauseMs: number;
  /** False: the writer never says that it has ended. */
  readonly closes: boolean;
  readonly readPauseMs: number;
  /** After this many messages the reader does as `afterwards` says; Infinity if it reads all. */
  readonly readsUntil: number;
  readonly afterwards: "leave" | "stop";
}

/** How a handler ends. */
export type Ending = "answer" | "throw" | "refuse" | "hang";

/** One call of a kind that streams may have; a client makes it on its channel, or a server to one of its clients. */
export interface StreamPlan {
  readonly nonce: number;
  readonly kind: StreamKind;
  readonly atMs: number;
  readonly client: number;
  /** The server that calls the client; undefined if the client calls. */
  readonly server: number | undefined;
  readonly timeoutMs: number | undefined;
  /** The caller gives up after this long. */
  readonly abortAfterMs: number | undefined;
  /** From the caller to its callee. */
  readonly up: LanePlan;
  readonly down: LanePlan;
  readonly ending: Ending;
  /** A handler that throws does so after this many messages. */
  readonly endsAfter: number;
}

/** Nonces of streamed calls begin here. */
const STREAM_NONCES = 0x2000_0000;
const MIN_STREAMS = 15;
const MAX_STREAMS = 19;
const ENDINGS: readonly Ending[] = ["throw", "refuse", "hang", ...new Array<Ending>(13).fill("answer")];
const ONE_MESSAGE: Omit<LanePlan, "sizes"> = {
  awaits: true,
  writePauseMs: 0,
  closes: true,
  readPauseMs: 0,
  readsUntil: Number.POSITIVE_INFINITY,
  afterwards: "leave",
};

/** Draws the streamed calls of a run. */
export function drawStreams(dice: Dice, scenario: Scenario): StreamPlan[] {
  const count = dice.integer(MIN_STREAMS, MAX_STREAMS);
  const plans: StreamPlan[] = [];
  while (plans.length < count) {
    const atMs = drawTime(dice, scenario);
    for (let left = dice.pick([1, 1, 3, 6]); left > 0 && plans.length < count; left--) {
      plans.push(drawStream(dice, STREAM_NONCES + plans.length, atMs, scenario));
    }
  }
  return plans;
}

/** The calls that are under way when everything is closed. */
export function drawLastStreams(dice: Dice, scenario: Scenario, nonce: number): StreamPlan[] {
  return scenario.clients.map((_, client) => ({
    ...drawStream(dice, nonce + client, 0, scenario),
    client,
    timeoutMs: 12_000,
  }));
}

/** Half of them begin shortly before a fault comes. */
function drawTime(dice: Dice, { faults }: Scenario): number {
  if (faults.length === 0 || dice.chance(0.5)) return dice.between(0, WORK_MS);
  return Math.max(0, dice.pick(faults).atMs - dice.between(0, 60));
}

function drawStream(dice: Dice, nonce: number, atMs: number, { clients, servers }: Scenario): StreamPlan {
  const kind = dice.pick(["listen", "tell", "sing", "sing", "ask"] as const);
  const ending = dice.pick(ENDINGS);
  const up = kind === "tell" || kind === "sing" ? drawLane(dice) : { ...ONE_MESSAGE, sizes: [drawLongSize(dice)] };
  const down = kind === "listen" || kind === "sing" ? drawLane(dice) : { ...ONE_MESSAGE, sizes: [drawLongSize(dice)] };
  const mayNotEnd = ending === "hang" || !up.closes || stops(up) || stops(down);
  return {
    nonce,
    kind,
    atMs,
    client: dice.integer(0, clients.length - 1),
    server: dice.chance(0.3) ? dice.integer(0, servers.length - 1) : undefined,
    timeoutMs: mayNotEnd ? dice.pick([600, 8_000]) : dice.pick([undefined, undefined, 150, 2_500, 8_000]),
    abortAfterMs: dice.chance(0.08) ? dice.pick([0, dice.between(0, 5), dice.between(0, 300)]) : undefined,
    up,
    down,
    ending,
    endsAfter: dice.pick([0, 1, dice.integer(0, 12)]),
  };
}

function stops({ readsUntil, afterwards }: LanePlan): boolean {
  return afterwards === "stop" && readsUntil !== Number.POSITIVE_INFINITY;
}

function drawLane(dice: Dice): LanePlan {
  const roll = dice.random();
  const afterwards = dice.pick(["leave", "stop"] as const);
  const isCutShort = roll < 0.16;
  return {
    sizes: isCutShort && afterwards === "stop" ? drawBulk(dice) : drawSizes(dice),
    awaits: dice.chance(0.6),
    writePauseMs: dice.pick([0, 0, 0, 1, dice.between(0, 30)]),
    closes: dice.chance(0.95),
    readPauseMs: dice.pick([0, 0, 0, 1, dice.between(0, 60)]),
    readsUntil: isCutShort ? dice.pick([0, 1, dice.integer(0, 8)]) : Number.POSITIVE_INFINITY,
    afterwards,
  };
}

/** None, some small ones, more than a window holds, or some that have to be cut up. */
function drawSizes(dice: Dice): number[] {
  const roll = dice.random();
  if (roll < 0.15) return [];
  if (roll < 0.75) return repeat(dice.integer(1, 12), () => dice.integer(0, dice.pick([10, 400, 2_000])));
  if (roll < 0.87) return drawBulk(dice);
  return repeat(dice.integer(1, 3), () => (dice.chance(0.5) ? dice.integer(0, 500) : drawLongSize(dice)));
}

function drawBulk(dice: Dice): number[] {
  return repeat(dice.integer(8, 12), () => dice.integer(8_000, 14_000));
}

/** Short, around the length of a fragment, or above what a frame may hold. */
function drawLongSize(dice: Dice): number {
  const roll = dice.random();
  if (roll < 0.6) return dice.integer(0, 300);
  return roll < 0.9 ? dice.integer(32_700, 70_000) : MAX_FRAME_BYTES + dice.integer(0, 20_000);
}

function repeat(count: number, draw: () => number): number[] {
  return Array.from({ length: count }, draw);
}
