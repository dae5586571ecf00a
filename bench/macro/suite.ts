// `npm run bench:suite`: every cell that the targets for unary calls need, in one interleaved run, and what became of each
// target. About ten minutes at three rounds. Ends with a non-zero code if any call or cell failed; a target that is missed
// is told, and is no failure.

import { writeFileSync } from "node:fs";
import { integer, list, number, oneOf, readValues, runProgram } from "../lib/arguments.js";
import { makeHeader } from "../lib/header.js";
import { formatTargets, type Target } from "../lib/targets.js";
import { installedVersions } from "./peers.js";
import { formatReport, type Report } from "./report.js";
import { runCells } from "./run.js";
import { cellsOf, GROUPS, judge } from "./suite-plan.js";

const USAGE = `npm run bench:suite -- [options]
  --json FILE           write rows and targets to FILE
  --seconds N           length of each timed window (default 1)
  --warmup N            the most seconds a warm-up may take; it ends once the rate is level (default 4)
  --rounds N            rounds over all cells; rows are medians (default 3)
  --only LIST           parts: ${GROUPS.join(",")} (default all)`;

/** What is written with `--json`. */
interface SuiteReport extends Report {
  readonly targets: readonly Target[];
  /** Of the systems that bench/package.json brings. */
  readonly versions: { readonly [system: string]: string };
  /** What could not be measured. */
  readonly failures: readonly string[];
}

async function run(args: readonly string[]): Promise<number> {
  const values = readValues(args, {
    json: { type: "string" },
    seconds: { type: "string", default: "1" },
    warmup: { type: "string", default: "4" },
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: GROUPS.join() },
  });
  const groups = list(values.only).map((text) => oneOf("--only", text, GROUPS));
  const options = {
    seconds: number("--seconds", values.seconds, 0.05, 3600),
    longestWarmupSeconds: number("--warmup", values.warmup, 0, 3600),
    rounds: integer("--rounds", values.rounds, 1, 1000),
  };
  const { rows, failures } = await runCells(cellsOf(groups), options);
  const targets = judge(groups, rows);
  const report: SuiteReport = {
    ...{ header: makeHeader("bench:suite", args), versions: installedVersions(), rows, targets, failures },
  };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
  const troubles = failures.map((failure) => `not measured: ${failure}`);
  const lines = [...formatReport(report), "", ...formatTargets(report.targets), ...troubles];
  process.stdout.write(`${lines.join("\n")}\n`);
  return failures.length > 0 || rows.some(({ errors }) => errors > 0) ? 1 : 0;
}

await runProgram(USAGE, run);
