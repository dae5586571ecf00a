// Sluice's streams, as its users write them: generated code, an async generator for what a server sends, `for await` for
// what comes, every send awaited, the package's defaults but for the length of messages. Beside the streams it has what
// runs next to small calls: long messages, and the small calls themselves.

import { type ConnectOptions, connect as connectChannel, createServer, LIMITS } from "sluice";
import { Echo, EchoClient } from "../gen/bench/v1/echo.js";
import { Streams, StreamsClient } from "../gen/bench/v1/streams.js";
import type { EchoCaller, EchoMessage, EchoServer } from "../macro/peer.js";
import { checkBulk, makeBulk } from "./bulk.js";
import type { StreamClient, StreamPeer } from "./peer.js";
import type { Ends, Sink, Source } from "./sequence.js";

const OPTIONS = { maxMessageBytes: 67_108_864 } satisfies ConnectOptions;

/** What may be on its way on a connection, in bytes: the window before it has grown, and what one write may have. */
export const IN_FLIGHT_BYTES: number = LIMITS.connectionWindowBytes[0] + 262_144;

/** A client that has all that the benchmark runs. */
export interface SluiceClient extends StreamClient, EchoCaller {
  /** Sends a long message. */
  put(message: EchoMessage): Promise<void>;
  /** Gets a long message. */
  get(id: bigint): Promise<EchoMessage>;
}

/** Serves streams, long messages of `bulkBytes`, and small calls. */
export async function serveSluice(ends: Ends, bulkBytes: number): Promise<EchoServer> {
  const server = createServer(OPTIONS);
  const bulk = makeBulk(bulkBytes);
  server.handle(Echo, {
    async echo(message) {
      return message;
    },
  });
  server.handle(Streams, {
    async *download({ count }) {
      const source = ends.openSource(count === 0n ? undefined : Number(count));
      for (let message = source.next(); message !== undefined; message = source.next()) yield message;
    },
    async upload(requests) {
      const sink = ends.openSink();
      for await (const message of requests) sink.take(message);
      sink.close();
      return { taken: BigInt(sink.taken) };
    },
    async put(message) {
      checkBulk(message, message.id, bulkBytes);
      return { id: message.id };
    },
    async get({ id }) {
      return { ...bulk, id };
    },
  });
  const address = await server.listen("tcp://127.0.0.1:0");
  return { address, close: () => server.close({ graceMs: 1000 }) };
}

/** Opens a channel to `address`, and its connection. */
export async function connectSluice(address: string): Promise<SluiceClient> {
  const channel = connectChannel(address, OPTIONS);
  await channel.ready();
  const echo = new EchoClient(channel);
  const streams = new StreamsClient(channel);
  return {
    echo: (message) => echo.echo(message),
    async download(count: number, sink: Sink) {
      for await (const message of streams.download({ count: BigInt(count) })) sink.take(message);
      sink.close();
    },
    async upload(source: Source) {
      const stream = streams.upload();
      for (let message = source.next(); message !== undefined; message = source.next()) await stream.send(message);
      await stream.close();
      return Number((await stream.response).taken);
    },
    async put(message) {
      const { id } = await streams.put(message);
      if (id !== message.id) throw new Error(`message ${message.id} was taken as ${id}`);
    },
    get: (id) => streams.get({ id }),
    close: () => channel.close(),
  };
}

/** Sluice, as the benchmark runs it. */
export const sluice: StreamPeer = { serve: (ends) => serveSluice(ends, 0), connect: connectSluice };
