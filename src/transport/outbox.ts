// The outgoing side of a connection: frames are encoded into slabs in place and handed to the pipe in one write when the
// tick ends. Of many a first half goes before, so that the peer works on it while this side makes the second. While the
// pipe has not taken the last write nothing more is given to it, so that what is still here provably never left the process.
//
//    handed to the pipe | full slabs, in order | current slab: [handed, start) finished frames, [start, pos) being written
//
// Positions that callers keep (`framePosition`) count bytes from the beginning of the connection, or from the last `rebase`:
// a number that needs more than 31 bits would cost each call an allocation.

import type { SlabPool } from "../codec/slab.js";
import { Writer } from "../codec/writer.js";
import type { Pipe } from "./pipe.js";
import type { Tick } from "./tick.js";

/** The size of an ordinary outgoing slab, in bytes; a longer frame gets one of its own. */
export const OUTBOX_SLAB_BYTES = 65_536;
/** The most bytes given to the pipe at once: a slow peer must take this many within the slow-reader timeout. */
export const MAX_WRITE_BYTES = 262_144;
/** The fewest bytes that are given to the pipe before the tick ends. Fewer are not worth a system call of their own (docs/decisions/4). */
const MIN_EARLY_BYTES = 2048;
/** What is given to the pipe before the tick ends is this part of what the tick before has written, if that is more. */
const EARLY_SHARE = 0.5;

/** Positions are counted anew once this many bytes have been given to the pipe. */
const REBASE_BYTES = 2 ** 30;

const NO_SLAB: Buffer = Buffer.alloc(0);

/** A slab that waits for the pipe; `[start, end)` has not been given to it. */
interface QueuedSlab {
  readonly slab: Buffer;
  start: number;
  readonly end: number;
}

/** A {@link Writer} whose bytes go to a pipe. */
export class Outbox extends Writer {
  private readonly slabs: SlabPool;
  private readonly tick: Tick;
  private readonly pipe: Pipe;
  private readonly onTick = (): void => this.endTick();
  private readonly queue: QueuedSlab[] = [];
  /** Bytes of the queue that the pipe has not been given. */
  private queuedBytes = 0;
  /** Bytes that the pipe has been given and has not taken; it is blocked while there are any. */
  private inPipeBytes = 0;
  /** How much of the current slab the pipe has been given. */
  private handed = 0;
  /** The position of the current slab's first byte. */
  private base = 0;
  private scheduled = false;
  /** So many finished bytes are given to the pipe before the tick ends. */
  private earlyBytes = MIN_EARLY_BYTES;
  /** {@link framePosition} when the last tick ended that had something to flush. */
  private flushedPosition = 0;
  private ending = false;
  private stopped = false;

  constructor(pipe: Pipe, slabs: SlabPool, tick: Tick) {
    super(0);
    this.buf = NO_SLAB;
    this.pipe = pipe;
    this.slabs = slabs;
    this.tick = tick;
  }

  /** True while a flush is due at the end of this tick. */
  get isScheduled(): boolean {
    return this.scheduled;
  }

  /** True while the pipe has not taken what it was given. */
  get isBlocked(): boolean {
    return this.inPipeBytes > 0;
  }

  /** Bytes of finished frames that the pipe has not taken. */
  get unsentBytes(): number {
    return this.inPipeBytes + this.queuedBytes + this.start - this.handed;
  }

  /** Where the frame being written begins. */
  get framePosition(): number {
    return this.base + this.start;
  }

  /** Everything before this position has been given to the pipe, and may have left the process. */
  get handedPosition(): number {
    return this.base + this.handed - this.queuedBytes;
  }

  /** True once so many bytes were given to the pipe that positions should be counted anew, by {@link rebase}. */
  get isRebaseDue(): boolean {
    return this.handedPosition >= REBASE_BYTES;
  }

  /** Counts positions from the first byte that the pipe has not been given; returns how much smaller each one is now. */
  rebase(): number {
    const by = this.handedPosition;
    this.base -= by;
    this.flushedPosition -= by;
    return by;
  }

  /** Takes back the frame being written. */
  abandonFrame(): void {
    this.pos = this.start;
    this.schedule();
  }

  /** Takes the frame being written out of the outbox: what is behind its first `from` bytes, in memory of its own. */
  takeFrame(from: number): Buffer {
    const { buf, start, pos } = this;
    if (start === this.handed && !this.slabs.isPooled(buf)) {
      // A long frame has its slab for itself.
      this.slabs.disown(buf);
      this.base += start;
      this.buf = NO_SLAB;
      this.start = this.pos = this.handed = 0;
      return buf.subarray(start + from, pos);
    }
    const frame = Buffer.from(buf.subarray(start + from, pos));
    this.abandonFrame();
    return frame;
  }

  /** Appends a frame that was made before. */
  append(frame: Buffer): void {
    this.reserve(frame.length);
    frame.copy(this.buf, this.pos);
    this.pos += frame.length;
    this.start = this.pos;
    this.schedule();
  }

  /**
   * Another frame is to be written in a tick that ends with a flush: sends those that are finished already, if they are many.
   * The peer can work on them while this side makes the others.
   */
  flushEarly(): void {
    if (this.start - this.handed >= this.earlyBytes) this.flush();
  }

  /** Sends what is finished at the end of this tick. */
  schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.tick.atEnd(this.onTick);
  }

  /** Sends what is finished now, as far as the pipe takes it. */
  flush(): void {
    if (this.isBlocked || this.stopped) return;
    this.writeQueue();
    if (this.start > this.handed && !this.isBlocked) this.writeCurrent();
    if (this.pos === this.handed) this.recycle();
    if (this.ending && this.unsentBytes === 0) this.endPipe();
  }

  /** Sends what is finished, then ends the pipe; what is written after that never leaves the process. */
  end(): void {
    this.ending = true;
    this.flush();
  }

  /** The pipe has taken the write that it had not taken at once. */
  onDrain(): void {
    this.inPipeBytes = 0;
    this.flush();
  }

  /** A copy of the finished frame at `position`, which must not have been handed over; `frameBytes` reads its length. */
  copyFrame(position: number, frameBytes: (slab: Buffer, at: number) => number): Buffer {
    let queuedAt = this.handedPosition;
    for (const { slab, start, end } of this.queue) {
      if (position < queuedAt + end - start) return copyAt(slab, start + position - queuedAt, frameBytes);
      queuedAt += end - start;
    }
    return copyAt(this.buf, position - this.base, frameBytes);
  }

  /** Gives nothing more to the pipe: what is still here never leaves the process. */
  stop(): void {
    this.stopped = true;
  }

  /** Gives every slab back; nothing can be written afterwards. */
  close(): void {
    for (const { slab } of this.queue) this.slabs.release(slab);
    this.queue.length = 0;
    this.queuedBytes = this.inPipeBytes = 0;
    this.start = this.handed = this.pos;
    this.recycle();
  }

  /** The current slab is full: what is finished in it goes out or waits, and the frame being written moves on. */
  protected override grow(bytes: number): void {
    if (this.start > this.handed) this.flush();
    if (this.start > this.handed) this.enqueueCurrent();
    if (this.buf.length - this.pos < bytes) this.replaceSlab(bytes);
  }

  private endTick(): void {
    this.scheduled = false;
    const { framePosition } = this;
    this.earlyBytes = Math.max(MIN_EARLY_BYTES, (framePosition - this.flushedPosition) * EARLY_SHARE);
    this.flushedPosition = framePosition;
    this.flush();
  }

  private endPipe(): void {
    this.stopped = true;
    this.pipe.end();
  }

  private writeCurrent(): void {
    const { buf, handed, start } = this;
    if (start - handed > MAX_WRITE_BYTES) {
      this.enqueueCurrent();
      this.writeQueue();
      return;
    }
    this.handed = start;
    if (this.pipe.write(buf, handed, start)) return;
    this.inPipeBytes = start - handed;
    this.enqueueCurrent();
  }

  /** Moves the finished frames of the current slab, which the pipe may already have, to the end of the queue. */
  private enqueueCurrent(): void {
    const { buf, handed, start } = this;
    this.queue.push({ slab: buf, start: handed, end: start });
    this.queuedBytes += start - handed;
    this.moveFrame(this.pos === start ? NO_SLAB : this.slabs.lease(OUTBOX_SLAB_BYTES + this.pos - start, "outbox"));
  }

  private writeQueue(): void {
    for (let head = this.queue[0]; head !== undefined && !this.isBlocked; head = this.queue[0]) {
      const { slab, start } = head;
      head.start = Math.min(head.end, start + MAX_WRITE_BYTES);
      const bytes = head.start - start;
      this.queuedBytes -= bytes;
      if (bytes > 0 && !this.pipe.write(slab, start, head.start)) {
        this.inPipeBytes = bytes;
      } else if (head.start === head.end) {
        this.queue.shift();
        this.slabs.release(slab);
      }
    }
  }

  private replaceSlab(bytes: number): void {
    const old = this.buf;
    this.moveFrame(this.slabs.lease(Math.max(OUTBOX_SLAB_BYTES, this.pos - this.start + bytes), "outbox"));
    this.release(old);
  }

  /** Moves the frame being written to the beginning of `slab`, which becomes the current one. */
  private moveFrame(slab: Buffer): void {
    const used = this.pos - this.start;
    this.buf.copy(slab, 0, this.start, this.pos);
    this.base += this.start;
    this.buf = slab;
    this.start = this.handed = 0;
    this.pos = used;
  }

  /** Everything is sent: an idle connection holds no slab. */
  private recycle(): void {
    this.base += this.pos;
    this.release(this.buf);
    this.buf = NO_SLAB;
    this.start = this.pos = this.handed = 0;
  }

  private release(slab: Buffer): void {
    if (slab !== NO_SLAB) this.slabs.release(slab);
  }
}

function copyAt(slab: Buffer, at: number, frameBytes: (slab: Buffer, at: number) => number): Buffer {
  return Buffer.from(slab.subarray(at, at + frameBytes(slab, at)));
}
