// nice-grpc, as its users run it: default settings, one channel, an `async` handler, messages through protobufjs as for
// grpc-js. nice-grpc brings a grpc-js of its own, which is the one that runs.

import type { ServiceDefinition } from "@grpc/grpc-js";
import { loadPackage } from "../lib/packages.js";
import { echoMethod, fromWire, toWire, type WireMessage } from "./grpc.js";
import type { EchoCaller, EchoServer, Peer } from "./peer.js";

/** What is used of the package. */
interface NiceGrpc {
  createServer(): {
    add(definition: ServiceDefinition, implementation: object): void;
    listen(address: string): Promise<number>;
    forceShutdown(): void;
  };
  createChannel(address: string): Channel;
  createClient(definition: ServiceDefinition, channel: Channel): { echo(message: WireMessage): Promise<WireMessage> };
}

interface Channel {
  close(): void;
}

const { createServer, createChannel, createClient } = loadPackage<NiceGrpc>("nice-grpc");
const definition: ServiceDefinition = { echo: echoMethod() };

async function serve(): Promise<EchoServer> {
  const server = createServer();
  server.add(definition, {
    async echo(message: WireMessage) {
      return message;
    },
  });
  const port = await server.listen("127.0.0.1:0");
  return { address: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
}

async function connect(address: string): Promise<EchoCaller> {
  const channel = createChannel(address);
  const client = createClient(definition, channel);
  return { echo: async (message) => fromWire(await client.echo(toWire(message))), close: () => channel.close() };
}

/** nice-grpc, as the benchmark runs it. */
export const niceGrpc: Peer = { serve, connect };
