// `npm run bench:micro`: what the parts of a call take, one by one, and whether each pool is faster than doing without it. A pool
// that is not is told, and is no failure. A run takes less than a minute.

import { writeFileSync } from "node:fs";
import { integer, readValues, runProgram } from "../lib/arguments.js";
import { formatHeader, makeHeader } from "../lib/header.js";
import { formatMicro, judgeCases, measureCases } from "../lib/micro.js";
import { formatTargets } from "../lib/targets.js";
import { allCases } from "./cases.js";

const USAGE = `npm run bench:micro -- [options]
  --json FILE           write the rows to FILE
  --rounds N            rounds over all cases; rows are medians (default 60)`;

/** Rounds between two lines of progress. */
const TOLD_ROUNDS = 10;

async function run(args: readonly string[]): Promise<number> {
  const values = readValues(args, { json: { type: "string" }, rounds: { type: "string", default: "60" } });
  const rounds = integer("--rounds", values.rounds, 1, 200);
  const cases = allCases();
  const samples = await measureCases(cases, rounds, (round) => {
    if (round > 0 && round % TOLD_ROUNDS === 0) process.stderr.write(`round ${round} of ${rounds}\n`);
  });
  const result = judgeCases(cases, samples);
  // One process, on whichever core it gets.
  const header = { ...makeHeader("bench:micro", args), pinned: false };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ header, ...result }, undefined, 2)}\n`);
  const lines = [...formatHeader(header), "", ...formatMicro(result), "", ...formatTargets(result.targets)];
  process.stdout.write(`${lines.join("\n")}\n`);
  return 0;
}

await runProgram(USAGE, run);
