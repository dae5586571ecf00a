// The codecs that ours are compared with, behind one interface: protobufjs's static code (committed), and protobuf-es and
// ts-proto, which scripts/bench-codec.mjs installs and generates. Each encodes what it decoded itself.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** A message type of another library, with one message in that library's own form. */
export interface PeerCodec {
  /** Encodes the message into bytes of its own. */
  encode(): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

/** Another library: makes its codec for one of the benchmark's types, given a message's bytes. */
export interface Peer {
  readonly system: string;
  codec(name: "Small" | "Nested", bytes: Uint8Array): PeerCodec;
}

/** What protobufjs and ts-proto generate for a message type. */
interface WriterType {
  encode(message: unknown): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
}

/** What is used of protobuf-es. */
interface ProtobufEs {
  fromBinary(schema: unknown, bytes: Uint8Array): unknown;
  toBinary(schema: unknown, message: unknown): Uint8Array;
  createFileRegistry(set: unknown): { getMessage(name: string): unknown };
}

const folder = new URL("../../../bench/", import.meta.url);
const installed = new URL("node_modules/", folder);

/** Every peer, in the order of the report. */
export async function loadPeers(): Promise<Peer[]> {
  return [protobufjs(), await protobufEs(), await tsProto()];
}

function protobufjs(): Peer {
  const types = createRequire(import.meta.url)(new URL("gen/protobufjs/codec.cjs", folder).pathname).bench.v1;
  return { system: "protobufjs", codec: (name, bytes) => writerCodec(types[name], bytes) };
}

async function tsProto(): Promise<Peer> {
  const types = (await import(new URL(".peers/ts-proto.js", installed).href)) as Record<string, WriterType>;
  return { system: "ts-proto", codec: (name, bytes) => writerCodec(types[name]!, bytes) };
}

function writerCodec(type: WriterType, bytes: Uint8Array): PeerCodec {
  const message = type.decode(bytes);
  return { encode: () => type.encode(message).finish(), decode: (input) => type.decode(input) };
}

async function protobufEs(): Promise<Peer> {
  const load = (path: string): Promise<unknown> =>
    import(new URL(`@bufbuild/protobuf/dist/esm/${path}`, installed).href);
  const library = (await load("index.js")) as ProtobufEs;
  const { FileDescriptorSetSchema } = (await load("wkt/index.js")) as { FileDescriptorSetSchema: unknown };
  const set = library.fromBinary(FileDescriptorSetSchema, readFileSync(new URL(".peers/codec.binpb", installed)));
  const registry = library.createFileRegistry(set);
  return {
    system: "protobuf-es",
    codec(name, bytes) {
      const schema = registry.getMessage(`bench.v1.${name}`);
      const message = library.fromBinary(schema, bytes);
      return {
        encode: () => library.toBinary(schema, message),
        decode: (input) => library.fromBinary(schema, input),
      };
    },
  };
}
