// The demo behind `npm run demo`, once everything is built: the register in three modes, then a public API. Ends with 0
// only if every reply was right and every message arrived.

import { parseArgs } from "node:util";
import type { Mode } from "sluice";
import { Child, canPin } from "../../bench/lib/child.js";
import { formatCount } from "../../bench/lib/table.js";
import type { FromServer, Ran, Run } from "./messages.js";
import { publishAndReceive } from "./pubsub-client.js";
import { formatProgress, formatReport, type Row } from "./report.js";

const MODES: readonly Mode[] = ["short", "pooled", "pipelined"];
const OUTSTANDING = [1, 64, 1024];
const WARM_UP_OUTSTANDING = 64;
/** A closed connection keeps its port for a while; a few more runs of this length, and the system had none left. */
const MAX_SHORT_CALLS = 2000;
const SERVER_CORE = 0;
const CLIENT_CORE = 1;
/** What anything may take beyond the time it is given. */
const PATIENCE_MS = 15_000;

/** All calls of all runs. */
const total = { calls: 0, wrong: 0, failed: 0 };

const USAGE = "usage: npm run demo -- [--seconds 1] [--messages 1000]";
const { runMs, messageCount } = parseOptions();

// Whatever happens, the demo ends, and the processes that it started with it.
setTimeout(
  () => {
    console.error("the demo takes too long; giving up");
    process.exit(1);
  },
  runMs * MODES.length * (1 + OUTSTANDING.length) + 60_000,
).unref();

try {
  const isRight = (await compareModes()) && (await publish());
  console.log(isRight ? "\nAll was right." : "\nNOT all was right.");
  process.exitCode = isRight ? 0 : 1;
} catch (error) {
  console.error(`the demo failed: ${String(error)}`);
  process.exitCode = 1;
}

function parseOptions(): { runMs: number; messageCount: number } {
  try {
    const { values } = parseArgs({
      options: { seconds: { type: "string", default: "1" }, messages: { type: "string", default: "1000" } },
    });
    const [seconds, messageCount] = [Number(values.seconds), Number(values.messages)];
    if (!(seconds > 0 && seconds <= 60)) throw new Error(`--seconds ${values.seconds} is not above 0 and at most 60`);
    if (!(messageCount >= 1 && messageCount <= 1e6))
      throw new Error(`--messages ${values.messages} is not 1 to 1000000`);
    return { runMs: seconds * 1000, messageCount: Math.floor(messageCount) };
  } catch (error) {
    console.error(`${String(error)}\n${USAGE}`);
    process.exit(2);
  }
}

// Part one: the register

async function compareModes(): Promise<boolean> {
  console.log("\nThe same work in three modes: users bind, look up, report and unbind, every reply is checked");
  console.log(`   ${canPin ? "server and client on a core each" : "taskset is not to be had: no process is pinned"}`);
  const rows = await withServer("./server.js", async (server, address) => {
    const measured: Row[] = [];
    for (const mode of MODES) measured.push(...(await measureMode(server, address, mode)));
    return measured;
  });
  const byLoad = OUTSTANDING.map((outstanding) => rows.filter((row) => row.outstanding === outstanding));
  console.log(formatReport(byLoad).join("\n"));

  const { calls, wrong, failed } = total;
  console.log(
    `\n   ${wrong} wrong replies and ${failed} failed calls among all ${calls.toLocaleString("en-US")} calls`,
  );
  return wrong + failed === 0 && rows.every((row) => row.calls > 0);
}

/** A client process for each mode, so that none inherits another's heap or compiled code. */
async function measureMode(server: Child<FromServer>, address: string, mode: Mode): Promise<Row[]> {
  const client: Child<Ran> = Child.start(new URL("./client.js", import.meta.url), [address, mode], CLIENT_CORE);
  const run = async (outstanding: number): Promise<Ran> => {
    const maxCalls = mode === "short" ? MAX_SHORT_CALLS : Number.MAX_SAFE_INTEGER;
    const command: Run = { type: "run", outstanding, ms: runMs, maxCalls };
    client.send(command);
    const ran = await client.receive("ran", runMs + PATIENCE_MS);
    count(ran);
    return ran;
  };
  try {
    await run(WARM_UP_OUTSTANDING);
    const rows: Row[] = [];
    for (const outstanding of OUTSTANDING) {
      const before = await usedBy(server);
      const ran = await run(outstanding);
      const serverCpuUs = (await usedBy(server)) - before;
      const row: Row = { ...ran, mode, outstanding, serverCpuUs };
      rows.push(row);
      console.log(`   ${formatProgress(row)}`);
    }
    return rows;
  } finally {
    await client.stop();
  }
}

/** Counts a run, be it measured or not. */
function count({ calls, wrong, failed, problem }: Ran): void {
  total.calls += calls;
  total.wrong += wrong;
  total.failed += failed;
  if (problem !== undefined) console.log(`   ${wrong} wrong replies, ${failed} failed calls; the first: ${problem}`);
}

async function usedBy(server: Child<FromServer>): Promise<number> {
  server.send({ type: "use" });
  return (await server.receive("used", PATIENCE_MS)).cpuUs;
}

// Part two: a public API

async function publish(): Promise<boolean> {
  console.log("\nGoogle Pub/Sub's own API, generated from its manifests, on a small server in memory");
  return await withServer("./pubsub-server.js", async (_, address) => {
    const { published, arrived, bytes, problems } = await publishAndReceive(address, messageCount);
    console.log(`   ${published} messages published, ${arrived} pulled and acknowledged, ${formatCount(bytes)} bytes`);
    for (const problem of problems.slice(0, 5)) console.log(`   ${problem}`);
    const isRight = problems.length === 0;
    if (isRight) console.log(`   ${arrived} of ${messageCount} arrived exactly once and intact`);
    return isRight;
  });
}

// What both use

/** Starts a server process, and ends it after `use`. */
async function withServer<T>(
  module: string,
  use: (server: Child<FromServer>, address: string) => Promise<T>,
): Promise<T> {
  const anyPort = "tcp://127.0.0.1:0";
  const server: Child<FromServer> = Child.start(new URL(module, import.meta.url), [anyPort], SERVER_CORE);
  try {
    const { address } = await server.receive("listening", PATIENCE_MS);
    return await use(server, address);
  } finally {
    await server.stop();
  }
}
