// Scalars and enums in proto3's JSON mapping: https://protobuf.dev/programming-guides/json. 64-bit integers are strings, bytes
// are base64, doubles that JSON has no number for are "NaN", "Infinity" and "-Infinity". Reading is as generous as the mapping is:
// numbers may be strings, base64 may have either alphabet and no padding.

import type { JsonValue } from "../json-value.js";
import { NO_BYTES } from "../protobuf.js";
import { type JsonCodec, type JsonReading, type JsonWriting, mismatch } from "./json-codec.js";
import { exactInteger, numberOf } from "./json-text.js";

/** A lone surrogate: text that has no UTF-8. */
const LONE_SURROGATE = /\p{Surrogate}/u;
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** A codec of values that are JSON as they are, once they were checked. */
function plain<T extends JsonValue>(zero: T, wanted: string, accepts: (json: unknown) => boolean): JsonCodec<T> {
  const check = (value: unknown, at: string): T => {
    if (accepts(value)) return value as T;
    throw mismatch(at, wanted, value);
  };
  return { zero, write: check, read: check };
}

/** Booleans. */
export const JSON_BOOL: JsonCodec<boolean> = /* @__PURE__ */ plain(
  false,
  "true or false",
  (json) => typeof json === "boolean",
);

/** Strings. */
export const JSON_STRING: JsonCodec<string> = /* @__PURE__ */ plain(
  "",
  "a string of Unicode characters",
  (json) => typeof json === "string" && !LONE_SURROGATE.test(json),
);

/** int32, sint32 and sfixed32. */
export const JSON_INT32: JsonCodec<number> = /* @__PURE__ */ integer32(-(2 ** 31), 2 ** 31 - 1);
/** uint32 and fixed32. */
export const JSON_UINT32: JsonCodec<number> = /* @__PURE__ */ integer32(0, 2 ** 32 - 1);

function integer32(least: number, most: number): JsonCodec<number> {
  const check = (value: unknown, at: string, json: unknown): number => {
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value + 0; // -0 becomes 0
    throw mismatch(at, `a whole number from ${least} to ${most}`, json);
  };
  return {
    zero: 0,
    write: (value, at) => check(value, at, value),
    read: (json, at) => check(typeof json === "string" ? numberOf(json) : json, at, json),
  };
}

/** int64, sint64 and sfixed64. */
export const JSON_INT64: JsonCodec<bigint> = /* @__PURE__ */ integer64(-(2n ** 63n), 2n ** 63n - 1n);
/** uint64 and fixed64. */
export const JSON_UINT64: JsonCodec<bigint> = /* @__PURE__ */ integer64(0n, 2n ** 64n - 1n);

function integer64(least: bigint, most: bigint): JsonCodec<bigint> {
  const check = (value: bigint | undefined, at: string, json: unknown): bigint => {
    if (typeof value === "bigint" && value >= least && value <= most) return value;
    throw mismatch(at, `a whole number from ${least} to ${most}, in digits or as a safe integer`, json);
  };
  return {
    zero: 0n,
    write: (value, at) => String(check(value, at, value)),
    read: (json, at) => check(toBigint(json), at, json),
  };
}

function toBigint(json: unknown): bigint | undefined {
  if (typeof json === "string") return exactInteger(json);
  if (typeof json === "number" && Number.isSafeInteger(json)) return BigInt(json);
  return typeof json === "bigint" ? json : undefined;
}

/** A 64-bit integer that is a string in JavaScript (`jstype = JS_STRING`). */
export function asString(codec: JsonCodec<bigint>): JsonCodec<string> {
  return {
    zero: "0",
    write: (value, at, writing) => codec.write(toBigint(value) as bigint, at, writing),
    read: (json, at, reading) => String(codec.read(json, at, reading)),
  };
}

/** A 64-bit integer that is a number in JavaScript (`jstype = JS_NUMBER`). */
export function asNumber(codec: JsonCodec<bigint>): JsonCodec<number> {
  return {
    zero: 0,
    write: (value, at, writing) => codec.write(toBigint(value) as bigint, at, writing),
    read: (json, at, reading) => {
      const value = Number(codec.read(json, at, reading));
      if (Number.isSafeInteger(value)) return value;
      throw mismatch(at, "a safe integer (jstype = JS_NUMBER)", json);
    },
  };
}

/** The numbers that JSON has no number for. */
const WORDS: ReadonlyMap<unknown, number> = new Map([
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
]);

/** Doubles. */
export const JSON_DOUBLE: JsonCodec<number> = /* @__PURE__ */ floating(
  (value) => value,
  (value) => value,
);
/** Floats: written with no more digits than it takes to tell them apart. */
export const JSON_FLOAT: JsonCodec<number> = /* @__PURE__ */ floating(Math.fround, shortestFloat);

/** `round` is to what the type can hold, infinity if that is too little. */
function floating(round: (value: number) => number, shorten: (value: number) => number): JsonCodec<number> {
  return {
    zero: 0,
    write: (value, at) => {
      if (typeof value !== "number") throw mismatch(at, "a number", value);
      if (!Number.isFinite(value)) return String(value);
      return Object.is(value, -0) ? "-0" : shorten(value); // JSON.stringify would drop the sign
    },
    read: (json, at) => {
      const word = WORDS.get(json);
      if (word !== undefined) return word;
      const value = typeof json === "bigint" ? Number(json) : typeof json === "string" ? numberOf(json) : json;
      if (typeof value === "number" && Number.isFinite(round(value))) return round(value);
      throw mismatch(at, 'a number in range, "NaN", "Infinity" or "-Infinity"', json);
    },
  };
}

function shortestFloat(value: number): number {
  const float = Math.fround(value);
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(float.toPrecision(digits));
    if (Math.fround(short) === float) return short;
  }
  return Number(float.toPrecision(9)); // nine tell all floats apart
}

/** Bytes. */
export const JSON_BYTES: JsonCodec<Uint8Array> = {
  zero: NO_BYTES,
  write: (value, at) => {
    if (!(value instanceof Uint8Array)) throw mismatch(at, "a Uint8Array", value);
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
  },
  read: (json, at) => {
    if (typeof json !== "string" || !BASE64.test(json) || json.replace(/=+$/, "").length % 4 === 1)
      throw mismatch(at, "base64", json);
    return new Uint8Array(Buffer.from(json, "base64"));
  },
};

/** google.protobuf.NullValue: JSON's null. */
export const JSON_NULL: JsonCodec<number> = {
  zero: 0,
  hasNull: true,
  write: () => null,
  read: (json, at) => {
    if (json === null || json === "NULL_VALUE" || json === 0) return 0;
    throw mismatch(at, "null", json);
  },
};

/** Keys of a `map<bool, ...>`. */
export const JSON_BOOL_KEY: JsonCodec<string> = /* @__PURE__ */ plain(
  "false",
  '"true" or "false"',
  (json) => json === "true" || json === "false",
);

/** An enum: names, and numbers that have none. */
export class JsonEnum implements JsonCodec<number> {
  /** The first declared number. */
  readonly zero: number;
  private readonly numbers: ReadonlyMap<unknown, number>;
  private readonly names = new Map<number, string>();
  private readonly closed: boolean;

  /** `values` in the order of the manifest; `closed` refuses numbers that are not among them. */
  constructor(values: Readonly<Record<string, number>>, closed: boolean) {
    this.numbers = new Map(Object.entries(values));
    this.closed = closed;
    this.zero = Object.values(values)[0] ?? 0;
    for (const [name, number] of this.numbers as Map<string, number>) {
      if (!this.names.has(number)) this.names.set(number, name);
    }
  }

  write(value: number, at: string, writing: JsonWriting): JsonValue {
    const number = JSON_INT32.write(value, at, writing);
    return writing.enumNumbers === true ? number : (this.names.get(value) ?? number);
  }

  read(json: unknown, at: string, reading: JsonReading): number | undefined {
    const named = this.numbers.get(json);
    if (named !== undefined) return named;
    if (typeof json === "string") {
      if (reading.ignoreUnknown === true) return undefined;
      throw mismatch(at, `one of ${[...this.names.values()].slice(0, 12).join(", ")}`, json);
    }
    const number = JSON_INT32.read(json, at, reading) as number;
    if (this.closed && !this.names.has(number)) throw mismatch(at, "a number that the enum declares", json);
    return number;
  }
}
