// grpc-js's streams, as its users write them: events for what comes, and a writer that waits for "drain" when `write` says
// so. The rest is as in the benchmark of calls.

import { once } from "node:events";
import type {
  Client,
  MethodDefinition,
  ServerReadableStream,
  ServerWritableStream,
  sendUnaryData,
} from "@grpc/grpc-js";
import {
  type Codec,
  codecOf,
  connectGrpc,
  fromWire,
  type Long,
  loadProto,
  serveGrpc,
  toBigint,
  toLong,
  toWire,
  type WireMessage,
} from "../macro/grpc.js";
import type { EchoServer } from "../macro/peer.js";
import type { StreamClient, StreamPeer } from "./peer.js";
import type { Ends, Sink, Source } from "./sequence.js";

interface DownloadRequest {
  readonly count: Long;
}

interface UploadReply {
  readonly taken: Long;
}

const root = loadProto("bench/v1/streams.proto");
const message = codecOf<WireMessage>(root.lookupType("bench.v1.EchoMessage"));
const downloadRequest = codecOf<DownloadRequest>(root.lookupType("bench.v1.DownloadRequest"));
const uploadReply = codecOf<UploadReply>(root.lookupType("bench.v1.UploadReply"));

const download: MethodDefinition<DownloadRequest, WireMessage> = {
  path: "/bench.v1.Streams/Download",
  requestStream: false,
  responseStream: true,
  ...codecs(downloadRequest, message),
};
const upload: MethodDefinition<WireMessage, UploadReply> = {
  path: "/bench.v1.Streams/Upload",
  requestStream: true,
  responseStream: false,
  ...codecs(message, uploadReply),
};

function codecs<I, O>(request: Codec<I>, response: Codec<O>) {
  return {
    requestSerialize: request.encode,
    requestDeserialize: request.decode,
    responseSerialize: response.encode,
    responseDeserialize: response.decode,
  };
}

/** What both kinds of outgoing stream are to their writer. */
interface Writable extends NodeJS.EventEmitter {
  write(message: WireMessage): boolean;
  end(): void;
}

async function sendAll(source: Source, stream: Writable): Promise<void> {
  for (let next = source.next(); next !== undefined; next = source.next()) {
    if (!stream.write(toWire(next))) await once(stream, "drain");
  }
  stream.end();
}

async function serve(ends: Ends): Promise<EchoServer> {
  return await serveGrpc(
    { download, upload },
    {
      download(call: ServerWritableStream<DownloadRequest, WireMessage>) {
        const count = Number(toBigint(call.request.count));
        void sendAll(ends.openSource(count === 0 ? undefined : count), call);
      },
      upload(call: ServerReadableStream<WireMessage, UploadReply>, reply: sendUnaryData<UploadReply>) {
        const sink = ends.openSink();
        call.on("data", (next: WireMessage) => sink.take(fromWire(next)));
        call.on("end", () => {
          sink.close();
          reply(null, { taken: toLong(BigInt(sink.taken)) });
        });
      },
    },
  );
}

class GrpcStreams implements StreamClient {
  private readonly client: Client;

  constructor(client: Client) {
    this.client = client;
  }

  async download(count: number, sink: Sink): Promise<void> {
    const { path, requestSerialize, responseDeserialize } = download;
    const request = { count: toLong(BigInt(count)) };
    const stream = this.client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request);
    stream.on("data", (next: WireMessage) => sink.take(fromWire(next)));
    await once(stream, "end");
    sink.close();
  }

  upload(source: Source): Promise<number> {
    const { path, requestSerialize, responseDeserialize } = upload;
    return new Promise((resolve, reject) => {
      const answer = (error: Error | null, reply?: UploadReply): void =>
        error === null && reply !== undefined ? resolve(Number(toBigint(reply.taken))) : reject(error);
      const stream = this.client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, answer);
      sendAll(source, stream).catch(reject);
    });
  }

  close(): void {
    this.client.close();
  }
}

async function connect(address: string): Promise<StreamClient> {
  return new GrpcStreams(await connectGrpc(address));
}

/** grpc-js, as the benchmark runs it. */
export const grpcJs: StreamPeer = { serve, connect };
