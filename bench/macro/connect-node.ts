// connect-node, speaking gRPC over HTTP/2 without TLS, as its users run it: default settings, one transport, an `async`
// handler, messages through protobuf-es, whose codec reads descriptors as it goes.

import { once } from "node:events";
import { createServer, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { loadPackage } from "../lib/packages.js";
import type { EchoCaller, EchoMessage, EchoServer, Peer } from "./peer.js";

/** What is used of protobuf-es. */
interface ProtobufEs {
  fromJson(schema: unknown, json: unknown): unknown;
  createFileRegistry(set: unknown): { getService(name: string): unknown };
}

interface Router {
  service(service: unknown, implementation: object): void;
}

/** What is used of connect and of connect-node. */
interface Connect {
  createClient(service: unknown, transport: unknown): { echo(message: EchoMessage): Promise<EchoMessage> };
}
interface ConnectNode {
  connectNodeAdapter(options: {
    routes(router: Router): void;
  }): (request: Http2ServerRequest, response: Http2ServerResponse) => void;
  createGrpcTransport(options: { readonly baseUrl: string; readonly sessionManager: SessionManager }): unknown;
  readonly Http2SessionManager: new (url: string) => SessionManager;
}
interface SessionManager {
  connect(): Promise<string>;
  abort(): void;
}

const { fromJson, createFileRegistry } = loadPackage<ProtobufEs>("@bufbuild/protobuf");
const { FileDescriptorSetSchema } = loadPackage<{ FileDescriptorSetSchema: unknown }>("@bufbuild/protobuf/wkt");
const { createClient } = loadPackage<Connect>("@connectrpc/connect");
const { connectNodeAdapter, createGrpcTransport, Http2SessionManager } =
  loadPackage<ConnectNode>("@connectrpc/connect-node");

const field = (name: string, number: number, type: string): object => ({
  ...{ name, number, type, label: "LABEL_OPTIONAL", jsonName: name },
});

/** bench/proto/bench/v1/echo.proto. */
const service = createFileRegistry(
  fromJson(FileDescriptorSetSchema, {
    file: [
      {
        name: "bench/v1/echo.proto",
        package: "bench.v1",
        syntax: "proto3",
        messageType: [
          {
            name: "EchoMessage",
            field: [field("id", 1, "TYPE_UINT64"), field("name", 2, "TYPE_STRING"), field("payload", 3, "TYPE_BYTES")],
          },
        ],
        service: [
          {
            name: "Echo",
            method: [{ name: "Echo", inputType: ".bench.v1.EchoMessage", outputType: ".bench.v1.EchoMessage" }],
          },
        ],
      },
    ],
  }),
).getService("bench.v1.Echo");

async function serve(): Promise<EchoServer> {
  const implementation = {
    async echo(message: EchoMessage) {
      return message;
    },
  };
  const server = createServer(connectNodeAdapter({ routes: (router) => router.service(service, implementation) }));
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    for (const session of sessions) session.destroy();
  };
  return { address: `http://127.0.0.1:${port}`, close };
}

async function connect(address: string): Promise<EchoCaller> {
  const sessionManager = new Http2SessionManager(address);
  await sessionManager.connect();
  const client = createClient(service, createGrpcTransport({ baseUrl: address, sessionManager }));
  return { echo: (message) => client.echo(message), close: () => sessionManager.abort() };
}

/** connect-node, as the benchmark runs it. */
export const connectNode: Peer = { serve, connect };
