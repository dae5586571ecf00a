// The client process of the stall test: channels with a connection each, which in turn make calls at a fixed rate, whatever
// becomes of those before. Run with `--expose-gc`.

import { type Channel, codeName, connect, RpcError } from "sluice";
import { onParent, sendToParent } from "../../bench/lib/child.js";
import { heapBytes } from "../../bench/lib/memory.js";
import { type ClientReport, type FromProcess, POLICY, Stalling } from "./stall-work.js";

const [address, connections, perSecond] = process.argv.slice(2) as [string, string, string];
const PAYLOAD = new Uint8Array(100);

const channels: Channel[] = Array.from({ length: Number(connections) }, () => connect(address));
const failed: Record<string, number> = {};
let calls = 0;
let succeeded = 0;
let pending = 0;
let latestMs = Number.NEGATIVE_INFINITY;

async function call(channel: Channel): Promise<void> {
  const id = BigInt(calls++);
  const from = performance.now();
  pending++;
  try {
    const reply = await channel.unary(Stalling.methods.work, { id, payload: PAYLOAD });
    if (reply.id === id) succeeded++;
    else count("the reply of another call");
  } catch (error) {
    count(error instanceof RpcError ? codeName(error.code) : String(error));
  }
  pending--;
  latestMs = Math.max(latestMs, performance.now() - from - POLICY.deadlineMs);
}

function count(how: string): void {
  failed[how] = (failed[how] ?? 0) + 1;
}

/** Makes the calls that are due, from `startedAt` on, every millisecond or so. */
function load(): () => void {
  const startedAt = performance.now();
  let made = 0;
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) * Number(perSecond)) / 1000;
    for (; made < due; made++) void call(channels[calls % channels.length]!);
  }, 1);
  return () => clearInterval(timer);
}

function report(): ClientReport {
  const attempts = channels.reduce((sum, channel) => sum + channel.stats().callsSent, 0);
  return {
    ...{ type: "report", heapBytes: heapBytes() },
    ...{ calls, succeeded, failed, pending, attempts, latestMs },
  };
}

const tell = (message: FromProcess<ClientReport>): void => sendToParent(message);
let stop = (): void => {};
onParent(({ type }) => {
  if (type === "report") tell(report());
  else if (type === "load") stop = load();
  else stop();
});
await Promise.all(channels.map((channel) => channel.ready()));
tell({ type: "ready", address });
