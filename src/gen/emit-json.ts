// The file beside a generated file that gives its types their JSON: a table of fields for each message, a codec for each
// enum. Nothing in the main file imports it, so whoever does not use JSON does not have it. The tables are read by
// codec/json/; the names of codecs here are that library's.

import { isEmitted, presenceOf } from "./emit-extension.js";
import {
  allEnums,
  allExtensions,
  allMessages,
  type EnumModel,
  type FieldModel,
  type FieldType,
  type FileModel,
  type MessageModel,
  type Scalar,
} from "./model.js";
import { KEYWORDS } from "./names.js";
import { literal, Printer, specifierOf } from "./printer.js";
import { int64As } from "./scalars.js";
import {
  DEFAULT_RUNTIME,
  type EmitOptions,
  fileHeader,
  isProvided,
  outputPath,
  relativeToFile,
  wrappedBy,
} from "./target.js";

/** Where the JSON of messages comes from, unless the runtime is somewhere else: then from there. */
const JSON_MODULE = "sluice/json";

const CODECS: Readonly<Record<Scalar, string>> = {
  double: "JSON_DOUBLE",
  float: "JSON_FLOAT",
  int32: "JSON_INT32",
  sint32: "JSON_INT32",
  sfixed32: "JSON_INT32",
  uint32: "JSON_UINT32",
  fixed32: "JSON_UINT32",
  int64: "JSON_INT64",
  sint64: "JSON_INT64",
  sfixed64: "JSON_INT64",
  uint64: "JSON_UINT64",
  fixed64: "JSON_UINT64",
  bool: "JSON_BOOL",
  string: "JSON_STRING",
  bytes: "JSON_BYTES",
};

/** The JSON file that a manifest's generated file has beside it. */
export function jsonPath(file: FileModel): string {
  return outputPath(file).replace(/\.ts$/, ".json.ts");
}

/** The text of the JSON file; undefined if the manifest declares nothing that has JSON. */
export function emitJsonFile(file: FileModel, options: EmitOptions): string | undefined {
  const messages = allMessages(file).filter((message) => !isProvided(message));
  const enums = allEnums(file).filter((declared) => !isProvided(declared));
  const extensions = options.unknownFields ? allExtensions(file).filter(isEmitted) : [];
  const declared = [...messages, ...enums, ...extensions];
  if (declared.length === 0) return undefined;
  return new JsonEmitter(file, options, declared).emit(messages, enums, extensions);
}

class JsonEmitter {
  private readonly file: FileModel;
  private readonly options: EmitOptions;
  private readonly path: string;
  private readonly printer: Printer;
  private readonly library: string;

  constructor(file: FileModel, options: EmitOptions, declared: readonly Named[]) {
    this.file = file;
    this.options = options;
    this.path = jsonPath(file);
    this.printer = new Printer([...declared.map(jsonName), ...KEYWORDS]);
    this.library = options.runtime === DEFAULT_RUNTIME ? JSON_MODULE : relativeToFile(options.runtime, this.path);
  }

  emit(messages: readonly MessageModel[], enums: readonly EnumModel[], extensions: readonly FieldModel[]): string {
    for (const declared of enums) this.enum(declared);
    for (const message of messages) this.message(message);
    for (const extension of extensions) this.extension(extension);
    return this.printer.finish(fileHeader(this.file));
  }

  private enum(declared: EnumModel): void {
    const type = this.printer.value(this.library, "JsonEnum");
    const values = this.own(declared.localName, "value");
    this.printer.line(
      `/** {@link ${declared.localName}} in JSON. */`,
      `export const ${jsonName(declared)}: ${type} = /* @__PURE__ */ new ${type}(${values}, ${declared.features.closedEnums});`,
      "",
    );
  }

  private message(message: MessageModel): void {
    const { printer } = this;
    const type = printer.value(this.library, "JsonMessage");
    const name = this.own(message.localName, "value");
    const types = `${name}, ${this.own(message.initName, "type")}`;
    printer.line(`/** {@link ${message.localName}} in JSON. */`);
    const head = `export const ${jsonName(message)}: ${type}<${types}> = /* @__PURE__ */ new ${type}(${name}, () => [`;
    if (message.fields.length === 0) printer.line(`${head}]);`);
    else printer.block(head, () => printer.line(...withOwnNames(message).map((field) => this.field(field))), "]);");
    printer.line("");
  }

  private extension(extension: FieldModel): void {
    const type = this.printer.value(this.library, "JsonExtension");
    const name = `[${extension.fullName}]`;
    const field = { ...extension, name, jsonName: name, localName: "value", presence: presenceOf(extension) };
    this.printer.line(`/** {@link ${extension.localName}} in JSON. */`);
    this.printer.block(
      `export const ${jsonName(extension)}: ${type} = /* @__PURE__ */ new ${type}(${this.own(extension.localName, "value")}, () => (`,
      () => this.printer.line(this.field(field).replace(/,$/, "")),
      "));",
    );
    this.printer.line("");
  }

  private field(field: FieldModel): string {
    const property = (field.oneof ?? field).localName;
    const entries = [
      `name: ${literal(field.name)}`,
      `jsonName: ${literal(field.jsonName)}`,
      ...(property === field.jsonName ? [] : [`property: ${literal(property)}`]),
      ...(field.oneof === undefined ? [] : [`case: ${literal(field.localName)}`]),
      ...(field.cardinality === "repeated" ? ["list: true"] : []),
      ...(field.mapKey === undefined ? [] : [`key: ${this.key(field.mapKey)}`]),
      `codec: ${this.codec(field)}`,
      ...(field.cardinality !== "single" || field.presence === "explicit"
        ? []
        : [`presence: ${literal(field.presence)}`]),
    ];
    return `{ ${entries.join(", ")} },`;
  }

  private key(scalar: Scalar): string {
    return this.printer.value(this.library, scalar === "bool" ? "JSON_BOOL_KEY" : CODECS[scalar]);
  }

  private codec(field: FieldModel): string {
    const wrapped = wrappedBy(field, this.file);
    if (wrapped !== undefined) return this.printer.value(this.library, CODECS[wrapped]);
    const as = int64As(field, this.options.int64);
    const codec = this.codecOf(field.type);
    if (as === undefined) return codec;
    return `${this.printer.value(this.library, as === "string" ? "asString" : "asNumber")}(${codec})`;
  }

  private codecOf(type: FieldType): string {
    if (type.kind === "scalar") return this.printer.value(this.library, CODECS[type.scalar]);
    const declared = type.kind === "enum" ? type.enum : type.message;
    if (declared.fullName === "google.protobuf.NullValue") return this.printer.value(this.library, "JSON_NULL");
    if (isProvided(declared)) return this.printer.value(this.library, `${declared.name}Json`);
    if (declared.file === this.file) return jsonName(declared);
    return this.printer.value(this.specifier(jsonPath(declared.file)), jsonName(declared));
  }

  /** Something that the main file exports. */
  private own(name: string, kind: "value" | "type"): string {
    return this.printer[kind](this.specifier(outputPath(this.file)), name);
  }

  private specifier(path: string): string {
    return specifierOf(this.path, path, this.options.importExtension);
  }
}

/** Of fields that clash in JSON, one has the name; the others have those of the manifest, which all readers of JSON take. */
function withOwnNames({ fields }: MessageModel): FieldModel[] {
  const owners = new Map<string, FieldModel>();
  for (const field of fields) {
    if (!owners.has(field.jsonName) || field.name === field.jsonName) owners.set(field.jsonName, field);
  }
  return fields.map((field) => (owners.get(field.jsonName) === field ? field : { ...field, jsonName: field.name }));
}

type Named = Pick<MessageModel | EnumModel | FieldModel, "localName">;

function jsonName({ localName }: Named): string {
  return `${localName}Json`;
}
