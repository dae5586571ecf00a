// The server process of the stall test. Its handler asks a dependency that stalls when the test says so, and does not look
// whether anybody still waits for it. Run with `--expose-gc`.

import { type CallContext, createServer } from "sluice";
import { onParent, sendToParent } from "../../bench/lib/child.js";
import { heapBytes } from "../../bench/lib/memory.js";
import type { Message } from "../support/gen/support/v1/echo.js";
import { type FromProcess, type ServerReport, Stalling } from "./stall-work.js";

const LOOK_EVERY_MS = 2;

/** Those that ask it while it stalls; undefined while it does not. */
let asking: (() => void)[] | undefined;
let mostRunning = 0;
let mostWaiting = 0;
let expiredStarted = 0;

function look(): void {
  const { running, waiting } = server.stats();
  mostRunning = Math.max(mostRunning, running);
  mostWaiting = Math.max(mostWaiting, waiting);
}

const server = createServer().handle(Stalling, {
  async work(request: Message, ctx?: CallContext) {
    if (ctx !== undefined && ctx.remainingMs <= 0) expiredStarted++;
    look();
    if (asking !== undefined) await new Promise<void>((resolve) => asking?.push(resolve));
    return request;
  },
});
const tell = (message: FromProcess<ServerReport>): void => sendToParent(message);

function report(): ServerReport {
  const { running, waiting, connections, callsRefused: refused } = server.stats();
  return {
    ...{ type: "report", heapBytes: heapBytes(), connections, running, waiting },
    ...{ mostRunning, mostWaiting, refused, expiredStarted },
  };
}

onParent(({ type }) => {
  if (type === "report") tell(report());
  else if (type === "stall") asking = [];
  else {
    for (const resolve of asking ?? []) resolve();
    asking = undefined;
  }
});
setInterval(look, LOOK_EVERY_MS);
tell({ type: "ready", address: await server.listen("tcp://127.0.0.1:0") });
