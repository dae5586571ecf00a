// HTTP/1.1 by Node's own server and clients: a POST for each call, the message in the body, in protobuf by Sluice's
// generated codec. The server is the same for all; clients differ in how they use connections: node:http with an agent
// that keeps 64 alive, node:http with a connection for each call, and undici with one, on which up to 100 calls wait in
// line. undici must be told that calls may be repeated and hold up nobody, or it does not send one behind another.

import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { EchoMessage as Codec } from "../gen/bench/v1/echo.js";
import { loadPackage } from "../lib/packages.js";
import type { EchoCaller, EchoMessage, EchoServer, Peer } from "./peer.js";

const KEPT_ALIVE = 64;
const PIPELINED = 100;
const PATH = "/bench.v1.Echo/Echo";
const TYPE = "application/protobuf";

async function serve(): Promise<EchoServer> {
  const server = createServer((incoming, outgoing) => {
    answer(incoming, outgoing).catch((error) => outgoing.destroy(error));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { address: `127.0.0.1:${port}`, close };
}

async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const reply = await handle(Codec.fromBytes(await readBody(incoming)));
  const bytes = Codec.toBytes(reply);
  outgoing.writeHead(200, { "content-type": TYPE, "content-length": bytes.length });
  outgoing.end(bytes);
}

async function handle(message: EchoMessage): Promise<EchoMessage> {
  return message;
}

function readBody(incoming: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    incoming.on("error", reject);
  });
}

async function connectNode(address: string, agent: Agent): Promise<EchoCaller> {
  const [host, port] = address.split(":") as [string, string];
  const echo = (message: EchoMessage): Promise<EchoMessage> =>
    new Promise((resolve, reject) => {
      const body = Codec.toBytes(message);
      const headers = { "content-type": TYPE, "content-length": body.length };
      const outgoing = request({ host, port, agent, headers, method: "POST", path: PATH }, (incoming) => {
        readBody(incoming).then((bytes) => resolve(Codec.fromBytes(bytes)), reject);
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  return { echo, close: () => agent.destroy() };
}

/** What is used of undici. */
interface Undici {
  readonly Client: new (
    origin: string,
    options: { readonly pipelining: number },
  ) => {
    request(options: object): Promise<{ readonly body: { arrayBuffer(): Promise<ArrayBuffer> } }>;
    destroy(): Promise<void>;
  };
}

async function connectUndici(address: string): Promise<EchoCaller> {
  const { Client } = loadPackage<Undici>("undici");
  const client = new Client(`http://${address}`, { pipelining: PIPELINED });
  const constant = { method: "POST", path: PATH, headers: { "content-type": TYPE }, idempotent: true, blocking: false };
  const echo = async (message: EchoMessage): Promise<EchoMessage> => {
    const { body } = await client.request({ ...constant, body: Codec.toBytes(message) });
    return Codec.fromBytes(new Uint8Array(await body.arrayBuffer()));
  };
  return { echo, close: () => client.destroy() };
}

/** node:http, with an agent that keeps connections. */
export const httpKeepAlive: Peer = {
  serve,
  connect: (address) => connectNode(address, new Agent({ keepAlive: true, maxSockets: KEPT_ALIVE })),
};

/** node:http, with a connection for each call. */
export const httpClose: Peer = {
  serve,
  connect: (address) => connectNode(address, new Agent({ keepAlive: false, maxSockets: 256 })),
};

/** undici, pipelining on one connection. */
export const undici: Peer = { serve, connect: connectUndici };
