// Watches bytes on the wire for a mark that is followed by a nonce. At the clients' writes it tells which requests ever
// left: a call that never left must not be given up while it may wait, and one that left must not leave again. At the
// clients' sockets it tells when a reply had arrived: one that came in time must win over its deadline.

import type { Pipe } from "../../src/transport/pipe.js";

const NONCE_BYTES = 4;
const NO_BYTES: Buffer = Buffer.alloc(0);

/** Finds marked nonces in the bytes of many pipes, however they are cut. */
export class WireTap {
  private readonly mark: Buffer;
  private readonly tails = new WeakMap<Pipe, Buffer>();
  private readonly counts = new Map<number, number>();
  private readonly times = new Map<number, number>();

  /** Looks for nonces behind `mark`. */
  constructor(mark: Buffer) {
    this.mark = mark;
  }

  /** Takes the next bytes of a pipe, seen at `nowMs`. */
  see(pipe: Pipe, bytes: Buffer, nowMs: number): void {
    const tail = this.tails.get(pipe);
    const seen = tail === undefined || tail.length === 0 ? bytes : Buffer.concat([tail, bytes]);
    const needed = this.mark.length + NONCE_BYTES;
    for (let at = seen.indexOf(this.mark); at !== -1 && at + needed <= seen.length; ) {
      this.found(seen.readUInt32LE(at + this.mark.length), nowMs);
      at = seen.indexOf(this.mark, at + needed);
    }
    this.tails.set(pipe, tailOf(seen, needed - 1));
  }

  /** How often a nonce was seen. */
  countOf(nonce: number): number {
    return this.counts.get(nonce) ?? 0;
  }

  /** When a nonce was seen last; Infinity if it never was. */
  timeOf(nonce: number): number {
    return this.times.get(nonce) ?? Number.POSITIVE_INFINITY;
  }

  private found(nonce: number, nowMs: number): void {
    this.counts.set(nonce, this.countOf(nonce) + 1);
    this.times.set(nonce, nowMs);
  }
}

/** A copy of the last `bytes` bytes: the buffer that they came in is used again. */
function tailOf(seen: Buffer, bytes: number): Buffer {
  return seen.length === 0 ? NO_BYTES : Buffer.from(seen.subarray(Math.max(0, seen.length - bytes)));
}
