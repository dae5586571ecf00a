// The client process of a cell with small calls and a load beside them, on the same connection or on one of its own.

import { setTimeout as sleep } from "node:timers/promises";
import { within } from "../lib/bounded.js";
import { MemoryWatch } from "../lib/memory.js";
import { awaitGo, tellParent } from "../lib/pair.js";
import { sample } from "../macro/messages.js";
import { OpenLoad } from "../macro/open-load.js";
import { type Load, makeBackground } from "./background.js";
import type { Connection } from "./cell.js";
import type { BesideResult } from "./messages.js";
import { PAYLOAD_BYTES } from "./sequence.js";
import { connectSluice } from "./sluice.js";

const CONNECT_MS = 5000;
const DRAIN_MS = 10_000;

const [load, connection, ...rest] = process.argv.slice(2) as [Load, Connection, ...string[]];
const address = rest.pop()!;
const [callsPerSecond, bulkBytes, streamMessages, warmupMs, windowMs] = rest.map(Number) as [
  number,
  number,
  number,
  number,
  number,
];

const connect = () => within(connectSluice(address), CONNECT_MS, "a connection");
const client = await connect();
const other = connection === "own" ? await connect() : client;
const small = new OpenLoad(client, PAYLOAD_BYTES, callsPerSecond);
const background = makeBackground(load, other, bulkBytes, streamMessages);
const memory = new MemoryWatch();
const idleMemory = memory.peak();
await awaitGo();
small.start();
const carried = background.run();
await sleep(warmupMs);
small.begin();
background.begin();
const before = sample();
tellParent({ type: "window-began" });
await sleep(windowMs);
const after = sample();
const loadPerSecond = background.rate();
tellParent({ type: "window-ended" });
await within(small.stop(), DRAIN_MS, "the last small calls");
background.stop();
await within(carried, DRAIN_MS, `the end of ${load}`);
const result: BesideResult = {
  before,
  after,
  calls: small.latencies.count,
  p50Us: small.latencies.percentile(0.5) / 1000,
  p99Us: small.latencies.percentile(0.99) / 1000,
  loadPerSecond,
  memory: memory.peak(),
  idleMemory,
  errors: small.errors,
  firstError: small.firstError,
};
await client.close();
if (other !== client) await other.close();
tellParent({ type: "finished", result });
