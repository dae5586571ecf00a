// The client process of a throughput cell: one stream, warmed up, measured in one window, and read or sent to its end.

import { setTimeout as sleep } from "node:timers/promises";
import { within } from "../lib/bounded.js";
import { awaitGo, tellParent } from "../lib/pair.js";
import { warmUp } from "../lib/warm-up.js";
import { sample } from "../macro/messages.js";
import type { Direction } from "./cell.js";
import type { ThroughputResult } from "./messages.js";
import type { StreamClient } from "./peer.js";
import { loadStreamPeer, type StreamSystem } from "./peers.js";
import { Ends } from "./sequence.js";

const CONNECT_MS = 5000;
const DRAIN_MS = 10_000;

const [system, direction, warmup, window, address] = process.argv.slice(2) as [
  StreamSystem,
  Direction,
  string,
  string,
  string,
];
const ends = new Ends();

/** One stream to its end, which comes once this client's ends, or the server's, were stopped. */
async function carry(client: StreamClient): Promise<void> {
  if (direction === "server-stream") {
    await client.download(0, ends.openSink());
    return;
  }
  const source = ends.openSource();
  const taken = await client.upload(source);
  if (taken !== source.sent) throw new Error(`${source.sent} messages were sent; the server has taken ${taken}`);
}

const peer = await loadStreamPeer(system);
const client = await within(peer.connect(address), CONNECT_MS, `a connection of ${system}`);
await awaitGo();
const carried = carry(client);
await warmUp(() => ends.taken + ends.sent, Number(warmup));
const before = { ...sample(), taken: ends.taken };
tellParent({ type: "window-began" });
await sleep(Number(window));
const after = { ...sample(), taken: ends.taken };
tellParent({ type: "window-ended" });
ends.stop();
await within(carried, DRAIN_MS, `the end of a stream of ${system}`);
await client.close();
const { errors, firstError } = ends;
const result: ThroughputResult = { before, after, taken: after.taken - before.taken, errors, firstError };
tellParent({ type: "finished", result });
