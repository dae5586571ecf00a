// `npm run bench`: measures the same unary echo through every system asked for, and shows them side by side. Ends with a
// non-zero code if any call failed.

import { writeFileSync } from "node:fs";
import { runProgram, UsageError } from "../lib/arguments.js";
import { makeHeader } from "../lib/header.js";
import { measureInRounds } from "../lib/rounds.js";
import { type Cell, type Measurement, measureCell } from "./cell.js";
import { type BenchOptions, parseOptions, USAGE } from "./options.js";
import { formatReport, makeRow, type Report } from "./report.js";

/** Every cell of a run; systems that do the same work stand together. */
function cellsOf({ payloadBytes, outstanding, modes, peers }: BenchOptions): Cell[] {
  const variants = [
    ...modes.map((mode) => ({ system: "sluice", mode }) as const),
    ...peers.map((system) => ({ system, mode: "pipelined" }) as const),
  ];
  const works = payloadBytes.flatMap((bytes) =>
    outstanding.map((calls) => ({ payloadBytes: bytes, outstanding: calls })),
  );
  return works.flatMap((work) => variants.map((variant) => ({ ...variant, ...work })));
}

function showProgress(round: number, cell: Cell, { callsPerSecond, errors, firstError }: Measurement): void {
  const { system, mode, payloadBytes, outstanding } = cell;
  const what = `round ${round}  ${system} ${mode}, ${payloadBytes} bytes x${outstanding}`;
  const trouble = errors > 0 ? `  ${errors} errors, first: ${firstError}` : "";
  process.stderr.write(`${what}: ${Math.round(callsPerSecond)} calls/s${trouble}\n`);
}

async function run(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const cells = cellsOf(options);
  if (cells.length === 0) throw new UsageError("nothing to measure: name at least one mode or peer");
  const measurements = await measureInRounds(cells, options.rounds, async (cell, round) => {
    const measured = await measureCell(cell, options);
    showProgress(round, cell, measured);
    return measured;
  });
  const report: Report = {
    header: makeHeader("bench", args),
    rows: cells.map((cell, index) => makeRow(cell, measurements[index]!)),
  };
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  process.stdout.write(`${formatReport(report).join("\n")}\n`);
  return report.rows.some((row) => row.errors > 0) ? 1 : 0;
}

await runProgram(USAGE, run);
