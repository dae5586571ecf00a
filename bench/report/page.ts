// The report: one HTML page of all result files, with nothing from elsewhere and no script in it. It shows every row, every
// target, met or missed, and where the numbers come from; it says nothing that no file says.

import { escapeText } from "../lib/svg.js";
import { formatNumber, formatWanted, type Target } from "../lib/targets.js";
import { drawPictures } from "./pictures.js";
import { isObject, isTable, type Json, type JsonObject, type ResultFile } from "./results.js";
import { flatten, formatValue, titleOf } from "./values.js";

/** The text of the page. */
export function renderPage(results: readonly ResultFile[]): string {
  return [
    "<!doctype html>",
    '<html lang="en">',
    '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sluice: benchmarks</title>',
    `<style>${STYLE}</style></head>`,
    "<body>",
    "<h1>Sluice: benchmarks</h1>",
    "<p>Made by <code>npm run bench:report</code> of the result files that are committed beside it; each section names the command that makes its file again. Machines differ and are noisy: trust the ratios within a run. Times are medians over rounds where a benchmark has rounds.</p>",
    ...summary(results),
    ...results.flatMap(section),
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

function summary(results: readonly ResultFile[]): string[] {
  const judged = results.filter(({ targets }) => targets !== undefined);
  const rows = results.map(({ name, targets, header }) => [
    link(name),
    targets === undefined ? "no targets" : `${targets.filter(({ isMet }) => isMet).length} of ${targets.length}`,
    escapeText(header?.date?.slice(0, 10) ?? "unknown"),
  ]);
  const missed = judged.flatMap(({ name, targets }) =>
    targets!
      .filter(({ isMet }) => !isMet)
      .map((target) => `<li class="missed">${link(name)}: ${sentence(target)}</li>`),
  );
  return [
    ...htmlTable(["benchmark", "targets met", "measured on"], rows),
    ...(missed.length === 0 ? ["<p>Every target is met.</p>"] : ["<p>Missed:</p>", `<ul>${missed.join("")}</ul>`]),
  ];
}

function link(name: string): string {
  return `<a href="#${escapeText(name)}">${escapeText(name)}</a>`;
}

function sentence(target: Target): string {
  return escapeText(`${target.name}: ${formatNumber(target.measured)}, wanted ${formatWanted(target)}`);
}

function section(file: ResultFile): string[] {
  const { name, path, targets, content } = file;
  return [
    `<h2 id="${escapeText(name)}">${escapeText(name)}</h2>`,
    ...stamp(file),
    ...(targets === undefined ? [] : targetTable(targets)),
    ...facts(content),
    ...drawPictures(file).map(embed),
    ...Object.entries(content).flatMap(([field, value]) => fieldTables(field, value)),
    `<p>All of it: <code>${escapeText(path)}</code></p>`,
  ];
}

/** Where the numbers come from, all that the file says of it. */
function stamp({ header }: ResultFile): string[] {
  if (header === undefined) return ["<p>The file does not say on which machine it was made.</p>"];
  const { command, ...rest } = header as unknown as JsonObject;
  const words = Object.entries(rest).map(([name, value]) => `${titleOf(name)} ${plain(name, value)}`);
  return [`<p><code>${escapeText(String(command))}</code><br>${escapeText(words.join(" · "))}</p>`];
}

function plain(name: string, value: Json): string {
  if (!isObject(value)) return formatValue(name, value);
  return Object.entries(value)
    .map(([inner, each]) => `${inner} ${formatValue(inner, each)}`)
    .join(", ");
}

function targetTable(targets: readonly Target[]): string[] {
  const rows = targets.map((target) => [
    escapeText(target.name),
    formatNumber(target.measured),
    formatWanted(target),
    target.isMet ? "met" : '<strong class="missed">MISSED</strong>',
  ]);
  return htmlTable(["target", "measured", "wanted", ""], rows);
}

/** The fields of a file that are no tables. */
function facts(content: JsonObject): string[] {
  const rows = Object.entries(content)
    .filter(([, value]) => !isTable(value) && !isObject(value))
    .filter(([, value]) => !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => {
      const values = Array.isArray(value) ? (value as readonly Json[]) : [value];
      return [escapeText(titleOf(name)), escapeText(values.map((each) => formatValue(name, each)).join(", "))];
    });
  return rows.length === 0 ? [] : htmlTable(["", ""], rows);
}

function fieldTables(field: string, value: Json): string[] {
  const title = field === "rows" ? [] : [`<h3>${escapeText(titleOf(field))}</h3>`];
  if (isTable(value)) return [...title, ...rowTable(value)];
  if (!isObject(value)) return [];
  const entries = Object.entries(value);
  if (entries.every(([, each]) => isObject(each)))
    return [
      ...title,
      ...entries.flatMap(([name, each]) => rowTable([{ [titleOf(field)]: name, ...(each as JsonObject) }])),
    ];
  const rows = entries.map(([name, each]) => [escapeText(titleOf(name)), escapeText(plain(name, each))]);
  return [...title, ...htmlTable(["", ""], rows)];
}

function rowTable(list: readonly JsonObject[]): string[] {
  const { columns, rows } = flatten(list);
  return htmlTable(
    columns.map(titleOf),
    rows.map((row) => columns.map((column) => escapeText(formatValue(column, row[column])))),
  );
}

/** A table; the cells are HTML. */
function htmlTable(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const cells = (row: readonly string[]): string =>
    row.map((cell) => `<td${/^-?[\d.]/.test(cell) ? ' class="number"' : ""}>${cell}</td>`).join("");
  const head = titles.some((title) => title !== "")
    ? [`<thead><tr>${titles.map((title) => `<th>${escapeText(title)}</th>`).join("")}</tr></thead>`]
    : [];
  return [
    '<div class="wide"><table>',
    ...head,
    "<tbody>",
    ...rows.map((row) => `<tr>${cells(row)}</tr>`),
    "</tbody>",
    "</table></div>",
  ];
}

/** A picture inside the page; as an image, so that its style is its own. */
function embed(svg: string): string {
  const description = /<desc id="desc">([^<]*)<\/desc>/.exec(svg)?.[1] ?? "";
  const data = Buffer.from(svg).toString("base64");
  return `<p><img alt="${description}" src="data:image/svg+xml;base64,${data}"></p>`;
}

const STYLE = `
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em }
h2 { margin-top: 2.5em; border-top: 1px solid #8c959f66; padding-top: 1em }
code { font-size: 0.9em }
img { max-width: 100% }
.wide { overflow-x: auto }
table { border-collapse: collapse; margin: 1em 0 }
th, td { padding: 0.15em 0.7em; text-align: left; border-bottom: 1px solid #8c959f44; white-space: nowrap }
td.number { text-align: right; font-variant-numeric: tabular-nums }
.missed { color: #d1242f }
`;
