// Cuts the received bytes of a connection into frames. A frame that lies whole inside a chunk is handed out where it is,
// as offsets; only a frame that crosses chunks is put together, a long one in memory of its own, which goes with the message.
// That grows with the bytes that have arrived, to twice as many at most, and never by what a header announces. A length
// above the limit is refused as soon as the header is there.

import { beginGiven, endGiven } from "./copies.js";
import { CloseReason, FrameError, HEADER_BYTES, PREFACE, readUint32 } from "./frame.js";
import type { SlabPool } from "./slab.js";

/** A frame longer than this, header included, is put together in memory of its own. */
const MAX_SLAB_FRAME_BYTES = 16_384;

/** Takes the frames that a {@link Splitter} finds. */
export interface FrameSink {
  /** A whole frame: its header at `start`, its payload up to `end`. The bytes are valid only during the call. */
  onFrame(buf: Buffer, start: number, end: number): void;
  /** False: the connection is over, and no further frame may be handed out. */
  readonly isOpen: boolean;
}

/** Chunks in, frames out; one for each connection. */
export class Splitter {
  private readonly slabs: SlabPool;
  private readonly sink: FrameSink;
  private readonly maxFrameBytes: number;
  /** How much of the preface has arrived. */
  private prefaceBytes = 0;
  /** The beginning of a frame whose rest has not arrived: `held[0, heldBytes)`. */
  private held: Buffer | undefined = undefined;
  private heldBytes = 0;
  /** True where `held` is no slab. */
  private isOwn = false;
  /** How many frames have been put together. */
  private heldFrames = 0;

  constructor(slabs: SlabPool, sink: FrameSink, maxFrameBytes: number) {
    this.slabs = slabs;
    this.sink = sink;
    this.maxFrameBytes = maxFrameBytes;
  }

  /** Numbers the frame that has begun to arrive and is not complete; 0 while there is none. */
  get partialFrame(): number {
    return this.heldBytes > 0 ? this.heldFrames : 0;
  }

  /** Takes `buf[start, end)`. Throws {@link FrameError} for a wrong preface or a frame above the limit. */
  push(buf: Buffer, start: number, end: number): void {
    let at = this.prefaceBytes < PREFACE.length ? this.matchPreface(buf, start, end) : start;
    if (this.heldBytes > 0) at = this.completeHeld(buf, at, end);
    while (end - at >= HEADER_BYTES && this.sink.isOpen) {
      const next = at + HEADER_BYTES + this.checkLength(readUint32(buf, at));
      if (next > end) break;
      this.sink.onFrame(buf, at, next);
      at = next;
    }
    if (at >= end || !this.sink.isOpen) return;
    this.hold(buf, at, end, end - at < HEADER_BYTES ? 0 : HEADER_BYTES + readUint32(buf, at));
  }

  /** Gives back what is held; nothing may be pushed afterwards. */
  release(): void {
    if (this.held !== undefined) this.letGo(this.held, this.isOwn);
    this.held = undefined;
    this.heldBytes = 0;
  }

  private matchPreface(buf: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && this.prefaceBytes < PREFACE.length) {
      if (buf[at] !== PREFACE[this.prefaceBytes]) {
        throw new FrameError(
          CloseReason.PROTOCOL_ERROR,
          "the peer does not speak Sluice: its first bytes are not the preface",
        );
      }
      at++;
      this.prefaceBytes++;
    }
    return at;
  }

  /** Adds to the held frame; hands it out when it is whole. Returns where the chunk goes on. */
  private completeHeld(buf: Buffer, start: number, end: number): number {
    const headerEnd = this.hold(buf, start, Math.min(end, start + Math.max(0, HEADER_BYTES - this.heldBytes)), 0);
    if (this.heldBytes < HEADER_BYTES) return headerEnd;
    const frameBytes = HEADER_BYTES + this.checkLength(readUint32(this.held as Buffer, 0));
    const next = this.hold(buf, headerEnd, Math.min(end, headerEnd + frameBytes - this.heldBytes), frameBytes);
    if (this.heldBytes === frameBytes) this.handOutHeld(frameBytes);
    return next;
  }

  private handOutHeld(frameBytes: number): void {
    const frame = this.held as Buffer;
    const { isOwn } = this;
    this.held = undefined;
    this.heldBytes = 0;
    if (isOwn) beginGiven(frame);
    try {
      this.sink.onFrame(frame, 0, frameBytes);
    } finally {
      if (isOwn) endGiven();
      else this.slabs.release(frame);
    }
  }

  /** Copies `buf[start, end)` behind what is held; returns `end`. The frame has `frameBytes`; 0 where that is not known yet. */
  private hold(buf: Buffer, start: number, end: number, frameBytes: number): number {
    const bytes = this.heldBytes + end - start;
    if (this.held === undefined || this.held.length < bytes) this.growHeld(bytes, frameBytes);
    buf.copy(this.held as Buffer, this.heldBytes, start, end);
    this.heldBytes = bytes;
    return end;
  }

  private growHeld(bytes: number, frameBytes: number): void {
    const isOwn = frameBytes > MAX_SLAB_FRAME_BYTES;
    const larger = isOwn
      ? Buffer.allocUnsafeSlow(Math.min(frameBytes, 2 * bytes))
      : this.slabs.lease(bytes, "splitter");
    if (this.held === undefined) {
      this.heldFrames++;
    } else {
      this.held.copy(larger, 0, 0, this.heldBytes);
      this.letGo(this.held, this.isOwn);
    }
    this.held = larger;
    this.isOwn = isOwn;
  }

  private letGo(memory: Buffer, isOwn: boolean): void {
    if (!isOwn) this.slabs.release(memory);
  }

  private checkLength(bytes: number): number {
    if (bytes > this.maxFrameBytes) throw tooLong(bytes, this.maxFrameBytes);
    return bytes;
  }
}

function tooLong(bytes: number, limit: number): FrameError {
  return new FrameError(CloseReason.LIMIT_EXCEEDED, `a frame of ${bytes} bytes; the limit is ${limit}`);
}
