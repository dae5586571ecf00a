// `npm run bench:report`: makes the report, README's tables and their pictures of the result files in bench/results. It
// measures nothing.

import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { readValues, runProgram } from "../lib/arguments.js";
import { makeOutputs, REPORT_PATH, staleOutputs } from "./outputs.js";

const USAGE = `npm run bench:report -- [options]
  --out FILE            where the report goes (default ${REPORT_PATH})
  --check               write nothing; fail if a file is not what the results make it`;

async function run(args: readonly string[]): Promise<number> {
  const values = readValues(args, {
    out: { type: "string", default: REPORT_PATH },
    check: { type: "boolean", default: false },
  });
  const root = process.cwd();
  const outputs = makeOutputs(root, values.out);
  const stale = staleOutputs(root, outputs);
  if (values.check) {
    for (const path of stale)
      process.stderr.write(`${path} is not what bench/results makes it: run npm run bench:report\n`);
    return stale.length > 0 ? 1 : 0;
  }
  for (const { path, text } of outputs) writeFileSync(resolve(root, path), text);
  process.stdout.write(`${stale.length === 0 ? "nothing has changed" : `written: ${stale.join(", ")}`}\n`);
  return 0;
}

await runProgram(USAGE, run);
