// `npm run bench`: measures the same unary echo through every system asked for, and shows them side by side. Ends with a
// non-zero code if any call failed.

import { writeFileSync } from "node:fs";
import { runProgram, UsageError } from "../lib/arguments.js";
import { makeHeader } from "../lib/header.js";
import type { Cell } from "./cell.js";
import { type BenchOptions, OPEN_OUTSTANDING, parseOptions, USAGE } from "./options.js";
import { formatReport, type Report } from "./report.js";
import { runCells } from "./run.js";

/** Every cell of a run; systems that do the same work stand together, and open loops after the closed ones they need. */
function cellsOf({ payloadBytes, outstanding, modes, variants, peers, rates }: BenchOptions): Cell[] {
  const ways = [
    ...modes.flatMap((mode) => variants.map((variant) => ({ system: "sluice", mode, variant }) as const)),
    ...peers.map((system) => ({ system, mode: "pipelined", variant: "default" }) as const),
  ];
  const closed = payloadBytes.flatMap((bytes) =>
    outstanding.map((calls) => ({ payloadBytes: bytes, outstanding: calls, share: 0 })),
  );
  const open = payloadBytes.flatMap((bytes) =>
    rates.map((share) => ({ payloadBytes: bytes, outstanding: OPEN_OUTSTANDING, share })),
  );
  const openWays = ways.filter(
    ({ system, mode }) => system === "floor" || (system === "sluice" && mode === "pipelined"),
  );
  return [
    ...closed.flatMap((work) => ways.map((way) => ({ ...way, ...work }))),
    ...open.flatMap((work) => openWays.map((way) => ({ ...way, ...work }))),
  ];
}

async function run(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const cells = cellsOf(options);
  if (cells.length === 0) throw new UsageError("nothing to measure: name at least one mode or peer");
  const { rows, failures } = await runCells(cells, options);
  const report: Report = { header: makeHeader("bench", args), rows };
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  process.stdout.write(`${formatReport(report).join("\n")}\n`);
  return failures.length > 0 || rows.some((row) => row.errors > 0) ? 1 : 0;
}

await runProgram(USAGE, run);
