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
    targets.map((target) => [
      target.name,
      formatNumber(target.measured),
      formatWanted(target),
      target.isMet ? "met" : "MISSED",
    ]),
  );
}

/** What a target wants, in words. */
export function formatWanted({ least, most }: Target): string {
  return least === undefined ? `at most ${formatNumber(most!)}` : `at least ${formatNumber(least)}`;
}

/** What was measured, or is wanted; a time that never came is Infinity, and null where it was read from a file. */
export function formatNumber(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return "never";
  return value < 1000 ? formatDigits(value, 3) : formatCount(value);
}
