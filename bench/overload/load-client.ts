// The generator process of a cell or a scenario: carries a plan out and gives the logs of its calls.

import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "sluice/testing";
import { within } from "../lib/bounded.js";
import { awaitGo, tellParent } from "../lib/pair.js";
import { connectClients } from "./clients.js";
import { Generator } from "./generator.js";
import type { LoadResult } from "./messages.js";
import { connectionsOf, type Plan } from "./plan.js";

const DRAIN_MS = 10_000;

const [planText, seed, address] = process.argv.slice(2) as [string, string, string];
const plan = JSON.parse(planText) as Plan;

const clients = await connectClients(address, connectionsOf(plan));
const generator = new Generator(plan.flows, clients.all, seededRandom(Number(seed)));
await awaitGo();
const carriedOut = generator.run();
await sleep(plan.warmupMs);
tellParent({ type: "window-began" });
await sleep(plan.windowMs);
tellParent({ type: "window-ended" });
await within(carriedOut, DRAIN_MS, "the last calls");
const result: LoadResult = {
  logs: generator.logs.map((log) => log.columns()),
  lateP99Ms: generator.lateness.percentile(0.99) / 1e6,
};
await clients.close();
tellParent({ type: "finished", result });
