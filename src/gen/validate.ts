// The rules of the language that neither the grammar nor the linker needs, but protoc enforces: numbers, names, what
// each syntax allows. Every violation is reported where it stands.

import { type DeclaredFile, MAX_MESSAGE_SET_NUMBER, type Pending, type PendingExtension } from "./declare.js";
import { entryName } from "./descriptor/to-descriptor.js";
import { isPackable } from "./link.js";
import type { EnumModel, FieldModel, MessageModel, MethodModel } from "./model.js";
import { BEFORE_2024, MAX_FIELD_NUMBER } from "./parser.js";
import { type Diagnostics, formatPosition, type Position } from "./source.js";
import type { EnumSyntax, FieldSyntax, MessageSyntax, MethodSyntax, NumberRange, Text } from "./syntax.js";
import { reportDeclarations, reportUndeclared } from "./validate-declarations.js";
import { reportFeatures } from "./validate-features.js";
import { reportJsonClashes, reportValueClashes } from "./validate-names.js";
import { type OwnedRange, type Report, reportOverlaps, reportRepeatedNames } from "./validate-ranges.js";
import { reportStyle } from "./validate-style.js";
import { exportedInVain, isVisible } from "./visibility.js";

/** Numbers that protobuf keeps for itself. */
const RESERVED_FIRST = 19_000;
const RESERVED_LAST = 19_999;
const MAP_KEYS = new Set(
  "int32 int64 uint32 uint64 sint32 sint64 fixed32 fixed64 sfixed32 sfixed64 bool string".split(" "),
);
const MIN_ENUM_NUMBER = -(2 ** 31);
const MAX_ENUM_NUMBER = 2 ** 31 - 1;

const NOT_EXPORTED =
  "STRICT default_symbol_visibility exports nothing nested, but enums of a message that reserves 1 to max";

/** Reports what is well-formed and linked but not allowed. */
export function validate(file: DeclaredFile, diagnostics: Diagnostics): void {
  const validator = new Validator(file, diagnostics);
  for (const message of file.messages) validator.message(message);
  for (const field of [...file.fields, ...file.extensions]) validator.field(field);
  for (const extension of file.extensions) validator.extension(extension);
  for (const declared of file.enums) validator.enum(declared);
  for (const { model, syntax } of file.messages) validator.uniqueNumbers(model, syntax);
  for (const method of file.methods) validator.method(method);
  validator.imports();
  reportFeatures(file.model, diagnostics);
  reportStyle(file.model, diagnostics);
}

class Validator {
  private readonly file: DeclaredFile;
  private readonly diagnostics: Diagnostics;
  private readonly isProto3: boolean;

  constructor(file: DeclaredFile, diagnostics: Diagnostics) {
    this.file = file;
    this.diagnostics = diagnostics;
    this.isProto3 = file.model.edition === "proto3";
  }

  message({ model, syntax }: Pending<MessageModel, MessageSyntax>): void {
    for (const oneof of model.oneofs) {
      if (oneof.fields.length === 0) this.error(oneof.position, `the oneof "${oneof.name}" has no fields`);
    }
    if (this.isProto3) {
      for (const range of syntax.extensionRanges) this.error(range, "proto3 messages have no extension ranges");
    }
    reportJsonClashes(model, this.diagnostics);
    this.ranges(model, syntax);
    this.messageSet(model, syntax);
    this.reservedNames(syntax);
    this.mapEntries(model);
    this.ownOptions(model);
    reportDeclarations(model, this.diagnostics);
    for (const { position } of exportedInVain(model)) this.error(position, NOT_EXPORTED);
    const owned = (what: OwnedRange["what"], ranges: readonly NumberRange[]): OwnedRange[] =>
      ranges.map((range) => ({ ...range, what }));
    reportOverlaps(
      [...owned("reserved", syntax.reservedRanges), ...owned("extension", syntax.extensionRanges)],
      this.report,
    );
  }

  private ranges(model: MessageModel, { reservedRanges, extensionRanges }: MessageSyntax): void {
    for (const range of [...reservedRanges, ...extensionRanges]) {
      if (range.first < 1) this.error(range, `numbers of fields begin at 1, not ${range.first}`);
    }
    for (const [index, range] of extensionRanges.entries()) {
      const { last } = model.extensionRanges[index]!;
      if (range.last > last && Number.isFinite(range.last)) this.error(range, `numbers of extensions end at ${last}`);
    }
  }

  /** What protobuf had before groups: messages with nothing but extensions. */
  private messageSet(model: MessageModel, { fields }: MessageSyntax): void {
    if (!isMessageSet(model)) return;
    if (this.isProto3) this.error(model.position, "proto3 has no message sets");
    for (const { name } of fields) this.error(name, "a message set has extensions and no fields");
  }

  private ownOptions({ options, position }: MessageModel): void {
    if (options.values.has("map_entry"))
      this.error(
        options.positions.get("map_entry") ?? position,
        "map_entry is not for manifests; write map<key, value>",
      );
  }

  /** Every map declares a message for its entries. */
  private mapEntries({ fields, messages, enums, oneofs }: MessageModel): void {
    const taken = new Set([...fields, ...messages, ...enums, ...oneofs].map(({ name }) => name));
    for (const { name, cardinality, position } of fields) {
      if (cardinality !== "map") continue;
      const entry = entryName(name);
      if (taken.has(entry)) this.error(position, `the map "${name}" needs the name "${entry}" for its entries`);
      taken.add(entry);
    }
  }

  private readonly report: Report = (at, text) => this.error(at, text);

  private reservedNames(syntax: MessageSyntax): void {
    reportRepeatedNames(syntax.reservedNames, this.report);
    const reserved = new Set(syntax.reservedNames.map(({ text }) => text));
    for (const { name } of syntax.fields) {
      if (reserved.has(name.text)) this.error(name, `the field name "${name.text}" is reserved`);
    }
  }

  /** Fields with the same number, and numbers that are reserved. */
  uniqueNumbers(model: MessageModel, syntax: MessageSyntax): void {
    const seen = new Map<number, FieldModel>();
    for (const [index, field] of model.fields.entries()) {
      const at = { text: "", offset: syntax.fields[index]!.numberOffset };
      const other = seen.get(field.number);
      if (other !== undefined)
        this.error(
          at,
          `number ${field.number} is already used by "${other.name}" at ${formatPosition(other.position)}`,
        );
      else seen.set(field.number, field);
      if (isIn(field.number, syntax.reservedRanges)) this.error(at, `number ${field.number} is reserved`);
      if (isIn(field.number, syntax.extensionRanges))
        this.error(at, `number ${field.number} is in a range for extensions`);
    }
  }

  field({ model, syntax }: Pending<FieldModel, FieldSyntax>): void {
    this.fieldNumber(syntax, model.extendee === undefined ? MAX_FIELD_NUMBER : MAX_MESSAGE_SET_NUMBER);
    this.label(model, syntax);
    if (syntax.mapKey !== undefined) this.mapField(model, syntax, syntax.mapKey);
    if (model.options.get("packed") === true && !(model.cardinality === "repeated" && isPackable(model.type))) {
      this.error(model.position, "only repeated numbers, bools and enums can be packed");
    }
    const isLazy = model.options.get("lazy") === true || model.options.get("unverified_lazy") === true;
    if (isLazy && (!isMessage(model) || syntax.isGroup)) {
      this.error(model.position, "only a field that holds a message can be lazy");
    }
    this.enumOf(model);
    if (model.type.kind !== "scalar")
      this.visible(syntax.type, model.type.kind === "enum" ? model.type.enum : model.type.message);
    if (Number(model.options.get("jstype") ?? 0) !== 0 && !is64Bit(model)) {
      this.error(model.position, "jstype is for 64-bit integers");
    }
    if (model.defaultValue !== undefined) this.default(model);
  }

  private fieldNumber({ number, numberOffset }: FieldSyntax, max: number): void {
    const at = { text: "", offset: numberOffset };
    if (!(number >= 1 && number <= max)) this.error(at, `a field's number is from 1 to ${max}, not ${number}`);
    else if (number >= RESERVED_FIRST && number <= RESERVED_LAST) {
      this.error(at, `numbers from ${RESERVED_FIRST} to ${RESERVED_LAST} are reserved for protobuf itself`);
    }
  }

  private label(model: FieldModel, { label, labelOffset, oneof, isGroup, type }: FieldSyntax): void {
    const at = { text: "", offset: labelOffset };
    const { edition } = this.file.model;
    if (oneof !== undefined && label !== undefined)
      this.error(at, `fields of a oneof have no label; remove "${label}"`);
    if (model.cardinality === "map" && label !== undefined)
      this.error(at, `map fields have no label; remove "${label}"`);
    if (label === "required" && edition !== "proto2") this.error(at, "only proto2 has required fields");
    if (label === "optional" && edition !== "proto2" && edition !== "proto3") {
      this.error(at, "editions have no optional label; presence is the default, or features.field_presence");
    }
    if (label === undefined && edition === "proto2" && oneof === undefined && model.cardinality === "single") {
      this.error(at, 'a proto2 field needs a label: "optional", "required" or "repeated"');
    }
    if (isGroup && !/^[A-Z]/.test(type.text.slice(type.text.lastIndexOf(".") + 1)))
      this.error(type, "the name of a group begins with a capital letter");
    if (isGroup && edition !== "proto2") this.error(at, "only proto2 has groups");
  }

  private mapField(model: FieldModel, { oneof }: FieldSyntax, key: Text): void {
    if (!MAP_KEYS.has(key.text)) this.error(key, `a map's keys are integers, bools or strings, not ${key.text}`);
    if (oneof !== undefined) this.error(model.position, "a oneof cannot hold a map");
    if (model.extendee !== undefined) this.error(model.position, "an extension cannot be a map");
  }

  method({ model, syntax }: Pending<MethodModel, MethodSyntax>): void {
    this.visible(syntax.input, model.input);
    this.visible(syntax.output, model.output);
  }

  imports(): void {
    const seen = new Set<string>();
    const isNew = !BEFORE_2024.has(this.file.model.edition);
    let optionsBegan = false;
    for (const { path, kind } of this.file.syntax.imports) {
      if (kind === "weak" && isNew)
        this.error(path, 'edition 2024 has no "import weak"; perhaps "import option" will do');
      if (kind === "option" && !isNew) this.error(path, '"import option" came with edition 2024');
      if (kind !== "option" && optionsBegan) this.error(path, "imports of types come before imports of options");
      optionsBegan ||= kind === "option";
      if (seen.has(path.text)) this.error(path, `"${path.text}" is imported twice`);
      seen.add(path.text);
    }
  }

  private visible(at: Text, declared: MessageModel | EnumModel): void {
    if (declared.file === undefined || isVisible(declared, this.file.model)) return;
    this.error(at, `${declared.fullName} is local to ${declared.file.name}`);
  }

  /** What a field's enum must be, beyond being one. */
  private enumOf({ type, position, cardinality }: FieldModel): void {
    if (type.kind !== "enum") return;
    const { fullName, file, features, values } = type.enum;
    const why = file.edition === "proto2" ? "is declared in proto2, so it is closed" : "is closed";
    if (this.isProto3 && features.closedEnums)
      this.error(position, `proto3 fields hold open enums; ${fullName} ${why}`);
    if (cardinality === "map" && values[0] !== undefined && values[0].number !== 0)
      this.error(position, `the first value of an enum that a map holds must be 0; that of ${fullName} is not`);
  }

  private default(model: FieldModel): void {
    if (this.isProto3) this.error(model.position, "proto3 fields have no defaults of their own");
    else if (model.cardinality !== "single" || model.type.kind === "message") {
      this.error(model.position, "only single scalar and enum fields have a default");
    }
  }

  extension({ model, syntax, extend }: PendingExtension): void {
    const { extendee } = model;
    if (extendee === undefined) return;
    this.visible(extend.extendee, extendee);
    if (!isIn(model.number, extendee.extensionRanges)) {
      const at = { text: "", offset: syntax.numberOffset };
      this.error(at, `${extendee.fullName} does not leave number ${model.number} to extensions`);
    }
    if (this.isProto3 && !/^google\.protobuf\.\w+Options$/.test(extendee.fullName)) {
      this.error(
        model.position,
        `proto3 can only extend the option messages of google.protobuf, not ${extendee.fullName}`,
      );
    }
    reportUndeclared(model, extendee, this.diagnostics);
    const json = syntax.options.find(({ path }) => path.length === 1 && path[0]!.text === "json_name");
    if (json !== undefined) this.error({ text: "", offset: json.offset }, "an extension has no json_name of its own");
    if (model.label === "required") this.error(model.position, "an extension cannot be required");
    if (isMessageSet(extendee) && (model.cardinality !== "single" || !isMessage(model)))
      this.error(model.position, `${extendee.fullName} is a message set: what extends it is one message`);
  }

  enum({ model, syntax }: Pending<EnumModel, EnumSyntax>): void {
    const [first] = model.values;
    if (first === undefined) {
      this.error(model.position, `the enum "${model.name}" has no values`);
      return;
    }
    if (!model.features.closedEnums && first.number !== 0) {
      this.error(
        { text: "", offset: syntax.values[0]!.numberOffset },
        "the first value of an open enum (as in proto3) must be 0",
      );
    }
    this.enumNumbers(model, syntax);
    reportValueClashes(model, this.diagnostics);
  }

  private enumNumbers(model: EnumModel, syntax: EnumSyntax): void {
    reportRepeatedNames(syntax.reservedNames, this.report);
    reportOverlaps(
      syntax.reservedRanges.map((range) => ({ ...range, what: "reserved" })),
      this.report,
    );
    const aliases = model.options.get("allow_alias") === true;
    this.needlessAlias(model);
    const reserved = new Set(syntax.reservedNames.map(({ text }) => text));
    const seen = new Map<number, string>();
    for (const { name, number, numberOffset } of syntax.values) {
      const at = { text: "", offset: numberOffset };
      const other = seen.get(number);
      if (other !== undefined && !aliases) {
        this.error(at, `number ${number} is already used by "${other}"; "option allow_alias = true" would allow it`);
      }
      seen.set(number, name.text);
      if (number < MIN_ENUM_NUMBER || number > MAX_ENUM_NUMBER)
        this.error(at, `an enum's number has 32 bits; ${number} does not fit`);
      if (isIn(number, syntax.reservedRanges)) this.error(at, `number ${number} is reserved`);
      if (reserved.has(name.text)) this.error(name, `the value name "${name.text}" is reserved`);
    }
  }

  private needlessAlias({ options, values, position }: EnumModel): void {
    const allowed = options.get("allow_alias");
    const at = options.positions.get("allow_alias") ?? position;
    if (allowed === false) this.error(at, "allow_alias = false says nothing; remove it");
    if (allowed === true && new Set(values.map(({ number }) => number)).size === values.length)
      this.error(at, "allow_alias is for values that share a number, and none do; remove it");
  }

  private error(at: Position | Text | NumberRange, text: string): void {
    this.diagnostics.error({ file: this.file.syntax.source, offset: at.offset }, text);
  }
}

function isIn(number: number, ranges: readonly Pick<NumberRange, "first" | "last">[]): boolean {
  return ranges.some(({ first, last }) => number >= first && number <= last);
}

function isMessageSet({ options }: MessageModel): boolean {
  return options.get("message_set_wire_format") === true;
}

function isMessage({ type }: FieldModel): boolean {
  return type.kind === "message";
}

function is64Bit({ type }: FieldModel): boolean {
  return type.kind === "scalar" && type.scalar.endsWith("64");
}
