// Tables at a terminal: columns as wide as their longest cell, numbers to the right, nothing that could move the cursor.

import { printable } from "../gen/source.js";

/** A column's heading, and on which side its cells stand. */
export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}

/** Lines of a table, without spaces at their ends. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? "").length)));
  const format = (line: readonly string[]): string =>
    columns.map(({ align }, i) => pad(line[i] ?? "", widths[i] as number, align)).join("  ");
  return lines.map((line) => `${format(line).trimEnd()}\n`).join("");
}

function pad(text: string, width: number, align: Column["align"]): string {
  return align === "left" ? text.padEnd(width) : text.padStart(width);
}
