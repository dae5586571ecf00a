// Compressed messages (PROTOCOL.md section 12): the three algorithms, their numbers on the wire, and the bound on what
// decompression may yield. It does not know who has announced what, nor which message is worth compressing.
// Everything is synchronous, on the caller's thread: the messages of a connection keep their order without a queue, and
// what they cost is the caller's time (2 to 7 us for each KB of a large message, 10 to 30 us for one of 1 KB).
// Invariant: the output is bounded while it is made, so a message that expands a thousandfold costs at most the limit.

import { constants as bufferConstants } from "node:buffer";
import * as zlib from "node:zlib";
import { DecodeError } from "./message.js";
import { Code, localError } from "./status.js";

/** An algorithm that a message can be compressed with, by the name that settings announce. */
export type Compression = "gzip" | "br" | "zstd";

/** The number of each algorithm, which is the first byte of a compressed message. */
export const compressionNumbers: { readonly [name in Compression]: number } = { gzip: 1, br: 2, zstd: 3 };

// Chosen from this: the size in % of the original; microseconds to compress + to decompress, the better of two runs on
// Node 24 and one core of an AMD EPYC (gzip and br are the same on Node 20); lists of records, as JSON and as protobuf.
//
//             JSON 1 KB   JSON 16 KB   JSON 256 KB      protobuf 1 KB   16 KB        256 KB
//   zstd 1    43% 15+12   25%  36+21   23%  379+150     67% 15+13       44%  43+25   42%  494+185
//   zstd 3    44% 15+12   26%  43+22   24%  665+178     64% 17+12       42%  53+26   38%  752+195
//   gzip 1    44%  8+ 4   27%  36+18   26% 1301+280     65% 13+ 5       44%  50+22   42% 1698+311
//   gzip 6    42%  9+ 4   24%  66+18   22% 3407+255     63% 15+ 5       40% 110+20   36% 6369+251
//   br 1      45%  7+ 5   28%  39+26   25%  656+446     70% 10+ 7       46%  54+37   43%  816+658
//   br 2      43%  7+ 6   25%  52+23   24% 1232+401     70% 11+ 8       43%  71+28   39% 1364+536
//   br 4      40% 18+ 5   24% 109+23   23% 2177+383     61% 23+ 6       41% 133+27   37% 2501+451
//
// So zstd 1 comes first: it costs twice what the others do at 1 KB, the same at 16 KB, and a third at 256 KB. gzip 1 costs
// the least below 16 KB. br 2 makes large messages smaller than gzip 1 in about the same time; br 1 is faster, and larger.
const ZSTD_LEVEL = 1;
const GZIP_LEVEL = 1;
const BROTLI_QUALITY = 2;

// Parameters of zstd.h. node:zlib has them as constants where it has zstd; these numbers are the library's ABI.
const ZSTD_C_COMPRESSION_LEVEL = 100;
const ZSTD_D_WINDOW_LOG_MAX = 100;
/** A window of 8 MiB: what RFC 8878 (3.1.1.1.2) recommends every decoder to accept. */
const ZSTD_WINDOW_LOG = 23;
/** The largest window that zstd knows. */
const ZSTD_MAX_WINDOW_LOG = 31;

/** zlib writes its output in pieces of this many bytes: at least (it takes none smaller) and at most. */
const MIN_CHUNK_BYTES = 64;
const MAX_CHUNK_BYTES = 1_048_576;
/** The first piece of the output is this many times as long as the input, which is enough for most messages. */
const USUAL_EXPANSION = 4;

/** What decompression returns with the option `info`. */
interface Decompressed {
  readonly buffer: Buffer;
  /** `bytesWritten`: the bytes of input that were read. */
  readonly engine: { readonly bytesWritten: number };
}

interface DecompressOptions {
  readonly info: true;
  readonly chunkSize: number;
  readonly maxOutputLength: number;
}

interface Algorithm {
  compress(bytes: Buffer, chunkSize: number): Buffer;
  decompress(bytes: Buffer, options: DecompressOptions): unknown;
}

/** The part of node:zlib that Node 20 and its types lack. */
interface ZstdFunctions {
  readonly zstdCompressSync?: (bytes: Buffer, options: ZstdOptions & { readonly chunkSize: number }) => Buffer;
  readonly zstdDecompressSync?: (bytes: Buffer, options: ZstdOptions & DecompressOptions) => unknown;
}

interface ZstdOptions {
  readonly params: Record<number, number>;
}

const algorithms: { readonly [name in Compression]: Algorithm | undefined } = {
  gzip: {
    compress: (bytes, chunkSize) => zlib.gzipSync(bytes, { level: GZIP_LEVEL, chunkSize }),
    decompress: (bytes, options) => zlib.gunzipSync(bytes, options),
  },
  br: {
    compress: (bytes, chunkSize) =>
      zlib.brotliCompressSync(bytes, {
        params: { [zlib.constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY },
        chunkSize,
      }),
    decompress: (bytes, options) => zlib.brotliDecompressSync(bytes, options),
  },
  zstd: zstdAlgorithm(zlib as ZstdFunctions),
};

/**
 * The algorithms that this Node.js has, the preferred one first: the fastest on messages of 16 KB and more, for networks
 * where bytes are cheap. `["zstd", "gzip", "br"]`; without zstd before Node 22.15 and in Node 23 before 23.8.
 */
export const availableCompressions: readonly Compression[] = Object.freeze(
  (["zstd", "gzip", "br"] as const).filter((name) => algorithms[name] !== undefined),
);

/**
 * `bytes` as a compressed message travels: the algorithm's number, then the compressed bytes, in a buffer of its own.
 * Undefined if that would not be smaller than `bytes`: the message then travels as it is, without COMPRESSED.
 * Synchronous. Throws `TypeError` for an algorithm that is not among {@link availableCompressions}.
 */
export function compress(algorithm: Compression, bytes: Buffer): Buffer | undefined {
  const functions = algorithms[algorithm];
  if (functions === undefined) throw new TypeError(`${algorithm} is not available in Node.js ${process.version}`);
  const compressed = functions.compress(bytes, chunkBytes(bytes.length));
  if (compressed.length + 1 >= bytes.length) return undefined;
  const message = Buffer.allocUnsafe(compressed.length + 1);
  message[0] = compressionNumbers[algorithm];
  compressed.copy(message, 1);
  return message;
}

/**
 * The message that `bytes` hold, in memory of its own; `bytes` is a message that came with COMPRESSED, the algorithm's
 * number first. `maxBytes` (0 to 4,294,967,295) bounds the result; `accepted` is what this side has announced.
 * Synchronous. The bound holds while the output is made: a message above it is refused after at most `maxBytes` and one
 * piece (1 MiB) of it, plus the algorithm's window, which the message chooses (gzip 32 KiB; br 16 MiB; zstd 8 MiB, or
 * `maxBytes` up to the next power of two if that is more) and which is freed before this returns. A message of several
 * pieces is joined, so it takes twice its size for that moment. A gzip message may have several members (RFC 1952, 2.2);
 * a zstd message is one frame.
 *
 * Throws {@link DecodeError} for bytes that are not exactly one compressed message: empty, truncated, corrupt, or with
 * something behind the end. Throws `RpcError` RESOURCE_EXHAUSTED for one that yields more than `maxBytes`, and
 * UNIMPLEMENTED for an algorithm that is unknown, not in `accepted`, or not available in this Node.js. All are local
 * errors that no retry helps.
 */
export function decompress(bytes: Buffer, maxBytes: number, accepted: readonly Compression[]): Buffer {
  const number = bytes[0];
  if (number === undefined) throw new DecodeError("a compressed message has at least 1 byte, but this one is empty");
  const name = accepted.find((each) => compressionNumbers[each] === number);
  const algorithm = name === undefined ? undefined : algorithms[name];
  if (name === undefined || algorithm === undefined) throw notAccepted(number, accepted);

  const body = bytes.subarray(1);
  const { buffer, engine } = run(name, algorithm, body, maxBytes);
  if (engine.bytesWritten !== body.length) {
    throw new DecodeError(
      `the ${name} message ends after ${engine.bytesWritten + 1} bytes, but ${bytes.length} bytes were sent`,
    );
  }
  if (buffer.length > maxBytes) throw tooLarge(name, maxBytes);
  return buffer;
}

function run(name: Compression, algorithm: Algorithm, body: Buffer, maxBytes: number): Decompressed {
  const options: DecompressOptions = {
    info: true,
    chunkSize: chunkBytes(Math.min(body.length * USUAL_EXPANSION, maxBytes + 1)),
    // zlib takes no 0; decompress() looks at the length again.
    maxOutputLength: Math.max(1, Math.min(maxBytes, bufferConstants.MAX_LENGTH)),
  };
  try {
    return algorithm.decompress(body, options) as Decompressed;
  } catch (error) {
    if (error instanceof DecodeError || !(error instanceof Error)) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(name, maxBytes);
    if (code === "ZSTD_error_frameParameter_windowTooLarge") throw windowTooLarge(maxBytes);
    // Without a code it is not zlib's judgement of the bytes (no memory, for one).
    if (code === undefined) throw error;
    throw new DecodeError(`the ${name} message does not decompress: ${error.message}`, { cause: error });
  }
}

function chunkBytes(wanted: number): number {
  return Math.max(MIN_CHUNK_BYTES, Math.min(wanted, MAX_CHUNK_BYTES));
}

function tooLarge(name: Compression, maxBytes: number): Error {
  const text = `the ${name} message takes more than ${maxBytes} bytes when it is decompressed, which is the limit`;
  return localError(Code.RESOURCE_EXHAUSTED, text, "never");
}

/** The frame has more than `maxBytes` in it, or claims a window that is larger than its content. */
function windowTooLarge(maxBytes: number): Error {
  const text = `the zstd message needs a window of more than ${2 ** zstdWindowLog(maxBytes)} bytes, which is the limit`;
  return localError(Code.RESOURCE_EXHAUSTED, text, "never");
}

function notAccepted(number: number, accepted: readonly Compression[]): Error {
  const name = Object.entries(compressionNumbers).find(([, each]) => each === number)?.[0];
  const what = name === undefined ? `an unknown algorithm (${number})` : name;
  const names = accepted.length === 0 ? "no compression" : accepted.join(", ");
  const text = `the message is compressed with ${what}; this side accepts ${names}`;
  return localError(Code.UNIMPLEMENTED, text, "never");
}

function zstdAlgorithm({ zstdCompressSync, zstdDecompressSync }: ZstdFunctions): Algorithm | undefined {
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined) return undefined;
  return {
    compress: (bytes, chunkSize) =>
      zstdCompressSync(bytes, { params: { [ZSTD_C_COMPRESSION_LEVEL]: ZSTD_LEVEL }, chunkSize }),
    decompress: (bytes, options) => {
      expectZstdFrame(bytes);
      const params = { [ZSTD_D_WINDOW_LOG_MAX]: zstdWindowLog(options.maxOutputLength) };
      return zstdDecompressSync(bytes, { ...options, params });
    },
  };
}

/** The largest window to accept: a frame may have its whole content as its window, so one of `maxBytes` is let through. */
function zstdWindowLog(maxBytes: number): number {
  return Math.min(ZSTD_MAX_WINDOW_LOG, Math.max(ZSTD_WINDOW_LOG, Math.ceil(Math.log2(maxBytes))));
}

/**
 * Throws {@link DecodeError} unless `bytes` are, from end to end, one zstd frame (RFC 8878, 3.1.1). It walks over the
 * blocks without looking into them. Node needs this: its zstd yields what it has of a truncated frame, without an error.
 *
 *     magic (4)  descriptor (1)  [window (1)]  [dictionary (0-4)]  [content size (0-8)]  blocks  [checksum (4)]
 *     block:  header (3): last, type (2 bits), size (21 bits)   content (size; 1 byte if type is RLE)
 */
function expectZstdFrame(bytes: Buffer): void {
  if (bytes.length < 5) throw truncatedFrame(bytes);
  if (bytes.readUInt32LE(0) !== 0xfd2fb528) throw new DecodeError("the zstd message does not begin with a zstd frame");
  const descriptor = bytes.readUInt8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const contentSizeBytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeFlag;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] as number;
  let pos = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes + contentSizeBytes;
  let isLast = false;
  while (!isLast) {
    if (pos + 3 > bytes.length) throw truncatedFrame(bytes);
    const header = bytes.readUIntLE(pos, 3);
    isLast = (header & 1) !== 0;
    const isRle = (header & 6) === 2;
    pos += 3 + (isRle ? 1 : header >> 3);
  }
  if ((descriptor & 4) !== 0) pos += 4;
  if (pos > bytes.length) throw truncatedFrame(bytes);
  if (pos < bytes.length) {
    throw new DecodeError(`the zstd message ends after ${pos + 1} bytes, but ${bytes.length + 1} bytes were sent`);
  }
}

function truncatedFrame(bytes: Buffer): DecodeError {
  return new DecodeError(`the zstd message is truncated: it does not end within its ${bytes.length + 1} bytes`);
}
