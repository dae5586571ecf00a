// Ranges of numbers and lists of names that a declaration keeps from use: none may overlap or repeat another. protoc's
// rules for `reserved` and `extensions`.

import type { NumberRange, Text } from "./syntax.js";

/** What a range is for, as users call it. */
export interface OwnedRange extends NumberRange {
  readonly what: "reserved" | "extension";
}

/** Tells where something is wrong. */
export type Report = (at: Text | NumberRange, text: string) => void;

/** Reports ranges that share numbers, the later of two. */
export function reportOverlaps(ranges: readonly OwnedRange[], report: Report): void {
  let before: OwnedRange | undefined;
  for (const range of ranges.toSorted((a, b) => a.first - b.first || a.offset - b.offset)) {
    if (before !== undefined && range.first <= before.last) {
      const [early, late] = before.offset < range.offset ? [before, range] : [range, before];
      report(late, `the ${late.what} range ${show(late)} overlaps the ${early.what} range ${show(early)}`);
    }
    if (before === undefined || range.last > before.last) before = range;
  }
}

/** Reports names that are reserved more than once. */
export function reportRepeatedNames(names: readonly Text[], report: Report): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name.text)) report(name, `the name "${name.text}" is reserved twice`);
    seen.add(name.text);
  }
}

function show({ first, last }: NumberRange): string {
  if (first === last) return String(first);
  return `${first} to ${Number.isFinite(last) ? last : "max"}`;
}
