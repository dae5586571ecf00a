// The floor of streams: the least that a message costs on a bare socket of Node. Frames with a hand-written codec, a batch
// of them a write and a write a turn, every message decoded; a sender waits while its socket has not taken the last write,
// and nothing else holds it back. No iterators, no promises, no credit, one stream for each connection.

import { once } from "node:events";
import type { Socket } from "node:net";
import { FrameReader, Outbox } from "../macro/floor-frames.js";
import { dialSocket, serveSockets } from "../macro/floor-sockets.js";
import type { EchoMessage, EchoServer } from "../macro/peer.js";
import type { StreamClient, StreamPeer } from "./peer.js";
import { type Ends, Sink, type Source } from "./sequence.js";

/** Messages of one write. */
const BATCH = 500;

/** What a frame is; it stands where the floor of calls has a call's number. */
const Kind = { MESSAGE: 0, DOWNLOAD: 1, TAKEN: 2 } as const;

const NO_PAYLOAD = new Uint8Array(0);
const numbered = (id: number): EchoMessage => ({ id: BigInt(id), name: "", payload: NO_PAYLOAD });

/** Sends what a source gives, as fast as the socket takes it. */
class Sender {
  private readonly socket: Socket;
  private readonly outbox: Outbox;
  private readonly source: Source;
  private readonly send = (): void => this.run();

  constructor(socket: Socket, outbox: Outbox, source: Source) {
    this.socket = socket;
    this.outbox = outbox;
    this.source = source;
  }

  /** Sends a batch, and goes on in another turn. */
  run(): void {
    const { socket, outbox, source } = this;
    for (let n = 0; n < BATCH; n++) {
      const message = source.next();
      if (message === undefined) {
        outbox.flush();
        return;
      }
      outbox.append(Kind.MESSAGE, message);
    }
    outbox.flush();
    if (socket.writableLength > 0) socket.once("drain", this.send);
    else setImmediate(this.send);
  }
}

class ServerConnection extends FrameReader {
  private readonly socket: Socket;
  private readonly outbox: Outbox;
  private readonly ends: Ends;
  private sink: Sink | undefined = undefined;

  constructor(socket: Socket, ends: Ends) {
    super();
    this.socket = socket;
    this.outbox = new Outbox(socket);
    this.ends = ends;
  }

  protected override onFrame(kind: number, message: EchoMessage): void {
    if (kind === Kind.DOWNLOAD) this.download(Number(message.id));
    else this.take(message);
  }

  private download(count: number): void {
    const source = this.ends.openSource(count === 0 ? undefined : count);
    new Sender(this.socket, this.outbox, source).run();
  }

  private take(message: EchoMessage): void {
    this.sink ??= this.ends.openSink();
    this.sink.take(message);
    if (message.payload.length > 0) return;
    this.outbox.append(Kind.TAKEN, numbered(this.sink.taken));
    this.outbox.flush();
    this.sink = undefined;
  }
}

/** One connection of the client, which carries one stream after another. */
class FloorClient extends FrameReader implements StreamClient {
  private readonly socket: Socket;
  private readonly outbox: Outbox;
  private sink = new Sink();
  private resolve: (taken: number) => void = () => {};
  private reject: (error: Error) => void = () => {};

  constructor(address: string) {
    super();
    this.socket = dialSocket(address, (slab, end) => this.read(slab, end));
    this.outbox = new Outbox(this.socket);
    this.socket.on("close", () => this.reject(new Error("the connection was closed")));
  }

  /** Resolves once connected. */
  async connected(): Promise<this> {
    await once(this.socket, "connect");
    return this;
  }

  async download(count: number, sink: Sink): Promise<void> {
    this.sink = sink;
    this.outbox.append(Kind.DOWNLOAD, numbered(count));
    this.outbox.flush();
    await this.answer();
    sink.close();
  }

  upload(source: Source): Promise<number> {
    const answer = this.answer();
    new Sender(this.socket, this.outbox, source).run();
    return answer;
  }

  close(): void {
    this.socket.destroy();
  }

  protected override onFrame(kind: number, message: EchoMessage): void {
    if (kind === Kind.TAKEN) {
      this.resolve(Number(message.id));
      return;
    }
    this.sink.take(message);
    if (message.payload.length === 0) this.resolve(this.sink.taken);
  }

  private answer(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

async function serve(ends: Ends): Promise<EchoServer> {
  return await serveSockets((socket) => {
    const connection = new ServerConnection(socket, ends);
    return (slab, end) => connection.read(slab, end);
  });
}

async function connect(address: string): Promise<StreamClient> {
  return await new FloorClient(address).connected();
}

/** The floor, as the benchmark runs it. */
export const floor: StreamPeer = { serve, connect };
