// The client process of one cell: connects, warms up, measures one window, reports, and waits to be stopped. After the
// window the load goes on for a moment while allocations are counted; after the load, some replies are kept, to see what
// heap a decoded one takes.

import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { AllocationCount, retainedBytes } from "../lib/allocation.js";
import { within } from "../lib/bounded.js";
import { awaitGo, tellParent } from "../lib/pair.js";
import { warmUp } from "../lib/warm-up.js";
import { Load } from "./load.js";
import { loadCost } from "./load-cost.js";
import { CLIENT_COUNTS_MS, type ClientPlan, type ClientResult, sample } from "./messages.js";
import { OpenLoad } from "./open-load.js";
import { makeMessages } from "./payloads.js";
import type { EchoCaller, EchoMessage } from "./peer.js";
import { loadPeer } from "./peers.js";
import type { Tally } from "./tally.js";

const CONNECT_MS = 5000;
const DRAIN_MS = 10_000;
/** So many replies are kept at most, of so many bytes together, and for so long. */
const KEPT_REPLIES = 4096;
const KEPT_BYTES = 16 * 1024 * 1024;
const KEEPING_MS = 1000;
const KEPT_AT_ONCE = 64;
/** How long an open loop goes on before its window. */
const SETTLING_MS = 500;

const [planText, address] = process.argv.slice(2) as [string, string];
const plan = JSON.parse(planText) as ClientPlan;

type Window = Pick<ClientResult, "calls" | "elapsedUs" | "cpuUs" | "p50Us" | "p99Us" | "rssBytes">;

/** What one window gave; errors are counted from the first call to the last. */
async function measure(load: Tally): Promise<Window> {
  load.begin();
  const before = { ...sample(), calls: load.completed };
  tellParent({ type: "window-began" });
  await sleep(plan.windowMs);
  const after = { ...sample(), calls: load.completed };
  tellParent({ type: "window-ended" });
  return {
    calls: after.calls - before.calls,
    elapsedUs: after.atUs - before.atUs,
    cpuUs: after.cpuUs - before.cpuUs,
    p50Us: load.latencies.percentile(0.5) / 1000,
    p99Us: load.latencies.percentile(0.99) / 1000,
    rssBytes: process.memoryUsage.rss(),
  };
}

/** What the load allocates while it goes on. */
async function countAllocations(
  load: Tally,
): Promise<Pick<ClientResult, "allocatedBytesPerUs" | "callsPerUsWhileCounting">> {
  const before = load.completed;
  const startedAt = performance.now();
  const count = new AllocationCount();
  await sleep(CLIENT_COUNTS_MS);
  const callsPerUsWhileCounting = (load.completed - before) / ((performance.now() - startedAt) * 1000);
  return { allocatedBytesPerUs: count.stop(), callsPerUsWhileCounting };
}

async function keepReplies(client: EchoCaller, payloadBytes: number): Promise<EchoMessage[]> {
  const most = Math.min(KEPT_REPLIES, Math.max(KEPT_AT_ONCE, Math.floor(KEPT_BYTES / Math.max(1, payloadBytes))));
  const until = performance.now() + KEEPING_MS;
  const replies: EchoMessage[] = [];
  while (replies.length < most && performance.now() < until) {
    const batch = messages.slice(replies.length, replies.length + KEPT_AT_ONCE);
    replies.push(...(await Promise.all(batch.map((message) => client.echo(message)))));
  }
  return replies;
}

/** An open loop begins once its system is warm: one that starts cold would first have to work off what came meanwhile. */
async function warmUpLoad(): Promise<void> {
  const warming = openLoad === undefined ? load : new Load(client, plan.payloadBytes, plan.outstanding);
  warming.start();
  await warmUp(() => warming.completed, plan.warmupMs);
  if (openLoad === undefined) return;
  await warming.stop();
  openLoad.start();
  await sleep(SETTLING_MS);
  openLoad.lateness.reset();
}

const peer = await loadPeer(plan.system);
const client = await within(
  peer.connect(address, plan.mode, plan.variant),
  CONNECT_MS,
  `a connection of ${plan.system}`,
);
const openLoad = plan.offeredPerSecond > 0 ? new OpenLoad(client, plan.payloadBytes, plan.offeredPerSecond) : undefined;
const load = openLoad ?? new Load(client, plan.payloadBytes, plan.outstanding);
await awaitGo();
await warmUpLoad();
const measured = await measure(load);
const lateP99Us = (openLoad?.lateness.percentile(0.99) ?? 0) / 1000;
const allocation = await countAllocations(load);
await within(load.stop(), DRAIN_MS, `the last calls of ${plan.system}`);
const messages = makeMessages(plan.payloadBytes, plan.outstanding);
await nextTurn();
const decodedBytes = openLoad === undefined ? await retainedBytes(() => keepReplies(client, plan.payloadBytes)) : 0;
await client.close();
const loadBytes = openLoad === undefined ? await loadCost(plan.payloadBytes, plan.outstanding) : 0;
const { errors, firstError } = load;
const result: ClientResult = { ...measured, ...allocation, decodedBytes, loadBytes, lateP99Us, errors, firstError };
tellParent({ type: "finished", result });
