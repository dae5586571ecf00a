// `npm run bench:check -- A B`: compares two checkouts in one run, Sluice's pipelined mode of each, in turns: for whoever reviews a
// change that is to make calls faster, or not to make them slower. It ends with 0 if it could measure, whatever came of it.

import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { integer, list, number, runProgram, UsageError } from "../lib/arguments.js";
import { makeHeader } from "../lib/header.js";
import { measureInRounds } from "../lib/rounds.js";
import { type Checkout, commitOf, measureOnce, prepare, type Work } from "./checkout.js";
import { type CheckReport, formatCheck, makeCheckRow } from "./report.js";

const USAGE = `npm run bench:check -- A B [options]
  A, B                  folders of the two checkouts; what is not built is built
  --outstanding LIST    calls in flight (default 64,1024)
  --payload LIST        payload bytes (default 100)
  --rounds N            rounds, each A and B in turns (default 5)
  --seconds N           length of each timed window (default 1)
  --warmup N            the most seconds a warm-up may take; it ends once the rate is level (default 4)
  --json FILE           write the rows to FILE`;

const OPTIONS = {
  outstanding: { type: "string", default: "64,1024" },
  payload: { type: "string", default: "100" },
  rounds: { type: "string", default: "5" },
  seconds: { type: "string", default: "1" },
  warmup: { type: "string", default: "4" },
  json: { type: "string" },
} as const;

function readArguments(args: readonly string[]): ReturnType<typeof parse> {
  try {
    return parse(args);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function parse(
  args: readonly string[],
): ReturnType<typeof parseArgs<{ args: string[]; options: typeof OPTIONS; allowPositionals: true }>> {
  return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
}

/** The folders, as they were meant where npm was started. */
function checkoutsOf(folders: readonly string[]): [Checkout, Checkout] {
  const [a, b] = folders;
  if (a === undefined || b === undefined || folders.length > 2) throw new UsageError("name two folders: A and B");
  const from = process.env.INIT_CWD ?? process.cwd();
  return [
    { name: "A", folder: resolve(from, a) },
    { name: "B", folder: resolve(from, b) },
  ];
}

/** A measurement that is interrupted ends its processes. */
function endOn(signals: readonly NodeJS.Signals[]): void {
  for (const signal of signals) process.once(signal, () => process.exit(1));
}

async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args);
  const [a, b] = checkoutsOf(positionals);
  const times = {
    seconds: number("--seconds", values.seconds, 0.05, 3600),
    longestWarmupSeconds: number("--warmup", values.warmup, 0, 3600),
  };
  const rounds = integer("--rounds", values.rounds, 1, 1000);
  const payloads = list(values.payload).map((text) => integer("--payload", text, 0, 64 * 1024 * 1024));
  const outstanding = list(values.outstanding).map((text) => integer("--outstanding", text, 1, 65_536));
  const works: Work[] = payloads.flatMap((payloadBytes) =>
    outstanding.map((calls) => ({ payloadBytes, outstanding: calls })),
  );
  if (works.length === 0) throw new UsageError("nothing to measure: name a payload and a number of calls in flight");
  endOn(["SIGINT", "SIGTERM", "SIGHUP"]);
  for (const checkout of [a, b]) prepare(checkout);
  const cells = works.flatMap((work) => [a, b].map((checkout) => ({ checkout, work })));
  const measurements = await measureInRounds(cells, rounds, async ({ checkout, work }, at) => {
    const row = await measureOnce(checkout, work, times);
    const what = `round ${at}  ${checkout.name}, ${work.payloadBytes} bytes x${work.outstanding}`;
    process.stderr.write(`${what}: ${Math.round(row.callsPerSecond)} calls/s\n`);
    return row;
  });
  const rows = works.map((work, at) => makeCheckRow(work, measurements[2 * at]!, measurements[2 * at + 1]!));
  const [nameA, nameB] = [a, b].map((checkout) => `${checkout.folder} ${commitOf(checkout)}`.trim()) as [
    string,
    string,
  ];
  const report: CheckReport = { header: makeHeader("bench:check", args), a: nameA, b: nameB, rows };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
  process.stdout.write(`${formatCheck(report).join("\n")}\n`);
  return 0;
}

await runProgram(USAGE, run);
