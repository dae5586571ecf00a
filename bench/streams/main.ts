// `npm run bench:streams`: how fast a stream is, beside the floor's and grpc-js's, and what small calls notice of long
// messages and streams on their connection. Ends with a non-zero code if anything came that was not sent; a target that
// is missed is told, and is no failure.

import { writeFileSync } from "node:fs";
import { runProgram, UsageError } from "../lib/arguments.js";
import { makeHeader } from "../lib/header.js";
import { measureInRounds } from "../lib/rounds.js";
import { isBulk } from "./background.js";
import {
  type Beside,
  type BesideCell,
  type Errors,
  type MemoryCell,
  measureBeside,
  measureMemory,
  measureThroughput,
  type Throughput,
  type ThroughputCell,
} from "./cell.js";
import { parseOptions, type StreamBenchOptions, USAGE } from "./options.js";
import { formatReport, judge, makeBesideRow, makeMemoryRow, makeThroughputRow, type StreamReport } from "./report.js";

function throughputCells({ directions, peers }: StreamBenchOptions): ThroughputCell[] {
  return directions.flatMap((direction) => (["sluice", ...peers] as const).map((system) => ({ system, direction })));
}

function besideCells({ loads }: StreamBenchOptions): BesideCell[] {
  return loads.flatMap((load) =>
    (["same", "own"] as const)
      .filter((connection) => load !== "nothing" || connection === "same")
      .map((connection) => ({ load, connection })),
  );
}

function memoryCells({ loads }: StreamBenchOptions): MemoryCell[] {
  return loads.filter(isBulk).map((load) => ({ memoryOf: load }));
}

type Cell = ThroughputCell | BesideCell | MemoryCell;

/** Measures a cell of any kind, and tells of it. */
async function measure(cell: Cell, round: number, options: StreamBenchOptions): Promise<Throughput | Beside> {
  if ("system" in cell) {
    const measured = await measureThroughput(cell, options);
    const rate = `${Math.round(measured.messagesPerSecond)} messages/s`;
    showProgress(`round ${round}  ${cell.direction} of ${cell.system}: ${rate}`, measured);
    return measured;
  }
  if ("memoryOf" in cell) {
    const measured = await measureMemory(cell, options);
    const [sender, receiver] = [measured.senderMemory, measured.receiverMemory].map((m) =>
      Math.round(m.heapBytes / 1e6),
    );
    showProgress(
      `round ${round}  memory of ${cell.memoryOf}: sender +${sender} MB, receiver +${receiver} MB`,
      measured,
    );
    return measured;
  }
  const measured = await measureBeside(cell, options);
  const times = `p50 ${measured.p50Us.toFixed(0)} us, p99 ${measured.p99Us.toFixed(0)} us`;
  showProgress(`round ${round}  beside ${cell.load}, ${cell.connection} connection: ${times}`, measured);
  return measured;
}

function showProgress(what: string, { errors, firstError }: Errors): void {
  const trouble = errors > 0 ? `  ${errors} errors, first: ${firstError}` : "";
  process.stderr.write(`${what}${trouble}\n`);
}

async function run(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const [alone, small, kept] = [throughputCells(options), besideCells(options), memoryCells(options)];
  if (alone.length + small.length === 0) throw new UsageError("nothing to measure: name a direction or a load");
  const cells: Cell[] = [...alone, ...small, ...kept];
  const measurements = await measureInRounds(cells, options.rounds, (cell, round) => measure(cell, round, options));
  const { callsPerSecond, streamMessages } = options;
  const takeRows = <C, M, R>(kind: readonly C[], makeRow: (cell: C, measured: M[]) => R): R[] =>
    kind.map((cell) => makeRow(cell, measurements.shift() as M[]));
  const rows = {
    throughput: takeRows(alone, makeThroughputRow),
    beside: takeRows(small, makeBesideRow),
    memory: takeRows(kept, makeMemoryRow),
    bulkBytes: options.bulkBytes,
  };
  const report: StreamReport = {
    header: makeHeader("bench:streams", args),
    ...{ callsPerSecond, streamMessages },
    ...rows,
    targets: judge(rows),
  };
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  process.stdout.write(`${formatReport(report).join("\n")}\n`);
  return [...rows.throughput, ...rows.beside, ...rows.memory].some((row) => row.errors > 0) ? 1 : 0;
}

await runProgram(USAGE, run);
