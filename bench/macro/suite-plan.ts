// What the suite measures and what it judges: groups, each with the cells that its targets need. Cells that several groups
// need are measured once. Targets are judged from rows alone, so that a result file can be judged again.

import { atLeast, atMost, type Target } from "../lib/targets.js";
import type { Cell } from "./cell.js";
import type { Mode, Variant } from "./peer.js";
import { SYSTEMS, type System } from "./peers.js";
import type { Row } from "./report.js";

/** What a group is called, as `--only` takes it. */
export const GROUPS = [
  "x1",
  "x64",
  "x1024",
  "1KiB",
  "64KiB",
  "open",
  "loaded",
  "modes",
  "allocation",
  "peers",
] as const;
/** A part of the suite. */
export type Group = (typeof GROUPS)[number];

type Work = Pick<Cell, "payloadBytes" | "outstanding" | "share">;
type Way = Pick<Cell, "system" | "mode" | "variant">;

const LONE = closed(100, 1);
const SMALL = closed(100, 64);
const MANY = closed(100, 1024);
const MEDIUM = closed(1024, 64);
const LARGE = closed(64 * 1024, 64);
const OPEN: Work = { ...SMALL, share: 0.5 };

const OURS = sluice("pipelined", "default");
const FLOOR = other("floor");
const GRPC = other("grpc-js");
const COMPARED: readonly Way[] = [OURS, FLOOR, GRPC];

function closed(payloadBytes: number, outstanding: number): Work {
  return { payloadBytes, outstanding, share: 0 };
}

function sluice(mode: Mode, variant: Variant): Way {
  return { system: "sluice", mode, variant };
}

function other(system: System): Way {
  return { system, mode: "pipelined", variant: "default" };
}

interface Part {
  readonly cells: readonly Cell[];
  readonly judge: (find: Find) => Target[];
}

/** The row of a cell; one that was not measured has nothing but NaN, which meets no target. */
type Find = (work: Work, way: Way) => Row;

const at = (work: Work, ways: readonly Way[]): Cell[] => ways.map((way) => ({ ...way, ...work }));

/** How many calls of the second row's come to one of the first's. */
const rate = (a: Row, b: Row): number => a.callsPerSecond / b.callsPerSecond;

const PARTS: { readonly [group in Group]: Part } = {
  x1: {
    cells: at(LONE, COMPARED),
    judge: (find) => [
      atMost("100 B x1: p50 / floor", find(LONE, OURS).p50Us / find(LONE, FLOOR).p50Us, 1.15),
      atMost("100 B x1: p99 / floor", find(LONE, OURS).p99Us / find(LONE, FLOOR).p99Us, 1.3),
    ],
  },
  x64: {
    cells: at(SMALL, COMPARED),
    judge: (find) => [
      atLeast("100 B x64: floor / grpc-js", rate(find(SMALL, FLOOR), find(SMALL, GRPC)), 40),
      atLeast("100 B x64: calls/s / floor", rate(find(SMALL, OURS), find(SMALL, FLOOR)), 0.85),
      atLeast("100 B x64: calls/s / grpc-js", rate(find(SMALL, OURS), find(SMALL, GRPC)), 45),
      atMost("100 B x64: CPU a call / floor", find(SMALL, OURS).cpuUsPerCall / find(SMALL, FLOOR).cpuUsPerCall, 1.3),
    ],
  },
  x1024: {
    cells: at(MANY, COMPARED),
    judge: (find) => [
      atLeast("100 B x1024: floor / grpc-js", rate(find(MANY, FLOOR), find(MANY, GRPC)), 120),
      atLeast("100 B x1024: calls/s / floor", rate(find(MANY, OURS), find(MANY, FLOOR)), 0.75),
      atLeast("100 B x1024: calls/s / grpc-js", rate(find(MANY, OURS), find(MANY, GRPC)), 120),
    ],
  },
  "1KiB": {
    cells: at(MEDIUM, COMPARED),
    judge: (find) => [atLeast("1 KiB x64: calls/s / floor", rate(find(MEDIUM, OURS), find(MEDIUM, FLOOR)), 0.85)],
  },
  "64KiB": {
    cells: at(LARGE, COMPARED),
    judge: (find) => [
      atLeast("64 KiB x64: calls/s / floor", rate(find(LARGE, OURS), find(LARGE, FLOOR)), 0.9),
      atLeast("64 KiB x64: calls/s / grpc-js", rate(find(LARGE, OURS), find(LARGE, GRPC)), 12),
    ],
  },
  open: {
    cells: [...at(SMALL, [FLOOR]), ...at(OPEN, [OURS, FLOOR])],
    judge: (find) => [
      atMost("open loop at half the floor's rate: p99 / floor", find(OPEN, OURS).p99Us / find(OPEN, FLOOR).p99Us, 2),
    ],
  },
  loaded: {
    cells: [SMALL, MANY].flatMap((work) =>
      at(work, [OURS, sluice("pipelined", "loaded"), sluice("pipelined", "bare")]),
    ),
    judge: (find) =>
      [SMALL, MANY].map((work) =>
        atLeast(
          `100 B x${work.outstanding}: metadata, deadline and interceptors, calls/s / default`,
          rate(find(work, sluice("pipelined", "loaded")), find(work, OURS)),
          0.85,
        ),
      ),
  },
  modes: {
    cells: at(SMALL, [OURS, sluice("pooled", "default"), sluice("short", "default")]),
    judge: (find) => [
      atLeast("100 B x64: pipelined / short", rate(find(SMALL, OURS), find(SMALL, sluice("short", "default"))), 25),
      atLeast("100 B x64: pipelined / pooled", rate(find(SMALL, OURS), find(SMALL, sluice("pooled", "default"))), 4),
      atMost("100 B x64: connections of pipelined", find(SMALL, OURS).connections, 1),
    ],
  },
  allocation: {
    cells: at(SMALL, [OURS, FLOOR]),
    judge: (find) => {
      const { clientAllocatedBytesPerCall, serverAllocatedBytesPerCall, decodedBytes, loadBytes } = find(SMALL, OURS);
      const ofClient = clientAllocatedBytesPerCall - decodedBytes - loadBytes;
      return [
        atMost("100 B x64: client bytes a call beyond the message and the load's own", ofClient, 600),
        atMost("100 B x64: server bytes a call beyond the message", serverAllocatedBytesPerCall - decodedBytes, 600),
      ];
    },
  },
  peers: {
    cells: at(SMALL, SYSTEMS.filter((system) => system !== "sluice").map(other)),
    judge: () => [],
  },
};

/** The cells of `groups`, each once, work by work; open loops come after the closed ones whose rate they take. */
export function cellsOf(groups: readonly Group[]): Cell[] {
  const byKey = new Map<string, Cell>();
  for (const cell of groups.flatMap((group) => PARTS[group].cells)) byKey.set(keyOf(cell, cell), cell);
  return [...byKey.values()].sort(
    (a, b) => a.share - b.share || a.payloadBytes - b.payloadBytes || a.outstanding - b.outstanding,
  );
}

/** What the rows say of the targets of `groups`. */
export function judge(groups: readonly Group[], rows: readonly Row[]): Target[] {
  const byKey = new Map(rows.map((row) => [keyOf(row, row), row]));
  const find: Find = (work, way) => byKey.get(keyOf(work, way)) ?? missing(work, way);
  return groups.flatMap((group) => PARTS[group].judge(find));
}

function keyOf({ payloadBytes, outstanding, share }: Work, { system, mode, variant }: Way): string {
  return [payloadBytes, outstanding, share, system, mode, variant].join(" ");
}

function missing(work: Work, way: Way): Row {
  const unknown = Number.NaN;
  return {
    ...{ ...work, ...way, openLoop: work.share > 0, callsPerSecond: unknown, spread: unknown, p50Us: unknown },
    ...{ p99Us: unknown, cpuUsPerCall: unknown, clientCpuUsPerCall: unknown, serverCpuUsPerCall: unknown },
    ...{ connections: unknown, connectionsOpened: unknown, errors: 0, offeredPerSecond: unknown, lateP99Us: unknown },
    ...{ clientAllocatedBytesPerCall: unknown, serverAllocatedBytesPerCall: unknown, decodedBytes: unknown },
    loadBytes: unknown,
    ...{ clientRssMiB: unknown, serverRssMiB: unknown },
  };
}
