// Fills a queue with calls of a size, one after the other, until one is refused; then goes on trying every few milliseconds,
// and delivers what it has when it is told to ("deliver" on its input). It says "put <count>" when it is accepted again, "refused
// <code> <text>" for the first refusal, "at <count>" at every tenth call, "empty" when all is delivered, and "uncaught <text>" for what nobody caught. "end" ends it.
// Arguments: the folder, the bytes of a payload, the bytes of a segment.

import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { DurableQueue, openQueueStore } from "../../../src/queue.js";
import { systemClock } from "../../../src/transport/clock.js";

const [folder = "", payloadBytes = "", segmentBytes = ""] = process.argv.slice(2);
const say = (text: string): void => void writeSync(1, `${text}\n`);
process.on("uncaughtException", (error) => say(`uncaught ${String(error)}`));
process.on("unhandledRejection", (error) => say(`uncaught ${String(error)}`));

const store = openQueueStore(folder, { segmentBytes: Number(segmentBytes) });
const queue = new DurableQueue(store, "stats", { clock: systemClock, random: Math.random });
let count = 0;
let isFilling = true;

async function putUntilRefused(): Promise<void> {
  for (;;) {
    await queue.put({
      callId: String(count),
      path: "test.v1.Test/Put",
      payload: Buffer.alloc(Number(payloadBytes), count),
    });
    count++;
    if (count % 10 === 0) say(`at ${count}`);
  }
}

async function fill(): Promise<void> {
  await putUntilRefused().catch((error: Error & { code: number }) => {
    say(`put ${count}`);
    say(`refused ${error.code} ${error.message}`);
  });
  while (isFilling) {
    const before = count;
    await putUntilRefused().catch(() => {});
    if (count > before) say(`put ${count}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

createInterface({ input: process.stdin }).on("line", async (line) => {
  isFilling = false;
  if (line === "fill") {
    isFilling = true;
    await fill();
  }
  if (line === "deliver") {
    await queue.start(async () => {});
    while (queue.stats().depth > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await queue.stop();
    say("empty");
  }
  if (line === "end") process.exit();
});
say("ready");
