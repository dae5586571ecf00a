// Watches bytes on the wire for a mark that is followed by a nonce. At the clients' writes it tells which requests ever
// left: a call that never left must not be given up while it may wait, and one that left must not leave again. At the
// clients' sockets it tells when a reply had arrived: one that came in time must win over its deadline.

import type { Pipe } from "../../src/transport/pipe.js";

const NONCE_BYTES = 4;
const NO_BYTES: Buffer = Buffer.alloc(0);

/** Finds marked nonces in the bytes of many pipes, however they are cut. */
export class WireTap {
  private readonly mark: Buffer;
  /** The most bytes that can end in the middle of a mark and its nonce. */
  private readonly tailBytes: number;
  /** By pipe, the last bytes where they may be the beginning of a mark. */
  private readonly tails = new Map<Pipe, Buffer>();
  private readonly counts = new Map<number, number>();
  private readonly times = new Map<number, number>();

  /** Looks for nonces behind `mark`. */
  constructor(mark: Buffer) {
    this.mark = mark;
    this.tailBytes = mark.length + NONCE_BYTES - 1;
  }

  /** Takes the next bytes of a pipe, seen at `nowMs`. */
  see(pipe: Pipe, bytes: Buffer, nowMs: number): void {
    const tail = this.tails.get(pipe) ?? NO_BYTES;
    const isShort = bytes.length < this.tailBytes;
    const seam = tail.length === 0 ? bytes : Buffer.concat([tail, isShort ? bytes : bytes.subarray(0, this.tailBytes)]);
    if (seam !== bytes) this.search(seam, nowMs);
    this.search(bytes, nowMs);
    const next = this.tailOf(isShort ? seam : bytes);
    if (next !== tail) this.tails.set(pipe, next);
  }

  /** How often a nonce was seen. */
  countOf(nonce: number): number {
    return this.counts.get(nonce) ?? 0;
  }

  /** When a nonce was seen last; Infinity if it never was. */
  timeOf(nonce: number): number {
    return this.times.get(nonce) ?? Number.POSITIVE_INFINITY;
  }

  private search(bytes: Buffer, nowMs: number): void {
    let at = bytes.indexOf(this.mark);
    while (at !== -1 && at + this.tailBytes < bytes.length) {
      this.found(bytes.readUInt32LE(at + this.mark.length), nowMs);
      at = bytes.indexOf(this.mark, at + this.tailBytes + 1);
    }
  }

  private found(nonce: number, nowMs: number): void {
    this.counts.set(nonce, this.countOf(nonce) + 1);
    this.times.set(nonce, nowMs);
  }

  /** A copy of the end of `seen` if a mark may begin in it: the buffer that the bytes came in is used again. */
  private tailOf(seen: Buffer): Buffer {
    const from = seen.indexOf(this.mark[0]!, Math.max(0, seen.length - this.tailBytes));
    return from === -1 ? NO_BYTES : Buffer.from(seen.subarray(from));
  }
}
