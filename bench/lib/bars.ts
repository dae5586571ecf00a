// Horizontal bars on a logarithmic scale, as SVG: what differs by factors is compared, and the slowest can still be seen. A
// bar begins at the left, or where its low value is.

import { drawPicture, drawText } from "./svg.js";

/** One bar. */
export interface LogBar {
  readonly label: string;
  readonly value: number;
  /** Where the bar begins; at the left when undefined. */
  readonly low?: number;
  /** What stands behind it. */
  readonly text: string;
  /** True for what is drawn in the colour that stands out. */
  readonly isOurs: boolean;
}

/** Bars that are compared with each other. */
export interface BarGroup {
  readonly title: string;
  readonly bars: readonly LogBar[];
}

/** What is drawn, of at least one bar with a value above 0. */
export interface BarChart {
  readonly title: string;
  readonly groups: readonly BarGroup[];
  /** How a value of the scale is written. */
  readonly format: (value: number) => string;
}

const WIDTH = 900;
const LEFT = 230;
const RIGHT = 720;
const TOP = 50;
const LINE = 20;
const BAR = 13;
const GROUP_GAP = 34;
const LEAST_BAR = 2;

/** Draws the chart; bars without a value above 0 are left out. */
export function drawBars({ title, groups, format }: BarChart): string {
  const shown = groups
    .map((group) => ({ ...group, bars: group.bars.filter(({ value }) => value > 0 && Number.isFinite(value)) }))
    .filter(({ bars }) => bars.length > 0);
  const bars = shown.flatMap((group) => group.bars);
  const scale = makeScale(bars.flatMap(({ value, low }) => (low !== undefined && low > 0 ? [low, value] : [value])));
  const elements: string[] = [];
  let y = TOP;
  for (const { title: groupTitle, bars: each } of shown) {
    elements.push(drawText(10, y + 14, groupTitle, "start").replace("<text", '<text class="group"'));
    y += GROUP_GAP - 12;
    for (const bar of each) {
      elements.push(...drawBar(bar, y, scale.at));
      y += LINE;
    }
    y += 12;
  }
  const grid = scale.decades.map(
    (value) =>
      `<path class="grid" d="M${scale.at(value)} ${TOP - 8}V${y}"/>${drawText(scale.at(value), TOP - 14, format(value), "middle")}`,
  );
  const words = shown.map(
    (group) => `${group.title}: ${group.bars.map(({ label, text }) => `${label} ${text}`).join(", ")}`,
  );
  return drawPicture(
    { width: WIDTH, height: y + 10, title, description: `${words.join(". ")}.`, style: STYLE, darkStyle: DARK_STYLE },
    [drawText(10, 16, `${title}, on a logarithmic scale`, "start"), ...grid, ...elements],
  );
}

function drawBar({ label, value, low, text, isOurs }: LogBar, y: number, at: (value: number) => number): string[] {
  const from = low === undefined || low <= 0 ? LEFT : at(low);
  const width = Math.max(LEAST_BAR, at(value) - from);
  return [
    drawText(LEFT - 8, y + 11, label, "end"),
    `<rect class="${isOurs ? "ours" : "other"}" x="${from}" y="${y}" width="${width}" height="${BAR}"/>`,
    drawText(from + width + 6, y + 11, text, "start"),
  ];
}

interface Scale {
  /** Where a value is, from left to right. */
  readonly at: (value: number) => number;
  /** The powers of ten on the scale. */
  readonly decades: readonly number[];
}

function makeScale(values: readonly number[]): Scale {
  const first = Math.floor(Math.log10(Math.min(...values) * 0.9));
  const last = Math.max(first + 1, Math.log10(Math.max(...values)));
  const at = (value: number): number =>
    Math.round(LEFT + ((Math.log10(value) - first) / (last - first)) * (RIGHT - LEFT));
  const decades = Array.from({ length: Math.floor(last) - first + 1 }, (_, i) => 10 ** (first + i));
  return { at, decades };
}

const STYLE = `.group { font-weight: 600 }
.ours { fill: #0969da }
.other { fill: #8c959f }`;
const DARK_STYLE = `  .ours { fill: #4493f8 }
  .other { fill: #6e7681 }`;
