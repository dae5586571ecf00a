// Sluice, as its users run it: generated code, the package's defaults, an `async` handler, one channel in the mode
// under measurement. It is imported by its package name, so that what is measured is what is published.

import { connect as connectChannel, createServer } from "sluice";
import { Echo, EchoClient } from "../gen/bench/v1/echo.js";
import type { EchoCaller, EchoServer, Mode, Peer } from "./peer.js";

async function serve(): Promise<EchoServer> {
  const server = createServer();
  server.handle(Echo, {
    async echo(message) {
      return message;
    },
  });
  const address = await server.listen("tcp://127.0.0.1:0");
  return { address, close: () => server.close({ graceMs: 1000 }) };
}

async function connect(address: string, mode: Mode): Promise<EchoCaller> {
  const channel = connectChannel(address, { mode });
  const client = new EchoClient(channel);
  return { echo: (message) => client.echo(message), close: () => channel.close() };
}

/** Sluice, as the benchmark runs it. */
export const sluice: Peer = { serve, connect };
