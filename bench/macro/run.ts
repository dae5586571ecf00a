// Measuring cells in interleaved rounds. A cell that cannot be measured is told and left out of that round: a system that
// fails costs its own row and nobody else's. The rate of an open loop is a share of what the floor has made so far in the
// closed loop of the same run, so that both systems have the same rate in a round; the floor's closed loop must come first.

import { measureInRounds } from "../lib/rounds.js";
import { median } from "../lib/statistics.js";
import { type Cell, type Measurement, measureCell } from "./cell.js";
import type { BenchOptions } from "./options.js";
import { makeRow, nameOf, type Row } from "./report.js";

/** What a run gave. */
export interface Run {
  readonly rows: readonly Row[];
  /** What could not be measured, in a sentence each. */
  readonly failures: readonly string[];
}

/** Measures `cells`; progress goes to stderr. */
export async function runCells(
  cells: readonly Cell[],
  options: Pick<BenchOptions, "rounds" | "seconds" | "longestWarmupSeconds">,
): Promise<Run> {
  const failures: string[] = [];
  const floor = new FloorRates();
  const progress = new Progress(cells.length * options.rounds);
  const measurements = await measureInRounds(cells, options.rounds, async (cell, round) => {
    try {
      const measured = await measureCell(cell, options, { offeredPerSecond: floor.offeredTo(cell) });
      floor.note(cell, measured);
      progress.tell(round, cell, describe(measured));
      return measured;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      failures.push(`round ${round}, ${describeCell(cell)}: ${reason}`);
      progress.tell(round, cell, `failed: ${reason}`);
      return undefined;
    }
  });
  const rows = cells.flatMap((cell, at) => {
    const measured = measurements[at]!.filter((each) => each !== undefined);
    return measured.length === 0 ? [] : [makeRow(cell, measured)];
  });
  return { rows, failures };
}

/** What the floor makes in a closed loop. */
export class FloorRates {
  private readonly rates = new Map<string, number[]>();

  /** Remembers a measurement, if it is one of the floor in a closed loop. */
  note(cell: Cell, { callsPerSecond }: Pick<Measurement, "callsPerSecond">): void {
    if (cell.system !== "floor" || cell.share > 0) return;
    const work = workOf(cell);
    this.rates.set(work, [...(this.rates.get(work) ?? []), callsPerSecond]);
  }

  /** The rate of a cell that is an open loop, 0 for a closed one. Throws when the floor was not measured at that work. */
  offeredTo(cell: Cell): number {
    if (cell.share === 0) return 0;
    const rates = this.rates.get(workOf(cell));
    if (rates === undefined) throw new Error("the floor's rate, of which this is a share, was not measured");
    return median(rates) * cell.share;
  }
}

function workOf({ payloadBytes, outstanding }: Cell): string {
  return `${payloadBytes} ${outstanding}`;
}

/** Says on stderr how far a run is. */
class Progress {
  private readonly total: number;
  private done = 0;

  constructor(total: number) {
    this.total = total;
  }

  tell(round: number, cell: Cell, what: string): void {
    this.done++;
    process.stderr.write(`${this.done}/${this.total}, round ${round}  ${describeCell(cell)}: ${what}\n`);
  }
}

function describeCell(cell: Cell): string {
  const { payloadBytes, outstanding, share } = cell;
  const load = share === 0 ? `x${outstanding}` : `open loop at ${share} of the floor's rate`;
  return `${nameOf(cell)}, ${payloadBytes} bytes ${load}`;
}

function describe({ callsPerSecond, errors, firstError }: Measurement): string {
  const trouble = errors > 0 ? `  ${errors} errors, first: ${firstError}` : "";
  return `${Math.round(callsPerSecond)} calls/s${trouble}`;
}
