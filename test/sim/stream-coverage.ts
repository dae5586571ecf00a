// How often each kind of streamed call, and each fault, met each way to end. A kind that never began or went well, and
// an end that never occurred, fail the run.

import { type CoverageRow, ROWS } from "./coverage.js";
import type { FaultKind } from "./faults.js";
import { STREAM_ENDS, type StreamEnd } from "./stream-invariants.js";
import { STREAM_KINDS, type StreamPlan } from "./stream-plans.js";

/** Who makes a call of which kind. */
export type StreamRow = `${"client" | "server"} ${StreamPlan["kind"]}`;

type Row = CoverageRow | StreamRow;

/** For each fault and each kind of call, how often each end was met. */
export type StreamCounts = Readonly<Record<Row, number[]>>;

const KIND_ROWS: readonly StreamRow[] = STREAM_KINDS.flatMap((kind) => [`client ${kind}`, `server ${kind}`] as const);
const ALL_ROWS: readonly Row[] = [...KIND_ROWS, ...ROWS];
/** A reader of a call without a stream of replies cannot leave. */
const UNREAD: readonly StreamPlan["kind"][] = ["tell", "ask"];

/** Counts by kind, fault and end. */
export class StreamCoverage {
  /** The counts as plain data. */
  readonly counts: StreamCounts = newCounts();

  /** A call has ended and met `faults`. */
  add({ kind, server }: StreamPlan, faults: ReadonlySet<FaultKind>, end: StreamEnd): void {
    const column = STREAM_ENDS.indexOf(end);
    this.counts[`${server === undefined ? "client" : "server"} ${kind}`][column]!++;
    if (faults.size === 0) this.counts.none[column]!++;
    for (const fault of faults) this.counts[fault][column]!++;
  }

  /** Adds what another run has counted. */
  merge(counts: StreamCounts): void {
    for (const row of ALL_ROWS) for (const [column, count] of counts[row].entries()) this.counts[row][column]! += count;
  }

  /** What was never met: a kind that went well, failed, ran out of time or was left or aborted; an end of any kind. */
  gaps(): string[] {
    const ends = STREAM_ENDS.filter((_, column) => KIND_ROWS.every((row) => this.counts[row][column] === 0));
    const kinds = KIND_ROWS.flatMap((row) =>
      (["completed", "failed", "aborted", "deadline", "lost", "left"] as const)
        .filter((end) => end !== "left" || !UNREAD.some((kind) => row.endsWith(kind)))
        .filter((end) => this.counts[row][STREAM_ENDS.indexOf(end)] === 0)
        .map((end) => `no ${row} was ever ${end}`),
    );
    return [...ends.map((end) => `no stream was ever ${end}`), ...kinds];
  }

  /** The table as text. */
  toString(): string {
    const rows = ALL_ROWS.map((row) => [row, ...this.counts[row].map(String)]);
    return [["streams", ...STREAM_ENDS], ...rows]
      .map(([first, ...cells]) => first!.padEnd(13) + cells.map((cell) => cell.padStart(10)).join(""))
      .join("\n");
  }
}

function newCounts(): StreamCounts {
  return Object.fromEntries(ALL_ROWS.map((row) => [row, STREAM_ENDS.map(() => 0)])) as StreamCounts;
}
