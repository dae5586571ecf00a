// A client process: holds the other ends of many connections, and listens over some of them.

import type { Socket } from "node:net";
import { type Channel, RpcError } from "sluice";
import { DensityClient } from "../gen/bench/v1/density.js";
import { onParent, sendToParent } from "../lib/child.js";
import { monotonicMs } from "./clock.js";
import type { FromClient, ToClient } from "./messages.js";
import { openChannel, openSocket, type System } from "./systems.js";
import { TookLog } from "./took-log.js";

/** Connections that are being opened at once: all processes together stay below what a listener keeps waiting. */
const OPENING = 32;

const [system, address, count] = process.argv.slice(2) as [System, string, string];
const tell = (message: FromClient): void => sendToParent(message);
const sockets: Socket[] = [];
const channels: Channel[] = [];
const took = new TookLog();
let updates = 0;
let outOfOrder = 0;

async function openOne(): Promise<void> {
  if (system === "sluice") channels.push(await openChannel(address));
  else sockets.push(await openSocket(address));
}

async function openAll(total: number): Promise<void> {
  let left = total;
  const openSome = async (): Promise<void> => {
    for (; left > 0; ) {
      left--;
      await openOne();
    }
  };
  await Promise.all(Array.from({ length: OPENING }, openSome));
}

/** Listens until the connection ends. `onFirst` is called when the server has taken it on. */
async function listen(channel: Channel): Promise<void> {
  let expected = 0;
  try {
    for await (const { sequence, dueMs, isMeasured } of new DensityClient(channel).subscribe({})) {
      if (sequence !== expected) outOfOrder++;
      expected = sequence + 1;
      updates++;
      if (isMeasured) took.add(monotonicMs() - dueMs);
    }
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    process.stderr.write(`a subscription ended: ${error.message}\n`);
  }
}

function subscribe(active: number): void {
  const every = channels.length / active;
  for (let n = 0; n < active; n++) void listen(channels[Math.floor(n * every)]!);
  tell({ type: "subscribed" });
}

function tellCount(): void {
  const rssBytes = process.memoryUsage().rss;
  tell({ type: "counted", received: { updates, outOfOrder, tookMs: took.all(), rssBytes } });
}

onParent((message) => {
  const order = message as ToClient;
  if (order.type === "subscribe") subscribe(order.active);
  else tellCount();
});
await openAll(Number(count));
tell({ type: "connected" });
