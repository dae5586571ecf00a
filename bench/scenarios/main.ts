// `npm run bench:scenarios`: a client of two hundred servers, in each of the three modes, in calm and when things go wrong. A
// call that fails is a result, not a failure of the benchmark; a target that is missed is told.

import { writeFileSync } from "node:fs";
import { runProgram } from "../lib/arguments.js";
import { makeHeader } from "../lib/header.js";
import { measurePair, type PairMeasurement } from "../lib/pair.js";
import { measureInRounds } from "../lib/rounds.js";
import type { ClientResult, ServersReport } from "./messages.js";
import { parseOptions, type ScenarioOptions, USAGE } from "./options.js";
import { CARRIED_SHARE, formatScenarios, judgeScenarios, makeScenarioRow, type ScenariosReport } from "./report.js";
import { type Cell, cellsOf, phasesOf, type Scale } from "./scenarios.js";

type Measurement = PairMeasurement<ServersReport, ClientResult>;

const SERVER = new URL("./server-process.js", import.meta.url);
const CLIENT = new URL("./client-process.js", import.meta.url);
/** Memory is looked at without its garbage. */
const NODE_FLAGS = ["--expose-gc"];

async function measureCell(cell: Cell, scale: Scale): Promise<Measurement> {
  const server = { module: SERVER, args: [String(scale.peers), cell.disturbance] };
  const client = { module: CLIENT, args: [JSON.stringify(cell), JSON.stringify(scale)] };
  const warmupMs = scale.warmupSeconds * 1_000;
  const windowMs = phasesOf(cell).length * scale.phaseSeconds * 1_000;
  return await measurePair<ServersReport, ClientResult>(server, client, { warmupMs, windowMs, nodeFlags: NODE_FLAGS });
}

function showProgress(round: number, { disturbance, mode, connectionsPerPeer }: Cell, { result }: Measurement): void {
  const shares = result.phases.map(({ phase, carriedShare }) => `${phase} ${(carriedShare * 100).toFixed(1)}%`);
  const what = `round ${round}  ${disturbance}, ${mode} with ${connectionsPerPeer} a server`;
  process.stderr.write(`${what}: ${shares.join(", ")}\n`);
}

/** The fewest connections to each server with which the pooled mode carries the load; undefined if there are too few. */
async function findEnough({ scale, mostPerPeer }: ScenarioOptions): Promise<number | undefined> {
  for (let each = 1; each <= mostPerPeer; each++) {
    const cell: Cell = { disturbance: "calm", mode: "pooled", connectionsPerPeer: each };
    const measured = await measureCell(cell, scale);
    showProgress(0, cell, measured);
    if (measured.result.phases[0]!.carriedShare >= CARRIED_SHARE) return each;
  }
  return undefined;
}

async function run(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const { scale, rounds, json } = options;
  const enough = options.modes.includes("pooled") ? await findEnough(options) : undefined;
  const cells = cellsOf(options.modes, options.disturbances, enough ?? options.mostPerPeer);
  const measurements = await measureInRounds(cells, rounds, async (cell, round) => {
    const measured = await measureCell(cell, scale);
    showProgress(round, cell, measured);
    return measured;
  });
  const rows = cells.map((cell, at) => makeScenarioRow(cell, measurements[at]!));
  const report: ScenariosReport = {
    ...{ header: makeHeader("bench:scenarios", args), scale, pooledNeedsPerPeer: enough, rows },
    targets: judgeScenarios(rows, scale),
  };
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, undefined, 2)}\n`);
  process.stdout.write(`${formatScenarios(report).join("\n")}\n`);
  return rows.some(({ failures }) => "wrong answer" in failures) ? 1 : 0;
}

await runProgram(USAGE, run);
