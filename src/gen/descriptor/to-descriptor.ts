// Linked manifests -> FileDescriptorProto, as protoc makes it: names absolute, map entries and synthetic oneofs spelled
// out, defaults as text. It is what other tools understand, and by it the tests hold our linker to protoc's.
// Comments and positions are left out.

import { runtimeOptions } from "../custom-options.js";
import type { DeclaredFile } from "../declare.js";
import { EDITION_NUMBERS } from "../features.js";
import {
  type EnumModel,
  type ExtensionRangeModel,
  entryFields,
  type FieldModel,
  type FieldType,
  type MessageModel,
  type MethodModel,
  OptionMessage,
  type OptionResult,
  type Scalar,
  type ServiceModel,
} from "../model.js";
import type { EnumSyntax, ImportSyntax, MessageSyntax, NumberRange, Visibility } from "../syntax.js";
import type {
  DescriptorProto_ExtensionRangeInit,
  DescriptorProtoInit,
  EnumDescriptorProtoInit,
  FieldDescriptorProtoInit,
  FileDescriptorProtoInit,
  MethodDescriptorProtoInit,
  OneofDescriptorProtoInit,
  ServiceDescriptorProtoInit,
} from "./descriptor.js";
import { formatDouble, formatFloat } from "./float-text.js";
import { encodeOptions } from "./option-bytes.js";

/** protobuf's numbers for a field's label. */
export const LABELS = { optional: 1, required: 2, repeated: 3 } as const;
/** protobuf's number for the type of a group. */
export const GROUP_TYPE = 10;
/** protobuf's number for the type of a field that holds a message. */
export const MESSAGE_TYPE = 11;
/** protobuf's number for the type of a field that holds an enum's value. */
export const ENUM_TYPE = 14;
/** protobuf's numbers for scalar types. */
export const SCALAR_TYPES: Readonly<Record<Scalar, number>> = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  bytes: 12,
  uint32: 13,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
};
/** protobuf's numbers for the visibility of a type. */
export const VISIBILITY: Readonly<Record<Visibility, number>> = { local: 1, export: 2 };
/** `option map_entry = true`, encoded. */
const MAP_ENTRY_OPTIONS = Uint8Array.of(0x38, 1);

/** Which options a descriptor has: all, or those that are not kept to the source. */
type Retention = "all" | "runtime";

/** The descriptor of a linked manifest. */
export function toDescriptor(file: DeclaredFile): FileDescriptorProtoInit {
  return describeFile(file, "all");
}

/** The descriptor of a linked manifest for programs, without the options that are kept to the source. */
export function toRuntimeDescriptor(file: DeclaredFile): FileDescriptorProtoInit {
  return describeFile(file, "runtime");
}

function describeFile({ model, syntax }: DeclaredFile, retention: Retention): FileDescriptorProtoInit {
  const { edition } = syntax;
  const dependencies = syntax.imports.filter(({ kind }) => kind !== "option");
  return {
    name: model.name,
    package: syntax.package?.text,
    dependency: paths(dependencies),
    publicDependency: indexesOf(dependencies, "public"),
    weakDependency: indexesOf(dependencies, "weak"),
    optionDependency: paths(syntax.imports.filter(({ kind }) => kind === "option")),
    messageType: model.messages.map((message, index) => describeMessage(message, syntax.messages[index]!, retention)),
    enumType: model.enums.map((declared, index) => describeEnum(declared, syntax.enums[index]!, retention)),
    service: model.services.map((service) => describeService(service, retention)),
    extension: model.extensions.map((field) => describeField(field, retention)),
    options: optionsOf(model, retention),
    syntax: edition === "proto2" ? undefined : edition === "proto3" ? edition : "editions",
    edition: EDITION_NUMBERS[edition],
  };
}

function paths(imports: readonly ImportSyntax[]): string[] {
  return imports.map(({ path }) => path.text);
}

function indexesOf(imports: readonly ImportSyntax[], wanted: ImportSyntax["kind"]): number[] {
  return imports.flatMap(({ kind }, index) => (kind === wanted ? [index] : []));
}

function describeMessage(message: MessageModel, syntax: MessageSyntax, retention: Retention): DescriptorProtoInit {
  const synthetic = syntheticOneofs(message);
  return {
    name: message.name,
    field: message.fields.map((field) => ({
      ...describeField(field, retention),
      oneofIndex: oneofIndex(message, synthetic, field),
    })),
    extension: message.extensions.map((field) => describeField(field, retention)),
    nestedType: nestedTypes(message, syntax, retention),
    enumType: message.enums.map((declared, index) => describeEnum(declared, syntax.enums[index]!, retention)),
    extensionRange: message.extensionRanges.map((range) => describeExtensionRange(range, retention)),
    oneofDecl: [
      ...message.oneofs.map(
        (oneof): OneofDescriptorProtoInit => ({ name: oneof.name, options: optionsOf(oneof, retention) }),
      ),
      ...[...synthetic.values()].map((name): OneofDescriptorProtoInit => ({ name })),
    ],
    options: optionsOf(message, retention),
    reservedRange: syntax.reservedRanges.map(({ first, last }) => ({ start: first, end: last + 1 })),
    reservedName: syntax.reservedNames.map(({ text }) => text),
    visibility: syntax.visibility && VISIBILITY[syntax.visibility],
  };
}

/** Every `optional` field of proto3 has a oneof of its own, named after it; names that are taken get an X. */
function syntheticOneofs({ file, fields, oneofs }: MessageModel): Map<FieldModel, string> {
  const taken = new Set([...fields, ...oneofs].map(({ name }) => name));
  const names = new Map<FieldModel, string>();
  for (const field of file.edition === "proto3" ? fields : []) {
    if (field.label !== "optional") continue;
    let name = field.name.startsWith("_") ? field.name : `_${field.name}`;
    while (taken.has(name)) name = `X${name}`;
    taken.add(name);
    names.set(field, name);
  }
  return names;
}

function oneofIndex(
  { oneofs }: MessageModel,
  synthetic: ReadonlyMap<FieldModel, string>,
  field: FieldModel,
): number | undefined {
  if (field.oneof !== undefined) return oneofs.indexOf(field.oneof);
  return synthetic.has(field) ? oneofs.length + [...synthetic.keys()].indexOf(field) : undefined;
}

/** Nested messages, and the entries of maps where their fields stand. */
function nestedTypes(message: MessageModel, syntax: MessageSyntax, retention: Retention): DescriptorProtoInit[] {
  const declared = message.messages.map((nested, index) => ({
    at: nested.position.offset,
    type: describeMessage(nested, syntax.messages[index]!, retention),
  }));
  const entries = message.fields
    .filter(({ cardinality }) => cardinality === "map")
    .map((field) => ({ at: field.position.offset, type: describeEntry(field, retention) }));
  return [...declared, ...entries].sort((a, b) => a.at - b.at).map(({ type }) => type);
}

function describeEntry(map: FieldModel, retention: Retention): DescriptorProtoInit {
  const options = featuresOf(map);
  const fields = entryFields(map).map((field) => describeField({ ...field, jsonName: field.name, options }, retention));
  return { name: entryName(map.name), field: fields, options: MAP_ENTRY_OPTIONS };
}

/** Of a map's options, those that its keys and values share. */
function featuresOf({ options }: FieldModel): OptionMessage {
  const shared = new OptionMessage();
  const [field, features] = [options.fields.get("features"), options.get("features")];
  if (field !== undefined && features !== undefined) shared.put(field, features);
  return shared;
}

/** The name of the message that a map's entries are: `by_name` -> `ByNameEntry`. */
export function entryName(name: string): string {
  return `${name.replace(/(?:^_*|_+)(.?)/g, (_, next: string) => next.replace(/[a-z]/, (letter) => letter.toUpperCase()))}Entry`;
}

function describeField(field: FieldModel, retention: Retention): FieldDescriptorProtoInit {
  const { name, number, extendee, label, cardinality } = field;
  const isProto3 = field.file.edition === "proto3";
  return {
    name,
    number,
    label: cardinality === "map" ? LABELS.repeated : LABELS[label ?? "optional"],
    type: typeNumber(field),
    typeName: typeName(field),
    extendee: extendee && `.${extendee.fullName}`,
    defaultValue: defaultText(field),
    jsonName: field.jsonName,
    options: optionsOf(field, retention),
    proto3Optional: (isProto3 && label === "optional" && cardinality === "single") || undefined,
  };
}

function typeNumber({ type, delimited, cardinality, file }: FieldModel): number {
  if (cardinality === "map") return MESSAGE_TYPE;
  if (type.kind === "scalar") return SCALAR_TYPES[type.scalar];
  if (type.kind === "enum") return ENUM_TYPE;
  return delimited && file.edition === "proto2" ? GROUP_TYPE : MESSAGE_TYPE;
}

function typeName({ cardinality, fullName, name, type }: FieldModel): string | undefined {
  if (cardinality === "map") return `.${fullName.slice(0, -name.length)}${entryName(name)}`;
  const named = namedType(type);
  return named && `.${named.fullName}`;
}

function namedType(type: FieldType): MessageModel | EnumModel | undefined {
  if (type.kind === "scalar") return undefined;
  return type.kind === "enum" ? type.enum : type.message;
}

function defaultText({ defaultValue, type }: FieldModel): string | undefined {
  if (defaultValue === undefined) return undefined;
  if (type.kind === "enum") return type.enum.values.find(({ number }) => number === defaultValue)?.name;
  if (defaultValue instanceof Uint8Array) return escapeBytes(defaultValue);
  if (type.kind === "scalar" && typeof defaultValue === "number") return numberText(type.scalar, defaultValue);
  return String(defaultValue satisfies OptionResult);
}

function numberText(scalar: Scalar, value: number): string {
  if (scalar === "float") return formatFloat(value);
  return scalar === "double" ? formatDouble(value) : String(value);
}

const ESCAPES = new Map(
  [..."\n\r\t\"'\\"].map((character, index) => [character.charCodeAt(0), `\\${"nrt\"'\\"[index]}`]),
);

/** Bytes as a C string literal has them. */
function escapeBytes(bytes: Uint8Array): string {
  const plain = (byte: number): string => {
    if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
    return `\\${byte.toString(8).padStart(3, "0")}`;
  };
  return Array.from(bytes, (byte) => ESCAPES.get(byte) ?? plain(byte)).join("");
}

function describeExtensionRange(range: ExtensionRangeModel, retention: Retention): DescriptorProto_ExtensionRangeInit {
  return { start: range.first, end: range.last + 1, options: optionsOf(range, retention) };
}

function describeEnum(declared: EnumModel, syntax: EnumSyntax, retention: Retention): EnumDescriptorProtoInit {
  return {
    name: declared.name,
    value: declared.values.map((value) => ({
      name: value.name,
      number: value.number,
      options: optionsOf(value, retention),
    })),
    options: optionsOf(declared, retention),
    reservedRange: syntax.reservedRanges.map(({ first, last }: NumberRange) => ({ start: first, end: last })),
    reservedName: syntax.reservedNames.map(({ text }) => text),
    visibility: syntax.visibility && VISIBILITY[syntax.visibility],
  };
}

function describeService(service: ServiceModel, retention: Retention): ServiceDescriptorProtoInit {
  return {
    name: service.name,
    method: service.methods.map((method) => describeMethod(method, retention)),
    options: optionsOf(service, retention),
  };
}

function describeMethod(
  { name, input, output, methodKind, ...method }: MethodModel,
  retention: Retention,
): MethodDescriptorProtoInit {
  const isBidi = methodKind === "bidi-streaming";
  return {
    name,
    inputType: `.${input.fullName}`,
    outputType: `.${output.fullName}`,
    options: optionsOf(method, retention),
    clientStreaming: isBidi || methodKind === "client-streaming" || undefined,
    serverStreaming: isBidi || methodKind === "server-streaming" || undefined,
  };
}

function optionsOf(holder: { readonly options: OptionMessage }, retention: Retention): Uint8Array | undefined {
  const options = retention === "all" ? holder.options : runtimeOptions(holder.options);
  return options.values.size === 0 ? undefined : encodeOptions(options);
}
