// What every kind of value has in proto3's JSON mapping: a way to JSON and a way back. Scalars, enums, messages and
// well-known types implement it; messages are tables of fields that name the codec of each.

import type { JsonValue } from "../json-value.js";
import { MAX_MESSAGE_DEPTH } from "../message.js";
import { JsonError } from "./json-text.js";
import type { JsonRegistry } from "./registry.js";

/** How messages become JSON. */
export interface ToJsonOptions {
  /** Write fields without presence even where they have their default. Default false. */
  readonly defaults?: boolean | undefined;
  /** Name fields as the manifest does (`user_id`) instead of `userId`. Default false. */
  readonly originalNames?: boolean | undefined;
  /** Write enums as numbers instead of names. Default false. */
  readonly enumNumbers?: boolean | undefined;
  /** The types that `google.protobuf.Any` may hold, and the extensions to write. */
  readonly registry?: JsonRegistry | undefined;
}

/** How JSON becomes messages. */
export interface FromJsonOptions {
  /** Pass over fields that the manifest does not have, and names that enums do not have, instead of throwing. Default false. */
  readonly ignoreUnknown?: boolean | undefined;
  /** The types that `google.protobuf.Any` may hold, and the extensions to read. */
  readonly registry?: JsonRegistry | undefined;
}

/** What a writing of JSON carries along: the options, and how many messages are around the current one. */
export interface JsonWriting extends ToJsonOptions {
  depth: number;
}

/** What a reading of JSON carries along. */
export interface JsonReading extends FromJsonOptions {
  depth: number;
}

/** Runs `work` one message deeper; at {@link MAX_MESSAGE_DEPTH} it throws {@link JsonError}. */
export function nested<T>(pass: { depth: number }, at: string, work: () => T): T {
  if (pass.depth >= MAX_MESSAGE_DEPTH) {
    throw new JsonError(`${at}: messages are nested more than ${MAX_MESSAGE_DEPTH} deep`);
  }
  pass.depth++;
  const result = work();
  pass.depth--;
  return result;
}

/** One kind of value in JSON. `at` names the field, for errors. */
export interface JsonCodec<T = never> {
  /** What a field without presence has where it is not set. */
  readonly zero?: unknown;
  /** True if null is a value of this kind, rather than a field that is not set. */
  readonly hasNull?: boolean;
  /** The JSON of a value. Throws {@link JsonError} if there is none. */
  write(value: T, at: string, writing: JsonWriting): JsonValue;
  /** The value of JSON; undefined if it is to be passed over. Throws {@link JsonError}. */
  read(json: unknown, at: string, reading: JsonReading): unknown;
}

/** The error for JSON, or a value, that is not what a field takes. */
export function mismatch(at: string, wanted: string, found: unknown): JsonError {
  return new JsonError(`${at}: expected ${wanted}, found ${describe(found)}`);
}

function describe(found: unknown): string {
  if (typeof found === "string") return JSON.stringify(found.length > 60 ? `${found.slice(0, 60)}...` : found);
  if (Array.isArray(found)) return "an array";
  return typeof found === "object" && found !== null ? "an object" : String(found);
}

/** True for a JSON object. */
export function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
