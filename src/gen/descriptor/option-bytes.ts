// Options as bytes: what descriptors hold is a message whose schema, extensions included, is itself described by
// manifests. It encodes and decodes `OptionMessage` by the model; the wire format is the codec's.
// Encoding is canonical (fields in the order of their numbers), so equal options have equal bytes.

import * as wire from "../../codec/protobuf.js";
import { Writer } from "../../codec/writer.js";
import {
  entryFields,
  type FieldModel,
  type FieldType,
  type MessageModel,
  OptionMessage,
  type OptionResult,
  type Scalar,
} from "../model.js";
import { SCALAR_TRAITS, tagOf } from "../scalars.js";
import { roundToFloat } from "./float-text.js";

/** The extension of a message type that has this number. */
export type FindExtension = (extendee: Schema, number: number) => FieldModel | undefined;

/** A message type, as far as its options are concerned; a map's entry is one, too. */
export type Schema = Pick<MessageModel, "fullName" | "fields">;

/** How a value stands on the wire: what of a field matters to bytes. */
type WireField = Pick<FieldModel, "number" | "type" | "delimited">;

/** Options may be nested this deep. */
const MAX_DEPTH = 100;
const START_GROUP = 3;
const END_GROUP = 4;
const LENGTH_PREFIXED = 2;

/** The protobuf encoding of options. */
export function encodeOptions(options: OptionMessage): Uint8Array {
  const writer = new Writer(64);
  writeFields(writer, options);
  return new Uint8Array(writer.buf.subarray(writer.start, writer.pos));
}

/** The options of type `schema` that `bytes` hold. Fields that neither it nor `find` knows are left out. Throws `DecodeError`. */
export function decodeOptions(bytes: Uint8Array, schema: Schema, find: FindExtension): OptionMessage {
  const buf = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return new OptionDecoder(buf, find).message(schema, 0, buf.length);
}

// Encoding

function writeFields(writer: Writer, message: OptionMessage): void {
  const entries = [...message.values].map(([key, value]) => ({ field: message.fields.get(key)!, value }));
  for (const { field, value } of entries.sort((a, b) => a.field.number - b.field.number)) {
    if (field.packed) writePacked(writer, field, asList(value));
    else for (const item of asList(value)) writeField(writer, field, item);
  }
}

function asList(value: OptionResult): readonly OptionResult[] {
  return Array.isArray(value) ? value : [value];
}

function writePacked(writer: Writer, { number, type }: FieldModel, items: readonly OptionResult[]): void {
  if (items.length === 0) return;
  const mark = wire.beginLength(writer, tagOf(number, LENGTH_PREFIXED));
  for (const item of items) writeScalar(writer, scalarOf(type), item);
  wire.endLength(writer, mark);
}

function writeField(writer: Writer, { number, type, delimited }: WireField, value: OptionResult): void {
  if (value instanceof OptionMessage) {
    writeMessage(writer, number, value, delimited);
    return;
  }
  const scalar = scalarOf(type);
  wire.writeTag(writer, tagOf(number, SCALAR_TRAITS[scalar].wireType));
  writeScalar(writer, scalar, value);
}

function writeMessage(writer: Writer, number: number, value: OptionMessage, delimited: boolean): void {
  if (delimited) {
    wire.writeTag(writer, tagOf(number, START_GROUP));
    writeFields(writer, value);
    wire.writeTag(writer, tagOf(number, END_GROUP));
    return;
  }
  const mark = wire.beginLength(writer, tagOf(number, LENGTH_PREFIXED));
  writeFields(writer, value);
  wire.endLength(writer, mark);
}

function writeScalar(writer: Writer, scalar: Scalar, value: OptionResult): void {
  if (typeof value === "string") writer.reserve(wire.stringRoom(value, scalar));
  else if (value instanceof Uint8Array) writer.reserve(wire.bytesRoom(value, scalar));
  else writer.reserve(wire.MAX_SCALAR_BYTES);
  writer.pos = WRITE[scalar](writer.buf, writer.pos, value as never, scalar);
}

/** Enums are int32 on the wire. */
function scalarOf(type: FieldType): Scalar {
  return type.kind === "scalar" ? type.scalar : "int32";
}

const WRITE: Readonly<Record<Scalar, (buf: Buffer, pos: number, value: never, name: string) => number>> = {
  double: wire.writeDouble,
  float: wire.writeFloat,
  int32: wire.writeInt32,
  int64: wire.writeInt64,
  uint32: wire.writeUint32,
  uint64: wire.writeUint64,
  sint32: wire.writeSint32,
  sint64: wire.writeSint64,
  fixed32: wire.writeFixed32,
  fixed64: wire.writeFixed64,
  sfixed32: wire.writeSfixed32,
  sfixed64: wire.writeSfixed64,
  bool: wire.writeBool,
  string: wire.writeString,
  bytes: wire.writeBytes,
};

// Decoding

class OptionDecoder {
  private readonly buf: Buffer;
  private readonly find: FindExtension;

  constructor(buf: Buffer, find: FindExtension) {
    this.buf = buf;
    this.find = find;
  }

  message(schema: Schema, start: number, end: number, depth = 0, into = new OptionMessage()): OptionMessage {
    if (depth > MAX_DEPTH) throw wire.tooDeep(schema.fullName);
    let pos = start;
    while (pos < end) {
      const tag = wire.readVarint32(this.buf, pos);
      pos = wire.cursor.pos;
      const field = schema.fields.find(({ number }) => number === tag >>> 3) ?? this.find(schema, tag >>> 3);
      pos =
        field === undefined ? wire.skipField(this.buf, pos, end, tag) : this.field(into, field, tag, pos, end, depth);
    }
    if (pos !== end) throw wire.decodeFailure(schema.fullName, start, end, pos);
    return into;
  }

  private field(into: OptionMessage, field: FieldModel, tag: number, pos: number, end: number, depth: number): number {
    const wireType = tag & 7;
    if (field.type.kind === "message" || field.cardinality === "map") {
      return this.nested(into, field, tag, pos, end, depth);
    }
    const scalar = scalarOf(field.type);
    if (wireType === SCALAR_TRAITS[scalar].wireType) into.put(field, READ[scalar](this.buf, pos, end));
    else if (wireType === LENGTH_PREFIXED && field.cardinality === "repeated")
      return this.packed(into, field, pos, end);
    else return wire.skipField(this.buf, pos, end, tag);
    return wire.cursor.pos;
  }

  private packed(into: OptionMessage, field: FieldModel, start: number, end: number): number {
    const stop = wire.readLength(this.buf, start, end);
    let pos = wire.cursor.pos;
    while (pos < stop) {
      into.put(field, READ[scalarOf(field.type)](this.buf, pos, stop));
      pos = wire.cursor.pos;
    }
    return wire.endRange(pos, stop);
  }

  private nested(into: OptionMessage, field: FieldModel, tag: number, pos: number, end: number, depth: number): number {
    const isGroup = (tag & 7) === START_GROUP;
    if (!isGroup && (tag & 7) !== LENGTH_PREFIXED) return wire.skipField(this.buf, pos, end, tag);
    const stop = isGroup ? wire.readGroup(this.buf, pos, end, tag) : wire.readLength(this.buf, pos, end);
    const [start, after] = isGroup ? [pos, wire.cursor.pos] : [wire.cursor.pos, stop];
    if (stop === wire.FAILED) return stop;
    if (field.cardinality === "map") into.put(field, this.entry(field, start, stop, depth));
    else if (field.type.kind === "message") {
      const earlier = field.cardinality === "single" ? into.message(OptionMessage.keyOf(field)) : undefined;
      const value = this.message(field.type.message, start, stop, depth + 1, earlier);
      if (earlier === undefined) into.put(field, value);
    }
    return after;
  }

  private entry(field: FieldModel, start: number, end: number, depth: number): OptionMessage {
    return this.message({ fullName: field.fullName, fields: entryFields(field) }, start, end, depth + 1);
  }
}

const READ: Readonly<Record<Scalar, (buf: Buffer, pos: number, end: number) => OptionResult>> = {
  double: wire.readDouble,
  float: (buf, pos) => roundToFloat(wire.readFloat(buf, pos)),
  int32: wire.readInt32,
  int64: wire.readInt64,
  uint32: wire.readUint32,
  uint64: wire.readUint64,
  sint32: wire.readSint32,
  sint64: wire.readSint64,
  fixed32: wire.readFixed32,
  fixed64: wire.readFixed64,
  sfixed32: wire.readSfixed32,
  sfixed64: wire.readSfixed64,
  bool: wire.readBool,
  string: wire.readLooseString,
  bytes: wire.readBytes,
};
