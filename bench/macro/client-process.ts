// The client process of one cell: connects, warms up, measures one window, reports, and waits to be stopped.

import { setTimeout as sleep } from "node:timers/promises";
import { within } from "../lib/bounded.js";
import { onParent, sendToParent } from "../lib/child.js";
import { Load } from "./load.js";
import { type ClientResult, type FromClient, sample } from "./messages.js";
import type { Mode } from "./peer.js";
import { loadPeer, type System } from "./peers.js";

const CONNECT_MS = 5000;
const DRAIN_MS = 10_000;
/** Warm-up goes in steps of this length. */
const STEP_MS = 200;
/** It is over when this many steps in a row were hardly faster than the fastest before them. */
const LEVEL_STEPS = 3;
const HARDLY = 1.05;

const [system, mode, address, ...numbers] = process.argv.slice(2) as [System, Mode, string, ...string[]];
const [payloadBytes, outstanding, longestWarmupMs, windowMs] = numbers.map(Number) as [number, number, number, number];

const send = (message: FromClient): void => sendToParent(message);

/** Runs load until the rate rises no more: some systems need a few hundred calls for that, others many thousands. */
async function warmUp(load: Load): Promise<void> {
  let fastest = 0;
  let level = 0;
  for (let spentMs = 0; spentMs < longestWarmupMs && level < LEVEL_STEPS; spentMs += STEP_MS) {
    const before = load.completed;
    await sleep(Math.min(STEP_MS, longestWarmupMs - spentMs));
    const calls = load.completed - before;
    level = calls <= fastest * HARDLY ? level + 1 : 0;
    fastest = Math.max(fastest, calls);
  }
}

/** What one window gave; errors are counted from the first call to the last. */
async function measure(load: Load): Promise<Omit<ClientResult, "errors" | "firstError">> {
  load.latencies.reset();
  const before = { ...sample(), calls: load.completed };
  send({ type: "window-began" });
  await sleep(windowMs);
  const after = { ...sample(), calls: load.completed };
  send({ type: "window-ended" });
  return {
    calls: after.calls - before.calls,
    elapsedUs: after.atUs - before.atUs,
    cpuUs: after.cpuUs - before.cpuUs,
    p50Us: load.latencies.percentile(0.5) / 1000,
    p99Us: load.latencies.percentile(0.99) / 1000,
  };
}

onParent(() => {});
const peer = await loadPeer(system);
const client = await within(peer.connect(address, mode), CONNECT_MS, `a connection of ${system}`);
const load = new Load(client, payloadBytes, outstanding);
load.start();
await warmUp(load);
const measured = await measure(load);
await within(load.stop(), DRAIN_MS, `the last calls of ${system}`);
await client.close();
send({ type: "finished", result: { ...measured, errors: load.errors, firstError: load.firstError } });
