// The client process: keeps a number of calls outstanding on one connection and checks every answer, errors too.

import { setTimeout as sleep } from "node:timers/promises";
import { connect, RpcError } from "sluice";
import { StoreClient } from "../gen/bench/v1/store.js";
import { within } from "../lib/bounded.js";
import { Histogram } from "../lib/histogram.js";
import { awaitGo, tellParent } from "../lib/pair.js";
import { warmUp } from "../lib/warm-up.js";
import { type ClientResult, isRefused, refusalOf } from "./messages.js";

const DRAIN_MS = 30_000;

const [method, outstanding, warmup, window, address] = process.argv.slice(2) as [
  "save" | "saveTogether",
  string,
  string,
  string,
  string,
];

const channel = connect(address);
const client = new StoreClient(channel);
const latencies = new Histogram();
const payload = new Uint8Array(100);
let isRunning = true;
let [begun, answered, refused, errors] = [0n, 0, 0, 0];
let firstError: string | undefined;

/** What a call was answered with, as text. */
async function call(id: bigint): Promise<string> {
  try {
    return String((await client[method]({ id, payload })).id);
  } catch (error) {
    return error instanceof RpcError ? error.message : String(error);
  }
}

async function work(): Promise<void> {
  while (isRunning) {
    const id = begun++;
    const begin = performance.now();
    const answer = await call(id);
    latencies.record((performance.now() - begin) * 1e6);
    answered++;
    if (isRefused(id)) refused++;
    if (answer === (isRefused(id) ? refusalOf(id) : String(id))) continue;
    errors++;
    firstError ??= `call ${id}: ${answer}`;
  }
}

await channel.ready();
await awaitGo();
const workers = Array.from({ length: Number(outstanding) }, work);
await warmUp(() => answered, Number(warmup));
latencies.reset();
const before = { at: performance.now(), answered };
tellParent({ type: "window-began" });
await sleep(Number(window));
const measured = {
  calls: answered - before.answered,
  seconds: (performance.now() - before.at) / 1_000,
  p50Us: latencies.percentile(0.5) / 1_000,
  p99Us: latencies.percentile(0.99) / 1_000,
};
tellParent({ type: "window-ended" });
isRunning = false;
await within(Promise.all(workers), DRAIN_MS, "the last calls");
await channel.close();
const result: ClientResult = { ...measured, refused, errors, firstError };
tellParent({ type: "finished", result });
