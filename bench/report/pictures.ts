// The pictures of a result file. Overload has its curve; of any other table that has a rate, a pair of percentiles or a time for
// an operation the rows are drawn as bars, so that a file of a new benchmark shows without anything being said here.

import { type BarGroup, drawBars, type LogBar } from "../lib/bars.js";
import { formatCount, formatMicroseconds } from "../lib/table.js";
import { drawCurve } from "../overload/curve.js";
import type { OverloadReport } from "../overload/report.js";
import { isTable, type Json, type JsonObject, type ResultFile } from "./results.js";
import { nameOf } from "./rows.js";
import { formatBytes, formatNanoseconds, titleOf } from "./values.js";

/** The pictures that README shows, which are files of their own. */
export const CURVE_PICTURE = "bench/results/overload.svg";
export const CALLS_PICTURE = "bench/results/calls.svg";

/** The fields that tell rows apart which are compared with each other. */
const SERIES = ["system", "mode", "variant", "connection", "connectionsPerPeer", "method", "way"];
/** The numbers that say what was measured, and are no measurement. */
const NUMBERS_ASKED: Readonly<Record<string, (value: number) => string>> = {
  payloadBytes: (bytes) => `${formatBytes(bytes)} of payload`,
  outstanding: (calls) => `${calls} outstanding`,
};
/** Rates that were asked for, or are beside the point. */
const NO_RATES = new Set([
  "offeredPerSecond",
  "loadPerSecond",
  "refusedPerSecond",
  "expiredPerSecond",
  "targetPerSecond",
]);

/** What of a row is drawn. */
interface Measure {
  readonly title: string;
  readonly format: (value: number) => string;
  /** One value, or two that a bar goes from and to. */
  readonly valuesOf: (row: JsonObject) => readonly number[];
}

/** The pictures of a file: SVG, in the order in which they are to be shown. */
export function drawPictures({ content, name }: ResultFile): string[] {
  if (name === "overload" && isTable(content.loads)) return [drawCurve(content as unknown as OverloadReport)];
  return Object.entries(content).flatMap(([field, value]) =>
    isTable(value) ? drawTable(field === "rows" ? name : `${name}, ${titleOf(field)}`, value.flatMap(expand)) : [],
  );
}

/** Calls a second of each system: the smallest payload, at each number of calls outstanding. */
export function drawCalls({ content }: ResultFile): string {
  const rows = (content.rows as readonly JsonObject[]).filter(({ openLoop }) => openLoop !== true);
  const least = Math.min(...rows.map(({ payloadBytes }) => payloadBytes as number));
  const measure = MEASURES.find(({ title }) => title === RATE_TITLE)!;
  const shown = rows.filter(({ payloadBytes }) => payloadBytes === least);
  return drawMeasure("unary calls", measure, shown);
}

const RATE_TITLE = "a second";

const MEASURES: readonly Measure[] = [
  { title: RATE_TITLE, format: formatCount, valuesOf: (row) => numbers(row, [rateOf(row)]) },
  {
    ...{ title: "p50 to p99", format: formatMicroseconds },
    valuesOf: (row) =>
      numbers(row, "p50Us" in row ? ["p50Us", "p99Us"] : ["p50Ms", "p99Ms"]).map(
        (each) => each * ("p50Us" in row ? 1 : 1000),
      ),
  },
  {
    ...{ title: "an operation", format: formatNanoseconds },
    valuesOf: (row) => numbers(row, ["medianNs"]),
  },
];

function rateOf(row: JsonObject): string | undefined {
  return Object.keys(row).find((name) => name.endsWith("PerSecond") && !NO_RATES.has(name));
}

/** The values of these fields; none unless each is a number. */
function numbers(row: JsonObject, names: readonly (string | undefined)[]): number[] {
  const values = names.map((name) => (name === undefined ? undefined : row[name]));
  return values.every((value) => typeof value === "number") ? values : [];
}

function drawTable(title: string, rows: readonly JsonObject[]): string[] {
  return MEASURES.flatMap((measure) => {
    const measured = rows.filter((row) => measure.valuesOf(row).some((value) => value > 0));
    return measured.length < 2 ? [] : [drawMeasure(title, measure, measured)];
  });
}

function drawMeasure(title: string, { title: unit, format, valuesOf }: Measure, rows: readonly JsonObject[]): string {
  const groups = new Map<string, LogBar[]>();
  for (const row of rows) {
    const values = valuesOf(row);
    const group = groupOf(row);
    const label = seriesOf(row);
    const [low, value] = values.length > 1 ? values : [undefined, values[0]!];
    const bar = { label, value: value!, text: values.map(format).join(" to "), isOurs: /sluice/i.test(label) };
    groups.set(group, [...(groups.get(group) ?? []), low === undefined ? bar : { ...bar, low }]);
  }
  // Rows that are compared with nothing are compared with each other.
  if ([...groups.values()].flat().every(({ label }) => label === "")) {
    const bars = [...groups].flatMap(([label, each]) => each.map((bar) => ({ ...bar, label })));
    return drawBars({ title: `${title}: ${unit}`, format, groups: [{ title: "", bars }] });
  }
  const sorted: BarGroup[] = [...groups].map(([group, bars]) => ({
    title: group,
    bars: unit === RATE_TITLE ? bars.toSorted((a, b) => b.value - a.value) : bars,
  }));
  return drawBars({ title: `${title}: ${unit}`, format, groups: sorted });
}

/** A row whose phases, or other parts, are rows: each with what the whole has. */
function expand(row: JsonObject): JsonObject[] {
  const parts = Object.entries(row).find(([, value]) => isTable(value));
  if (parts === undefined) return [row];
  const [field, list] = parts;
  return (list as readonly JsonObject[]).map((part) => ({ ...omit(row, field), ...part }));
}

function omit(row: JsonObject, field: string): JsonObject {
  return Object.fromEntries(Object.entries(row).filter(([name]) => name !== field));
}

/** What tells a row from those that it is compared with. */
function seriesOf(row: JsonObject): string {
  const { system, mode, variant } = row;
  const isCall = typeof system === "string" && typeof mode === "string";
  const name = isCall ? nameOf({ system, mode, ...(typeof variant === "string" && { variant }) } as never) : undefined;
  const rest = SERIES.filter((field) => !(isCall && ["system", "mode", "variant"].includes(field)));
  const parts = rest.map((field) => row[field]).filter((value) => value !== undefined && value !== null);
  return [...(name === undefined ? [] : [name]), ...parts.map(String)].join(", ");
}

/** What the rows that are compared with each other have in common. */
function groupOf(row: JsonObject): string {
  const parts = Object.entries(row).flatMap(([field, value]) => (SERIES.includes(field) ? [] : partOf(field, value)));
  return parts.join(", ");
}

function partOf(field: string, value: Json): string[] {
  const asked = NUMBERS_ASKED[field];
  if (asked !== undefined && typeof value === "number") return [asked(value)];
  if (value === true) return [titleOf(field)];
  return typeof value === "string" ? [value] : [];
}
