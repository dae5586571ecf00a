// FileDescriptorProto -> what a manifest says: the second door to the compiler, for what protoc or buf has parsed. It
// undoes what a descriptor spells out (map entries, synthetic oneofs, absolute names stay absolute) and takes comments and
// positions from the source code info. Options stay encoded; the linker reads them by their schema.

import { EDITION_NUMBERS } from "../features.js";
import { unquote } from "../lexer.js";
import { jsonName } from "../names.js";
import { SourceFile } from "../source.js";
import type {
  Edition,
  EnumSyntax,
  EnumValueSyntax,
  FieldSyntax,
  FileSyntax,
  ImportSyntax,
  MessageSyntax,
  MethodSyntax,
  NumberRange,
  OneofSyntax,
  OptionSyntax,
  OptionValue,
  ServiceSyntax,
  Text,
  Visibility,
} from "../syntax.js";
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type EnumValueDescriptorProto,
  type FieldDescriptorProto,
  type FileDescriptorProto,
  MessageOptions,
  type MethodDescriptorProto,
  type OneofDescriptorProto,
  type ServiceDescriptorProto,
  type SourceCodeInfo_Location,
} from "./descriptor.js";
import { ENUM_TYPE, GROUP_TYPE, LABELS, SCALAR_TYPES, VISIBILITY } from "./to-descriptor.js";

/** Where a part of a file is in its descriptor: field numbers and indexes, joined by commas as keys of the source info. */
type Path = readonly number[];

/** The field numbers of descriptor.proto that paths are made of. */
const FILE = { message: 4, enum: 5, service: 6, extension: 7 } as const;
const MESSAGE = { field: 2, nested: 3, enum: 4, extension: 6, oneof: 8 } as const;
const ENUM_VALUE = 2;
const METHOD = 2;
const NAME = 1;

const SCALAR_NAMES = new Map(Object.entries(SCALAR_TYPES).map(([name, number]) => [number, name]));
const LABEL_NAMES = new Map<number, FieldSyntax["label"]>([
  [1, "optional"],
  [2, "required"],
  [3, "repeated"],
]);
const VISIBILITIES = new Map(Object.entries(VISIBILITY).map(([name, number]) => [number, name as Visibility]));

/** What the manifest said that `descriptor` describes. Throws `RangeError` for an edition that is not known here. */
export function fromDescriptor(descriptor: FileDescriptorProto): FileSyntax {
  return new DescriptorReader(descriptor).file();
}

/** A manifest of which only positions are known: an offset is a line and a column. */
class DescribedSource extends SourceFile {
  /** Columns beyond this are counted as this. */
  private static readonly COLUMNS = 4096;

  /** The offset that stands for a line and a column, both from 0. */
  static offset(line: number, column: number): number {
    return line * DescribedSource.COLUMNS + Math.min(column, DescribedSource.COLUMNS - 1);
  }

  override locate(offset: number): { line: number; column: number } {
    const column = offset % DescribedSource.COLUMNS;
    return { line: (offset - column) / DescribedSource.COLUMNS + 1, column: column + 1 };
  }
}

class DescriptorReader {
  private readonly descriptor: FileDescriptorProto;
  private readonly edition: Edition;
  private readonly locations: ReadonlyMap<string, SourceCodeInfo_Location>;

  constructor(descriptor: FileDescriptorProto) {
    this.descriptor = descriptor;
    this.edition = editionOf(descriptor);
    const locations = descriptor.sourceCodeInfo?.location ?? [];
    this.locations = new Map(locations.map((location) => [location.path.join(), location]));
  }

  file(): FileSyntax {
    const { name, package: packageName, options, messageType, enumType, service, extension } = this.descriptor;
    return {
      source: new DescribedSource(name ?? "", ""),
      edition: this.edition,
      package: packageName ? { text: packageName, offset: 0 } : undefined,
      comment: undefined,
      imports: importsOf(this.descriptor),
      options: [],
      encodedOptions: options,
      messages: messageType.map((message, index) => this.message(message, [FILE.message, index])),
      enums: enumType.map((declared, index) => this.enum(declared, [FILE.enum, index])),
      services: service.map((declared, index) => this.service(declared, [FILE.service, index])),
      extends: extension.map((field, index) => this.extend(field, [FILE.extension, index])),
    };
  }

  private message(message: DescriptorProto, path: Path): MessageSyntax {
    const options = message.options === undefined ? undefined : MessageOptions.fromBytes(message.options);
    const isSynthetic = syntheticOneofs(message);
    const nested = message.nestedType.map((type, index) => ({ type, path: [...path, MESSAGE.nested, index] }));
    return {
      ...this.declaration(message, path),
      comment: this.leading(path),
      options: options?.messageSetWireFormat === true ? [MESSAGE_SET] : [],
      fields: message.field.map((field, index) => this.field(field, [...path, MESSAGE.field, index], message)),
      oneofs: message.oneofDecl
        .map((oneof, index) => this.oneof(oneof, [...path, MESSAGE.oneof, index]))
        .filter((_, index) => !isSynthetic.has(index)),
      messages: nested.filter(({ type }) => !isMapEntry(type)).map(({ type, path: at }) => this.message(type, at)),
      enums: message.enumType.map((declared, index) => this.enum(declared, [...path, MESSAGE.enum, index])),
      extends: message.extension.map((field, index) => this.extend(field, [...path, MESSAGE.extension, index])),
      extensionRanges: message.extensionRange.map((range) => ({
        ...rangeOf(range.start, range.end, 1),
        options: [],
        encodedOptions: range.options,
      })),
      reservedRanges: message.reservedRange.map(({ start, end }) => rangeOf(start, end, 1)),
      reservedNames: message.reservedName.map(textOf),
      visibility: VISIBILITIES.get(message.visibility ?? 0),
    };
  }

  private field(field: FieldDescriptorProto, path: Path, parent: DescriptorProto | undefined): FieldSyntax {
    const declaration = this.declaration(field, path);
    const { offset } = declaration.name;
    const entry = parent && mapEntryOf(field, parent);
    const [key, value] = entry?.field ?? [];
    const isInOneof = field.oneofIndex !== undefined && field.proto3Optional !== true;
    return {
      ...declaration,
      options: this.pseudoOptions(field),
      label: this.label(field, entry !== undefined, isInOneof),
      labelOffset: offset,
      type: { text: typeText(value ?? field), offset },
      mapKey: key && { text: typeText(key), offset },
      number: field.number ?? 0,
      numberOffset: offset,
      isGroup: field.type === GROUP_TYPE,
      oneof: isInOneof ? field.oneofIndex : undefined,
    };
  }

  /** The label as it must have been written. */
  private label(field: FieldDescriptorProto, isMap: boolean, isInOneof: boolean): FieldSyntax["label"] {
    const label = LABEL_NAMES.get(field.label ?? LABELS.optional);
    if (isMap || isInOneof) return undefined;
    if (label !== "optional") return label;
    return this.edition === "proto2" || field.proto3Optional === true ? "optional" : undefined;
  }

  /** What is written among a field's options but is in no schema. */
  private pseudoOptions(field: FieldDescriptorProto): OptionSyntax[] {
    const options: OptionSyntax[] = [];
    const { jsonName: json, defaultValue, extendee, name } = field;
    if (json !== undefined && extendee === undefined && json !== jsonName(name ?? "")) {
      options.push(option("json_name", { kind: "string", value: Buffer.from(json), offset: 0 }));
    }
    if (defaultValue !== undefined) options.push(option("default", defaultOf(field.type ?? 0, defaultValue)));
    return options;
  }

  private extend(field: FieldDescriptorProto, path: Path): { extendee: Text; fields: FieldSyntax[] } {
    return { extendee: textOf(field.extendee ?? ""), fields: [this.field(field, path, undefined)] };
  }

  private oneof(oneof: OneofDescriptorProto, path: Path): OneofSyntax {
    return { ...this.declaration(oneof, path), comment: this.leading(path), options: [] };
  }

  private enum(declared: EnumDescriptorProto, path: Path): EnumSyntax {
    return {
      ...this.declaration(declared, path),
      comment: this.leading(path),
      values: declared.value.map((value, index) => this.enumValue(value, [...path, ENUM_VALUE, index])),
      reservedRanges: declared.reservedRange.map(({ start, end }) => rangeOf(start, end, 0)),
      reservedNames: declared.reservedName.map(textOf),
      visibility: VISIBILITIES.get(declared.visibility ?? 0),
    };
  }

  private enumValue(value: EnumValueDescriptorProto, path: Path): EnumValueSyntax {
    const declaration = this.declaration(value, path);
    return { ...declaration, number: value.number ?? 0, numberOffset: declaration.name.offset };
  }

  private service(service: ServiceDescriptorProto, path: Path): ServiceSyntax {
    const methods = service.method.map((method, index) => this.method(method, [...path, METHOD, index]));
    return { ...this.declaration(service, path), comment: this.leading(path), methods };
  }

  private method(method: MethodDescriptorProto, path: Path): MethodSyntax {
    return {
      ...this.declaration(method, path),
      input: textOf(method.inputType ?? ""),
      output: textOf(method.outputType ?? ""),
      inputStream: method.clientStreaming === true,
      outputStream: method.serverStreaming === true,
    };
  }

  private declaration(
    { name, options }: { readonly name?: string | undefined; readonly options?: Uint8Array | undefined },
    path: Path,
  ): { name: Text; comment: string | undefined; options: OptionSyntax[]; encodedOptions: Uint8Array | undefined } {
    const location = this.locations.get([...path, NAME].join()) ?? this.locations.get(path.join());
    const [line = 0, column = 0] = location?.span ?? [];
    const offset = DescribedSource.offset(line, column);
    const comment = this.leading(path) ?? commentOf(this.locations.get(path.join())?.trailingComments);
    return { name: { text: name ?? "", offset }, comment, options: [], encodedOptions: options };
  }

  private leading(path: Path): string | undefined {
    return commentOf(this.locations.get(path.join())?.leadingComments);
  }
}

/** A descriptor keeps the second star of a comment that begins with two. */
function commentOf(text: string | undefined): string | undefined {
  return text?.replace(/^\*/, "").replace(/\n$/, "");
}

function editionOf({ name, syntax, edition }: FileDescriptorProto): Edition {
  if (syntax === undefined || syntax === "" || syntax === "proto2") return "proto2";
  if (syntax === "proto3") return "proto3";
  const known = Object.entries(EDITION_NUMBERS).find(([, number]) => number !== undefined && number === edition);
  if (known === undefined) throw new RangeError(`${name}: edition ${edition} is not known`);
  return known[0] as Edition;
}

function importsOf({
  dependency,
  publicDependency,
  weakDependency,
  optionDependency,
}: FileDescriptorProto): ImportSyntax[] {
  const kindOf = (index: number): ImportSyntax["kind"] => {
    if (publicDependency.includes(index)) return "public";
    return weakDependency.includes(index) ? "weak" : "plain";
  };
  return [
    ...dependency.map((path, index) => ({ path: textOf(path), kind: kindOf(index) })),
    ...optionDependency.map((path) => ({ path: textOf(path), kind: "option" as const })),
  ];
}

/** The oneofs that proto3's `optional` fields are in; they come after those that were written. */
function syntheticOneofs({ field }: DescriptorProto): ReadonlySet<number | undefined> {
  return new Set(field.filter(({ proto3Optional }) => proto3Optional === true).map(({ oneofIndex }) => oneofIndex));
}

function isMapEntry({ options }: DescriptorProto): boolean {
  return options !== undefined && MessageOptions.fromBytes(options).mapEntry === true;
}

function mapEntryOf(
  { typeName, label }: FieldDescriptorProto,
  { nestedType }: DescriptorProto,
): DescriptorProto | undefined {
  if (typeName === undefined || label !== LABELS.repeated) return undefined;
  const name = typeName.slice(typeName.lastIndexOf(".") + 1);
  return nestedType.find((type) => type.name === name && isMapEntry(type));
}

function typeText({ type, typeName }: FieldDescriptorProto): string {
  return SCALAR_NAMES.get(type ?? 0) ?? typeName ?? "";
}

function textOf(text: string): Text {
  return { text, offset: 0 };
}

/** A range whose `end` is `beyond` more than its last number. */
function rangeOf(start = 0, end = 0, beyond: 0 | 1): NumberRange {
  return { first: start, last: end - beyond, offset: 0 };
}

function option(name: string, value: OptionValue): OptionSyntax {
  return { path: [{ text: name, offset: 0, extension: false }], value, offset: 0 };
}

const MESSAGE_SET = option("message_set_wire_format", { kind: "identifier", text: "true", offset: 0 });

/** A default as it would be written: descriptors have the text of every kind of value. */
function defaultOf(type: number, text: string): OptionValue {
  const scalar = SCALAR_NAMES.get(type);
  if (type === ENUM_TYPE || scalar === "bool") return { kind: "identifier", text, offset: 0 };
  if (scalar === "string") return { kind: "string", value: Buffer.from(text), offset: 0 };
  if (scalar === "bytes") return { kind: "string", value: unescapeBytes(text), offset: 0 };
  if (scalar === "float" || scalar === "double") return { kind: "float", value: floatOf(text), offset: 0 };
  return { kind: "integer", value: BigInt(text), form: "decimal", offset: 0 };
}

function floatOf(text: string): number {
  return Number(text.replace("inf", "Infinity"));
}

/** Bytes from the escapes of a C string literal. */
function unescapeBytes(text: string): Buffer {
  return unquote(`"${text}"`) ?? Buffer.from(text);
}
