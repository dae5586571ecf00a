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

const ROWS: readonly CoverageRow[] = ["none", ...FAULT_KINDS];

/** Counts by fault and outcome. */
export class Coverage {
  private readonly counts = new Map<string, number>();

  /** One call ended with `outcome` and met `faults`. */
  add(faults: ReadonlySet<FaultKind>, outcome: Code): void {
    if (faults.size === 0) this.count("none", outcome, 1);
    for (const fault of faults) this.count(fault, outcome, 1);
  }

  /** Adds what another run has counted. */
  merge(entries: CoverageEntries): void {
    for (const [fault, outcome, times] of entries) this.count(fault, outcome, times);
  }

  /** The counts as plain data. */
  entries(): CoverageEntries {
    return ROWS.flatMap((fault) =>
      OUTCOMES.map((outcome): CoverageEntry => [fault, outcome, this.times(fault, outcome)]),
    );
  }

  /** What contradicts the claim: possible pairs that were never met, and impossible ones that were. */
  gaps(): string[] {
    return this.entries().flatMap(([fault, outcome, times]) => {
      const impossible = IMPOSSIBLE.find((pair) => pair.fault === fault && pair.outcome === outcome);
      if (impossible === undefined && times === 0) return [`${fault} never met ${codeName(outcome)}`];
      if (impossible !== undefined && times > 0) return [`${fault} met ${codeName(outcome)}: ${impossible.reason}`];
      return [];
    });
  }

  /** The table as text. */
  toString(): string {
    const header = ["fault", ...OUTCOMES.map((outcome) => SHORT_NAMES[codeName(outcome)] ?? codeName(outcome))];
    const rows = ROWS.map((fault) => [fault, ...OUTCOMES.map((outcome) => String(this.times(fault, outcome)))]);
    return [header, ...rows]
      .map(([first, ...cells]) => first!.padEnd(13) + cells.map((cell) => cell.padStart(10)).join(""))
      .join("\n");
  }

  private times(fault: CoverageRow, outcome: Code): number {
    return this.counts.get(`${fault} ${outcome}`) ?? 0;
  }

  private count(fault: CoverageRow, outcome: Code, times: number): void {
    this.counts.set(`${fault} ${outcome}`, this.times(fault, outcome) + times);
  }
}

/** A cell of the table. */
export type CoverageEntry = readonly [fault: CoverageRow, outcome: Code, times: number];
/** The table as plain data. */
export type CoverageEntries = readonly CoverageEntry[];

const SHORT_NAMES: Record<string, string> = {
  INVALID_ARGUMENT: "INVALID",
  DEADLINE_EXCEEDED: "DEADLINE",
  RESOURCE_EXHAUSTED: "EXHAUSTED",
  FAILED_PRECONDITION: "FAILED_PRE",
  UNIMPLEMENTED: "UNIMPL",
  UNAVAILABLE: "UNAVAIL",
};
