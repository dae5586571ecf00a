// `npm run bench:overload`: what a server does of the work that it was made for when it is given up to ten times of what it
// can do. Ends with a non-zero code if a call failed in a way that load does not explain; a target that is missed is told,
// and is no failure.

import { writeFileSync } from "node:fs";
import { runProgram } from "../lib/arguments.js";
import { makeHeader } from "../lib/header.js";
import { measureInRounds } from "../lib/rounds.js";
import { median } from "../lib/statistics.js";
import {
  type LoadMeasured,
  type Measured,
  measureLoad,
  measurePeak,
  measureScenario,
  type ScenarioMeasured,
} from "./cell.js";
import { drawCurve } from "./curve.js";
import { type OverloadOptions, parseOptions, USAGE } from "./options.js";
import type { Scale, Scenario } from "./plan.js";
import {
  formatReport,
  gather,
  judge,
  makeLoadRow,
  makeScenarioValues,
  type OverloadReport,
  refusalCostOf,
} from "./report.js";
import { DEADLINE_MS, successShare } from "./summary.js";

const tell = (text: string): void => void process.stderr.write(`${text}\n`);

async function findPeaks(options: OverloadOptions): Promise<number[]> {
  const peaks: number[] = [];
  for (let round = 1; options.peakPerSecond === undefined && round <= options.rounds; round++) {
    const { perSecond, probes } = await measurePeak(options, options.seed + round);
    const tried = probes.map((probe) => `${Math.round(probe.perSecond)} ${(probe.success * 100).toFixed(1)}%`);
    tell(`round ${round}  peak ${Math.round(perSecond)} calls/s; tried ${tried.join(", ")}`);
    peaks.push(Math.round(perSecond));
  }
  return peaks;
}

type Cell = { readonly load: number } | { readonly scenario: Scenario };

async function measure(cell: Cell, round: number, scale: Scale, seed: number): Promise<Measured> {
  if ("load" in cell) {
    const measured = await measureLoad(cell.load, scale, seed + round);
    const { summary } = measured;
    tell(
      `round ${round}  ${cell.load}x: ${Math.round(summary.good / summary.seconds)} good/s, ` +
        `${(successShare(summary) * 100).toFixed(1)}% of the calls`,
    );
    return measured;
  }
  const measured = await measureScenario(cell.scenario, scale, seed + round);
  tell(`round ${round}  ${cell.scenario}: ${JSON.stringify(measured.values)}`);
  return measured;
}

async function run(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const peaksPerSecond = await findPeaks(options);
  const peakPerSecond = options.peakPerSecond ?? median(peaksPerSecond);
  const cells: Cell[] = [
    ...options.loads.map((load) => ({ load })),
    ...options.scenarios.map((scenario) => ({ scenario })),
  ];
  const scale: Scale = { ...options, peakPerSecond };
  const measurements = await measureInRounds(cells, options.rounds, (cell, round) =>
    measure(cell, round, scale, options.seed),
  );
  const loads = options.loads.map((load, at) => makeLoadRow(load, measurements[at] as LoadMeasured[]));
  const scenarios = options.scenarios.map(
    (scenario, at) =>
      [scenario, makeScenarioValues(measurements[options.loads.length + at] as ScenarioMeasured[])] as const,
  );
  const rows = {
    ...{ deadlineMs: DEADLINE_MS, peakPerSecond, peaksPerSecond, loads },
    ...{ scenarios: Object.fromEntries(scenarios), refusalCost: refusalCostOf(loads), ...gather(measurements.flat()) },
  };
  const report: OverloadReport = { header: makeHeader("bench:overload", args), ...rows, targets: judge(rows) };
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  if (options.svg !== undefined && loads.length > 0) writeFileSync(options.svg, drawCurve(report));
  process.stdout.write(`${formatReport(report).join("\n")}\n`);
  return report.failed > 0 ? 1 : 0;
}

await runProgram(USAGE, run);
