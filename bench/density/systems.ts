// The systems that hold connections: bare sockets, the floor's server, and Sluice with its defaults, heartbeats among them.
// What is measured is the server; the other ends of bare sockets and of the floor are plain sockets, which send nothing.

import { once } from "node:events";
import { connect as dial, type Socket } from "node:net";
import { type Channel, connect, createServer, type Server } from "sluice";
import { Density } from "../gen/bench/v1/density.js";
import { floor } from "../macro/floor.js";
import { serveSockets } from "../macro/floor-sockets.js";
import type { Subscribers } from "./subscribers.js";

/** What a system is called; the first two are what Sluice is compared with. */
export const SYSTEMS = ["bare", "floor", "sluice"] as const;
export type System = (typeof SYSTEMS)[number];

/** Starts a server; what listens to Sluice's is added to `subscribers`. */
export async function serve(system: System, subscribers: Subscribers): Promise<string> {
  if (system === "bare") return (await serveSockets(() => () => {})).address;
  if (system === "floor") return (await floor.serve()).address;
  return await makeServer(subscribers).listen("tcp://127.0.0.1:0");
}

function makeServer(subscribers: Subscribers): Server {
  return createServer().handle(Density, { subscribe: () => subscribers.open() });
}

/** Opens a socket to a server that is not Sluice's. */
export async function openSocket(address: string): Promise<Socket> {
  const [host, port] = address.split(":") as [string, string];
  const socket = dial({ host, port: Number(port) });
  await once(socket, "connect");
  return socket;
}

/** Opens a channel to Sluice's server, and its connection. */
export async function openChannel(address: string): Promise<Channel> {
  const channel = connect(address);
  await channel.ready();
  return channel;
}
