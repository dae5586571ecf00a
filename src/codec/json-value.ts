// google.protobuf.Struct, Value and ListValue as plain JSON values, and their codecs. They are written by hand because
// the generated types of those messages would be wrappers around what everybody wants: JSON.

import { MAX_MESSAGE_DEPTH, MessageType } from "./message.js";
import * as wire from "./protobuf.js";
import type { Writer } from "./writer.js";

/** What JSON can say. */
export type JsonValue = null | boolean | number | string | JsonArray | JsonObject;
/** A JSON array: google.protobuf.ListValue. */
export type JsonArray = readonly JsonValue[];
/** A JSON object: google.protobuf.Struct. Decoded ones have no prototype. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** google.protobuf.NullValue: the only value that JSON's null has. */
export const NullValue = { NULL_VALUE: 0 } as const;
/** The type of {@link NullValue}'s value, and of any number that a newer sender may know. */
export type NullValue = 0 | (number & Record<never, never>);

/** google.protobuf.Struct, as a plain object. */
export const Struct: MessageType<JsonObject> = /* @__PURE__ */ new MessageType(
  "google.protobuf.Struct",
  encodeStruct,
  decodeStruct,
);
/** google.protobuf.Value, as any JSON value. A value that says nothing decodes as null. */
export const Value: MessageType<JsonValue> = /* @__PURE__ */ new MessageType(
  "google.protobuf.Value",
  encodeValue,
  decodeValue,
);
/** google.protobuf.ListValue, as an array. */
export const ListValue: MessageType<JsonArray> = /* @__PURE__ */ new MessageType(
  "google.protobuf.ListValue",
  encodeList,
  decodeList,
);

function encodeStruct(message: JsonObject, writer: Writer): void {
  for (const key of Object.keys(message)) {
    const entry = wire.beginLength(writer, 10);
    writer.reserve(wire.stringRoom(key, "google.protobuf.Struct.fields"));
    writer.buf[writer.pos] = 10;
    writer.pos = wire.writeString(writer.buf, writer.pos + 1, key);
    encodeNested(message[key]!, writer, 18, encodeValue);
    wire.endLength(writer, entry);
  }
}

function encodeList(message: JsonArray, writer: Writer): void {
  wire.expectList(message, "google.protobuf.ListValue.values");
  for (const item of message) encodeNested(item, writer, 10, encodeValue);
}

function encodeValue(message: JsonValue, writer: Writer): void {
  switch (typeof message) {
    case "number":
      encodeNumber(message, writer);
      return;
    case "boolean":
      writer.reserve(2);
      writer.buf[writer.pos] = 32;
      writer.buf[writer.pos + 1] = message ? 1 : 0;
      writer.pos += 2;
      return;
    case "string":
      writer.reserve(wire.stringRoom(message, "google.protobuf.Value.string_value"));
      writer.buf[writer.pos] = 26;
      writer.pos = wire.writeString(writer.buf, writer.pos + 1, message);
      return;
    case "object":
      if (message === null) {
        encodeNull(writer);
        return;
      }
      if (Array.isArray(message)) {
        encodeNested(message, writer, 50, encodeList);
        return;
      }
      encodeNested(message as JsonObject, writer, 42, encodeStruct);
      return;
    default:
      throw new TypeError(`google.protobuf.Value: expected a JSON value, got ${typeof message}`);
  }
}

function encodeNull(writer: Writer): void {
  writer.reserve(2);
  writer.buf[writer.pos] = 8;
  writer.buf[writer.pos + 1] = 0;
  writer.pos += 2;
}

function encodeNumber(message: number, writer: Writer): void {
  if (!Number.isFinite(message)) throw new TypeError(`google.protobuf.Value: ${message} is not a JSON number`);
  writer.reserve(9);
  writer.buf[writer.pos] = 17;
  writer.pos = wire.writeDouble(writer.buf, writer.pos + 1, message, "google.protobuf.Value.number_value");
}

function encodeNested<T>(value: T, writer: Writer, tag: number, encode: (value: T, writer: Writer) => void): void {
  const mark = wire.beginLength(writer, tag);
  encode(value, writer);
  wire.endLength(writer, mark);
}

function decodeStruct(buf: Buffer, start: number, end: number, depth: number, into?: JsonObject): JsonObject {
  const fields: Record<string, JsonValue> = Object.assign(Object.create(null), into);
  readFields("google.protobuf.Struct", buf, start, end, depth, (tag, pos) => {
    if (tag !== 10) return undefined;
    const stop = wire.readLength(buf, pos, end);
    readEntry(fields, buf, wire.cursor.pos, stop, depth);
    return stop;
  });
  return fields;
}

function readEntry(fields: Record<string, JsonValue>, buf: Buffer, start: number, end: number, depth: number): void {
  let key = "";
  let value: JsonValue = null;
  readFields("google.protobuf.Struct.FieldsEntry", buf, start, end, depth, (tag, pos) => {
    if (tag === 10) {
      key = wire.readString(buf, pos, end);
      return wire.cursor.pos;
    }
    if (tag !== 18) return undefined;
    const stop = wire.readLength(buf, pos, end);
    value = decodeValue(buf, wire.cursor.pos, stop, depth + 1, value);
    return stop;
  });
  fields[key] = value;
}

function decodeList(buf: Buffer, start: number, end: number, depth: number, into?: JsonArray): JsonArray {
  const items: JsonValue[] = into === undefined ? [] : [...into];
  readFields("google.protobuf.ListValue", buf, start, end, depth, (tag, pos) => {
    if (tag !== 10) return undefined;
    const stop = wire.readLength(buf, pos, end);
    items.push(decodeValue(buf, wire.cursor.pos, stop, depth + 1));
    return stop;
  });
  return items;
}

function decodeValue(buf: Buffer, start: number, end: number, depth: number, into: JsonValue = null): JsonValue {
  let value = into;
  readFields("google.protobuf.Value", buf, start, end, depth, (tag, pos) => {
    switch (tag) {
      case 8:
        wire.readInt32(buf, pos);
        value = null;
        return wire.cursor.pos;
      case 17:
        value = wire.readDouble(buf, pos);
        return wire.cursor.pos;
      case 26:
        value = wire.readString(buf, pos, end);
        return wire.cursor.pos;
      case 32:
        value = wire.readBool(buf, pos);
        return wire.cursor.pos;
      case 42: {
        const stop = wire.readLength(buf, pos, end);
        value = decodeStruct(buf, wire.cursor.pos, stop, depth + 1, isObject(value) ? value : undefined);
        return stop;
      }
      case 50: {
        const stop = wire.readLength(buf, pos, end);
        value = decodeList(buf, wire.cursor.pos, stop, depth + 1, Array.isArray(value) ? value : undefined);
        return stop;
      }
      default:
        return undefined;
    }
  });
  return value;
}

/** The loop over a message's fields. `onField` returns the position after the field, undefined to skip it. */
function readFields(
  typeName: string,
  buf: Buffer,
  start: number,
  end: number,
  depth: number,
  onField: (tag: number, pos: number) => number | undefined,
): void {
  if (depth > MAX_MESSAGE_DEPTH) throw wire.tooDeep(typeName);
  let pos = start;
  while (pos < end) {
    const tag = wire.readVarint32(buf, pos);
    pos = wire.cursor.pos;
    pos = onField(tag, pos) ?? wire.skipField(buf, pos, end, tag);
  }
  if (pos !== end) throw wire.decodeFailure(typeName, start, end, pos);
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
