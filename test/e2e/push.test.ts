// One server, thousands of clients on sockets of their own, and calls from the server to each of them.

import { expect, it } from "vitest";
import { type Channel, connect, createServer } from "../../src/index.js";
import { Echo, EchoClient, type EchoHandlers } from "../support/gen/support/v1/echo.js";

const CLIENTS = 5_000;
/** Clients that connect at once: a listening socket queues this many. */
const BATCH = 500;

it("a server pushes to 5,000 connected clients and gets every acknowledgement", async () => {
  const server = createServer();
  const connected = new Promise<void>((resolve) => {
    let count = 0;
    server.on("connect", () => ++count === CLIENTS && resolve());
  });
  const address = await server.listen("tcp://127.0.0.1:0");
  const got = new Set<string>();
  const channels: Channel[] = [];
  while (channels.length < CLIENTS) {
    const batch = Array.from({ length: BATCH }, (_, i) => client(address, channels.length + i, got));
    channels.push(...batch);
    await Promise.all(batch.map((channel) => channel.ready()));
  }
  await connected;
  const peers = server.peers();
  expect(peers.length).toBe(CLIENTS);
  const replies = await Promise.all(peers.map((peer) => new EchoClient(peer).echo({ text: `to ${peer.id}` })));
  for (const [i, { text }] of replies.entries()) expect(text).toBe(`${peers[i]?.id} has to ${peers[i]?.id}`);
  expect(got.size).toBe(CLIENTS);
  await Promise.all(channels.map((channel) => channel.close({ graceMs: 0 })));
  await server.close({ graceMs: 0 });
  expect(server.stats()).toMatchObject({ connections: 0, running: 0 });
}, 60_000);

function client(address: string, number: number, got: Set<string>): Channel {
  const peerId = `client-${number}`;
  const never = (): never => {
    throw new Error("not called");
  };
  const handlers: EchoHandlers = {
    echo: ({ text }) => {
      got.add(peerId);
      return { text: `${peerId} has ${text}` };
    },
    echoSoon: never,
    hold: never,
    fail: never,
    note: never,
  };
  return connect(address, { peerId }).handle(Echo, handlers);
}
