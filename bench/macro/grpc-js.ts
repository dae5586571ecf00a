// @grpc/grpc-js, as its users run it: default settings, one channel, messages through protobufjs. The client turns them
// into the benchmark's message; the server returns what it decoded.

import type { Client, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { connectGrpc, echoMethod, fromWire, serveGrpc, toWire, type WireMessage } from "./grpc.js";
import type { EchoCaller, EchoMessage, EchoServer, Peer } from "./peer.js";

const echo = echoMethod();

async function serve(): Promise<EchoServer> {
  const handle = (call: ServerUnaryCall<WireMessage, WireMessage>, reply: sendUnaryData<WireMessage>): void =>
    reply(null, call.request);
  return await serveGrpc({ echo }, { echo: handle });
}

class GrpcCaller implements EchoCaller {
  private readonly client: Client;

  constructor(client: Client) {
    this.client = client;
  }

  echo(message: EchoMessage): Promise<EchoMessage> {
    const request = toWire(message);
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        echo.path,
        echo.requestSerialize,
        echo.responseDeserialize,
        request,
        (error, reply) => {
          if (error === null && reply !== undefined) resolve(fromWire(reply));
          else reject(error ?? new Error("no reply"));
        },
      );
    });
  }

  close(): void {
    this.client.close();
  }
}

async function connect(address: string): Promise<EchoCaller> {
  return new GrpcCaller(await connectGrpc(address));
}

/** grpc-js, as the benchmark runs it. */
export const grpcJs: Peer = { serve, connect };
