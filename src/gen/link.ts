// Ties manifests together: finds the declaration that each name means, reads options against their schemas and
// settles what depends on them. A pass over all files at a time: declare, types, extensions, options, features.
// Names are looked up by protoc's rules (scope.ts), never by a library's.

import {
  type DeclaredFile,
  declareFile,
  type OptionsSyntax,
  type Pending,
  type PendingExtension,
  UNRESOLVED_TYPE,
} from "./declare.js";
import { decodeOptions, type Schema } from "./descriptor/option-bytes.js";
import { defaultFeatures, overrideFeatures } from "./features.js";
import {
  type Element,
  type EnumModel,
  type Features,
  type FieldModel,
  type FieldType,
  type FileModel,
  type MessageModel,
  type OptionMessage,
  SCALARS,
  type Scalar,
} from "./model.js";
import { didYouMean, nearest } from "./nearest.js";
import { type OptionContext, readOptions, readOptionValue } from "./options.js";
import { type Declaration, isType, SymbolTable, type View } from "./scope.js";
import { type Diagnostics, formatPosition, type Position } from "./source.js";
import type { FieldSyntax, FileSyntax, OptionSyntax, Text } from "./syntax.js";

/** Linked manifests, in the order given. */
export interface Linked {
  readonly files: readonly DeclaredFile[];
}

/** The manifest that option schemas come from; it must be among the linked ones for options to be read. */
export const DESCRIPTOR_MANIFEST = "google/protobuf/descriptor.proto";

/** Links manifests that import nothing beyond each other. Mistakes go to `diagnostics`. */
export function link(files: readonly FileSyntax[], diagnostics: Diagnostics): Linked {
  return new Linker(files, diagnostics).run();
}

class Linker {
  private readonly diagnostics: Diagnostics;
  private readonly symbols: SymbolTable;
  private readonly files: DeclaredFile[];
  private readonly views: ReadonlyMap<FileModel, View>;
  private readonly optionViews: ReadonlyMap<FileModel, View>;
  private readonly packings: (() => void)[] = [];
  private readonly extensions = new Map<Schema, Map<number, FieldModel>>();

  constructor(syntaxes: readonly FileSyntax[], diagnostics: Diagnostics) {
    this.diagnostics = diagnostics;
    this.symbols = new SymbolTable(diagnostics);
    this.files = syntaxes.map((syntax) => declareFile(syntax, this.symbols));
    this.views = buildViews(this.files);
    this.optionViews = buildOptionViews(this.files, this.views);
  }

  run(): Linked {
    for (const file of this.files) this.checkPackage(file);
    for (const file of this.files) this.resolveFields(file);
    for (const file of this.files) this.resolveExtensions(file);
    for (const file of this.files) this.resolveMethods(file);
    for (const file of this.files) this.readOptions(file);
    for (const file of this.files) settleFeatures(file);
    for (const pack of this.packings) pack();
    return { files: this.files };
  }

  private checkPackage({ model, syntax }: DeclaredFile): void {
    for (const name of enclosingPackages(model.package)) {
      this.symbols.refusePackageClash(name, { file: syntax.source, offset: 0 });
    }
  }

  private resolveFields(file: DeclaredFile): void {
    for (const pending of file.fields) this.resolveField(file, pending);
  }

  private resolveExtensions(file: DeclaredFile): void {
    for (const pending of file.extensions) {
      this.resolveField(file, pending);
      pending.model.extendee = this.extendee(file, pending);
      this.claimNumber(file, pending);
    }
  }

  /** An extension's number must be its own among all extensions of the message. */
  private claimNumber(file: DeclaredFile, { model, syntax }: PendingExtension): void {
    const { extendee, number } = model;
    if (extendee === undefined) return;
    const claimed = this.extensions.get(extendee) ?? new Map<number, FieldModel>();
    const other = claimed.get(number);
    if (other === undefined) this.extensions.set(extendee, claimed.set(number, model));
    else {
      const at = this.position(file, { text: "", offset: syntax.numberOffset });
      const place = formatPosition(other.position);
      this.diagnostics.error(
        at,
        `extension ${number} of ${extendee.fullName} is already "${other.fullName}", at ${place}`,
      );
    }
  }

  private extendee(file: DeclaredFile, { extend, scope }: PendingExtension): MessageModel | undefined {
    const found = this.type(file, extend.extendee, scope);
    if (found === undefined || found.kind === "message") return found;
    this.diagnostics.error(
      this.position(file, extend.extendee),
      `only messages can be extended; ${found.fullName} is an enum`,
    );
    return undefined;
  }

  private resolveField(file: DeclaredFile, { model, syntax, scope }: Pending<FieldModel, FieldSyntax>): void {
    if (SCALARS.has(syntax.type.text)) {
      model.type = { kind: "scalar", scalar: syntax.type.text as Scalar };
      return;
    }
    const found = this.type(file, syntax.type, scope);
    if (found !== undefined) model.type = asFieldType(found);
  }

  private resolveMethods(file: DeclaredFile): void {
    for (const { model, syntax, scope } of file.methods) {
      model.input = this.messageType(file, syntax.input, scope) ?? model.input;
      model.output = this.messageType(file, syntax.output, scope) ?? model.output;
    }
  }

  private messageType(file: DeclaredFile, name: Text, scope: string): MessageModel | undefined {
    const found = SCALARS.has(name.text) ? undefined : this.type(file, name, scope);
    if (found?.kind === "message") return found;
    if (found !== undefined || SCALARS.has(name.text)) {
      this.diagnostics.error(this.position(file, name), `an rpc takes and returns messages; "${name.text}" is none`);
    }
    return undefined;
  }

  private type(file: DeclaredFile, name: Text, scope: string): MessageModel | EnumModel | undefined {
    const view = this.views.get(file.model)!;
    const { found, unimported } = this.symbols.lookup(name.text, scope, view, isType);
    if (found !== undefined && isType(found)) return found;
    this.diagnostics.error(this.position(file, name), this.explainMissing(name.text, found, unimported, view));
    return undefined;
  }

  private explainMissing(
    name: string,
    found: Declaration | undefined,
    unimported: string | undefined,
    view: View,
  ): string {
    if (found !== undefined) return `"${name}" is not a type but a ${found.kind}`;
    if (unimported !== undefined) return `"${name}" is declared in ${unimported}, which is not imported`;
    const near = this.symbols.nearest(name, view, isType) ?? nearest(name, SCALARS, (scalar) => scalar);
    // The name exists as written, but its first part was found in an inner scope; a leading dot begins at the root.
    const meant = near === name ? `.${near}` : near;
    return `unknown type "${name}"${didYouMean(meant)}`;
  }

  private readOptions(file: DeclaredFile): void {
    const view = this.optionViews.get(file.model)!;
    const { symbols, diagnostics } = this;
    const { source } = file.syntax;
    const packLater = (pack: () => void): void => {
      this.packings.push(pack);
    };
    for (const { element, syntax, schema, scope } of file.options) {
      const type = this.symbols.get(`google.protobuf.${schema}`);
      if (type?.kind !== "message") continue;
      const context = { symbols, diagnostics, view, source, scope, packLater };
      element.options = this.optionsOf(syntax, type, schema, context);
      if (schema === "FieldOptions") readPseudoOptions(element as FieldModel, syntax.options, context);
    }
  }

  private optionsOf(
    { options, encodedOptions }: OptionsSyntax,
    type: MessageModel,
    schema: string,
    context: OptionContext,
  ): OptionMessage {
    if (encodedOptions !== undefined) return decodeOptions(encodedOptions, type, this.findExtension);
    const inSchema = options.filter((option) => !isPseudoOption(schema, option));
    return readOptions(inSchema, type, context);
  }

  private readonly findExtension = (extendee: Schema, number: number): FieldModel | undefined =>
    this.extensions.get(extendee)?.get(number);

  private position(file: DeclaredFile, { offset }: Text): Position {
    return { file: file.syntax.source, offset };
  }
}

/** Fields have two options that are in no schema: their default and their name in JSON. */
function isPseudoOption(schema: string, { path }: OptionSyntax): boolean {
  const [first] = path;
  return schema === "FieldOptions" && !first!.extension && (first!.text === "default" || first!.text === "json_name");
}

function readPseudoOptions(field: FieldModel, options: readonly OptionSyntax[], context: OptionContext): void {
  const seen = new Set<string>();
  for (const option of options) {
    if (!isPseudoOption("FieldOptions", option)) continue;
    const { text: name, offset } = option.path[0]!;
    const position = { file: context.source, offset };
    if (seen.has(name)) context.diagnostics.error(position, `option "${name}" is set twice`);
    if (option.path.length > 1) context.diagnostics.error(position, `option "${name}" has no fields of its own`);
    seen.add(name);
    const isName = name === "json_name";
    if (!isName && field.type === UNRESOLVED_TYPE) continue;
    const value = readOptionValue(option.value, isName ? STRING : field.type, context);
    if (isName && typeof value === "string") field.jsonName = value;
    else if (!isName) field.defaultValue = value;
  }
}

const STRING: FieldType = { kind: "scalar", scalar: "string" };

function asFieldType(found: MessageModel | EnumModel): FieldType {
  return found.kind === "message" ? { kind: "message", message: found } : { kind: "enum", enum: found };
}

/** What each file sees. */
function buildViews(files: readonly DeclaredFile[]): ReadonlyMap<FileModel, View> {
  const byName = new Map(files.map((file) => [file.model.name, file]));
  return new Map(files.map((file) => [file.model, buildView(file, byName, false)]));
}

/** What options see, which may be more than types do: files imported for their options alone. */
function buildOptionViews(
  files: readonly DeclaredFile[],
  views: ReadonlyMap<FileModel, View>,
): ReadonlyMap<FileModel, View> {
  const byName = new Map(files.map((file) => [file.model.name, file]));
  const hasOptionImport = ({ syntax }: DeclaredFile): boolean => syntax.imports.some(({ kind }) => kind === "option");
  return new Map(
    files.map((file) => [file.model, hasOptionImport(file) ? buildView(file, byName, true) : views.get(file.model)!]),
  );
}

function buildView(file: DeclaredFile, byName: ReadonlyMap<string, DeclaredFile>, forOptions: boolean): View {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const include = (name: string): void => {
    const imported = byName.get(name);
    if (imported === undefined || seen.has(name)) return;
    seen.add(name);
    for (const enclosing of enclosingPackages(imported.model.package)) packages.add(enclosing);
    for (const { path, kind } of imported.syntax.imports) {
      if (kind === "option" && !forOptions) continue;
      if (kind === "public" || imported === file) include(path.text);
    }
  };
  include(file.model.name);
  return { files: seen, packages };
}

function enclosingPackages(name: string): string[] {
  if (name === "") return [];
  const parts = name.split(".");
  return parts.map((_, index) => parts.slice(0, index + 1).join("."));
}

function settleFeatures({ model }: DeclaredFile): void {
  model.features = overrideFeatures(defaultFeatures(model.edition), model.options);
  for (const message of model.messages) settleMessage(message, model.features);
  for (const declared of model.enums) settleEnum(declared, model.features);
  for (const extension of model.extensions) settleField(extension, model.features, model);
  for (const service of model.services) {
    inherit(service, model.features);
    for (const method of service.methods) inherit(method, service.features);
  }
}

function settleMessage(message: MessageModel, parent: Features): void {
  inherit(message, parent);
  for (const oneof of message.oneofs) inherit(oneof, message.features);
  for (const field of message.fields) settleField(field, field.oneof?.features ?? message.features, message.file);
  for (const extension of message.extensions) settleField(extension, message.features, message.file);
  for (const nested of message.messages) settleMessage(nested, message.features);
  for (const nested of message.enums) settleEnum(nested, message.features);
}

function settleEnum(declared: EnumModel, parent: Features): void {
  inherit(declared, parent);
  for (const value of declared.values) inherit(value, declared.features);
}

function settleField(field: FieldModel, parent: Features, file: FileModel): void {
  inherit(field, parent);
  const { features } = field;
  const packed = field.options.get("packed");
  field.packed =
    field.cardinality === "repeated" &&
    isPackable(field.type) &&
    (typeof packed === "boolean" ? packed : features.packed);
  field.delimited ||= features.delimited && field.type.kind === "message" && field.cardinality !== "map";
  field.presence = presenceOf(field, file);
}

function presenceOf(field: FieldModel, file: FileModel): Features["presence"] {
  if (field.cardinality !== "single") return "implicit";
  if (field.label === "required") return "required";
  if (field.label === "optional" || field.oneof !== undefined || field.type.kind === "message") return "explicit";
  return file.edition === "proto2" ? "explicit" : field.features.presence;
}

/** True for what may be repeated without a tag for each value. */
export function isPackable(type: FieldType): boolean {
  return type.kind === "enum" || (type.kind === "scalar" && type.scalar !== "string" && type.scalar !== "bytes");
}

function inherit(element: Element, parent: Features): void {
  element.features = overrideFeatures(parent, element.options);
}
