// Sees what clients hand to their pipes, and counts by nonce which requests ever left: a call that never left must not be
// given up while it may wait, and one that left must not leave again.

import type { Pipe } from "../../src/transport/pipe.js";
import { REQUEST_MARK } from "./work.js";

const NONCE_BYTES = 4;
const NO_BYTES: Buffer = Buffer.alloc(0);

/** Counts requests on the wire. */
export class WireTap {
  private readonly tails = new WeakMap<Pipe, Buffer>();
  private readonly writes = new Map<number, number>();

  /** Takes the bytes of one write. */
  see(pipe: Pipe, bytes: Buffer): void {
    const seen = Buffer.concat([this.tails.get(pipe) ?? NO_BYTES, bytes]);
    const needed = REQUEST_MARK.length + NONCE_BYTES;
    for (let at = seen.indexOf(REQUEST_MARK); at !== -1 && at + needed <= seen.length; ) {
      this.count(seen.readUInt32LE(at + REQUEST_MARK.length));
      at = seen.indexOf(REQUEST_MARK, at + needed);
    }
    this.tails.set(pipe, seen.subarray(Math.max(0, seen.length - needed + 1)));
  }

  /** How often the request with this nonce was handed to a pipe. */
  writesOf(nonce: number): number {
    return this.writes.get(nonce) ?? 0;
  }

  private count(nonce: number): void {
    this.writes.set(nonce, this.writesOf(nonce) + 1);
  }
}
