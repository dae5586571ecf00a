// google.protobuf.Any in JSON: the message's own JSON with its type's URL as `@type`; where that JSON is no object of
// fields, it is the key `value`.

import type { JsonObject, JsonValue } from "../json-value.js";
import { NO_BYTES } from "../protobuf.js";
import { Any, type AnyInit } from "../well-known/any.js";
import { isObject, type JsonReading, type JsonWriting, mismatch, nested } from "./json-codec.js";
import { JsonError } from "./json-text.js";
import type { JsonType } from "./message.js";
import { type AnyJsonType, JsonRegistry } from "./registry.js";
import {
  BoolValueJson,
  BytesValueJson,
  DoubleValueJson,
  DurationJson,
  EmptyJson,
  FieldMaskJson,
  FloatValueJson,
  Int32ValueJson,
  Int64ValueJson,
  ListValueJson,
  SpecialJsonType,
  StringValueJson,
  StructJson,
  TimestampJson,
  UInt32ValueJson,
  UInt64ValueJson,
  ValueJson,
} from "./well-known.js";

/** google.protobuf.Any: `{ "@type": "type.googleapis.com/push.v1.BindRequest", "userId": "1" }`. */
export const AnyJson: JsonType<Any, AnyInit> = /* @__PURE__ */ new SpecialJsonType(Any, {
  write: writeAny,
  read: readAny,
});

/** What every Any may hold. Made when first needed: an Any may hold an Any. */
let wellKnown: JsonRegistry | undefined;

function wellKnownTypes(): JsonRegistry {
  wellKnown ??= new JsonRegistry([
    AnyJson,
    BoolValueJson,
    BytesValueJson,
    DoubleValueJson,
    DurationJson,
    EmptyJson,
    FieldMaskJson,
    FloatValueJson,
    Int32ValueJson,
    Int64ValueJson,
    ListValueJson,
    StringValueJson,
    StructJson,
    TimestampJson,
    UInt32ValueJson,
    UInt64ValueJson,
    ValueJson,
  ]);
  return wellKnown;
}

function writeAny({ typeUrl = "", value = NO_BYTES }: AnyInit, at: string, writing: JsonWriting): JsonValue {
  const json: Record<string, JsonValue> = Object.create(null);
  if (typeUrl === "" && value.length === 0) return json;
  const type = typeOf(typeUrl, at, writing.registry);
  const written = nested(writing, at, () => type.write(type.type.fromBytes(value) as never, at, writing));
  json["@type"] = typeUrl;
  return type.isSpecial ? Object.assign(json, { value: written }) : Object.assign(json, written as JsonObject);
}

function readAny(json: unknown, at: string, reading: JsonReading): Any {
  if (!isObject(json)) throw mismatch(at, "an object", json);
  const keys = Object.keys(json);
  if (keys.length === 0) return { typeUrl: "", value: NO_BYTES };
  const typeUrl = json["@type"];
  if (typeof typeUrl !== "string") throw mismatch(at, 'an object with "@type"', typeUrl);
  const type = typeOf(typeUrl, at, reading.registry);
  const held = nested(reading, at, () => readHeld(type, json, at, reading));
  return { typeUrl, value: type.type.toBytes(held as never) };
}

/** The message that an Any holds. */
function readHeld(
  type: AnyJsonType,
  json: Readonly<Record<string, unknown>>,
  at: string,
  reading: JsonReading,
): unknown {
  const { "@type": _, ...fields } = json;
  if (!type.isSpecial) return type.read(fields, at, reading);
  const keys = Object.keys(fields);
  if (!keys.includes("value") || (keys.length > 1 && reading.ignoreUnknown !== true)) {
    throw new JsonError(`${at}: the JSON of a ${type.type.typeName} in an Any is "@type" and "value"`);
  }
  return type.read(fields.value, at, reading);
}

function typeOf(typeUrl: string, at: string, registry: JsonRegistry | undefined): AnyJsonType {
  const name = typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
  const type = typeUrl.includes("/") ? (registry?.type(name) ?? wellKnownTypes().type(name)) : undefined;
  if (type !== undefined) return type;
  throw new JsonError(`${at}: the type ${JSON.stringify(typeUrl)} is not in the registry of the options`);
}
