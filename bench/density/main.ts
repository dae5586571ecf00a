// `npm run bench:density`: how much a connection costs that does nothing, and how a server with thousands of them pushes to a
// few. A target that is missed is told; a message that was lost or out of order is a failure.

import { writeFileSync } from "node:fs";
import { runProgram } from "../lib/arguments.js";
import { makeHeader } from "../lib/header.js";
import { measureInRounds } from "../lib/rounds.js";
import { checkCeilings, readCeilings } from "./ceilings.js";
import { type Measurement, measure } from "./measure.js";
import { parseOptions, USAGE } from "./options.js";
import { type DensityReport, formatDensity, judgeDensity, makeIdleRow, makePushRow } from "./report.js";
import type { System } from "./systems.js";

function showProgress(round: number, system: System, { idle, push }: Measurement): void {
  const megabytes = (idle.after.rssBytes / 1e6).toFixed(0);
  const pushed = push === undefined ? "" : `; ${push.report.sent} messages pushed`;
  const what = `${idle.connections} idle connections, ${megabytes} MB, ${(idle.cpu * 100).toFixed(2)}% of a core`;
  process.stderr.write(`round ${round}  ${system}: ${what}${pushed}\n`);
}

async function run(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const { json, systems, connections, clients, idleSeconds, rounds } = options;
  checkCeilings(connections, clients, readCeilings());
  const measurements = await measureInRounds(systems, rounds, async (system, round) => {
    process.stderr.write(`round ${round}  ${system}: opening ${connections} connections\n`);
    const measured = await measure(system, options);
    showProgress(round, system, measured);
    return measured;
  });
  const rows = systems.map((system, at) => makeIdleRow(system, connections, measurements[at]!));
  const pushed = measurements.flat().flatMap(({ push }) => (push === undefined ? [] : [push]));
  const push = options.push === undefined || pushed.length === 0 ? undefined : makePushRow(options.push, pushed);
  const report: DensityReport = {
    ...{ header: makeHeader("bench:density", args), connections, idleSeconds, rows, push },
    targets: judgeDensity(rows, push),
  };
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, undefined, 2)}\n`);
  process.stdout.write(`${formatDensity(report).join("\n")}\n`);
  return push === undefined || push.lost + push.outOfOrder === 0 ? 0 : 1;
}

await runProgram(USAGE, run);
