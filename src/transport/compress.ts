// When a message is compressed, and with what: the two ends' announcements, the options of this side, and the wish of a
// call. The algorithms are in `codec/compression.ts`.

import { availableCompressions, type Compression, compress, decompress } from "../codec/compression.js";
import { Flag } from "../codec/frame.js";
import { Code, localError } from "../codec/status.js";
import type { Writer } from "../codec/writer.js";

const MAX_UINT32 = 0xffff_ffff;

/** `name`, if this process can compress with it. Throws `RpcError` INVALID_ARGUMENT otherwise. */
export function checkCompression(name: Compression | undefined): Compression | undefined {
  if (name === undefined || availableCompressions.includes(name)) return name;
  const text = `compression: ${JSON.stringify(name)} is none of ${availableCompressions.join(", ")}, which this Node has`;
  throw localError(Code.INVALID_ARGUMENT, text, "never");
}

/** What a message is like that has not left: the flags of its frame, and its payload. */
export interface Unsent {
  readonly flags: number;
  readonly payload: Buffer;
}

/** `unsent` as it was before it was compressed: it goes to another peer, which may not be able to read that. Its message begins at `at`. */
export function uncompressed({ flags, payload }: Unsent, at: number): Unsent {
  if ((flags & Flag.COMPRESSED) === 0) return { flags, payload };
  const message = decompress(payload.subarray(at), MAX_UINT32, availableCompressions);
  return { flags: flags & ~Flag.COMPRESSED, payload: Buffer.concat([payload.subarray(0, at), message]) };
}

/** What one connection compresses with. */
export class Compressor {
  /** What messages are compressed with unless a call wishes otherwise. */
  private readonly wanted: Compression | undefined;
  private readonly minBytes: number;
  private chosen: Compression | undefined = undefined;
  private possible: Compression | undefined = undefined;

  /** Messages shorter than `minBytes` are never compressed. */
  constructor(wanted: Compression | undefined, minBytes: number) {
    this.wanted = wanted;
    this.minBytes = minBytes;
  }

  /** The peer can read these, the preferred one first. */
  onAnnounced(names: readonly string[]): void {
    this.possible = availableCompressions.find((name) => names.includes(name));
    this.chosen = this.wanted !== undefined && names.includes(this.wanted) ? this.wanted : undefined;
  }

  /**
   * Compresses what was written behind `mark`, counted from the beginning of the frame, if it is to be and that makes it
   * smaller. Returns the flag for the frame. `wish` is the call's own, if it has one.
   */
  compressTail(writer: Writer, mark: number, wish: boolean | undefined): number {
    return this.chosen === undefined && wish !== true ? 0 : this.tryCompress(writer, mark, wish);
  }

  private tryCompress(writer: Writer, mark: number, wish: boolean | undefined): number {
    const algorithm = wish === undefined ? this.chosen : wish ? (this.chosen ?? this.possible) : undefined;
    const from = writer.start + mark;
    if (algorithm === undefined || writer.pos - from < this.minBytes) return 0;
    const compressed = compress(algorithm, writer.buf.subarray(from, writer.pos));
    if (compressed === undefined) return 0;
    compressed.copy(writer.buf, from);
    writer.pos = from + compressed.length;
    return Flag.COMPRESSED;
  }
}
