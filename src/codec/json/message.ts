// Messages in proto3's JSON mapping. A message is a table of fields, which generated code gives; one reader and one writer
// serve all tables. Types with a JSON of their own (Timestamp, Any, ...) are in well-known.ts and any.ts.

import type { JsonObject, JsonValue } from "../json-value.js";
import type { MessageType } from "../message.js";
import {
  type FromJsonOptions,
  isObject,
  type JsonCodec,
  type JsonReading,
  type JsonWriting,
  mismatch,
  nested,
  type ToJsonOptions,
} from "./json-codec.js";
import { JsonError, parseJson } from "./json-text.js";

/** A message type and its JSON: what `--json` exports as `OrderJson`, beside `Order`. */
export abstract class JsonType<T = unknown, Init = T> implements JsonCodec<Init> {
  /** The message type. */
  readonly type: MessageType<T, Init>;
  /** True if its JSON is not an object of its fields; an Any then holds it as `value`. */
  abstract readonly isSpecial: boolean;

  constructor(type: MessageType<T, Init>) {
    this.type = type;
  }

  /** The JSON of a message, as a tree that `JSON.stringify` takes. Throws {@link JsonError}. */
  toJson(message: Init, options: ToJsonOptions = {}): JsonValue {
    return this.write(message, this.type.typeName, { ...options, depth: 0 });
  }

  /** The message that a tree, as from `JSON.parse`, stands for. Throws {@link JsonError}. */
  fromJson(json: unknown, options: FromJsonOptions = {}): T {
    return this.read(json, this.type.typeName, { ...options, depth: 0 });
  }

  /** The JSON text of a message. Throws {@link JsonError}. */
  stringify(message: Init, options: ToJsonOptions = {}): string {
    return JSON.stringify(this.toJson(message, options));
  }

  /**
   * The message that a JSON text stands for. Stricter and more exact than `fromJson(JSON.parse(text))`: a key that comes
   * twice is refused, and 64-bit integers written as numbers keep their digits. Throws {@link JsonError}.
   */
  parse(text: string, options: FromJsonOptions = {}): T {
    return this.fromJson(parseJson(text), options);
  }

  abstract write(message: Init, at: string, writing: JsonWriting): JsonValue;
  abstract read(json: unknown, at: string, reading: JsonReading): T;
}

/** One field of a message. */
export interface JsonField {
  /** Its name in the manifest. */
  readonly name: string;
  /** Its name in JSON. */
  readonly jsonName: string;
  /** The property that holds it, of a oneof's field the oneof's; `jsonName` unless told otherwise. */
  readonly property?: string;
  /** In a oneof: its `case`. */
  readonly case?: string;
  /** How one value looks; of a map, its values. */
  readonly codec: JsonCodec;
  /** True for a repeated field. */
  readonly list?: boolean;
  /** For a map: how its keys look. */
  readonly key?: JsonCodec;
  /** "implicit" leaves the default out, "required" must be there; otherwise undefined is not set. */
  readonly presence?: "implicit" | "required";
}

type Fields = Record<string, unknown>;
interface Chosen {
  readonly case?: string | undefined;
  readonly value?: unknown;
}

/** A message whose JSON is an object of its fields. */
export class JsonMessage<T = unknown, Init = T> extends JsonType<T, Init> {
  readonly isSpecial = false;
  private readonly declare: () => readonly JsonField[];
  private declared: readonly JsonField[] | undefined = undefined;
  private byName: ReadonlyMap<string, JsonField> | undefined = undefined;

  /** `fields` is called once, when the first message is read or written: messages may hold each other. */
  constructor(type: MessageType<T, Init>, fields: () => readonly JsonField[]) {
    super(type);
    this.declare = fields;
  }

  write(message: Init, at: string, writing: JsonWriting): JsonObject {
    if (!isObject(message)) throw mismatch(at, "an object", message);
    return nested(writing, at, () => this.writeFields(message, writing));
  }

  read(json: unknown, at: string, reading: JsonReading): T {
    if (!isObject(json)) throw mismatch(at, "an object", json);
    return nested(reading, at, () => this.readFields(json, reading)) as T;
  }

  private readFields(json: Fields, reading: JsonReading): Fields {
    const message = this.blank();
    const seen = new Set<JsonField>();
    for (const key of Object.keys(json)) this.readKey(message, key, json[key], seen, reading);
    for (const field of this.fields()) this.checkRequired(message, field);
    return message;
  }

  private fields(): readonly JsonField[] {
    this.declared ??= this.declare();
    return this.declared;
  }

  private named(key: string): JsonField | undefined {
    this.byName ??= new Map(
      this.fields().flatMap((field) => [[field.name, field] as const, [field.jsonName, field] as const]),
    );
    return this.byName.get(key);
  }

  private at(field: JsonField): string {
    return `${this.type.typeName}.${field.name}`;
  }

  // To JSON

  private writeFields(message: Readonly<Fields>, writing: JsonWriting): JsonObject {
    const json: Record<string, JsonValue> = Object.create(null);
    for (const field of this.fields()) {
      const value = this.writeField(field, message, writing);
      if (value !== undefined) json[writing.originalNames === true ? field.name : field.jsonName] = value;
    }
    for (const { extension, field } of writing.registry?.extensionsOf(this.type.typeName) ?? []) {
      const value = this.writeField(field, { value: extension.get(message) }, writing);
      if (value !== undefined && extension.has(message)) json[field.jsonName] = value;
    }
    return json;
  }

  private writeField(field: JsonField, message: Readonly<Fields>, writing: JsonWriting): JsonValue | undefined {
    const value = heldBy(field, message);
    const isMissing = value === undefined;
    if (isMissing && field.presence === "required")
      throw new JsonError(`${this.at(field)}: this required field is missing`);
    if (field.list === true) return this.writeList(field, value ?? [], writing);
    if (field.key !== undefined) return this.writeMap(field, field.key, value ?? {}, writing);
    const isDefault = field.presence === "implicit" && (isMissing || isZero(field, value));
    if (isDefault)
      return writing.defaults === true ? write(field, field.codec.zero, this.at(field), writing) : undefined;
    return isMissing ? undefined : write(field, value, this.at(field), writing);
  }

  private writeList(field: JsonField, list: unknown, writing: JsonWriting): JsonValue | undefined {
    if (!Array.isArray(list)) throw mismatch(this.at(field), "an array", list);
    if (list.length === 0 && writing.defaults !== true) return undefined;
    return list.map((item) => write(field, item, this.at(field), writing));
  }

  private writeMap(field: JsonField, keyCodec: JsonCodec, map: unknown, writing: JsonWriting): JsonValue | undefined {
    if (!isObject(map)) throw mismatch(this.at(field), "an object", map);
    const keys = Object.keys(map);
    if (keys.length === 0 && writing.defaults !== true) return undefined;
    const json: Record<string, JsonValue> = Object.create(null);
    for (const key of keys) {
      const text = String(keyCodec.read(key, this.at(field), NO_READING));
      json[text] = write(field, map[key], this.at(field), writing);
    }
    return json;
  }

  // From JSON

  /** A message in which nothing is set, with the properties of a decoded one. */
  private blank(): Fields {
    const message: Fields = {};
    for (const field of this.fields()) message[propertyOf(field)] = blankOf(field);
    return message;
  }

  private readKey(message: Fields, key: string, json: unknown, seen: Set<JsonField>, reading: JsonReading): void {
    const field = this.named(key);
    if (field !== undefined) this.readField(field, message, json, seen, reading);
    else if (!this.readExtension(message, key, json, reading) && reading.ignoreUnknown !== true) {
      throw new JsonError(`${this.type.typeName}: there is no field ${JSON.stringify(key)}`);
    }
  }

  /** True if the key names an extension of the registry. */
  private readExtension(message: Fields, key: string, json: unknown, reading: JsonReading): boolean {
    const known = reading.registry
      ?.extensionsOf(this.type.typeName)
      .find(({ extension }) => key === `[${extension.name}]`);
    if (known === undefined) return false;
    const { extension, field } = known;
    const holder: Fields = { value: blankOf(field) };
    this.readField(field, holder, json, new Set(), reading);
    if (holder.value !== undefined) extension.set(message, holder.value as never);
    return true;
  }

  private readField(
    field: JsonField,
    message: Fields,
    json: unknown,
    seen: Set<JsonField>,
    reading: JsonReading,
  ): void {
    if (seen.has(field)) throw new JsonError(`${this.at(field)}: this field is set twice, by two names`);
    seen.add(field);
    if (json === null && field.codec.hasNull !== true) return;
    if (field.list === true) this.readList(field, message[propertyOf(field)] as unknown[], json, reading);
    else if (field.key !== undefined)
      this.readMap(field, field.key, message[propertyOf(field)] as Fields, json, reading);
    else this.readSingle(field, message, json, reading);
  }

  private readSingle(field: JsonField, message: Fields, json: unknown, reading: JsonReading): void {
    const property = propertyOf(field);
    if (field.case !== undefined && (message[property] as Chosen).case !== undefined) {
      throw new JsonError(`${this.at(field)}: another field of the oneof is set as well`);
    }
    const value = field.codec.read(json, this.at(field), reading);
    if (value !== undefined) message[property] = field.case === undefined ? value : { case: field.case, value };
  }

  private readList(field: JsonField, list: unknown[], json: unknown, reading: JsonReading): void {
    if (!Array.isArray(json)) throw mismatch(this.at(field), "an array", json);
    for (const item of json) {
      const value = field.codec.read(item, this.at(field), reading);
      if (value !== undefined) list.push(value);
    }
  }

  private readMap(field: JsonField, keyCodec: JsonCodec, map: Fields, json: unknown, reading: JsonReading): void {
    if (!isObject(json)) throw mismatch(this.at(field), "an object", json);
    for (const key of Object.keys(json)) {
      const value = field.codec.read(json[key], this.at(field), reading);
      if (value !== undefined) map[String(keyCodec.read(key, this.at(field), reading))] = value;
    }
  }

  private checkRequired(message: Fields, field: JsonField): void {
    if (field.presence === "required" && message[propertyOf(field)] === undefined) {
      throw new JsonError(`${this.at(field)}: this required field is missing`);
    }
  }
}

const NO_READING: JsonReading = { depth: 0 };

function propertyOf({ property, jsonName }: JsonField): string {
  return property ?? jsonName;
}

function heldBy(field: JsonField, message: Readonly<Fields>): unknown {
  const held = message[propertyOf(field)];
  if (field.case === undefined) return held;
  const chosen = held as Chosen | undefined;
  return chosen?.case === field.case ? chosen.value : undefined;
}

function blankOf(field: JsonField): unknown {
  if (field.list === true) return [];
  if (field.key !== undefined) return Object.create(null);
  if (field.case !== undefined) return { case: undefined };
  return field.presence === "implicit" ? field.codec.zero : undefined;
}

function isZero({ codec }: JsonField, value: unknown): boolean {
  return value instanceof Uint8Array ? value.length === 0 : Object.is(value, codec.zero);
}

/** A table's codecs are of many types; that each fits its field is generated code's business. */
function write({ codec }: JsonField, value: unknown, at: string, writing: JsonWriting): JsonValue {
  return codec.write(value as never, at, writing);
}
