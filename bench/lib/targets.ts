// Targets of a benchmark: what was wanted, what was measured, and the table that shows both. A target that is missed is told;
// it is no failure.

import { round } from "./statistics.js";
import { formatCount, formatDigits, formatTable } from "./table.js";

/** A target and what was measured; Infinity is a time that never came. */
export interface Target {
  readonly name: string;
  readonly measured: number;
  /** The least or the most that `measured` may be. */
  readonly least?: number;
  readonly most?: number;
  readonly isMet: boolean;
}

/** A target that `measured` meets from `least` on. */
export function atLeast(name: string, measured: number, least: number): Target {
  return { name, measured: round(measured), least: round(least), isMet: measured >= least };
}

/** A target that `measured` meets up to `most`. */
export function atMost(name: string, measured: number, most: number): Target {
  return { name, measured: round(measured), most: round(most), isMet: measured <= most };
}

/** The lines of a table of targets. */
export function formatTargets(targets: readonly Target[]): string[] {
  return formatTable(
    [{ title: "target", align: "left" }, { title: "measured" }, { title: "wanted" }, { title: "", align: "left" }],
    targets.map(({ name, measured, least, most, isMet }) => [
      name,
      formatNumber(measured),
      least === undefined ? `at most ${formatNumber(most!)}` : `at least ${formatNumber(least)}`,
      isMet ? "met" : "MISSED",
    ]),
  );
}

function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "never";
  return value < 1000 ? formatDigits(value, 3) : formatCount(value);
}
