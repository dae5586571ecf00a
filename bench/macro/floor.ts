// The floor: the least that a call over a node socket can cost, written for comparison and as fast as it can be made.
// One connection, length-prefixed frames that carry the number of their call, a promise per call, one write a tick, a
// synchronous handler. It has no deadlines, no metadata, no limits and no errors but a lost connection: what a
// framework adds is what its distance from here shows. What frames are is in floor-frames.ts and floor-codec.ts.

import { once } from "node:events";
import type { Socket } from "node:net";
import type { Slab } from "./floor-codec.js";
import { FrameReader, Outbox } from "./floor-frames.js";
import { dialSocket, serveSockets } from "./floor-sockets.js";
import type { EchoCaller, EchoMessage, EchoServer, Peer } from "./peer.js";

/** One accepted connection: every frame is answered in the read callback, and the answers leave when it ends. */
class ServerConnection extends FrameReader {
  private readonly outbox: Outbox;

  constructor(socket: Socket) {
    super();
    this.outbox = new Outbox(socket);
  }

  override read(slab: Slab, end: number): void {
    super.read(slab, end);
    this.outbox.flush();
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

  constructor(address: string) {
    super();
    this.socket = dialSocket(address, (slab, end) => this.read(slab, end));
    this.outbox = new Outbox(this.socket);
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
  return await serveSockets((socket) => {
    const connection = new ServerConnection(socket);
    return (slab, end) => connection.read(slab, end);
  });
}

async function connect(address: string): Promise<EchoCaller> {
  return await new FloorClient(address).connected();
}

/** The floor, as the benchmark runs it. */
export const floor: Peer = { serve, connect };
