// The well-known types that have a JSON of their own: times are text, wrappers are what they wrap, Struct, Value and
// ListValue are JSON already. Any is in any.ts, since it needs all of these.

import { type JsonArray, type JsonObject, type JsonValue, ListValue, Struct, Value } from "../json-value.js";
import { MAX_MESSAGE_DEPTH, type MessageType } from "../message.js";
import { Duration, type DurationInit } from "../well-known/duration.js";
import { Empty, type EmptyInit } from "../well-known/empty.js";
import { FieldMask, type FieldMaskInit } from "../well-known/field_mask.js";
import { Timestamp, type TimestampInit } from "../well-known/timestamp.js";
import {
  BoolValue,
  BytesValue,
  DoubleValue,
  FloatValue,
  Int32Value,
  Int64Value,
  StringValue,
  UInt32Value,
  UInt64Value,
} from "../well-known/wrappers.js";
import { isObject, type JsonCodec, type JsonReading, type JsonWriting, mismatch } from "./json-codec.js";
import { JsonError } from "./json-text.js";
import { JsonMessage, JsonType } from "./message.js";
import {
  JSON_BOOL,
  JSON_BYTES,
  JSON_DOUBLE,
  JSON_FLOAT,
  JSON_INT32,
  JSON_INT64,
  JSON_STRING,
  JSON_UINT32,
  JSON_UINT64,
} from "./scalars.js";

/** How a type with a JSON of its own is written and read. */
interface SpecialCodec<T, Init> {
  readonly hasNull?: boolean;
  write(message: Init, at: string, writing: JsonWriting): JsonValue;
  read(json: unknown, at: string, reading: JsonReading): T;
}

/** A message type whose JSON is not an object of its fields. */
export class SpecialJsonType<T, Init = T> extends JsonType<T, Init> {
  readonly isSpecial = true;
  readonly hasNull: boolean;
  private readonly codec: SpecialCodec<T, Init>;

  constructor(type: MessageType<T, Init>, codec: SpecialCodec<T, Init>) {
    super(type);
    this.codec = codec;
    this.hasNull = codec.hasNull === true;
  }

  write(message: Init, at: string, writing: JsonWriting): JsonValue {
    return this.codec.write(message, at, writing);
  }

  read(json: unknown, at: string, reading: JsonReading): T {
    return this.codec.read(json, at, reading);
  }
}

/** google.protobuf.Empty: an object without fields. */
export const EmptyJson: JsonMessage<Empty, EmptyInit> = /* @__PURE__ */ new JsonMessage(Empty, () => []);

// Times

/** From 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z. */
const MIN_TIMESTAMP = -62_135_596_800n;
const MAX_TIMESTAMP = 253_402_300_799n;
/** About 10,000 years. */
const MAX_DURATION = 315_576_000_000n;
const MAX_NANOS = 999_999_999;
const TIMESTAMP =
  /^([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))$/;
const DURATION = /^(-?)([0-9]{1,12})(?:\.([0-9]{1,9}))?s$/;

/** google.protobuf.Timestamp: `"2024-02-29T12:00:00.5Z"`. */
export const TimestampJson: JsonType<Timestamp, TimestampInit> = /* @__PURE__ */ new SpecialJsonType(Timestamp, {
  write: writeTimestamp,
  read: readTimestamp,
});

/** google.protobuf.Duration: `"-1.5s"`. */
export const DurationJson: JsonType<Duration, DurationInit> = /* @__PURE__ */ new SpecialJsonType(Duration, {
  write: writeDuration,
  read: readDuration,
});

function writeTimestamp({ seconds = 0n, nanos = 0 }: TimestampInit, at: string): string {
  if (seconds < MIN_TIMESTAMP || seconds > MAX_TIMESTAMP || nanos < 0 || nanos > MAX_NANOS) {
    throw new JsonError(`${at}: ${seconds} s and ${nanos} ns is no time from the year 1 to 9999`);
  }
  const text = new Date(Number(seconds) * 1000).toISOString();
  return `${text.slice(0, "0000-00-00T00:00:00".length)}${fraction(nanos)}Z`;
}

function readTimestamp(json: unknown, at: string): Timestamp {
  const found = typeof json === "string" ? TIMESTAMP.exec(json) : null;
  const seconds = found === null ? undefined : secondsOf(found);
  if (seconds === undefined || seconds < MIN_TIMESTAMP || seconds > MAX_TIMESTAMP) {
    throw mismatch(at, 'a time such as "2024-02-29T12:00:00.5Z"', json);
  }
  return { seconds, nanos: nanosOf(found![3]) };
}

/** The seconds since the epoch of a matched timestamp; undefined if there is no such time. */
function secondsOf([, day, time, , sign, hours = "0", minutes = "0"]: RegExpExecArray): bigint | undefined {
  const ms = Date.parse(`${day}T${time}Z`);
  // Date.parse takes the 30th of February, and 24:00:00, for a time of the next day.
  const exists = Number.isFinite(ms) && new Date(ms).toISOString().startsWith(`${day}T${time}`);
  if (!exists || Number(hours) > 23 || Number(minutes) > 59) return undefined;
  const offset = (Number(hours) * 60 + Number(minutes)) * 60 * (sign === "-" ? -1 : 1);
  return BigInt(ms / 1000 - offset);
}

function writeDuration({ seconds = 0n, nanos = 0 }: DurationInit, at: string): string {
  const isMixed = (seconds < 0n && nanos > 0) || (seconds > 0n && nanos < 0);
  if (seconds < -MAX_DURATION || seconds > MAX_DURATION || Math.abs(nanos) > MAX_NANOS || isMixed) {
    throw new JsonError(
      `${at}: ${seconds} s and ${nanos} ns is no duration of at most ${MAX_DURATION} s with one sign`,
    );
  }
  const sign = seconds < 0n || nanos < 0 ? "-" : "";
  return `${sign}${seconds < 0n ? -seconds : seconds}${fraction(Math.abs(nanos))}s`;
}

function readDuration(json: unknown, at: string): Duration {
  const found = typeof json === "string" ? DURATION.exec(json) : null;
  const seconds = BigInt(found?.[2] ?? 0);
  if (found === null || seconds > MAX_DURATION) {
    throw mismatch(at, `a duration such as "1.5s", at most ${MAX_DURATION} s`, json);
  }
  const nanos = nanosOf(found[3]);
  return found[1] === "-" ? { seconds: -seconds, nanos: 0 - nanos } : { seconds, nanos };
}

/** Nanoseconds as a fraction with 0, 3, 6 or 9 digits. */
function fraction(nanos: number): string {
  if (nanos === 0) return "";
  return `.${String(nanos)
    .padStart(9, "0")
    .replace(/(?:000){1,2}$/, "")}`;
}

function nanosOf(digits: string | undefined): number {
  return digits === undefined ? 0 : Number(digits.padEnd(9, "0"));
}

// Field masks

/** google.protobuf.FieldMask: `"user.displayName,photo"`. */
export const FieldMaskJson: JsonType<FieldMask, FieldMaskInit> = /* @__PURE__ */ new SpecialJsonType(FieldMask, {
  write: ({ paths = [] }, at) => paths.map((path) => camelPath(path, at)).join(","),
  read: (json, at) => {
    if (typeof json !== "string") throw mismatch(at, "a string of paths", json);
    return { paths: json === "" ? [] : json.split(",").map((path) => snakePath(path, at)) };
  },
});

function camelPath(path: string, at: string): string {
  if (/[A-Z]|_(?![a-z])/.test(path)) throw new JsonError(`${at}: the path "${path}" cannot be told in lowerCamelCase`);
  return path.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function snakePath(path: string, at: string): string {
  if (!/^[A-Za-z0-9.]+$/.test(path)) throw mismatch(at, "paths in lowerCamelCase", path);
  return path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

// JSON in messages

/** google.protobuf.Struct: any object. */
export const StructJson: JsonType<JsonObject> = /* @__PURE__ */ new SpecialJsonType(Struct, {
  write: (message, at, { depth }) => asJson(expect(message, isObject, at, "an object"), at, depth) as JsonObject,
  read: (json, at, { depth }) => asJson(expect(json, isObject, at, "an object"), at, depth) as JsonObject,
});

/** google.protobuf.Value: any JSON. */
export const ValueJson: JsonType<JsonValue> = /* @__PURE__ */ new SpecialJsonType(Value, {
  hasNull: true,
  write: (message, at, { depth }) => asJson(message, at, depth),
  read: (json, at, { depth }) => asJson(json, at, depth),
});

/** google.protobuf.ListValue: any array. */
export const ListValueJson: JsonType<JsonArray> = /* @__PURE__ */ new SpecialJsonType(ListValue, {
  write: (message, at, { depth }) => asJson(expect(message, Array.isArray, at, "an array"), at, depth) as JsonArray,
  read: (json, at, { depth }) => asJson(expect(json, Array.isArray, at, "an array"), at, depth) as JsonArray,
});

function expect(value: unknown, is: (value: unknown) => boolean, at: string, wanted: string): unknown {
  if (is(value)) return value;
  throw mismatch(at, wanted, value);
}

/** A copy of `value`, checked to be JSON. */
function asJson(value: unknown, at: string, depth: number): JsonValue {
  if (depth > MAX_MESSAGE_DEPTH) throw new JsonError(`${at}: JSON is nested more than ${MAX_MESSAGE_DEPTH} deep`);
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") return JSON_STRING.read(value, at, { depth }) as string;
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (Array.isArray(value)) return value.map((item) => asJson(item, at, depth + 1));
  if (!isObject(value)) throw mismatch(at, "JSON", value);
  const copy: Record<string, JsonValue> = Object.create(null);
  for (const key of Object.keys(value)) copy[key] = asJson(value[key], at, depth + 1);
  return copy;
}

// Wrappers

/** A wrapper message is what it wraps. */
function wrapper<T>(
  type: MessageType<{ value: T }, { value?: T | undefined }>,
  codec: JsonCodec<T>,
): JsonType<{ value: T }, { value?: T | undefined }> {
  return new SpecialJsonType(type, {
    write: ({ value = codec.zero as T }, at, writing) => codec.write(value, at, writing),
    read: (json, at, reading) => ({ value: codec.read(json, at, reading) as T }),
  });
}

/** google.protobuf.DoubleValue. */
export const DoubleValueJson: JsonType<DoubleValue, { value?: number | undefined }> = /* @__PURE__ */ wrapper(
  DoubleValue,
  JSON_DOUBLE,
);
/** google.protobuf.FloatValue. */
export const FloatValueJson: JsonType<FloatValue, { value?: number | undefined }> = /* @__PURE__ */ wrapper(
  FloatValue,
  JSON_FLOAT,
);
/** google.protobuf.Int64Value. */
export const Int64ValueJson: JsonType<Int64Value, { value?: bigint | undefined }> = /* @__PURE__ */ wrapper(
  Int64Value,
  JSON_INT64,
);
/** google.protobuf.UInt64Value. */
export const UInt64ValueJson: JsonType<UInt64Value, { value?: bigint | undefined }> = /* @__PURE__ */ wrapper(
  UInt64Value,
  JSON_UINT64,
);
/** google.protobuf.Int32Value. */
export const Int32ValueJson: JsonType<Int32Value, { value?: number | undefined }> = /* @__PURE__ */ wrapper(
  Int32Value,
  JSON_INT32,
);
/** google.protobuf.UInt32Value. */
export const UInt32ValueJson: JsonType<UInt32Value, { value?: number | undefined }> = /* @__PURE__ */ wrapper(
  UInt32Value,
  JSON_UINT32,
);
/** google.protobuf.BoolValue. */
export const BoolValueJson: JsonType<BoolValue, { value?: boolean | undefined }> = /* @__PURE__ */ wrapper(
  BoolValue,
  JSON_BOOL,
);
/** google.protobuf.StringValue. */
export const StringValueJson: JsonType<StringValue, { value?: string | undefined }> = /* @__PURE__ */ wrapper(
  StringValue,
  JSON_STRING,
);
/** google.protobuf.BytesValue. */
export const BytesValueJson: JsonType<BytesValue, { value?: Uint8Array | undefined }> = /* @__PURE__ */ wrapper(
  BytesValue,
  JSON_BYTES,
);
