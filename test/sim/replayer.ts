// A broken server that answers twice: it keeps short responses that went over a connection, and gives one of them again
// later, between two frames. Ids and generations must keep such a response from every call that it is not for.

import { FrameType, HEADER_BYTES, PREFACE, readUint32 } from "../../src/codec/frame.js";

const MAX_KEPT = 8;
const MAX_KEPT_BYTES = 4_096;
const NO_BYTES: Buffer = Buffer.alloc(0);

/** Follows the frames of one direction of a connection. */
export class Replayer {
  private readonly kept: Buffer[] = [];
  /** Bytes of the preface or frame under way that have not been seen. */
  private missingBytes = PREFACE.length;
  /** The beginning of a header that was cut. */
  private head: Buffer = NO_BYTES;

  /** Takes the next bytes that are sent. */
  see(bytes: Buffer): void {
    const seen = this.head.length === 0 ? bytes : Buffer.concat([this.head, bytes]);
    let at = Math.min(this.missingBytes, seen.length);
    this.missingBytes -= at;
    while (this.missingBytes === 0 && seen.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + readUint32(seen, at);
      if (end <= seen.length) this.keep(seen.subarray(at, end));
      this.missingBytes = Math.max(0, end - seen.length);
      at = Math.min(end, seen.length);
    }
    this.head = at === seen.length ? NO_BYTES : Buffer.from(seen.subarray(at));
  }

  /** An earlier response, if the next byte begins a frame. */
  get again(): Buffer | undefined {
    return this.missingBytes === 0 && this.head.length === 0 ? this.kept[0] : undefined;
  }

  private keep(frame: Buffer): void {
    if (frame[4] !== FrameType.RESPONSE || frame.length > MAX_KEPT_BYTES) return;
    this.kept.push(Buffer.from(frame));
    if (this.kept.length > MAX_KEPT) this.kept.shift();
  }
}
