// PROTOCOL.md as the tests read it: its tables, by the heading that they stand under.

import { readFileSync } from "node:fs";

/** The whole text. */
export const protocol: string = readFileSync(new URL("../../PROTOCOL.md", import.meta.url), "utf8");

/** The text under a heading, up to the next one of any level. */
export function chapter(heading: string): string {
  const lines = protocol.split("\n");
  const from = lines.findIndex((line) => /^#+ /.test(line) && line.includes(heading));
  if (from < 0) throw new Error(`PROTOCOL.md has no heading "${heading}"`);
  const length = lines.slice(from + 1).findIndex((line) => /^#+ /.test(line));
  return lines.slice(from + 1, length < 0 ? undefined : from + 1 + length).join("\n");
}

/** The rows of the table under `heading` whose first column is called `first`, each by its column names. */
export function table(heading: string, first: string): Record<string, string>[] {
  const lines = chapter(heading).split("\n");
  const top = lines.findIndex((line) => line.startsWith(`| ${first} |`));
  if (top < 0) throw new Error(`no table with a column "${first}" under "${heading}"`);
  const columns = cells(lines[top] as string);
  const body = lines.slice(top + 2);
  const bottom = body.findIndex((line) => !line.startsWith("|"));
  return body
    .slice(0, bottom < 0 ? undefined : bottom)
    .map((line) => Object.fromEntries(cells(line).map((cell, i) => [columns[i], cell])));
}

function cells(line: string): string[] {
  return line
    .replace(/^\|/, "")
    .replace(/\|$/, "")
    .split("|")
    .map((cell) => cell.trim());
}
