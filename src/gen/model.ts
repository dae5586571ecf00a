// What the emitters work on: manifests with every name resolved, every option read and every TypeScript name chosen.
// The linker makes it; it is the same whether the manifests were parsed from text or described by another compiler.

import type { ClientPolicy, ServerPolicy } from "../codec/policy.js";
import type { Position } from "./source.js";
import type { Edition, NumberRange, Visibility } from "./syntax.js";

/** protobuf's scalar types. */
export type Scalar =
  | "double"
  | "float"
  | "int32"
  | "int64"
  | "uint32"
  | "uint64"
  | "sint32"
  | "sint64"
  | "fixed32"
  | "fixed64"
  | "sfixed32"
  | "sfixed64"
  | "bool"
  | "string"
  | "bytes";

/** Every scalar type's name. */
export const SCALARS: ReadonlySet<string> = new Set<Scalar>([
  "double",
  "float",
  "int32",
  "int64",
  "uint32",
  "uint64",
  "sint32",
  "sint64",
  "fixed32",
  "fixed64",
  "sfixed32",
  "sfixed64",
  "bool",
  "string",
  "bytes",
]);

/** The value of an option, read as its schema says: messages are maps from field name to value. */
export type OptionResult = string | number | bigint | boolean | Uint8Array | OptionResult[] | OptionMessage;
/** The fields that an option sets, and where each was set. */
export class OptionMessage {
  readonly values: Map<string, OptionResult> = new Map();
  /** The field of the options' schema that each value is for. */
  readonly fields: Map<string, FieldModel> = new Map();
  readonly positions: Map<string, Position> = new Map();

  /** The name of a field here: its own, or for an extension the full one in brackets. */
  static keyOf(field: FieldModel): string {
    return field.extendee === undefined ? field.name : `[${field.fullName}]`;
  }

  /** Sets a field, or adds to it if it is repeated. */
  put(field: FieldModel, value: OptionResult): void {
    const key = OptionMessage.keyOf(field);
    this.fields.set(key, field);
    const known = this.values.get(key);
    if (field.cardinality === "single") this.values.set(key, value);
    else if (Array.isArray(known)) known.push(value);
    else this.values.set(key, [value]);
  }

  /** A field's value; extensions are named in full, in brackets: `[sluice.method]`. */
  get(name: string): OptionResult | undefined {
    return this.values.get(name);
  }

  /** A field's value where it is a message. */
  message(name: string): OptionMessage | undefined {
    const value = this.values.get(name);
    return value instanceof OptionMessage ? value : undefined;
  }
}

/** What editions make configurable, and what proto2 and proto3 fix. */
export interface Features {
  readonly presence: "explicit" | "implicit" | "required";
  readonly closedEnums: boolean;
  readonly packed: boolean;
  readonly verifyUtf8: boolean;
  readonly delimited: boolean;
  /** True where fields may clash in JSON. */
  readonly legacyJson: boolean;
  /** True where names must be in the style of edition 2024. */
  readonly namingStyle: boolean;
}

/** What every part of the model has. */
export interface Element {
  /** The name in the manifest. */
  readonly name: string;
  /** The name with its package and its parents, without a leading dot. */
  readonly fullName: string;
  readonly position: Position;
  readonly comment: string | undefined;
  options: OptionMessage;
  features: Features;
}

/** What a field holds. */
export type FieldType =
  | { readonly kind: "scalar"; readonly scalar: Scalar }
  | { readonly kind: "enum"; readonly enum: EnumModel }
  | { readonly kind: "message"; readonly message: MessageModel };

/** A field or an extension. */
export interface FieldModel extends Element {
  readonly kind: "field";
  readonly file: FileModel;
  readonly number: number;
  readonly cardinality: "single" | "repeated" | "map";
  /** The label as written; undefined for an extension of the model to find. */
  readonly label: "optional" | "required" | "repeated" | undefined;
  readonly mapKey: Scalar | undefined;
  readonly oneof: OneofModel | undefined;
  /** For a map, of its values. */
  type: FieldType;
  presence: Features["presence"];
  packed: boolean;
  /** True where the wire carries a group rather than a length-prefixed message. */
  delimited: boolean;
  /** The message that an extension extends. */
  extendee: MessageModel | undefined;
  /** proto2's `[default = ...]`. */
  defaultValue: OptionResult | undefined;
  /** lowerCamelCase, as proto3 JSON has it. */
  jsonName: string;
  /** The property's name in TypeScript. */
  localName: string;
}

/** A oneof that a manifest declares (not the synthetic one of a proto3 `optional`). */
export interface OneofModel extends Element {
  readonly kind: "oneof";
  readonly fields: FieldModel[];
  localName: string;
}

/** Numbers that a message leaves to its extensions. */
export interface ExtensionRangeModel {
  readonly first: number;
  readonly last: number;
  options: OptionMessage;
}

/** A message type. */
export interface MessageModel extends Element {
  readonly kind: "message";
  readonly file: FileModel;
  readonly parent: MessageModel | undefined;
  readonly visibility: Visibility | undefined;
  readonly fields: FieldModel[];
  readonly oneofs: OneofModel[];
  readonly messages: MessageModel[];
  readonly enums: EnumModel[];
  readonly extensions: FieldModel[];
  readonly extensionRanges: ExtensionRangeModel[];
  readonly reservedRanges: readonly NumberRange[];
  readonly reservedNames: ReadonlySet<string>;
  /** The exported TypeScript name, and that of what encoding accepts. */
  localName: string;
  initName: string;
  /** That of the constant with the defaults of its fields. */
  defaultsName: string;
  /** That of the constant with its custom options; empty if there are none. */
  optionsName: string;
}

/** One value of an enum. */
export interface EnumValueModel extends Element {
  readonly kind: "enum value";
  readonly number: number;
}

/** An enum type. */
export interface EnumModel extends Element {
  readonly kind: "enum";
  readonly file: FileModel;
  readonly visibility: Visibility | undefined;
  readonly values: EnumValueModel[];
  readonly reservedRanges: readonly NumberRange[];
  readonly reservedNames: ReadonlySet<string>;
  localName: string;
  /** That of the constant with its custom options; empty if there are none. */
  optionsName: string;
}

/** One rpc. */
export interface MethodModel extends Element {
  readonly kind: "method";
  readonly methodKind: "unary" | "client-streaming" | "server-streaming" | "bidi-streaming";
  input: MessageModel;
  output: MessageModel;
  localName: string;
  policy: MethodPolicy;
}

/** What `option (sluice.method)` and the service's defaults say about an rpc. */
export interface MethodPolicy {
  readonly deadlineMs: number | undefined;
  readonly oneWay: boolean;
  readonly priority: "low" | "normal" | "high" | undefined;
  readonly idempotency: "no-side-effects" | "idempotent" | undefined;
  /** What its calls do at the client; `queueKey` is the field's name in TypeScript. */
  readonly client: ClientPolicy;
  readonly server: ServerPolicy;
}

/** A service. */
export interface ServiceModel extends Element {
  readonly kind: "service";
  readonly file: FileModel;
  readonly methods: MethodModel[];
  localName: string;
  clientName: string;
  handlersName: string;
  optionsName: string;
}

/** One manifest. */
export interface FileModel extends Element {
  readonly kind: "file";
  readonly edition: Edition;
  readonly package: string;
  readonly messages: MessageModel[];
  readonly enums: EnumModel[];
  readonly services: ServiceModel[];
  readonly extensions: FieldModel[];
}

/** The key and the value of a map's entry, as fields. */
export function entryFields(map: FieldModel): [key: FieldModel, value: FieldModel] {
  const single = { ...map, extendee: undefined, oneof: undefined, cardinality: "single", mapKey: undefined } as const;
  const keyType: FieldType = { kind: "scalar", scalar: map.mapKey! };
  return [
    { ...single, name: "key", number: 1, type: keyType },
    { ...single, name: "value", number: 2 },
  ];
}

/** All messages of a file, nested ones after what holds them. */
export function allMessages(holder: { readonly messages: readonly MessageModel[] }): MessageModel[] {
  return holder.messages.flatMap((message) => [message, ...allMessages(message)]);
}

/** All extensions that a file declares, wherever they stand. */
export function allExtensions(file: FileModel): FieldModel[] {
  return [...file.extensions, ...allMessages(file).flatMap((message) => message.extensions)];
}

/** All enums of a file, wherever they are nested. */
export function allEnums(file: FileModel): EnumModel[] {
  return [...file.enums, ...allMessages(file).flatMap((message) => message.enums)];
}
