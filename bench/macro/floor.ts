// The floor: the least that a call over a node socket can cost, written for comparison and as fast as it can be made.
// One connection, length-prefixed frames that carry the number of their call, a promise per call, one write a tick, a
// synchronous handler. It has no deadlines, no metadata, no limits and no errors but a lost connection: what a
// framework adds is what its distance from here shows. What frames are is in floor-frames.ts and floor-codec.ts.

import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";
import { newSlab, slabOver } from "./floor-codec.js";
import { FrameReader, Outbox } from "./floor-frames.js";
import type { EchoCaller, EchoMessage, EchoServer, Peer } from "./peer.js";

/** What one read takes at most. A longer batch of replies comes in several reads, so that both sides work at once. */
const READ_BYTES = 64 * 1024;

/** One accepted connection: every frame is answered in the read callback, and the answers leave when it ends. */
class ServerConnection extends FrameReader {
  private readonly outbox: Outbox;

  constructor(socket: Socket) {
    super();
    this.outbox = new Outbox(socket);
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      this.read(slabOver(chunk), chunk.length);
      this.outbox.flush();
    });
  }

  protected override onFrame(slot: number, message: EchoMessage): void {
    this.outbox.append(slot, handle(message));
  }
}

/** The handler: synchronous, as little as one can be. */
function handle(message: EchoMessage): EchoMessage {
  return message;
}

type Resolve = (reply: EchoMessage | Promise<EchoMessage>) => void;

/** What the executor was given last: one function for all promises costs less than a closure each. */
let resolveNow: Resolve;
const takeResolve = (resolve: Resolve): void => {
  resolveNow = resolve;
};

/** The client: calls in flight are an array indexed by the slot that their frames carry. */
class FloorClient extends FrameReader implements EchoCaller {
  private readonly socket: Socket;
  private readonly outbox: Outbox;
  private readonly waiting: (Resolve | undefined)[] = [];
  private readonly freeSlots: number[] = [];
  private readonly flush = (): void => this.outbox.flush();

  constructor(host: string, port: number) {
    super();
    const incoming = newSlab(READ_BYTES);
    const callback = (length: number): boolean => {
      this.read(incoming, length);
      return true;
    };
    this.socket = dial({ host, port, noDelay: true, onread: { buffer: incoming.bytes, callback } });
    this.outbox = new Outbox(this.socket);
    this.socket.on("error", () => this.socket.destroy());
    this.socket.on("close", () => this.failAll(new Error("the connection was closed")));
  }

  /** Resolves once connected. */
  async connected(): Promise<this> {
    await once(this.socket, "connect");
    return this;
  }

  echo(message: EchoMessage): Promise<EchoMessage> {
    const promise = new Promise<EchoMessage>(takeResolve);
    const slot = this.freeSlots.pop() ?? this.waiting.length;
    this.waiting[slot] = resolveNow;
    // Calls are made by promise continuations; a tick scheduled by one of them runs after all of them.
    if (this.outbox.append(slot, message)) process.nextTick(this.flush);
    return promise;
  }

  close(): void {
    this.socket.destroy();
  }

  protected override onFrame(slot: number, message: EchoMessage): void {
    const resolve = this.waiting[slot]!;
    this.waiting[slot] = undefined;
    this.freeSlots.push(slot);
    resolve(message);
  }

  private failAll(error: Error): void {
    for (const resolve of this.waiting) resolve?.(Promise.reject(error));
    this.waiting.length = 0;
    this.freeSlots.length = 0;
  }
}

async function serve(): Promise<EchoServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    new ServerConnection(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { address: `127.0.0.1:${port}`, close };
}

async function connect(address: string): Promise<EchoCaller> {
  const [host, port] = address.split(":") as [string, string];
  return await new FloorClient(host, Number(port)).connected();
}

/** The floor, as the benchmark runs it. */
export const floor: Peer = { serve, connect };
