// The server process: accepts connections, is left alone with them, and pushes to those that listen.

import { setTimeout as sleep } from "node:timers/promises";
import { onParent, sendToParent } from "../lib/child.js";
import { EventLoopWatch } from "./event-loop.js";
import { footprint } from "./footprint.js";
import type { FromServer, HeapPoint, IdleReport, PushReport, ToServer } from "./messages.js";
import type { PushLoad } from "./options.js";
import { Pusher } from "./pusher.js";
import { Subscribers } from "./subscribers.js";
import { type System, serve } from "./systems.js";

/** What all subscriptions may take to arrive. */
const SUBSCRIBED_MS = 10_000;
const LOOK_EVERY_MS = 20;

const [system] = process.argv.slice(2) as [System];
const subscribers = new Subscribers();
const tell = (message: FromServer): void => sendToParent(message);

/** Sockets that are open and read from; the listening one is none of them. */
function countConnections(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
}

/** Runs `what`, and returns the share of a core that this process took for it. */
async function cpuOf(what: () => Promise<unknown>): Promise<number> {
  const [began, before] = [performance.now(), process.cpuUsage()];
  await what();
  const used = process.cpuUsage(before);
  return (used.user + used.system) / 1e3 / (performance.now() - began);
}

async function idle(seconds: number): Promise<IdleReport> {
  await footprint();
  const cpu = await cpuOf(() => sleep(seconds * 1_000));
  const connections = countConnections();
  return { connections, before, after: await footprint(), cpu };
}

/** Resolves when so many listen. */
async function awaitSubscribers(active: number): Promise<void> {
  for (const until = performance.now() + SUBSCRIBED_MS; subscribers.feeds.length < active; ) {
    if (performance.now() > until) throw new Error(`${subscribers.feeds.length} of ${active} connections listen`);
    await sleep(LOOK_EVERY_MS);
  }
}

async function heapPoint(since: number): Promise<HeapPoint> {
  const { heapBytes } = await footprint();
  return { minutes: (performance.now() - since) / 60_000, bytes: heapBytes };
}

/** Warms up, and pushes. Collections are made before and after only: between them garbage is V8's own business. */
async function push({ active, perSecond, warmupSeconds, seconds }: PushLoad): Promise<PushReport> {
  await awaitSubscribers(active);
  const pusher = new Pusher(subscribers);
  await pusher.run(perSecond, warmupSeconds, false);
  const warmedUp = { sent: pusher.sent, bytes: pusher.sentBytes };
  const since = performance.now();
  const first = await heapPoint(since);
  const watch = new EventLoopWatch();
  let lateP99Ms = 0;
  const cpu = await cpuOf(async () => {
    lateP99Ms = (await pusher.run(perSecond, seconds, true)).percentile(0.99) / 1e6;
  });
  watch.stop();
  return {
    connections: countConnections(),
    sent: pusher.sent,
    measured: pusher.sent - warmedUp.sent,
    sentBytes: pusher.sentBytes - warmedUp.bytes,
    longestBacklog: pusher.longestBacklog,
    lateP99Ms,
    delayP9999Ms: watch.percentileMs(99.99),
    longestDelayMs: watch.longestMs,
    delays: watch.delays,
    majorCollections: watch.majorCollections,
    longestCollectionMs: watch.longestCollectionMs,
    waitedForCoreMs: watch.waitedForCoreMs,
    heap: [first, await heapPoint(since)],
    cpu,
  };
}

onParent((message) => {
  const order = message as ToServer;
  if (order.type === "idle") void idle(order.seconds).then((report) => tell({ type: "idled", report }));
  else void push(order.load).then((report) => tell({ type: "pushed", report }));
});
const before = await footprint();
tell({ type: "listening", address: await serve(system, subscribers) });
