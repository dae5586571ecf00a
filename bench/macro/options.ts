// The command line of the macro benchmark: what may be said, what holds when nothing is said, and the refusals.

import { parseArgs } from "node:util";
import { MODES, type Mode } from "./peer.js";
import { isSystem, SYSTEMS, type System } from "./peers.js";

/** What a run measures. */
export interface BenchOptions {
  /** Where the rows go as JSON; nowhere when undefined. */
  readonly json: string | undefined;
  /** The length of each timed window. */
  readonly seconds: number;
  /** The most that a warm-up before a window may take; it ends when the rate has stopped rising. */
  readonly longestWarmupSeconds: number;
  readonly payloadBytes: readonly number[];
  readonly outstanding: readonly number[];
  /** The modes in which Sluice is measured; none leaves it out. */
  readonly modes: readonly Mode[];
  /** What it is compared with. */
  readonly peers: readonly System[];
  /** How often every cell is measured; rows are medians. */
  readonly rounds: number;
}

/** How to use the benchmark. */
export const USAGE = `npm run bench -- [options]
  --json FILE           write the rows to FILE
  --seconds N           length of each timed window (default 1)
  --warmup N            the most seconds a warm-up may take; it ends once the rate is level (default 4)
  --payload LIST        payload bytes (default 100)
  --outstanding LIST    calls in flight (default 1,64,1024)
  --modes LIST          Sluice's modes: short, pooled, pipelined or none (default all)
  --peers LIST          other systems: floor, grpc-js or none (default all)
  --rounds N            rounds over all cells; rows are medians (default 3)`;

/** A command line that cannot be followed; the message says why. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Reads the arguments after the program's name. Throws {@link UsageError}. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const values = readArgs(args);
  return {
    json: values.json,
    seconds: number("--seconds", values.seconds, 0.05, 3600),
    longestWarmupSeconds: number("--warmup", values.warmup, 0, 3600),
    payloadBytes: list(values.payload).map((text) => integer("--payload", text, 0, 64 * 1024 * 1024)),
    outstanding: list(values.outstanding).map((text) => integer("--outstanding", text, 1, 65_536)),
    modes: list(values.modes).map((text) => oneOf("--modes", text, isMode, MODES)),
    peers: list(values.peers).map((text) => oneOf("--peers", text, isPeer, PEERS)),
    rounds: integer("--rounds", values.rounds, 1, 1000),
  };
}

const PEERS = SYSTEMS.filter((system) => system !== "sluice");
const isPeer = (name: string): name is System => isSystem(name) && name !== "sluice";
const isMode = (name: string): name is Mode => (MODES as readonly string[]).includes(name);

interface RawOptions {
  json: string | undefined;
  seconds: string;
  warmup: string;
  payload: string;
  outstanding: string;
  modes: string;
  peers: string;
  rounds: string;
}

function readArgs(args: readonly string[]): RawOptions {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        json: { type: "string" },
        seconds: { type: "string", default: "1" },
        warmup: { type: "string", default: "4" },
        payload: { type: "string", default: "100" },
        outstanding: { type: "string", default: "1,64,1024" },
        modes: { type: "string", default: MODES.join() },
        peers: { type: "string", default: PEERS.join() },
        rounds: { type: "string", default: "3" },
      },
    });
    return { ...values, json: values.json };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** The parts of a comma-separated list; `none` and the empty text are the empty list. */
function list(text: string): string[] {
  return text === "" || text === "none" ? [] : text.split(",").map((part) => part.trim());
}

function number(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= least && value <= most)) {
    throw new UsageError(`${option} takes a number from ${least} to ${most}, not ${JSON.stringify(text)}`);
  }
  return value;
}

function integer(option: string, text: string, least: number, most: number): number {
  const value = number(option, text, least, most);
  if (!Number.isInteger(value)) throw new UsageError(`${option} takes whole numbers, not ${JSON.stringify(text)}`);
  return value;
}

function oneOf<T extends string>(
  option: string,
  text: string,
  isKnown: (text: string) => text is T,
  known: readonly T[],
): T {
  if (isKnown(text)) return text;
  throw new UsageError(`${option} takes ${known.join(", ")} or none, not ${JSON.stringify(text)}`);
}
