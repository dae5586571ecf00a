// What emitters ask about the file that they write: how a type is called in it, where it comes from, and which local
// names are free. It knows the types that the runtime provides, so that no emitter needs a list of its own.

import {
  allEnums,
  allMessages,
  type EnumModel,
  type FieldModel,
  type FileModel,
  type MessageModel,
  type Scalar,
} from "./model.js";
import { KEYWORDS, topLevelNames } from "./names.js";
import { type ImportExtension, Printer, specifierOf } from "./printer.js";

/** How generated code is to look. */
export interface EmitOptions {
  /** Where generated code imports the runtime from; a relative specifier is relative to the output folder. */
  readonly runtime: string;
  /** How generated files name each other. */
  readonly importExtension: ImportExtension;
  /** True if messages keep the fields that their manifest does not have, in `$unknown`. */
  readonly unknownFields: boolean;
}

/** Types that the runtime provides, in TypeScript and on the wire. */
interface RuntimeType {
  /** What decoding gives and encoding takes, where it is not `Name` and `NameInit`. */
  readonly type?: string;
  /** Wrappers: the field holds this scalar or nothing. */
  readonly wraps?: Scalar;
}

const WRAPPED: readonly [string, Scalar][] = [
  ["DoubleValue", "double"],
  ["FloatValue", "float"],
  ["Int64Value", "int64"],
  ["UInt64Value", "uint64"],
  ["Int32Value", "int32"],
  ["UInt32Value", "uint32"],
  ["BoolValue", "bool"],
  ["StringValue", "string"],
  ["BytesValue", "bytes"],
];

const RUNTIME_TYPES: ReadonlyMap<string, RuntimeType> = new Map<string, RuntimeType>([
  ["google.protobuf.Any", {}],
  ["google.protobuf.Duration", {}],
  ["google.protobuf.Empty", {}],
  ["google.protobuf.FieldMask", {}],
  ["google.protobuf.Timestamp", {}],
  ["google.protobuf.Struct", { type: "JsonObject" }],
  ["google.protobuf.Value", { type: "JsonValue" }],
  ["google.protobuf.ListValue", { type: "JsonArray" }],
  ["google.protobuf.NullValue", {}],
  ...WRAPPED.map(([name, wraps]): [string, RuntimeType] => [`google.protobuf.${name}`, { wraps }]),
]);

/** Names that generated functions use for their own variables. */
const LOCALS =
  `after buf depth end entry entryTag from into item key known mark message pos start stop tag value writer`.split(" ");

/** The generated file that a manifest becomes. */
export function outputPath(file: FileModel): string {
  return file.name.replace(/\.proto$/, "").concat(".ts");
}

/** True for what the runtime provides, unless the runtime itself is being generated. */
export function isRuntimeType(declared: MessageModel | EnumModel, from: FileModel): boolean {
  return declared.file !== from && RUNTIME_TYPES.has(declared.fullName);
}

/** One file being generated. */
export class Target {
  readonly file: FileModel;
  readonly printer: Printer;
  private readonly options: EmitOptions;
  private readonly path: string;
  private readonly runtimeSpecifier: string;
  private readonly notForVariables: ReadonlySet<string>;

  constructor(file: FileModel, options: EmitOptions) {
    this.file = file;
    this.options = options;
    this.path = outputPath(file);
    this.runtimeSpecifier = relativeToFile(options.runtime, this.path);
    const declared = topLevelNames(file);
    this.printer = new Printer([...declared, ...KEYWORDS, ...fieldNames(file)]);
    this.notForVariables = new Set([...declared, ...KEYWORDS, ...LOCALS]);
  }

  /** A value that the runtime exports. */
  runtime(name: string): string {
    return this.printer.value(this.runtimeSpecifier, name);
  }

  /** A type that the runtime exports. */
  runtimeType(name: string): string {
    return this.printer.type(this.runtimeSpecifier, name);
  }

  /** The type that decoding a message gives. */
  messageType(message: MessageModel): string {
    const provided = this.provided(message);
    if (provided !== undefined) return this.runtimeType(provided.type ?? message.name);
    return this.imported(message, message.localName, "type");
  }

  /** The type that encoding a message takes. */
  messageInitType(message: MessageModel): string {
    const provided = this.provided(message);
    if (provided !== undefined) return this.runtimeType(provided.type ?? `${message.name}Init`);
    return this.imported(message, message.initName, "type");
  }

  /** The constant that describes a message. */
  messageConstant(message: MessageModel): string {
    if (this.provided(message) !== undefined) return this.runtime(message.name);
    return this.imported(message, message.localName, "value");
  }

  /** What encodes a message: a function of this file, or the constant's. */
  encoder(message: MessageModel): string {
    return message.file === this.file ? `encode${message.localName}` : `${this.messageConstant(message)}.encode`;
  }

  /** What decodes a message. */
  decoder(message: MessageModel): string {
    return message.file === this.file ? `decode${message.localName}` : `${this.messageConstant(message)}.decode`;
  }

  /** The type of an enum's values. */
  enumType(declared: EnumModel): string {
    return this.provided(declared) !== undefined
      ? this.runtimeType(declared.name)
      : this.imported(declared, declared.localName, "type");
  }

  /** The constant object of an enum. */
  enumConstant(declared: EnumModel): string {
    return this.provided(declared) !== undefined
      ? this.runtime(declared.name)
      : this.imported(declared, declared.localName, "value");
  }

  /** The scalar that a field of a wrapper type holds. */
  wrapped(field: FieldModel): Scalar | undefined {
    if (field.type.kind !== "message" || field.cardinality !== "single") return undefined;
    return this.provided(field.type.message)?.wraps;
  }

  /** True if messages have a `$unknown`. */
  get keepsUnknown(): boolean {
    return this.options.unknownFields;
  }

  /** A variable for a field or oneof: its own name, unless that would hide something. */
  variable(localName: string): string {
    return this.notForVariables.has(localName) ? `${localName}$` : localName;
  }

  private provided(declared: MessageModel | EnumModel): RuntimeType | undefined {
    return isRuntimeType(declared, this.file) ? RUNTIME_TYPES.get(declared.fullName) : undefined;
  }

  private imported(declared: MessageModel | EnumModel, name: string, kind: "type" | "value"): string {
    if (declared.file === this.file) return name;
    return this.printer[kind](specifierOf(this.path, outputPath(declared.file), this.options.importExtension), name);
  }
}

/** The files whose generated code `file`'s generated code imports. */
export function neededFiles(file: FileModel): FileModel[] {
  const needed = new Set<FileModel>();
  const need = (declared: MessageModel | EnumModel): void => {
    if (declared.file !== file && !isRuntimeType(declared, file)) needed.add(declared.file);
  };
  for (const { fields } of allMessages(file)) {
    for (const { type } of fields) if (type.kind !== "scalar") need(type.kind === "enum" ? type.enum : type.message);
  }
  for (const { input, output } of file.services.flatMap(({ methods }) => methods)) {
    need(input);
    need(output);
  }
  return [...needed];
}

function fieldNames(file: FileModel): string[] {
  const messages = allMessages(file);
  const members = messages.flatMap(({ fields, oneofs }) => [...fields, ...oneofs].map(({ localName }) => localName));
  return [...members, ...LOCALS, ...allEnums(file).map(({ localName }) => localName)];
}

function relativeToFile(runtime: string, path: string): string {
  if (!runtime.startsWith(".")) return runtime;
  const up = "../".repeat(path.split("/").length - 1);
  if (up === "") return runtime;
  return up + runtime.replace(/^\.\//, "");
}
