// Puts calls into a queue and delivers them, as fast as it goes, until it is killed. Every line of its output is written
// before it goes on: "put <id>" for a call that is acknowledged, "run <id> <attempt> <key>" for a delivery that begins, "end <id>" for
// one that has ended. Arguments: the folder, a prefix for ids, calls that are put at once, and deliveries under way at once.

import { writeSync } from "node:fs";
import { DurableQueue, openQueueStore } from "../../../src/queue.js";
import { systemClock } from "../../../src/transport/clock.js";

const [folder = "", prefix = "", puts = "", concurrency = ""] = process.argv.slice(2);
const say = (text: string): void => void writeSync(1, `${text}\n`);

const store = openQueueStore(folder, { concurrency: Number(concurrency), segmentBytes: 16_384 });
const queue = new DurableQueue(store, "stats", { clock: systemClock, random: Math.random });
let count = 0;

async function putForEver(writer: number): Promise<void> {
  for (;;) {
    const callId = `${prefix}.${++count}`;
    const payload = Buffer.alloc(Math.floor(Math.random() * 300), callId);
    await queue.put({ callId, path: "test.v1.Test/Put", key: writer % 2 === 0 ? `key-${writer}` : undefined, payload });
    say(`put ${callId}`);
  }
}

await queue.start(async ({ callId, attempt, key = "" }) => {
  say(`run ${callId} ${attempt} ${key}`);
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
  say(`end ${callId}`);
});
say("ready");
for (let writer = 0; writer < Number(puts); writer++) putForEver(writer);
