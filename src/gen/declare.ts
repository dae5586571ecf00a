// Syntax -> the model's skeleton: every declaration with its full name, entered into the symbol table. References are
// left as work for the linker, since the declarations they mean may be in files that come later.

import { defaultFeatures } from "./features.js";
import {
  type Element,
  type EnumModel,
  type EnumValueModel,
  type ExtensionRangeModel,
  type FieldModel,
  type FieldType,
  type FileModel,
  type MessageModel,
  type MethodModel,
  type MethodPolicy,
  type OneofModel,
  OptionMessage,
  type ServiceModel,
} from "./model.js";
import { jsonName } from "./names.js";
import { MAX_FIELD_NUMBER } from "./parser.js";
import type { SymbolTable } from "./scope.js";
import type { Position, SourceFile } from "./source.js";
import type {
  DeclarationSyntax,
  EnumSyntax,
  ExtendSyntax,
  ExtensionRangeSyntax,
  FieldSyntax,
  FileSyntax,
  MessageSyntax,
  MethodSyntax,
  OneofSyntax,
  OptionSyntax,
  Reservations,
  ServiceSyntax,
} from "./syntax.js";

/** A declaration whose options are still to be read, as a message of the type `google.protobuf.<schema>`. */
export interface PendingOptions {
  readonly element: Pick<Element, "options">;
  readonly syntax: OptionsSyntax;
  readonly schema: string;
  readonly scope: string;
}

/** Options as they were written, or as another compiler encoded them. */
export type OptionsSyntax = Pick<DeclarationSyntax, "encodedOptions"> & { readonly options: readonly OptionSyntax[] };

/** A declaration together with what was written and where its names are looked up from. */
export interface Pending<Model, Syntax> {
  readonly model: Model;
  readonly syntax: Syntax;
  readonly scope: string;
}

/** An extension also has a type to extend. */
export interface PendingExtension extends Pending<FieldModel, FieldSyntax> {
  readonly extend: ExtendSyntax;
}

/** A file's model and the work that is left in it. */
export interface DeclaredFile {
  readonly model: FileModel;
  readonly syntax: FileSyntax;
  readonly messages: Pending<MessageModel, MessageSyntax>[];
  readonly enums: Pending<EnumModel, EnumSyntax>[];
  readonly fields: Pending<FieldModel, FieldSyntax>[];
  readonly extensions: PendingExtension[];
  readonly methods: Pending<MethodModel, MethodSyntax>[];
  readonly options: PendingOptions[];
}

/** Declares everything in a file. */
export function declareFile(syntax: FileSyntax, symbols: SymbolTable): DeclaredFile {
  return new Declarer(syntax, symbols).run();
}

// Spreads come last here: one that comes first gives every object a hidden class of its own, larger than the object.
class Declarer {
  private readonly source: SourceFile;
  private readonly symbols: SymbolTable;
  private readonly out: DeclaredFile;

  constructor(syntax: FileSyntax, symbols: SymbolTable) {
    this.source = syntax.source;
    this.symbols = symbols;
    const name = { text: syntax.source.name, offset: 0 };
    const element = this.element({ name, comment: syntax.comment, options: syntax.options }, "");
    const model: FileModel = {
      kind: "file",
      edition: syntax.edition,
      package: syntax.package?.text ?? "",
      messages: [],
      enums: [],
      services: [],
      extensions: [],
      ...element,
    };
    this.out = { model, syntax, messages: [], enums: [], fields: [], extensions: [], methods: [], options: [] };
    this.needOptions(model, syntax, "FileOptions", model.package);
  }

  run(): DeclaredFile {
    const { syntax, model } = this.out;
    const scope = model.package;
    for (const message of syntax.messages) model.messages.push(this.message(message, scope, undefined));
    for (const declared of syntax.enums) model.enums.push(this.enum(declared, scope));
    for (const service of syntax.services) model.services.push(this.service(service, scope));
    for (const extend of syntax.extends) model.extensions.push(...this.extend(extend, scope));
    return this.out;
  }

  private message(syntax: MessageSyntax, scope: string, parent: MessageModel | undefined): MessageModel {
    const model: MessageModel = {
      kind: "message",
      file: this.out.model,
      parent,
      visibility: syntax.visibility,
      fields: [],
      oneofs: [],
      messages: [],
      enums: [],
      extensions: [],
      extensionRanges: syntax.extensionRanges.map((range) => this.extensionRange(range, syntax, scope)),
      localName: "",
      initName: "",
      defaultsName: "",
      optionsName: "",
      ...reservations(syntax),
      ...this.element(syntax, scope),
    };
    this.declare(model, syntax, "MessageOptions", scope);
    const inside = model.fullName;
    for (const oneof of syntax.oneofs) model.oneofs.push(this.oneof(oneof, inside));
    for (const field of syntax.fields) model.fields.push(this.messageField(field, model));
    for (const nested of syntax.messages) model.messages.push(this.message(nested, inside, model));
    for (const nested of syntax.enums) model.enums.push(this.enum(nested, inside));
    for (const extend of syntax.extends) model.extensions.push(...this.extend(extend, inside));
    this.out.messages.push({ model, syntax, scope: inside });
    return model;
  }

  private extensionRange(syntax: ExtensionRangeSyntax, message: MessageSyntax, scope: string): ExtensionRangeModel {
    const max = isMessageSet(message) ? MAX_MESSAGE_SET_NUMBER : MAX_FIELD_NUMBER;
    const model = { first: syntax.first, last: Math.min(syntax.last, max), options: NO_OPTIONS };
    this.needOptions(model, syntax, "ExtensionRangeOptions", scope);
    return model;
  }

  private oneof(syntax: OneofSyntax, scope: string): OneofModel {
    const model: OneofModel = { kind: "oneof", fields: [], localName: "", ...this.element(syntax, scope) };
    this.declare(model, syntax, "OneofOptions", scope);
    return model;
  }

  private messageField(syntax: FieldSyntax, message: MessageModel): FieldModel {
    const oneof = syntax.oneof === undefined ? undefined : message.oneofs[syntax.oneof];
    const model = this.field(syntax, message.fullName, oneof);
    oneof?.fields.push(model);
    this.out.fields.push({ model, syntax, scope: message.fullName });
    return model;
  }

  private extend(extend: ExtendSyntax, scope: string): FieldModel[] {
    return extend.fields.map((syntax) => {
      const model = this.field(syntax, scope, undefined);
      this.out.extensions.push({ model, syntax, scope, extend });
      return model;
    });
  }

  private field(syntax: FieldSyntax, scope: string, oneof: OneofModel | undefined): FieldModel {
    // Written out, because there are many and a spread would make each of them slow and large.
    const { name, fullName, position, comment, options, features } = this.element(syntax, scope);
    const model: FieldModel = {
      name,
      fullName,
      position,
      comment,
      options,
      features,
      kind: "field",
      file: this.out.model,
      number: syntax.number,
      cardinality: syntax.mapKey !== undefined ? "map" : syntax.label === "repeated" ? "repeated" : "single",
      label: syntax.label,
      mapKey: syntax.mapKey?.text as FieldModel["mapKey"],
      oneof,
      type: UNRESOLVED_TYPE,
      presence: "implicit",
      packed: false,
      delimited: syntax.isGroup,
      extendee: undefined,
      defaultValue: undefined,
      jsonName: jsonName(name),
      localName: "",
    };
    this.declare(model, syntax, "FieldOptions", scope);
    return model;
  }

  private enum(syntax: EnumSyntax, scope: string): EnumModel {
    const model: EnumModel = {
      kind: "enum",
      file: this.out.model,
      visibility: syntax.visibility,
      values: [],
      localName: "",
      optionsName: "",
      ...reservations(syntax),
      ...this.element(syntax, scope),
    };
    this.declare(model, syntax, "EnumOptions", scope);
    for (const valueSyntax of syntax.values) {
      const { name, fullName, position, comment, options, features } = this.element(valueSyntax, scope);
      const { number } = valueSyntax;
      const value: EnumValueModel = {
        name,
        fullName,
        position,
        comment,
        options,
        features,
        kind: "enum value",
        number,
      };
      this.declare(value, valueSyntax, "EnumValueOptions", scope);
      model.values.push(value);
    }
    this.out.enums.push({ model, syntax, scope });
    return model;
  }

  private service(syntax: ServiceSyntax, scope: string): ServiceModel {
    const model: ServiceModel = {
      kind: "service",
      file: this.out.model,
      methods: [],
      localName: "",
      clientName: "",
      optionsName: "",
      handlersName: "",
      ...this.element(syntax, scope),
    };
    this.declare(model, syntax, "ServiceOptions", scope);
    for (const method of syntax.methods) model.methods.push(this.method(method, model.fullName));
    return model;
  }

  private method(syntax: MethodSyntax, scope: string): MethodModel {
    const model: MethodModel = {
      kind: "method",
      methodKind: methodKind(syntax),
      input: UNRESOLVED,
      output: UNRESOLVED,
      localName: "",
      policy: NO_POLICY,
      ...this.element(syntax, scope),
    };
    this.declare(model, syntax, "MethodOptions", scope);
    this.out.methods.push({ model, syntax, scope });
    return model;
  }

  private declare(
    model: Parameters<SymbolTable["add"]>[0],
    syntax: DeclarationSyntax,
    schema: string,
    scope: string,
  ): void {
    this.symbols.add(model);
    this.needOptions(model, syntax, schema, scope);
  }

  private needOptions(element: Pick<Element, "options">, syntax: OptionsSyntax, schema: string, scope: string): void {
    const hasOptions = syntax.options.length > 0 || syntax.encodedOptions !== undefined;
    if (hasOptions) this.out.options.push({ element, syntax, schema, scope });
  }

  private element(syntax: DeclarationSyntax, scope: string): Element {
    const position: Position = { file: this.source, offset: syntax.name.offset };
    const name = syntax.name.text;
    return {
      name,
      fullName: scope === "" ? name : `${scope}.${name}`,
      position,
      comment: syntax.comment,
      options: NO_OPTIONS,
      features: defaultFeatures("proto3"),
    };
  }
}

/** The largest number of an extension of a message set. */
export const MAX_MESSAGE_SET_NUMBER: number = 2 ** 31 - 2;

function reservations(syntax: Reservations): Pick<MessageModel, "reservedRanges" | "reservedNames"> {
  const names = syntax.reservedNames.map(({ text }) => text);
  return { reservedRanges: syntax.reservedRanges, reservedNames: names.length === 0 ? NO_NAMES : new Set(names) };
}

const NO_NAMES: ReadonlySet<string> = new Set();

/** Stands for the options of what has none; never written to. */
const NO_OPTIONS = new OptionMessage();
const NO_POLICY: MethodPolicy = {
  deadlineMs: undefined,
  oneWay: false,
  priority: undefined,
  idempotency: undefined,
  client: {},
  server: {},
};

/** Stands for a field's type until the linker has found it. */
export const UNRESOLVED_TYPE: FieldType = Object.freeze({ kind: "scalar", scalar: "bytes" });

/** Stands for a type until the linker has found it; generation stops if it does not. */
const UNRESOLVED = Object.freeze({ kind: "message", name: "", fullName: "" }) as unknown as MessageModel;

/** True for a message in the format that protobuf had before groups; its extensions may have larger numbers. */
function isMessageSet({ options }: MessageSyntax): boolean {
  return options.some(({ path, value }) => {
    const isOption = path.length === 1 && path[0]!.text === "message_set_wire_format";
    return isOption && value.kind === "identifier" && value.text === "true";
  });
}

function methodKind({ inputStream, outputStream }: MethodSyntax): MethodModel["methodKind"] {
  if (inputStream) return outputStream ? "bidi-streaming" : "client-streaming";
  return outputStream ? "server-streaming" : "unary";
}
