// How often each strain on the task pools met each way in which a call to a crowded method can end. A pair that is possible
// and was never met fails the run.

import { Code, type RpcError } from "../../src/codec/status.js";
import type { CallRecord, Evidence } from "./invariants.js";
import { PRESSURES, type Pressure } from "./pressures.js";

/** The ways to end. */
export const POOL_ENDS = [
  "served",
  "queue", // refused: as many calls waited as may
  "busy", // refused: no worker was free, and none may wait
  "rate", // refused: no token was left, and none may wait
  "late", // refused: it had waited for too long
  "overload", // refused: the queue stood
  "held", // refused by its own client
  "expired", // its deadline came
  "aborted",
  "failed", // its handler threw, or its request did not decode
  "lost", // with its connection, or for want of one
] as const;
/** One of the ways to end. */
export type PoolEnd = (typeof POOL_ENDS)[number];

/** A row of the table. `"none"` counts the calls that met no strain. */
export type PoolRow = Pressure | "none";

/** For each strain, how often each end was met. */
export type PoolCounts = Readonly<Record<PoolRow, number[]>>;

/** Pairs that a thousand seeds need not meet. */
const RARE: ReadonlySet<string> = new Set([
  "compute failed", // impossible: a handler that computes answers
  "retry overload", // a call that was refused so is made again
  "none overload", // without a crowd no queue stands for long
  "compute overload",
  "policy held", // a call that its client holds meets no policy of a server, unless it is long held
]);

const ROWS: readonly PoolRow[] = ["none", ...PRESSURES];

/** What a server says of a call that its pool has refused. */
const REFUSALS: readonly (readonly [PoolEnd, RegExp])[] = [
  ["queue", /server queue full/],
  ["busy", /no worker is free/],
  ["rate", /the method takes/],
  ["late", /the call waited \d+ ms for a worker/],
  ["overload", /the server is overloaded/],
];

/** Which refusal of a pool this is; undefined if it is none. */
export function refusalOf(error: RpcError | undefined): PoolEnd | undefined {
  if (error?.code !== Code.RESOURCE_EXHAUSTED) return undefined;
  return REFUSALS.find(([, pattern]) => pattern.test(error.message))?.[0];
}

/** How a call to a crowded method has ended. */
export function poolEndOf({ code, error }: CallRecord): PoolEnd {
  if (code === Code.OK) return "served";
  if (code === Code.CANCELLED) return "aborted";
  if (code === Code.DEADLINE_EXCEEDED) return "expired";
  if (code === Code.UNAVAILABLE) return "lost";
  return code === Code.RESOURCE_EXHAUSTED ? (refusalOf(error) ?? "held") : "failed";
}

/** What must hold of any call for which a pool has no room. */
export function findPoolFaults({ plan, client, error }: CallRecord, { runs, mayRepeat }: Evidence): string[] {
  const found: string[] = [];
  if (error?.retry === "safe" && runs > 0) found.push(`is said not to have run, and ran ${runs} times`);
  if (refusalOf(error) !== undefined) {
    if (error?.retry !== "safe" && !mayRepeat) found.push(`was refused, and may have run: ${error?.message}`);
    if ((error?.retryAfterMs ?? 0) < 1) found.push("was refused without being told when to come again");
  }
  return found.map((text) => `call ${plan.nonce} of ${client}, ${plan.method}: ${text}`);
}

/** Counts by strain and end. */
export class PoolCoverage {
  /** The counts as plain data. */
  readonly counts: PoolCounts = newCounts();

  /** A call met `pressures` and has ended. */
  add(pressures: ReadonlySet<Pressure>, end: PoolEnd): void {
    const column = POOL_ENDS.indexOf(end);
    if (pressures.size === 0) this.counts.none[column]!++;
    for (const pressure of pressures) this.counts[pressure][column]!++;
  }

  /** Adds what another run has counted. */
  merge(counts: PoolCounts): void {
    for (const row of ROWS) for (const [column, count] of counts[row].entries()) this.counts[row][column]! += count;
  }

  /** Possible pairs that were never met. */
  gaps(): string[] {
    return ROWS.flatMap((row) =>
      POOL_ENDS.filter((end, column) => this.counts[row][column] === 0 && !RARE.has(`${row} ${end}`)).map(
        (end) => `no call under ${row} was ever ${end}`,
      ),
    );
  }

  /** The table as text. */
  toString(): string {
    const rows = ROWS.map((row) => [row, ...this.counts[row].map(String)]);
    return [["pools", ...POOL_ENDS], ...rows]
      .map(([first, ...cells]) => first!.padEnd(13) + cells.map((cell) => cell.padStart(10)).join(""))
      .join("\n");
  }
}

function newCounts(): PoolCounts {
  return Object.fromEntries(ROWS.map((row) => [row, POOL_ENDS.map(() => 0)])) as unknown as PoolCounts;
}
