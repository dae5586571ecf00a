// The server process: a handler that burns a millisecond of CPU, and the package's defaults for everything else.

import { type CallContext, createServer } from "sluice";
import { type Done, type Job, Work } from "../gen/bench/v1/work.js";
import { serveParent } from "../lib/pair.js";
import { sample } from "../macro/messages.js";
import type { ServerReport } from "./messages.js";

/** What a call costs. */
const BURN_MS = 1;
/** Additions between two looks at the clock, some microseconds of them: a look leaves garbage. */
const BURST = 5000;

let started = 0;
let expired = 0;
let burntUs = 0;
let sum = 0;

/** Keeps the CPU busy: the process has a core to itself, so the clock tells what it has used. */
function burn({ id }: Job, ctx: CallContext): Done {
  const from = performance.now();
  started++;
  if (ctx.remainingMs <= 0) expired++;
  let now = from;
  while (now - from < BURN_MS) {
    for (let i = 0; i < BURST; i++) sum = (sum + i) | 0;
    now = performance.now();
  }
  burntUs += (now - from) * 1000;
  return { id };
}

const server = createServer().handle(Work, {
  burn,
  urgent: burn,
  insist: burn,
  shut: () => new Promise<never>(() => {}),
});
const address = await server.listen("tcp://127.0.0.1:0");
serveParent(address, (): ServerReport => ({ sample: sample(), started, expired, burntUs }));
