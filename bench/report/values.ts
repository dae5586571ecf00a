// How a value of a result file is shown. Its unit is the end of its field's name (`p50Us`, `heapBytes`, `callsPerSecond`), as
// everywhere in the benchmarks; what has none is shown as it is, in four digits that mean something.

import { formatCount, formatDigits, formatMicroseconds } from "../lib/table.js";
import { isObject, type Json, type JsonObject } from "./results.js";

/** Field names that are shares, although they do not end in `Share`. */
const SHARES = new Set(["spread", "cost", "success", "cpu", "clientCpu", "serverCpu", "refusalCost", "share"]);

const UNITS: readonly (readonly [end: RegExp, format: (value: number) => string])[] = [
  [/^bytesPerSecond$|BytesPerSecond$/, (value) => `${formatBytes(value)}/s`],
  [/(^p|P)erSecond$/, (value) => `${formatCount(value)}/s`],
  [/(Us|UsPer[A-Z]\w*)$/, (value) => formatMicroseconds(value)],
  [/(^ms|Ms)$/, (value) => formatMicroseconds(value * 1000)],
  [/(^ns|Ns)$/, (value) => formatNanoseconds(value)],
  [/(^bytes|Bytes)(PerCall|Each)?$/, (value) => formatBytes(value)],
  [/MiB$/, (value) => `${formatDigits(value, 3)} MiB`],
  [/Share$/, (value) => formatShare(value)],
];

/** A value of the field `name`, which may be a path such as `heapBytes.before`. */
export function formatValue(name: string, value: Json | undefined): string {
  if (value === undefined) return "";
  if (value === null) return "never";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return value;
  if (typeof value !== "number") return JSON.stringify(value);
  if (SHARES.has(last(name))) return formatShare(value);
  const parts = name.split(".").toReversed();
  for (const part of parts) {
    const unit = UNITS.find(([end]) => end.test(part));
    if (unit !== undefined) return value < 0 ? `-${unit[1](-value)}` : unit[1](value);
  }
  return formatNumber(value);
}

/** A field's name as a title: `p50Us` is `p50`, `callsPerSecond` is `calls`, `heapBytes.before` is `heap before`. */
export function titleOf(name: string): string {
  const words = name
    .split(".")
    .map((part) => part.replace(/(PerSecond|Us|Ms|Ns)$/, "").replace(/(.)Bytes$/, "$1"))
    .filter((part) => part !== "")
    .join(" ");
  return words.replace(/([a-z\d])([A-Z])/g, "$1 $2").toLowerCase();
}

/** A share of one, in percent. */
export function formatShare(share: number): string {
  return `${(share * 100).toFixed(Math.abs(share) < 0.1 ? 2 : 1)}%`;
}

/** Bytes for people, in powers of ten; what was chosen in powers of two, such as a payload, in those. */
export function formatBytes(bytes: number): string {
  if (bytes >= 1024 && bytes < 2 ** 20 && bytes % 1024 === 0) return `${bytes / 1024} KiB`;
  if (bytes >= 1e6 && bytes % 1e6 === 0) return `${bytes / 1e6} MB`;
  if (bytes >= 999_500) return `${formatDigits(bytes / 1e6, 3)} MB`;
  if (bytes >= 9_995) return `${formatDigits(bytes / 1e3, 3)} KB`;
  return `${Number.isInteger(bytes) ? bytes : formatDigits(bytes, 4)} B`;
}

/** Nanoseconds for people. */
export function formatNanoseconds(ns: number): string {
  if (ns >= 99_950) return formatMicroseconds(ns / 1000);
  return ns >= 999.5 ? `${formatDigits(ns / 1000, 3)} us` : `${formatDigits(ns, 3)} ns`;
}

function formatNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  return Math.abs(value) < 1e5 ? formatDigits(value, 4) : formatCount(value);
}

function last(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** The cells of a table: its columns, in the order in which they come up, and for each row a value of some of them. */
export interface Flat {
  readonly columns: readonly string[];
  readonly rows: readonly Readonly<Record<string, Json>>[];
}

/** A list of objects as a table. Objects in a row are columns of their own; each element of a list in it is a line. */
export function flatten(rows: readonly JsonObject[]): Flat {
  const lines = rows.flatMap(linesOf);
  const columns = [...new Set(lines.flatMap((line) => Object.keys(line)))];
  return { columns, rows: lines };
}

/** A row's lines: one, unless it has a list of objects, whose elements then take a line each. */
function linesOf(row: JsonObject): Record<string, Json>[] {
  const lines: Record<string, Json>[] = [{}];
  for (const [name, value] of Object.entries(row)) {
    if (Array.isArray(value) && value.some((each) => isObject(each))) {
      for (const [at, each] of (value as readonly Json[]).entries()) {
        lines[at] ??= {};
        Object.assign(lines[at], spread(name, each));
      }
    } else {
      Object.assign(lines[0]!, spread(name, value));
    }
  }
  return lines;
}

function spread(name: string, value: Json): Record<string, Json> {
  if (Array.isArray(value) && value.length === 0) return {};
  if (Array.isArray(value)) return { [name]: value.map((each) => formatValue(name, each)).join(", ") };
  if (!isObject(value)) return { [name]: value };
  const entries = Object.entries(value).flatMap(([inner, each]) => Object.entries(spread(`${name}.${inner}`, each)));
  return Object.fromEntries(entries);
}
