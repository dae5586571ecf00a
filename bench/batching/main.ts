// `npm run bench:batching`: a method whose store makes one round trip of 1 ms at a time, called one by one and in batches.
// Ends with a non-zero code if any answer was not the call's own; a target that is missed is told, and is no failure.

import { writeFileSync } from "node:fs";
import { integer, number, readValues, runProgram } from "../lib/arguments.js";
import { makeHeader } from "../lib/header.js";
import { measurePair, type PairMeasurement } from "../lib/pair.js";
import { measureInRounds } from "../lib/rounds.js";
import type { ClientResult, StoreReport } from "./messages.js";
import { type BatchingReport, formatBatching, judgeBatching, makeBatchingRow } from "./report.js";

const USAGE = `npm run bench:batching -- [options]
  --json FILE           write the rows to FILE
  --seconds N           length of each timed window (default 3)
  --warmup N            the most seconds a warm-up may take; it ends once the rate is level (default 3)
  --outstanding N       calls in flight (default 1024)
  --rounds N            rounds over both ways; rows are medians (default 3)`;

const METHODS = ["save", "saveTogether"] as const;
const SERVER = { module: new URL("./server-process.js", import.meta.url), args: [] };
const CLIENT = new URL("./client-process.js", import.meta.url);

async function run(args: readonly string[]): Promise<number> {
  const values = readValues(args, {
    json: { type: "string" },
    seconds: { type: "string", default: "3" },
    warmup: { type: "string", default: "3" },
    outstanding: { type: "string", default: "1024" },
    rounds: { type: "string", default: "3" },
  });
  const windowMs = number("--seconds", values.seconds, 0.05, 3600) * 1_000;
  const warmupMs = number("--warmup", values.warmup, 0, 3600) * 1_000;
  const outstanding = integer("--outstanding", values.outstanding, 1, 1_024);
  const rounds = integer("--rounds", values.rounds, 1, 1_000);
  const measure = async (method: string, round: number): Promise<PairMeasurement<StoreReport, ClientResult>> => {
    const client = { module: CLIENT, args: [method, outstanding, warmupMs, windowMs].map(String) };
    const measured = await measurePair<StoreReport, ClientResult>(SERVER, client, { warmupMs, windowMs });
    const { calls, seconds, errors, firstError } = measured.result;
    const trouble = errors > 0 ? `  ${errors} errors, first: ${firstError}` : "";
    process.stderr.write(`round ${round}  ${method}: ${Math.round(calls / seconds)} calls/s${trouble}\n`);
    return measured;
  };
  const measurements = await measureInRounds(METHODS, rounds, measure);
  const rows = METHODS.map((method, at) => makeBatchingRow(method, measurements[at]!));
  const report: BatchingReport = {
    ...{ header: makeHeader("bench:batching", args), outstanding, rows },
    targets: judgeBatching(rows),
  };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
  process.stdout.write(`${formatBatching(report).join("\n")}\n`);
  return rows.some(({ errors }) => errors > 0) ? 1 : 0;
}

await runProgram(USAGE, run);
