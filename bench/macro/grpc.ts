// What every use of @grpc/grpc-js here shares: a server on a free port, a client that is connected, default settings, and
// messages through protobufjs's compiled encoder and decoder. protobufjs reads 64-bit numbers as Long objects; they become
// the bigints of the benchmark's message by their two halves, which costs next to nothing.

import { join } from "node:path";
import {
  Client,
  credentials,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import protobuf from "protobufjs";
import { locate } from "../lib/packages.js";
import type { EchoMessage, EchoServer } from "./peer.js";

/** The halves of a 64-bit number: what protobufjs takes, and what its Long is. */
export interface Long {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
}

/** The benchmark's message as protobufjs has it. */
export interface WireMessage {
  readonly id: Long;
  readonly name: string;
  readonly payload: Uint8Array;
}

/** How messages of one type travel. */
export interface Codec<T> {
  readonly encode: (message: T) => Buffer;
  readonly decode: (bytes: Buffer) => T;
}

const PROTO = locate("bench/proto");

/** Loads a manifest of `bench/proto`. */
export function loadProto(file: string): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_, target) => join(PROTO, target);
  return root.loadSync(file);
}

/** protobufjs's codec of a type. */
export function codecOf<T extends object>(type: protobuf.Type): Codec<T> {
  return {
    encode: (message) => type.encode(message).finish() as Buffer,
    decode: (bytes) => type.decode(bytes) as unknown as T,
  };
}

/** The benchmark's method, with messages through protobufjs. */
export function echoMethod(): MethodDefinition<WireMessage, WireMessage> {
  const { encode, decode } = codecOf<WireMessage>(loadProto("bench/v1/echo.proto").lookupType("bench.v1.EchoMessage"));
  return {
    path: "/bench.v1.Echo/Echo",
    requestStream: false,
    responseStream: false,
    requestSerialize: encode,
    requestDeserialize: decode,
    responseSerialize: encode,
    responseDeserialize: decode,
  };
}

const halves = new Int32Array(2);
const whole = new BigUint64Array(halves.buffer);

/** A 64-bit number for protobufjs. */
export function toLong(value: bigint): Long {
  whole[0] = value;
  return { low: halves[0]!, high: halves[1]!, unsigned: true };
}

/** A 64-bit number of protobufjs. */
export function toBigint({ low, high }: Long): bigint {
  halves[0] = low;
  halves[1] = high;
  return whole[0]!;
}

/** The benchmark's message for protobufjs. */
export function toWire({ id, name, payload }: EchoMessage): WireMessage {
  return { id: toLong(id), name, payload };
}

/** The benchmark's message from protobufjs. */
export function fromWire({ id, name, payload }: WireMessage): EchoMessage {
  return { id: toBigint(id), name, payload };
}

/** Serves `handlers` on a free port of the loopback. */
export async function serveGrpc(
  service: ServiceDefinition,
  handlers: UntypedServiceImplementation,
): Promise<EchoServer> {
  const server = new Server();
  server.addService(service, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { address: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
}

/** A connected client. */
export async function connectGrpc(address: string): Promise<Client> {
  const client = new Client(address, credentials.createInsecure());
  await new Promise<void>((resolve, reject) => {
    client.waitForReady(Date.now() + 5000, (error) =>
      error === undefined || error === null ? resolve() : reject(error),
    );
  });
  return client;
}
