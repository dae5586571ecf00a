// The curve of goodput over offered load, as SVG: both as shares of the peak.

import { drawPicture, drawText } from "../lib/svg.js";
import type { OverloadReport } from "./report.js";

const WIDTH = 720;
const HEIGHT = 340;
/** The area of the curve. */
const LEFT = 60;
const RIGHT = 690;
const TOP = 40;
const BOTTOM = 280;
const MOST_SHARE = 1.2;

interface Point {
  readonly x: number;
  readonly y: number;
  readonly label: string;
}

/** Draws the loads of a report, of which there is at least one. */
export function drawCurve({ loads, peakPerSecond }: Pick<OverloadReport, "loads" | "peakPerSecond">): string {
  const mostLoad = Math.max(...loads.map(({ load }) => load));
  const x = (load: number): number => Math.round(LEFT + (load / mostLoad) * (RIGHT - LEFT));
  const y = (share: number): number => Math.round(BOTTOM - (Math.min(share, MOST_SHARE) / MOST_SHARE) * (BOTTOM - TOP));
  const sorted = loads.toSorted((a, b) => a.load - b.load);
  const points = sorted.map(({ load, goodputPerSecond }) => {
    const share = goodputPerSecond / peakPerSecond;
    return { x: x(load), y: y(share), label: `${Math.round(share * 100)}%` };
  });
  const words = sorted.map(({ load }, at) => `${points[at]!.label} at ${load} times the peak`).join(", ");
  return drawPicture(
    {
      ...{ width: WIDTH, height: HEIGHT, style: STYLE, darkStyle: DARK_STYLE },
      title: "Goodput over offered load",
      description: `Goodput as a share of the peak of ${Math.round(peakPerSecond)} calls a second: ${words}.`,
    },
    [
      ...[0, 0.5, 1].map((share) => grid(y(share), `${share * 100}%`)),
      ...ticks(sorted.map(({ load }) => ({ x: x(load), y: BOTTOM, label: `${load}x` }))),
      `<path class="ideal" d="M${x(0)} ${y(0)}L${x(Math.min(1, mostLoad))} ${y(Math.min(1, mostLoad))}H${x(mostLoad)}"/>`,
      `<path class="goodput" d="M${[{ x: x(0), y: y(0) }, ...points].map((at) => `${at.x} ${at.y}`).join("L")}"/>`,
      ...points.map((at) => `<circle class="point" cx="${at.x}" cy="${at.y}" r="4"/>`),
      ...points.filter((_, at) => sorted[at]!.load >= 1).map((at) => drawText(at.x, at.y - 12, at.label, "middle")),
      drawText(
        LEFT,
        20,
        `goodput, of the peak (${Math.round(peakPerSecond)} calls/s); dashed: all that could be`,
        "start",
      ),
      drawText((LEFT + RIGHT) / 2, HEIGHT - 14, "offered load, times the peak", "middle"),
    ],
  );
}

const STYLE = `.ideal { stroke: #8c959f; stroke-dasharray: 4 4 }
.goodput { stroke: #0969da; stroke-width: 2.5 }
.point { fill: #0969da }`;
const DARK_STYLE = `  .goodput { stroke: #4493f8 }
  .point { fill: #4493f8 }`;

function grid(y: number, label: string): string {
  return `<path class="grid" d="M${LEFT} ${y}H${RIGHT}"/>${drawText(LEFT - 8, y + 4, label, "end")}`;
}

/** A label that would stand in the one before it is left out. */
const LEAST_GAP = 28;

function ticks(points: readonly Point[]): string[] {
  const shown: Point[] = [];
  for (const point of points) if (point.x - (shown.at(-1)?.x ?? 0) >= LEAST_GAP) shown.push(point);
  return shown.map(({ x, y, label }) => drawText(x, y + 20, label, "middle"));
}
