// The scenarios: a client of many servers, at a constant offered load, and what goes wrong in the middle of it.

import type { Mode } from "../macro/peer.js";

/** What may go wrong. */
export const DISTURBANCES = ["calm", "slow-peer", "jitter", "crowd"] as const;
/** `slow-peer`: one server takes ten times as long. `jitter`: none answers. `crowd`: every connection is lost at once. */
export type Disturbance = (typeof DISTURBANCES)[number];

/** How long a server takes for an answer, in milliseconds. */
export const REPLY_MS = 5;
/** How long a slow one takes. */
export const SLOW_REPLY_MS = 50;
/** How long nobody answers. */
export const JITTER_MS = 1_000;
/** Until a caller gives up, as `bench/v1/peers.proto` says. */
export const DEADLINE_MS = 1_000;

/** What is measured: calls in a mode, to each of the servers over at most so many connections. */
export interface Cell {
  readonly disturbance: Disturbance;
  readonly mode: Mode;
  readonly connectionsPerPeer: number;
}

/** What the cells of a run have in common. */
export interface Scale {
  readonly peers: number;
  readonly offeredPerSecond: number;
  /** Loads that are not counted, before the memory is looked at for the first time. */
  readonly warmupSeconds: number;
  /** The length of each phase: calm, disturbed, afterwards. */
  readonly phaseSeconds: number;
}

/** The phases of a cell, in their order. */
export function phasesOf({ disturbance }: Cell): readonly string[] {
  return disturbance === "calm" ? ["calm"] : ["calm", "disturbed", "afterwards"];
}

/** Connections to each server in the short mode: it opens one for each call, as fast as it can. */
const SHORT_PER_PEER = 16;

/** The cells of a run in which the pooled mode has at most `pooledPerPeer` connections to each server. */
export function cellsOf(
  modes: readonly Mode[],
  disturbances: readonly Disturbance[],
  pooledPerPeer: number,
): readonly Cell[] {
  const perPeer: { readonly [mode in Mode]: number } = { short: SHORT_PER_PEER, pooled: pooledPerPeer, pipelined: 1 };
  return disturbances.flatMap((disturbance) =>
    modes.flatMap((mode) => {
      const cell = { disturbance, mode, connectionsPerPeer: perPeer[mode] };
      // In calm the pooled mode has as many connections as the pipelined one, too.
      const isCompared = disturbance === "calm" && mode === "pooled" && pooledPerPeer > 1;
      return isCompared ? [{ ...cell, connectionsPerPeer: 1 }, cell] : [cell];
    }),
  );
}
