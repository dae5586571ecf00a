// `npm run bench:pool-cost`: the same unary echo as in `npm run bench`, with the task pool and without it, in turns. Ends
// with a non-zero code if any call failed; a target that is missed is told, and is no failure.

import { writeFileSync } from "node:fs";
import { integer, list, number, readValues, runProgram } from "../lib/arguments.js";
import { makeHeader } from "../lib/header.js";
import { measureInRounds } from "../lib/rounds.js";
import { type Cell, measureCell } from "../macro/cell.js";
import { type CostReport, formatCosts, judgeCost, makeCostRow } from "./report.js";

const USAGE = `npm run bench:pool-cost -- [options]
  --json FILE           write the rows to FILE
  --seconds N           length of each timed window (default 2)
  --warmup N            the most seconds a warm-up may take; it ends once the rate is level (default 4)
  --outstanding LIST    calls in flight (default 1,64,1024)
  --rounds N            rounds over all cells; rows are medians (default 5)`;

const DIRECT_SERVER = new URL("./direct-server.js", import.meta.url);

interface CostCell extends Cell {
  /** The server program; undefined for the one with the pool. */
  readonly server: URL | undefined;
}

function cellsOf(outstanding: number): CostCell[] {
  return [undefined, DIRECT_SERVER].map((server) => ({
    ...{ system: "sluice", mode: "pipelined", variant: "default", payloadBytes: 100, outstanding, share: 0, server },
  }));
}

async function run(args: readonly string[]): Promise<number> {
  const values = readValues(args, {
    json: { type: "string" },
    seconds: { type: "string", default: "2" },
    warmup: { type: "string", default: "4" },
    outstanding: { type: "string", default: "1,64,1024" },
    rounds: { type: "string", default: "5" },
  });
  const times = {
    seconds: number("--seconds", values.seconds, 0.05, 3600),
    longestWarmupSeconds: number("--warmup", values.warmup, 0, 3600),
  };
  const outstanding = list(values.outstanding).map((text) => integer("--outstanding", text, 1, 65_536));
  const rounds = integer("--rounds", values.rounds, 1, 1000);
  const measurements = await measureInRounds(outstanding.flatMap(cellsOf), rounds, async (cell, round) => {
    const measured = await measureCell(cell, times, cell.server === undefined ? {} : { module: cell.server });
    const what = `round ${round}  x${cell.outstanding} ${cell.server === undefined ? "with pool" : "without"}`;
    process.stderr.write(`${what}: ${Math.round(measured.callsPerSecond)} calls/s\n`);
    return measured;
  });
  const rows = outstanding.map((calls, at) => makeCostRow(calls, measurements[2 * at]!, measurements[2 * at + 1]!));
  const report: CostReport = { header: makeHeader("bench:pool-cost", args), rows, targets: judgeCost(rows) };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
  process.stdout.write(`${formatCosts(report).join("\n")}\n`);
  return rows.some(({ errors }) => errors > 0) ? 1 : 0;
}

await runProgram(USAGE, run);
