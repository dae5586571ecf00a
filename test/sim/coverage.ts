// How often each fault met each outcome: the proof that the simulation reaches what it claims to test. A pair that is
// possible and was never met fails the run; a pair that is impossible is listed here with the reason.

import { Code, codeName } from "../../src/codec/status.js";
import { FAULT_KINDS, type FaultKind } from "./faults.js";

/** Every way in which a simulated call can end. */
export const OUTCOMES: readonly Code[] = [
  Code.OK,
  Code.CANCELLED,
  Code.UNKNOWN,
  Code.INVALID_ARGUMENT,
  Code.DEADLINE_EXCEEDED,
  Code.RESOURCE_EXHAUSTED,
  Code.FAILED_PRECONDITION,
  Code.UNIMPLEMENTED,
  Code.UNAVAILABLE,
];

/** A row of the table. `"none"` counts the calls that met no fault. */
export type CoverageRow = FaultKind | "none";

/** A pair that cannot be met. */
export interface ImpossiblePair {
  readonly fault: CoverageRow;
  readonly outcome: Code;
  readonly reason: string;
}

/** The pairs that cannot be met. */
export const IMPOSSIBLE: readonly ImpossiblePair[] = [];

/** The rows. */
export const ROWS: readonly CoverageRow[] = ["none", ...FAULT_KINDS];

/** The table as plain data: for each fault, how often each code was met. */
export type CoverageCounts = Readonly<Record<CoverageRow, number[]>>;

/** Counts by fault and outcome. */
export class Coverage {
  /** The counts as plain data. */
  readonly counts: CoverageCounts = newCounts();

  /** One call ended with `outcome` and met `faults`. */
  add(faults: ReadonlySet<FaultKind>, outcome: Code): void {
    if (faults.size === 0) this.counts.none[outcome]!++;
    for (const fault of faults) this.counts[fault][outcome]!++;
  }

  /** Adds what another run has counted. */
  merge(counts: CoverageCounts): void {
    for (const fault of ROWS) for (const outcome of OUTCOMES) this.counts[fault][outcome]! += counts[fault][outcome]!;
  }

  /** What contradicts the claim: possible pairs that were never met, and impossible ones that were. */
  gaps(): string[] {
    return ROWS.flatMap((fault) =>
      OUTCOMES.flatMap((outcome) => {
        const times = this.counts[fault][outcome]!;
        const impossible = IMPOSSIBLE.find((pair) => pair.fault === fault && pair.outcome === outcome);
        if (impossible === undefined && times === 0) return [`${fault} never met ${codeName(outcome)}`];
        if (impossible !== undefined && times > 0) return [`${fault} met ${codeName(outcome)}: ${impossible.reason}`];
        return [];
      }),
    );
  }

  /** The table as text. */
  toString(): string {
    const header = ["fault", ...OUTCOMES.map((outcome) => SHORT_NAMES[codeName(outcome)] ?? codeName(outcome))];
    const rows = ROWS.map((fault) => [fault, ...OUTCOMES.map((outcome) => String(this.counts[fault][outcome]))]);
    return [header, ...rows]
      .map(([first, ...cells]) => first!.padEnd(13) + cells.map((cell) => cell.padStart(10)).join(""))
      .join("\n");
  }
}

function newCounts(): CoverageCounts {
  const rows = ROWS.map((fault) => [fault, Object.values(Code).map(() => 0)]);
  return Object.fromEntries(rows) as CoverageCounts;
}

const SHORT_NAMES: Record<string, string> = {
  INVALID_ARGUMENT: "INVALID",
  DEADLINE_EXCEEDED: "DEADLINE",
  RESOURCE_EXHAUSTED: "EXHAUSTED",
  FAILED_PRECONDITION: "FAILED_PRE",
  UNIMPLEMENTED: "UNIMPL",
  UNAVAILABLE: "UNAVAIL",
};
