// @grpc/grpc-js, as its users run it: default settings, one channel, messages through protobufjs's compiled encoder
// and decoder on both sides. protobufjs reads 64-bit numbers as Long objects; the client turns them into the bigints
// of the benchmark's message by their two halves, which costs next to nothing. The server returns what it decoded.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  Client,
  credentials,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from "@grpc/grpc-js";
import protobuf from "protobufjs";
import type { EchoCaller, EchoMessage, EchoServer, Peer } from "./peer.js";

/** The halves of a 64-bit number: what protobufjs takes, and what its Long is. */
interface Long {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
}

interface WireMessage {
  readonly id: Long;
  readonly name: string;
  readonly payload: Uint8Array;
}

const PROTO = locate("bench/proto/bench/v1/echo.proto");

const type = protobuf.loadSync(PROTO).lookupType("bench.v1.EchoMessage");
const encode = (message: WireMessage): Buffer => type.encode(message).finish() as Buffer;
const decode = (bytes: Buffer): WireMessage => type.decode(bytes) as unknown as WireMessage;

const echo: MethodDefinition<WireMessage, WireMessage> = {
  path: "/bench.v1.Echo/Echo",
  requestStream: false,
  responseStream: false,
  requestSerialize: encode,
  requestDeserialize: decode,
  responseSerialize: encode,
  responseDeserialize: decode,
};
const service: ServiceDefinition = { echo };

const halves = new Int32Array(2);
const whole = new BigUint64Array(halves.buffer);

function toLong(value: bigint): Long {
  whole[0] = value;
  return { low: halves[0]!, high: halves[1]!, unsigned: true };
}

function toBigint({ low, high }: Long): bigint {
  halves[0] = low;
  halves[1] = high;
  return whole[0]!;
}

async function serve(): Promise<EchoServer> {
  const server = new Server();
  const handle = (call: ServerUnaryCall<WireMessage, WireMessage>, reply: sendUnaryData<WireMessage>): void =>
    reply(null, call.request);
  server.addService(service, { echo: handle });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { address: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
}

class GrpcCaller implements EchoCaller {
  private readonly client: Client;

  constructor(client: Client) {
    this.client = client;
  }

  echo({ id, name, payload }: EchoMessage): Promise<EchoMessage> {
    const request: WireMessage = { id: toLong(id), name, payload };
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(echo.path, encode, decode, request, (error, reply) => {
        if (error === null && reply !== undefined) {
          resolve({ id: toBigint(reply.id), name: reply.name, payload: reply.payload });
        } else reject(error ?? new Error("no reply"));
      });
    });
  }

  close(): void {
    this.client.close();
  }
}

async function connect(address: string): Promise<EchoCaller> {
  const client = new Client(address, credentials.createInsecure());
  await new Promise<void>((resolve, reject) => {
    client.waitForReady(Date.now() + 5000, (error) =>
      error === undefined || error === null ? resolve() : reject(error),
    );
  });
  return new GrpcCaller(client);
}

/** grpc-js, as the benchmark runs it. */
export const grpcJs: Peer = { serve, connect };

/** Finds a file of this project from wherever this module runs: as a source, or compiled into a folder of its own. */
function locate(path: string): string {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, path))) return join(folder, path);
  }
  throw new Error(`${path} is in no folder above ${import.meta.dirname}`);
}
