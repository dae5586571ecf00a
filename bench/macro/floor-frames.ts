// The floor's frames on a socket, both ways: what one tick sends is one write, what one read brings is cut up in place.

import type { Socket } from "node:net";
import {
  decodeMessage,
  decodeOwned,
  encodeFrame,
  FRAME_HEADER_BYTES,
  frameBound,
  newSlab,
  type Slab,
} from "./floor-codec.js";
import type { EchoMessage } from "./peer.js";

/** A batch is at most this long; a longer one is several writes. */
const SLAB_BYTES = 256 * 1024;
/** A split frame up to this length is joined in memory that is used again. */
const SHORT_REST_BYTES = 4096;

/** Frames of one tick, encoded side by side and written at once. */
export class Outbox {
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
export abstract class FrameReader {
  private readonly shortRest = newSlab(SHORT_REST_BYTES);
  private rest = this.shortRest;
  private restEnd = 0;

  protected abstract onFrame(slot: number, message: EchoMessage): void;

  /** Takes the bytes of one read, `slab[0, end)`; they are free again afterwards. */
  read(slab: Slab, end: number): void {
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
