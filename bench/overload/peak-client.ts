// The generator process of a search for the peak: one server, loaded at one rate after the other, with a rest between them.

import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "sluice/testing";
import { awaitGo, tellParent } from "../lib/pair.js";
import { connectClients } from "./clients.js";
import { Generator } from "./generator.js";
import type { PeakResult } from "./messages.js";
import { findPeak, type Probe, type Search } from "./peak.js";
import { LEAST_SUCCESS, successShare, summarize } from "./summary.js";

/** For what is queued to go. */
const REST_MS = 300;

const [searchText, seconds, warmup, connections, seed, address] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
];
const search = JSON.parse(searchText) as Search;

const clients = await connectClients(address, Number(connections));
const random = seededRandom(Number(seed));
const probes: Probe[] = [];

/** The share of calls at `perSecond` that succeed. */
async function load(perSecond: number, forSeconds: number): Promise<number> {
  const phases = [{ perSecond, seconds: forSeconds }];
  const generator = new Generator([{ way: "burn", connections: [0, clients.all.length], phases }], clients.all, random);
  await generator.run();
  await sleep(REST_MS);
  return successShare(summarize(generator.logs[0]!, 0, forSeconds * 1000));
}

await awaitGo();
tellParent({ type: "window-began" });
await load(search.from, Number(warmup));
const perSecond = await findPeak(search, LEAST_SUCCESS, async (rate) => {
  const success = await load(rate, Number(seconds));
  probes.push({ perSecond: rate, success });
  return success;
});
tellParent({ type: "window-ended" });
await clients.close();
const result: PeakResult = { perSecond, probes };
tellParent({ type: "finished", result });
