// Random messages, made by walking protobufjs's reflection, and the translation between what protobufjs calls a
// message and what generated code calls one. Everything follows from the seed of the random source that is given.

import protobuf from "protobufjs";
import { jsonName } from "../../src/gen/names.js";

/** Gives numbers from 0 (inclusive) to 1. */
export type Random = () => number;
type Message = Record<string, unknown>;

/** A small generator of random numbers, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const WRAPPERS = /^\.google\.protobuf\.(?:Double|Float|U?Int(?:32|64)|Bool|String|Bytes)Value$/;

/** A random message of a type, as generated code has it. */
export function randomMessage(type: protobuf.Type, random: Random, depth = 0): Message {
  const message: Message = {};
  for (const field of plainFields(type)) {
    if (random() < 0.7) message[jsonName(field.name)] = randomField(field, random, depth);
  }
  for (const oneof of realOneofs(type)) {
    const field = pick(oneof.fieldsArray, random);
    if (random() < 0.8)
      message[jsonName(oneof.name)] = { case: jsonName(field.name), value: randomValue(field, random, depth) };
  }
  return message;
}

function randomField(field: protobuf.Field, random: Random, depth: number): unknown {
  const count = Math.floor(random() * (depth > 1 ? 2 : 5));
  if (field.repeated) return Array.from({ length: count }, () => randomValue(field, random, depth, true));
  if (!field.map) return randomValue(field, random, depth);
  const entries: Message = {};
  const { keyType } = field as unknown as protobuf.MapField;
  for (let index = 0; index < count; index++)
    entries[String(randomScalar(keyType, random))] = randomValue(field, random, depth, true);
  return entries;
}

function randomValue(field: protobuf.Field, random: Random, depth: number, listed = false): unknown {
  const type = field.resolvedType;
  if (type instanceof protobuf.Enum)
    return random() < 0.8 ? pick(Object.values(type.values), random) : Math.floor(random() * 1000);
  if (type === null) return randomScalar(field.type, random);
  if (type.fullName === ".google.protobuf.Value") return randomJson(random, depth);
  if (type.fullName === ".google.protobuf.Struct")
    return { text: randomJson(random, depth), list: [randomJson(random, depth)] };
  if (type.fullName === ".google.protobuf.ListValue") return [randomJson(random, depth)];
  const message = depth > 3 ? {} : randomMessage(type, random, depth + 1);
  if (!listed && isUnwrapped(field, type)) return message.value ?? defaultOf(type.fields.value!);
  return message;
}

function randomJson(random: Random, depth: number): unknown {
  const simple = [null, true, false, 1.5, -0.25, "text", ""];
  return depth > 3 || random() < 0.7
    ? pick(simple, random)
    : { inner: randomJson(random, depth + 1), list: [1, "two", null] };
}

const EDGES_32 = [0, 1, -1, 127, 128, 300, 16383, 16384, 2 ** 31 - 1, -(2 ** 31)];
const EDGES_64 = [0n, 1n, -1n, 127n, 128n, 1n << 32n, (1n << 53n) + 1n, (1n << 63n) - 1n, -(1n << 63n)];
const TEXTS = [
  "",
  "a",
  "plain text",
  "ünïcode",
  "\u0000",
  "emoji 🦀🦀",
  "x".repeat(43),
  "é".repeat(64),
  "long ".repeat(60),
  "漢字".repeat(40),
];

function randomScalar(type: string, random: Random): unknown {
  switch (type) {
    case "double":
      return pick([0, -0, 1.5, -1e300, Number.MIN_VALUE, Number.POSITIVE_INFINITY, random()], random);
    case "float":
      return Math.fround(pick([0, -0, 0.5, -2.25, 1e10, random()], random));
    case "bool":
      return random() < 0.5;
    case "string":
      return pick(TEXTS, random);
    case "bytes":
      return Uint8Array.from({ length: Math.floor(random() * 200) }, () => random() * 256);
    default:
      return type.endsWith("64") ? randomBigint(type, random) : randomInteger(type, random);
  }
}

function randomInteger(type: string, random: Random): number {
  const value = random() < 0.5 ? pick(EDGES_32, random) : Math.floor((random() - 0.5) * 2 ** 32);
  return type.startsWith("u") || type.startsWith("fixed") ? value >>> 0 : value | 0;
}

function randomBigint(type: string, random: Random): bigint {
  const value = random() < 0.5 ? pick(EDGES_64, random) : BigInt(Math.floor((random() - 0.5) * 2 ** 53)) * 1023n;
  return type.startsWith("u") || type.startsWith("fixed") ? BigInt.asUintN(64, value) : BigInt.asIntN(64, value);
}

function pick<T>(from: readonly T[], random: Random): T {
  return from[Math.floor(random() * from.length)]!;
}

function plainFields(type: protobuf.Type): protobuf.Field[] {
  const inOneof = new Set(realOneofs(type).flatMap(({ fieldsArray }) => fieldsArray));
  return type.fieldsArray.filter((field) => !inOneof.has(field));
}

function realOneofs(type: protobuf.Type): protobuf.OneOf[] {
  return type.oneofsArray.filter(({ fieldsArray }) => fieldsArray[0]?.options?.proto3_optional !== true);
}

function defaultOf(field: protobuf.Field): unknown {
  if (field.type.endsWith("64")) return 0n;
  return { string: "", bytes: new Uint8Array(0), bool: false }[field.type] ?? 0;
}

// Comparison: both sides as the same plain data

/** What protobufjs reads from `bytes`, in plain data: integers of 64 bits as strings, bytes as hex, unset fields left out. */
export function readByReflection(type: protobuf.Type, bytes: Uint8Array): unknown {
  const options = { longs: String, bytes: String, arrays: true, objects: false } as const;
  return normalizeReflected(type, type.toObject(type.decode(bytes), options));
}

/** A protobufjs message of what generated code would encode. */
export function encodeByReflection(type: protobuf.Type, message: Message): Uint8Array {
  return type.encode(type.fromObject(toReflected(type, message))).finish();
}

function toReflected(type: protobuf.Type, message: Message): Message {
  const result: Message = {};
  for (const field of plainFields(type)) {
    const value = message[jsonName(field.name)];
    if (value !== undefined) result[field.name] = mapValues(field, value, (item) => reflectedValue(field, item));
  }
  for (const oneof of realOneofs(type)) {
    const chosen = message[jsonName(oneof.name)] as { case?: string; value?: unknown } | undefined;
    const field = oneof.fieldsArray.find(({ name }) => jsonName(name) === chosen?.case);
    if (field !== undefined) result[field.name] = reflectedValue(field, chosen!.value);
  }
  return result;
}

function reflectedValue(field: protobuf.Field, value: unknown): unknown {
  const type = field.resolvedType;
  if (type instanceof protobuf.Type)
    return toReflected(type, isUnwrapped(field, type) ? { value } : (value as Message));
  return typeof value === "bigint" ? longOf(value, field.type) : value;
}

/** True where generated code has a wrapper's value instead of the wrapper. */
function isUnwrapped(field: protobuf.Field, type: protobuf.Type): boolean {
  return !field.repeated && !field.map && WRAPPERS.test(type.fullName);
}

const JSON_TYPES = new Set([".google.protobuf.Struct", ".google.protobuf.Value", ".google.protobuf.ListValue"]);

/** What JSON is as google.protobuf.Struct, Value or ListValue, field by field. */
function jsonFields(typeName: string, json: unknown): Message {
  const inner = (item: unknown): Message => jsonFields(".google.protobuf.Value", item);
  if (typeName.endsWith(".ListValue")) return withItems("values", (json as unknown[]).map(inner));
  if (typeName.endsWith(".Struct")) {
    return withItems(
      "fields",
      Object.fromEntries(Object.entries(json as Message).map(([key, item]) => [key, inner(item)])),
    );
  }
  if (json === null) return { null_value: 0 };
  if (Array.isArray(json)) return { list_value: jsonFields(".google.protobuf.ListValue", json) };
  if (typeof json === "object") return { struct_value: jsonFields(".google.protobuf.Struct", json) };
  return { [{ number: "number_value", string: "string_value", boolean: "bool_value" }[typeof json as "number"]]: json };
}

function withItems(name: string, items: object): Message {
  return Object.keys(items).length === 0 ? {} : { [name]: items };
}

function longOf(value: bigint, type: string): unknown {
  const isUnsigned = type.startsWith("u") || type.startsWith("fixed");
  return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)), unsigned: isUnsigned };
}

function mapValues(field: protobuf.Field, value: unknown, convert: (item: unknown) => unknown): unknown {
  if (field.repeated) return (value as unknown[]).map(convert);
  if (!field.map) return convert(value);
  return Object.fromEntries(Object.entries(value as Message).map(([key, item]) => [key, convert(item)]));
}

/** A decoded message of generated code in the same plain data as {@link readByReflection}. */
export function normalize(type: protobuf.Type, message: Message): unknown {
  const result: Message = {};
  for (const field of plainFields(type)) keep(result, field, message[jsonName(field.name)]);
  for (const oneof of realOneofs(type)) {
    const chosen = message[jsonName(oneof.name)] as { case?: string; value?: unknown };
    const field = oneof.fieldsArray.find(({ name }) => jsonName(name) === chosen.case);
    if (field !== undefined) result[field.name] = plainValue(field, chosen.value);
  }
  return result;
}

function keep(result: Message, field: protobuf.Field, value: unknown): void {
  if (value === undefined || isEmpty(field, value)) return;
  result[field.name] = mapValues(field, value, (item) => plainValue(field, item));
}

function isEmpty(field: protobuf.Field, value: unknown): boolean {
  if (field.repeated) return (value as unknown[]).length === 0;
  if (field.map) return Object.keys(value as Message).length === 0;
  if (hasPresence(field)) return false;
  return (
    value === 0n ||
    value === "" ||
    value === false ||
    Object.is(value, 0) ||
    (value instanceof Uint8Array && value.length === 0)
  );
}

function hasPresence(field: protobuf.Field): boolean {
  return field.hasPresence || field.resolvedType instanceof protobuf.Type;
}

function plainValue(field: protobuf.Field, value: unknown): unknown {
  const type = field.resolvedType;
  if (type instanceof protobuf.Type && JSON_TYPES.has(type.fullName)) return jsonFields(type.fullName, value);
  if (type instanceof protobuf.Type) return normalize(type, isUnwrapped(field, type) ? { value } : (value as Message));
  if (typeof value === "bigint") return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
}

function normalizeReflected(type: protobuf.Type, message: Message): unknown {
  const result: Message = {};
  for (const field of type.fieldsArray) {
    const value = message[field.name];
    if (value === undefined || isReflectedDefault(field, value)) continue;
    const { resolvedType } = field;
    const convert = (item: unknown): unknown =>
      resolvedType instanceof protobuf.Type ? normalizeReflected(resolvedType, item as Message) : item;
    result[field.name] = mapValues(field, value, convert);
  }
  return result;
}

function isReflectedDefault(field: protobuf.Field, value: unknown): boolean {
  if (field.repeated || field.map) return isEmpty(field, value);
  if (hasPresence(field)) return false;
  return value === "" || value === "0" || value === false || Object.is(value, 0);
}
