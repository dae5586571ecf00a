// The client process: a channel to each server, and calls to all of them by chance in an open loop.

import { setTimeout as sleep } from "node:timers/promises";
import { type Channel, codeName, connect, RpcError } from "sluice";
import { type Random, seededRandom } from "sluice/testing";
import { PeersClient, StageClient } from "../gen/bench/v1/peers.js";
import { Arrivals } from "../lib/arrivals.js";
import { within } from "../lib/bounded.js";
import { heapBytes } from "../lib/memory.js";
import { OpenLoop } from "../lib/open-loop.js";
import { awaitGo, tellParent } from "../lib/pair.js";
import { Ledger } from "./ledger.js";
import type { ClientResult } from "./messages.js";
import { type Cell, phasesOf, type Scale } from "./scenarios.js";

const DRAIN_MS = 10_000;
const CONNECT_MS = 30_000;
/** How often connections and memory are looked at. */
const LOOK_MS = 50;
/** Calls beyond those that are to be expected, as a share: arrivals come by chance. */
const SPARE_ROOM = 1.1;

const [cellText, scaleText, address] = process.argv.slice(2) as [string, string, string];
const cell = JSON.parse(cellText) as Cell;
const scale = JSON.parse(scaleText) as Scale;

/** The calls of one stretch of time. */
class Load {
  readonly ledger: Ledger;
  readonly loop: OpenLoop;
  readonly failures: Record<string, number> = {};
  private readonly clients: readonly PeersClient[];
  private readonly random: Random;
  private readonly payload = new Uint8Array(100).fill(1);

  constructor(clients: readonly PeersClient[], seconds: number, random: Random) {
    const { offeredPerSecond } = scale;
    this.clients = clients;
    this.random = random;
    this.ledger = new Ledger(Math.ceil(offeredPerSecond * seconds * SPARE_ROOM) + 1_000);
    const schedule = new Arrivals([{ perSecond: offeredPerSecond, seconds }], random);
    this.loop = new OpenLoop([{ schedule, make: (dueMs) => this.call(dueMs) }]);
  }

  private async call(dueMs: number): Promise<void> {
    const place = this.ledger.open(dueMs);
    const id = BigInt(place);
    const client = this.clients[Math.floor(this.random() * this.clients.length)]!;
    let isAnswered = false;
    try {
      isAnswered = (await client.ask({ id, payload: this.payload })).id === id;
      if (!isAnswered) this.count("wrong answer");
    } catch (error) {
      this.count(error instanceof RpcError ? codeName(error.code) : String(error));
    }
    this.ledger.settle(place, this.loop.elapsedMs - dueMs, isAnswered);
  }

  private count(failure: string): void {
    this.failures[failure] = (this.failures[failure] ?? 0) + 1;
  }
}

/** Looks at connections and memory while something runs. */
class Watch {
  connections = 0;
  heapBytes = 0;
  rssBytes = 0;
  private readonly channels: readonly Channel[];
  private readonly timer: NodeJS.Timeout;

  constructor(channels: readonly Channel[]) {
    this.channels = channels;
    this.timer = setInterval(() => this.look(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    let connections = 0;
    for (const channel of this.channels) connections += channel.stats().connections;
    const { heapUsed, external, rss } = process.memoryUsage();
    this.connections = Math.max(this.connections, connections);
    this.heapBytes = Math.max(this.heapBytes, heapUsed + external);
    this.rssBytes = Math.max(this.rssBytes, rss);
  }
}

/** The phases of the load, with what goes wrong in the middle. */
async function play(load: Load, stage: StageClient): Promise<void> {
  const { phaseSeconds } = scale;
  const done = load.loop.run();
  if (cell.disturbance !== "calm") {
    await sleep(phaseSeconds * 1_000);
    await stage.disturb({});
    await sleep(phaseSeconds * 1_000);
    await stage.calm({});
  }
  await sleep(phaseSeconds * 1_000);
  tellParent({ type: "window-ended" });
  await within(done, DRAIN_MS + phaseSeconds * 1_000, "the last calls");
}

const addresses = address.split(",");
const stageChannel = connect(addresses.pop()!);
const options = { mode: cell.mode, maxConnections: cell.connectionsPerPeer } as const;
const channels = addresses.map((each) => connect(each, options));
const clients = channels.map((channel) => new PeersClient(channel));
const random = seededRandom(1);
await within(Promise.all(clients.map((client) => client.ask({ id: 0n }))), CONNECT_MS, "connections to all servers");
await awaitGo();
const warmup = new Load(clients, scale.warmupSeconds, random);
await within(warmup.loop.run(), DRAIN_MS + scale.warmupSeconds * 1_000, "the warm-up's calls");
const phases = phasesOf(cell);
const phaseMs = scale.phaseSeconds * 1_000;
const load = new Load(clients, phases.length * scale.phaseSeconds, random);
const before = { heap: heapBytes(), rss: process.memoryUsage().rss };
const watch = new Watch(channels);
tellParent({ type: "window-began" });
await play(load, new StageClient(stageChannel));
watch.stop();
// What has ended is garbage after this turn.
await sleep(LOOK_MS);
const after = { heap: heapBytes(), rss: process.memoryUsage().rss };
const result: ClientResult = {
  phases: phases.map((phase, at) => load.ledger.summarize(phase, at * phaseMs, (at + 1) * phaseMs)),
  connections: watch.connections,
  heapBytes: { before: before.heap, peak: Math.max(watch.heapBytes, before.heap), after: after.heap },
  rssBytes: { before: before.rss, peak: Math.max(watch.rssBytes, before.rss), after: after.rss },
  failures: load.failures,
  lateP99Ms: load.loop.lateness.percentile(0.99) / 1e6,
};
tellParent({ type: "finished", result });
await Promise.all([...channels, stageChannel].map((channel) => channel.close({ graceMs: 0 })));
