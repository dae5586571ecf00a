// Apache Thrift for Node, as its users run it: buffered transport, binary protocol, one connection, on which calls are
// pipelined, an `async` handler.

import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { loadPackage } from "../lib/packages.js";
import type { EchoCaller, EchoMessage, EchoServer, Peer } from "./peer.js";
import { Client, Processor } from "./thrift-echo.js";

interface Options {
  readonly transport: unknown;
  readonly protocol: unknown;
}

interface Connection {
  on(event: "connect" | "error", listener: (error?: unknown) => void): void;
  end(): void;
}

/** What is used of the package. */
interface Thrift {
  readonly TBufferedTransport: unknown;
  readonly TBinaryProtocol: unknown;
  createServer(
    processor: typeof Processor,
    handler: { echo(message: EchoMessage): Promise<EchoMessage> },
    options: Options,
  ): Server;
  createConnection(host: string, port: number, options: Options): Connection;
  createClient(client: typeof Client, connection: Connection): Client;
}

const { TBufferedTransport, TBinaryProtocol, createServer, createConnection, createClient } =
  loadPackage<Thrift>("thrift");
const OPTIONS: Options = { transport: TBufferedTransport, protocol: TBinaryProtocol };

async function serve(): Promise<EchoServer> {
  const handler = {
    async echo(message: EchoMessage): Promise<EchoMessage> {
      return message;
    },
  };
  const server = createServer(Processor, handler, OPTIONS);
  server.on("error", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, close: () => void server.close() };
}

async function connect(address: string): Promise<EchoCaller> {
  const [host, port] = address.split(":") as [string, string];
  const connection = createConnection(host, Number(port), OPTIONS);
  await new Promise<void>((resolve, reject) => {
    connection.on("connect", () => resolve());
    connection.on("error", reject);
  });
  const client = createClient(Client, connection);
  return { echo: (message) => client.echo(message), close: () => connection.end() };
}

/** Thrift, as the benchmark runs it. */
export const thrift: Peer = { serve, connect };
