// One measurement of a system: a server process on one core, client processes on the other, and the conversation with them.
//
//    server:  listening            idled          pushed
//    clients:           connected      subscribed        counted
//
// Every step has an end, and no process outlives the measurement.

import { setTimeout as sleep } from "node:timers/promises";
import { Child } from "../lib/child.js";
import type { FromClient, FromServer, IdleReport, PushReport, Received, ToClient, ToServer } from "./messages.js";
import { cut, type DensityOptions, type PushLoad } from "./options.js";
import type { System } from "./systems.js";

const SERVER = new URL("./server-process.js", import.meta.url);
const CLIENT = new URL("./client-process.js", import.meta.url);
/** Memory is looked at without its garbage. */
const NODE_FLAGS = ["--expose-gc"];
const SERVER_CORE = 0;
const CLIENT_CORE = 1;
/** What a step may take beyond the time it is meant to take, and what opening a connection may take on top. */
const PATIENCE_MS = 20_000;
const PATIENCE_A_CONNECTION_MS = 5;
/** What updates may need that were on their way at the end. */
const DRAIN_MS = 10_000;
const LOOK_EVERY_MS = 200;

/** What was measured of a system. */
export interface Measurement {
  readonly idle: IdleReport;
  /** Of all client processes, in bytes. */
  readonly clientRssBytes: number;
  readonly push: Pushed | undefined;
}

/** What a server pushed, and what its clients got of it. */
export interface Pushed {
  readonly report: PushReport;
  readonly received: readonly Received[];
}

type Server = Child<FromServer>;
type Client = Child<FromClient>;

/** Measures once. Rejects when a process fails or does not answer in time. */
export async function measure(system: System, options: DensityOptions): Promise<Measurement> {
  const server: Server = Child.start(SERVER, [system], SERVER_CORE, NODE_FLAGS);
  const clients: Client[] = [];
  try {
    const { address } = await server.receive("listening", PATIENCE_MS);
    for (const count of cut(options.connections, options.clients)) {
      clients.push(Child.start(CLIENT, [system, address, String(count)], CLIENT_CORE));
    }
    const patienceMs = PATIENCE_MS + options.connections * PATIENCE_A_CONNECTION_MS;
    await Promise.all(clients.map((client) => client.receive("connected", patienceMs)));
    return await converse(system, server, clients, options);
  } finally {
    await Promise.allSettled([...clients, server].map((child) => child.stop()));
  }
}

async function converse(
  system: System,
  server: Server,
  clients: readonly Client[],
  { connections, idleSeconds, push }: DensityOptions,
): Promise<Measurement> {
  order(server, { type: "idle", seconds: idleSeconds });
  const { report: idle } = await server.receive("idled", idleSeconds * 1_000 + PATIENCE_MS);
  if (idle.connections !== connections) {
    throw new Error(`${system}: of ${connections} connections ${idle.connections} were open after ${idleSeconds} s`);
  }
  const clientRssBytes = (await count(clients)).reduce((sum, { rssBytes }) => sum + rssBytes, 0);
  const doesPush = system === "sluice" && push !== undefined;
  return { idle, clientRssBytes, push: doesPush ? await measurePush(server, clients, push) : undefined };
}

async function measurePush(server: Server, clients: readonly Client[], load: PushLoad): Promise<Pushed> {
  const shares = cut(load.active, clients.length);
  clients.forEach((client, at) => {
    tell(client, { type: "subscribe", active: shares[at]! });
  });
  await Promise.all(clients.map((client) => client.receive("subscribed", PATIENCE_MS)));
  order(server, { type: "push", load });
  const pushMs = (load.warmupSeconds + load.seconds) * 1_000;
  const { report } = await server.receive("pushed", pushMs + 2 * PATIENCE_MS);
  return { report, received: await drain(clients, report.sent) };
}

/** What clients have got when everything has come, or will not come any more. */
async function drain(clients: readonly Client[], sent: number): Promise<Received[]> {
  const until = performance.now() + DRAIN_MS;
  for (;;) {
    const received = await count(clients);
    const total = received.reduce((sum, { updates }) => sum + updates, 0);
    if (total >= sent || performance.now() > until) return received;
    await sleep(LOOK_EVERY_MS);
  }
}

async function count(clients: readonly Client[]): Promise<Received[]> {
  for (const client of clients) tell(client, { type: "count" });
  const counted = await Promise.all(clients.map((client) => client.receive("counted", PATIENCE_MS)));
  return counted.map(({ received }) => received);
}

function order(server: Server, message: ToServer): void {
  server.send(message);
}

function tell(client: Client, message: ToClient): void {
  client.send(message);
}
