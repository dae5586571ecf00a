// How each scalar type looks in TypeScript and on the wire: a table for the emitters.

import { type FieldModel, OptionMessage, type Scalar } from "./model.js";

/** What emitters know of a scalar type. */
export interface ScalarTraits {
  /** Its TypeScript type. */
  readonly type: "number" | "bigint" | "boolean" | "string" | "Uint8Array";
  /** The expression for what a message without the field has. */
  readonly zero: string;
  /** The part of `read*` and `write*` that names it. */
  readonly verb: string;
  /** The wire type of one value. */
  readonly wireType: 0 | 1 | 2 | 5;
  /** The most bytes that a value takes without its tag; undefined where that depends on the value. */
  readonly maxBytes: number | undefined;
}

const number = (verb: string, wireType: 0 | 1 | 5, maxBytes: number): ScalarTraits => ({
  type: "number",
  zero: "0",
  verb,
  wireType,
  maxBytes,
});
const bigint = (verb: string, wireType: 0 | 1, maxBytes: number): ScalarTraits => ({
  type: "bigint",
  zero: "0n",
  verb,
  wireType,
  maxBytes,
});

/** The traits of every scalar type. */
export const SCALAR_TRAITS: Readonly<Record<Scalar, ScalarTraits>> = {
  double: number("Double", 1, 8),
  float: number("Float", 5, 4),
  int32: number("Int32", 0, 10),
  uint32: number("Uint32", 0, 5),
  sint32: number("Sint32", 0, 5),
  fixed32: number("Fixed32", 5, 4),
  sfixed32: number("Sfixed32", 5, 4),
  int64: bigint("Int64", 0, 10),
  uint64: bigint("Uint64", 0, 10),
  sint64: bigint("Sint64", 0, 10),
  fixed64: bigint("Fixed64", 1, 8),
  sfixed64: bigint("Sfixed64", 1, 8),
  bool: { type: "boolean", zero: "false", verb: "Bool", wireType: 0, maxBytes: 1 },
  string: { type: "string", zero: '""', verb: "String", wireType: 2, maxBytes: undefined },
  bytes: { type: "Uint8Array", zero: "NO_BYTES", verb: "Bytes", wireType: 2, maxBytes: undefined },
};

const ZERO = { number: 0, bigint: 0n, boolean: false, string: "", Uint8Array: new Uint8Array() } as const;

/** What a field of a scalar type has where nothing else is said. */
export const ZEROS: Readonly<Record<Scalar, number | bigint | boolean | string | Uint8Array>> = Object.fromEntries(
  Object.entries(SCALAR_TRAITS).map(([scalar, { type }]) => [scalar, ZERO[type]]),
) as Record<Scalar, (typeof ZERO)[keyof typeof ZERO]>;

/** What 64-bit integers may be in TypeScript; in the order of descriptor.proto's `JSType`. */
export const INT64_STYLES = ["bigint", "string", "number"] as const;
/** One of {@link INT64_STYLES}. */
export type Int64Style = (typeof INT64_STYLES)[number];

/** Options of a field that is bigint whatever was chosen: keys of maps, which become the digits of property names. */
export const AS_BIGINT: OptionMessage = new OptionMessage();
AS_BIGINT.values.set("jstype", INT64_STYLES.indexOf("bigint"));

/** How a 64-bit integer differs from bigint: what `jstype` says, or else `style`. Undefined if it does not. */
export function int64As(field: FieldModel, style: Int64Style): "string" | "number" | undefined {
  if (field.type.kind !== "scalar" || SCALAR_TRAITS[field.type.scalar].type !== "bigint") return undefined;
  const jstype = field.options.get("jstype");
  const chosen = jstype === undefined ? style : INT64_STYLES[Number(jstype)];
  return chosen === "bigint" ? undefined : chosen;
}

/** A field's tag as a number. */
export function tagOf(number: number, wireType: number): number {
  return number * 8 + wireType;
}

/** How many bytes a varint of this value takes. */
export function varintBytes(value: number): number {
  return Math.max(1, Math.ceil(Math.log2(value + 1) / 7));
}
