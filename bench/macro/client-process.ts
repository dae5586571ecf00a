// The client process of one cell: connects, warms up, measures one window, reports, and waits to be stopped.

import { setTimeout as sleep } from "node:timers/promises";
import { within } from "../lib/bounded.js";
import { awaitGo, tellParent } from "../lib/pair.js";
import { warmUp } from "../lib/warm-up.js";
import { Load } from "./load.js";
import { type ClientResult, sample } from "./messages.js";
import type { Mode } from "./peer.js";
import { loadPeer, type System } from "./peers.js";

const CONNECT_MS = 5000;
const DRAIN_MS = 10_000;

const [system, mode, payload, calls, warmup, window, address] = process.argv.slice(2) as [
  System,
  Mode,
  string,
  string,
  string,
  string,
  string,
];

/** What one window gave; errors are counted from the first call to the last. */
async function measure(load: Load): Promise<Omit<ClientResult, "errors" | "firstError">> {
  load.latencies.reset();
  const before = { ...sample(), calls: load.completed };
  tellParent({ type: "window-began" });
  await sleep(Number(window));
  const after = { ...sample(), calls: load.completed };
  tellParent({ type: "window-ended" });
  return {
    calls: after.calls - before.calls,
    elapsedUs: after.atUs - before.atUs,
    cpuUs: after.cpuUs - before.cpuUs,
    p50Us: load.latencies.percentile(0.5) / 1000,
    p99Us: load.latencies.percentile(0.99) / 1000,
  };
}

const peer = await loadPeer(system);
const client = await within(peer.connect(address, mode), CONNECT_MS, `a connection of ${system}`);
const load = new Load(client, Number(payload), Number(calls));
await awaitGo();
load.start();
await warmUp(() => load.completed, Number(warmup));
const measured = await measure(load);
await within(load.stop(), DRAIN_MS, `the last calls of ${system}`);
await client.close();
const result: ClientResult = { ...measured, errors: load.errors, firstError: load.firstError };
tellParent({ type: "finished", result });
