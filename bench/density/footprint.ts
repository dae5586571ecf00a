// What a process holds on to. It runs with Node's flag `--expose-gc`.

import { setTimeout as sleep } from "node:timers/promises";
import type { Footprint } from "./messages.js";

/** What is freed by one collection's finalizers, such as sockets, goes with the next. */
const COLLECTIONS = 3;
const PAUSE_MS = 100;

/** Collects garbage, and looks at what is left. */
export async function footprint(): Promise<Footprint> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error("run node with --expose-gc");
  for (let n = 0; n < COLLECTIONS; n++) {
    gc();
    await sleep(PAUSE_MS);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rssBytes: rss, heapBytes: heapUsed, externalBytes: external };
}
