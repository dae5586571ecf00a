// The server process: many servers, each at a port of its own, whose answers one coarse timer holds back, and one more by which
// the client says when things go wrong. The last of the addresses is that one's.

import { createServer, type Server } from "sluice";
import { type Answer, Peers, type Question, Stage } from "../gen/bench/v1/peers.js";
import { serveParent } from "../lib/pair.js";
import { CoarseDelay } from "./coarse-delay.js";
import type { ServersReport } from "./messages.js";
import { type Disturbance, JITTER_MS, REPLY_MS, SLOW_REPLY_MS } from "./scenarios.js";

const [peerCount, disturbance] = process.argv.slice(2) as [string, Disturbance];

const delay = new CoarseDelay();
const replyMs = new Array<number>(Number(peerCount)).fill(REPLY_MS);
let openedBefore = 0;

async function serve(peer: number, address: string): Promise<{ server: Server; address: string }> {
  const server = createServer().handle(Peers, {
    async ask({ id }: Question): Promise<Answer> {
      await delay.after(replyMs[peer]!);
      return { id };
    },
  });
  return { server, address: await server.listen(address) };
}

let peers = await Promise.all(replyMs.map((_, peer) => serve(peer, "tcp://127.0.0.1:0")));

/** Every server goes away at once, and is back at once. */
async function dropAll(): Promise<void> {
  openedBefore = report().connectionsOpened;
  await Promise.all(peers.map(({ server }) => server.close({ graceMs: 0 })));
  peers = await Promise.all(peers.map(({ address }, peer) => serve(peer, address)));
}

function disturb(): void {
  if (disturbance === "slow-peer") replyMs[0] = SLOW_REPLY_MS;
  else if (disturbance === "jitter") delay.pause(JITTER_MS);
  else if (disturbance === "crowd") void dropAll();
}

function report(): ServersReport {
  let [connections, connectionsOpened] = [0, openedBefore];
  for (const { server } of peers) {
    const stats = server.stats();
    connections += stats.connections;
    connectionsOpened += stats.connectionsOpened;
  }
  return { connections, connectionsOpened };
}

const stage = createServer().handle(Stage, {
  disturb() {
    disturb();
    return {};
  },
  calm() {
    replyMs.fill(REPLY_MS);
    return {};
  },
});
const addresses = [...peers.map(({ address }) => address), await stage.listen("tcp://127.0.0.1:0")];
serveParent(addresses.join(), report);
