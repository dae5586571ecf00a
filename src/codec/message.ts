// What a generated message type is at run time: a name, an encoder and a decoder. The functions are generated and
// specialised for the message; nothing here reflects.

import { copyValue, sameValue } from "./message-value.js";
import { Writer } from "./writer.js";

/** Messages may be nested this deep on the wire; one deeper is refused (the limit protobuf's own runtimes use). */
export const MAX_MESSAGE_DEPTH = 100;

/** Which generation of the functions that generated code calls this package has. Generated code names the one it needs. */
export const RUNTIME_VERSION = 1;

/** Appends the encoding of `message` at `writer.pos`. */
export type EncodeFunction<Init> = (message: Init, writer: Writer) => void;
/**
 * Reads a message from `buf[start, end)`. `depth` counts the messages around it (0 for the outermost). What it returns
 * never aliases `buf`. `into` is an earlier occurrence of the same field: protobuf merges the two, so its fields are
 * where this reading begins (its lists and maps are taken over). Throws {@link DecodeError}.
 */
export type DecodeFunction<T> = {
  // Typed as a method so that MessageType<T> can stand where a MessageType<unknown> is wanted.
  decode(buf: Buffer, start: number, end: number, depth: number, into?: T | undefined): T;
}["decode"];

/** Bytes that are not a valid message: the text says what was wrong, at which byte, in which message type. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

/** A writer that has grown beyond this is not kept: one large message must not hold memory for good. */
const MAX_SPARE_BYTES = 1_048_576;
/** The writer that the next `toBytes` uses; taken while in use, since a getter of a message may encode another one. */
let spare: Writer | undefined;

/**
 * A message type: `T` is what decoding returns (every field present), `Init` what encoding accepts (every field
 * optional). Made by generated code; `BindRequest.toBytes({ userId: 1n })` and `BindRequest.fromBytes(bytes)` work
 * without any connection.
 */
export class MessageType<T = unknown, Init = T> {
  /** The full protobuf name, without a leading dot: `push.v1.BindRequest`. */
  readonly typeName: string;
  /** Appends a message to a writer. */
  readonly encode: EncodeFunction<Init>;
  /** Reads a message from a range of a buffer. */
  readonly decode: DecodeFunction<T>;

  /** `runtime` is the {@link RUNTIME_VERSION} that the functions were generated for; another one is refused here. */
  constructor(
    typeName: string,
    encode: EncodeFunction<Init>,
    decode: DecodeFunction<T>,
    runtime: number = RUNTIME_VERSION,
  ) {
    if (runtime !== RUNTIME_VERSION) throw new Error(explainVersion(typeName, runtime));
    this.typeName = typeName;
    this.encode = encode;
    this.decode = decode;
  }

  /** The protobuf encoding of `message`, in a buffer of its own. Throws `TypeError` if a field has the wrong type. */
  toBytes(message: Init): Uint8Array {
    const writer = spare ?? new Writer();
    spare = undefined;
    writer.start = writer.pos = 0;
    this.encode(message, writer);
    const bytes = new Uint8Array(writer.pos - writer.start);
    bytes.set(writer.buf.subarray(writer.start, writer.pos));
    if (writer.buf.length <= MAX_SPARE_BYTES) spare = writer;
    return bytes;
  }

  /**
   * The whole message that `init` stands for, as a receiver would have it: every field present, nothing shared with
   * `init`, floats rounded to 32 bits. Throws `TypeError` if a field has the wrong type, {@link DecodeError} if a required
   * one is missing.
   */
  create(init: Init = {} as Init): T {
    return this.fromBytes(this.toBytes(init));
  }

  /**
   * True if a receiver could not tell the two apart: a field that is left out equals its default, and a map may have
   * any prototype and order. NaN equals NaN, and 0 differs from -0, as `Object.is` has it. Throws as `toBytes` does.
   */
  equals(a: Init, b: Init): boolean {
    const [left, right] = [this.toBytes(a), this.toBytes(b)];
    if (left.length !== right.length) return false;
    return Buffer.compare(left, right) === 0 || sameValue(this.fromBytes(left), this.fromBytes(right));
  }

  /** A copy of a message that shares nothing with it. It does not look at the fields, so it keeps what is wrong, too. */
  clone(message: T): T {
    return copyValue(message);
  }

  /** The message that `bytes` hold; it shares no memory with them. Throws {@link DecodeError}. */
  fromBytes(bytes: Uint8Array): T {
    const buf = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return this.decode(buf, 0, buf.length, 0);
  }
}

function explainVersion(typeName: string, runtime: number): string {
  const older = runtime < RUNTIME_VERSION;
  const remedy = older ? "run `sluice generate` again" : "install the version of sluice that generated it";
  return `${typeName} was generated for version ${runtime} of sluice/runtime, but this is version ${RUNTIME_VERSION}: ${remedy}`;
}
