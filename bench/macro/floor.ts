// The floor: the least that a call over a node socket can cost, written for comparison and as fast as it can be made.
// One connection, length-prefixed frames that carry the number of their call, a promise per call, one write a tick, a
// synchronous handler. It has no deadlines, no metadata, no limits and no errors but a lost connection: what a
// framework adds is what its distance from here shows. The hand-written codec is in floor-codec.ts.

import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";
import {
  decodeMessage,
  decodeOwned,
  encodeFrame,
  FRAME_HEADER_BYTES,
  frameBound,
  newSlab,
  type Slab,
  slabOver,
} from "./floor-codec.js";
import type { EchoCaller, EchoMessage, EchoServer, Peer } from "./peer.js";

/** A batch is at most this long; a longer one is several writes. */
const SLAB_BYTES = 256 * 1024;
/** What one read takes at most. A longer batch of replies comes in several reads, so that both sides work at once. */
const READ_BYTES = 64 * 1024;
/** A split frame up to this length is joined in memory that is used again. */
const SHORT_REST_BYTES = 4096;

/** Frames of one tick, encoded side by side and written at once. */
class Outbox {
  private readonly socket: Socket;
  private slab = newSlab(SLAB_BYTES);
  private end = 0;
  /** Slabs that the socket still sends from. */
  private readonly lent: Slab[] = [];
  private readonly spare: Slab[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Adds a frame. True: it is the first of a batch, and a flush is owed. */
  append(slot: number, message: EchoMessage): boolean {
    const bound = frameBound(message);
    if (this.end > 0 && this.end + bound > this.slab.bytes.length) this.flush();
    if (bound > this.slab.bytes.length) this.slab = newSlab(bound);
    const first = this.end === 0;
    this.end = encodeFrame(this.slab, this.end, slot, message);
    return first;
  }

  /** Writes the batch. When the kernel takes all of it at once, as it mostly does, the same slab is used again. */
  flush(): void {
    const end = this.end;
    if (end === 0) return;
    this.end = 0;
    this.socket.write(this.slab.bytes.subarray(0, end));
    if (this.socket.writableLength > 0) this.lend();
    else if (this.lent.length > 0) this.takeBack();
  }

  private lend(): void {
    this.lent.push(this.slab);
    this.slab = this.spare.pop() ?? newSlab(SLAB_BYTES);
  }

  private takeBack(): void {
    this.spare.push(...this.lent);
    this.lent.length = 0;
  }
}

/**
 * Cuts the incoming bytes into frames. A frame within one read is decoded in place. One that is split over reads is
 * joined first; where it is large, the payload stays in the memory it was joined in, which is a copy already.
 */
abstract class FrameReader {
  private readonly shortRest = newSlab(SHORT_REST_BYTES);
  private rest = this.shortRest;
  private restEnd = 0;

  protected abstract onFrame(slot: number, message: EchoMessage): void;

  /** Takes the bytes of one read, `slab[0, end)`; they are free again afterwards. */
  protected read(slab: Slab, end: number): void {
    let pos = this.restEnd > 0 ? this.finishRest(slab, end) : 0;
    while (pos + 4 <= end) {
      const next = pos + 4 + slab.view.getUint32(pos, true);
      if (next > end) break;
      this.onFrame(slab.view.getUint32(pos + 4, true), decodeMessage(slab, pos + FRAME_HEADER_BYTES, next));
      pos = next;
    }
    if (pos < end) this.keep(slab, pos, end);
  }

  /** Completes the frame that an earlier read began, and returns where the next one starts. */
  private finishRest(slab: Slab, end: number): number {
    let pos = 0;
    if (this.restEnd < 4) {
      pos = Math.min(4 - this.restEnd, end);
      this.keep(slab, 0, pos);
      if (this.restEnd < 4) return end;
    }
    const size = 4 + this.rest.view.getUint32(0, true);
    const next = Math.min(pos + size - this.restEnd, end);
    this.keep(slab, pos, next);
    if (this.restEnd === size) this.deliverRest(size);
    return next;
  }

  private deliverRest(size: number): void {
    const { rest } = this;
    this.restEnd = 0;
    this.rest = this.shortRest;
    const read = rest === this.shortRest ? decodeMessage : decodeOwned;
    this.onFrame(rest.view.getUint32(4, true), read(rest, FRAME_HEADER_BYTES, size));
  }

  /** Adds to the frame being joined; its memory is made to measure as soon as its length is known. */
  private keep(slab: Slab, start: number, end: number): void {
    slab.bytes.copy(this.rest.bytes, this.restEnd, start, Math.min(end, start + this.rest.bytes.length - this.restEnd));
    const kept = this.restEnd;
    this.restEnd += end - start;
    if (this.restEnd < 4) return;
    const size = 4 + this.rest.view.getUint32(0, true);
    if (size <= this.rest.bytes.length) return;
    const whole = newSlab(size);
    this.rest.bytes.copy(whole.bytes, 0, 0, kept);
    slab.bytes.copy(whole.bytes, kept, start, end);
    this.rest = whole;
  }
}

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
