// Options, read as their own schema says: `deprecated` is a field of google.protobuf.FieldOptions, `(google.api.http)`
// an extension of it found by the scoping rules, and a value must fit the field it is for. 64-bit integers keep every
// digit, and an identifier is an enum value only where the schema has an enum.

import { roundToFloat } from "./descriptor/float-text.js";
import { encodeOptions } from "./descriptor/option-bytes.js";
import {
  type EnumModel,
  entryFields,
  type FieldModel,
  type FieldType,
  type MessageModel,
  OptionMessage,
  type OptionResult,
  type Scalar,
} from "./model.js";
import { didYouMean, nearest } from "./nearest.js";
import { ZEROS } from "./scalars.js";
import type { Declaration, SymbolTable, View } from "./scope.js";
import type { Diagnostics, Position, SourceFile } from "./source.js";
import type { AggregateField, OptionPart, OptionSyntax, OptionValue } from "./syntax.js";

/** Integer types and what they can hold. */
const INTEGER_RANGES: ReadonlyMap<Scalar, readonly [bigint, bigint]> = new Map(
  (["int", "sint", "sfixed"] as const)
    .flatMap((prefix): [Scalar, readonly [bigint, bigint]][] => [
      [`${prefix}32`, [-(1n << 31n), (1n << 31n) - 1n]],
      [`${prefix}64`, [-(1n << 63n), (1n << 63n) - 1n]],
    ])
    .concat(
      (["uint", "fixed"] as const).flatMap((prefix): [Scalar, readonly [bigint, bigint]][] => [
        [`${prefix}32`, [0n, (1n << 32n) - 1n]],
        [`${prefix}64`, [0n, (1n << 64n) - 1n]],
      ]),
    ),
);

/** Where options are read: who sees what, and who hears of mistakes. */
export interface OptionContext {
  readonly symbols: SymbolTable;
  readonly diagnostics: Diagnostics;
  readonly view: View;
  readonly source: SourceFile;
  /** The full name of what the options are written in. */
  readonly scope: string;
  /** Runs something once it is settled how every field is encoded; what was given first runs first. */
  packLater(pack: () => void): void;
}

/** Reads options into a message of type `schema`. */
export function readOptions(
  options: readonly OptionSyntax[],
  schema: MessageModel,
  context: OptionContext,
): OptionMessage {
  const result = new OptionMessage();
  const reader = new OptionReader(context);
  for (const option of options) reader.set(result, schema, option);
  return result;
}

/** Reads a field's default, or its name in JSON, as a field of `type` would have it; undefined if it does not fit, which is reported. */
export function readOptionValue(value: OptionValue, type: FieldType, context: OptionContext): OptionResult | undefined {
  return new OptionReader(context, "default").value(value, type);
}

/** Where a value stands: it is an option, part of one written in braces, or a field's default. */
type Style = "option" | "text" | "default";

class OptionReader {
  private readonly context: OptionContext;
  private readonly style: Style;

  constructor(context: OptionContext, style: Style = "option") {
    this.context = context;
    this.style = style;
  }

  private get isText(): boolean {
    return this.style === "text";
  }

  /** Sets one option: walks its path to the field that it names, then reads the value as that field. */
  set(target: OptionMessage, schema: MessageModel, { path, value }: OptionSyntax): void {
    let message = target;
    let type = schema;
    for (const [index, part] of path.entries()) {
      const field = this.field(type, part);
      if (field === undefined) return;
      if (index === path.length - 1) {
        this.assign(message, field, part, value);
        return;
      }
      if (field.type.kind !== "message" || field.cardinality !== "single") {
        const what =
          field.type.kind === "message" ? "is repeated, so it takes a whole { ... }" : "has no fields of its own";
        this.error(part.offset, `option "${part.text}" ${what}`);
        return;
      }
      message = this.stepInto(message, field, part);
      type = field.type.message;
    }
  }

  private stepInto(message: OptionMessage, field: FieldModel, { offset }: OptionPart): OptionMessage {
    const key = OptionMessage.keyOf(field);
    const known = message.message(key);
    if (known !== undefined) return known;
    const created = new OptionMessage();
    message.put(field, created);
    message.positions.set(key, this.position(offset));
    return created;
  }

  private assign(message: OptionMessage, field: FieldModel, at: OptionPart, value: OptionValue): void {
    const key = OptionMessage.keyOf(field);
    if (field.cardinality !== "single") {
      this.append(message, field, at, value);
      return;
    }
    if (message.values.has(key)) {
      this.error(at.offset, `option "${at.text}" is set twice`);
      return;
    }
    if (value.kind === "list") {
      this.error(value.offset, `option "${at.text}" takes one value, not a list`);
      return;
    }
    if (this.oneofTaken(message, field, at)) return;
    const result = this.value(value, field.type);
    if (result !== undefined) message.put(field, result);
    message.positions.set(key, this.position(value.offset));
  }

  private append(message: OptionMessage, field: FieldModel, at: OptionPart, value: OptionValue): void {
    for (const item of value.kind === "list" ? value.items : [value]) {
      const result = field.cardinality === "map" ? this.mapEntry(field, item) : this.value(item, field.type);
      if (result !== undefined) message.put(field, result);
    }
    message.positions.set(OptionMessage.keyOf(field), this.position(at.offset));
  }

  private mapEntry(map: FieldModel, value: OptionValue): OptionResult | undefined {
    if (value.kind !== "aggregate") return this.mismatch(value, "a map entry { key: ... value: ... }");
    const entry = new OptionMessage();
    for (const { name, value: part } of value.fields) {
      const field = entryFields(map).find((known) => known.name === name.text);
      if (field === undefined) this.error(name.offset, `a map entry has a key and a value, not "${name.text}"`);
      else this.assign(entry, field, name, part);
    }
    for (const field of entryFields(map)) if (!entry.values.has(field.name)) entry.put(field, emptyValue(field.type));
    return entry;
  }

  /** True if the oneof that the field is in is already set in these braces, which is reported; elsewhere the last wins. */
  private oneofTaken(message: OptionMessage, { name, oneof }: FieldModel, at: OptionPart): boolean {
    const other = oneof?.fields.find((member) => member.name !== name && message.values.has(member.name));
    if (other === undefined) return false;
    if (!this.isText) return !message.values.delete(other.name);
    this.error(at.offset, `option "${at.text}" excludes "${other.name}", which is set already`);
    return true;
  }

  /** Reads a value as `type`. */
  value(value: OptionValue, type: FieldType): OptionResult | undefined {
    if (type.kind === "message") return this.message(value, type.message);
    if (type.kind === "enum") return this.enumValue(value, type);
    return this.scalar(value, type.scalar);
  }

  private message(value: OptionValue, type: MessageModel): OptionResult | undefined {
    if (value.kind !== "aggregate") return this.mismatch(value, `a ${type.fullName}, written { ... }`);
    const result = new OptionMessage();
    const reader = this.inText(type);
    for (const field of value.fields) reader.aggregateField(result, type, field);
    const missing = type.fields.filter(({ label, name }) => label === "required" && !result.values.has(name));
    for (const { name } of missing)
      this.error(value.offset, `the required field "${name}" of ${type.fullName} is missing`);
    return result;
  }

  /** What is written in braces is protobuf's text format: names are looked up from the message, and values are laxer. */
  private inText(type: MessageModel): OptionReader {
    const { symbols, diagnostics, view, source, packLater } = this.context;
    return new OptionReader({ symbols, diagnostics, view, source, packLater, scope: type.fullName }, "text");
  }

  private aggregateField(result: OptionMessage, type: MessageModel, { name, value }: AggregateField): void {
    if (name.extension && name.text.includes("/")) {
      this.any(result, type, name, value);
      return;
    }
    const field = this.field(type, name);
    if (field !== undefined) this.assign(result, field, name, value);
  }

  /** `[type.googleapis.com/full.Name] { ... }` in a google.protobuf.Any. */
  private any(result: OptionMessage, type: MessageModel, name: OptionPart, value: OptionValue): void {
    const [typeUrl, bytes] = [1, 2].map((number) => type.fields.find((field) => field.number === number));
    if (type.fullName !== "google.protobuf.Any" || typeUrl === undefined || bytes === undefined) {
      this.error(name.offset, `only a google.protobuf.Any is written [.../type]; this is a ${type.fullName}`);
      return;
    }
    const held = this.context.symbols.get(name.text.slice(name.text.lastIndexOf("/") + 1));
    if (held?.kind !== "message" || !ANY_PREFIXES.includes(name.text.slice(0, name.text.lastIndexOf("/")))) {
      this.error(name.offset, `unknown type "${name.text}"`);
      return;
    }
    const message = this.message(value, held);
    result.put(typeUrl, name.text);
    if (message instanceof OptionMessage) this.context.packLater(() => result.put(bytes, encodeOptions(message)));
  }

  private enumValue(
    value: OptionValue,
    { enum: type }: Extract<FieldType, { kind: "enum" }>,
  ): OptionResult | undefined {
    if (this.isText && value.kind === "integer") return this.enumNumber(value, type);
    if (value.kind !== "identifier") return this.mismatch(value, `a value of the enum ${type.fullName}`);
    const found = type.values.find(({ name }) => name === value.text);
    if (found !== undefined) return found.number;
    const names = type.values.map(({ name }) => name);
    const shown = names.length > 12 ? [...names.slice(0, 12), "..."] : names;
    const near = didYouMean(nearest(value.text, names, (name) => name));
    return this.mismatch(value, `a value of the enum ${type.fullName} (${shown.join(", ")})`, near);
  }

  private enumNumber(
    value: Extract<OptionValue, { kind: "integer" }>,
    { fullName, values, file }: EnumModel,
  ): OptionResult | undefined {
    if (file.edition !== "proto2" || values.some(({ number }) => number === Number(value.value)))
      return this.integer(value, "int32");
    return this.mismatch(value, `a value of the enum ${fullName}`);
  }

  private scalar(value: OptionValue, scalar: Scalar): OptionResult | undefined {
    if (scalar === "string" || scalar === "bytes") {
      if (value.kind !== "string")
        return this.mismatch(value, scalar === "bytes" ? "bytes, written as a string" : "a string");
      return scalar === "bytes" ? new Uint8Array(value.value) : value.value.toString();
    }
    if (scalar === "bool") return this.bool(value);
    if (scalar === "float" || scalar === "double") return this.float(value, scalar);
    return this.integer(value, scalar);
  }

  private bool(value: OptionValue): OptionResult | undefined {
    if (this.isText && value.kind === "integer" && (value.value === 0n || value.value === 1n))
      return value.value === 1n;
    if (this.isText && value.kind === "identifier" && TEXT_BOOLS.has(value.text)) return /^t/i.test(value.text);
    if (value.kind !== "identifier" || (value.text !== "true" && value.text !== "false"))
      return this.mismatch(value, "true or false");
    return value.text === "true";
  }

  /** protoc drops the sign of `-0` where an option is that by itself, and only there. */
  private float(value: OptionValue, scalar: Scalar): OptionResult | undefined {
    if (value.kind === "float") return scalar === "float" ? roundToFloat(value.value) : value.value;
    if (value.kind === "integer" && !(this.isText && value.form === "octal or hexadecimal")) {
      const number = value.form === "-0" && this.style !== "option" ? -0 : Number(value.value);
      return scalar === "float" ? roundToFloat(number) : number;
    }
    const word = value.kind !== "identifier" ? undefined : this.isText ? value.text.toLowerCase() : value.text;
    if (word === "inf" || (this.isText && word === "infinity")) return Number.POSITIVE_INFINITY;
    if (word === "nan") return Number.NaN;
    return this.mismatch(value, `a ${scalar}`);
  }

  private integer(value: OptionValue, scalar: Scalar): OptionResult | undefined {
    if (value.kind !== "integer") return this.mismatch(value, `a whole number (${scalar})`);
    const [least, most] = INTEGER_RANGES.get(scalar)!;
    const isNegative = value.value < least || (least === 0n && value.form === "-0");
    if (isNegative || value.value > most) return this.mismatch(value, `a number from ${least} to ${most} (${scalar})`);
    return scalar.endsWith("64") ? value.value : Number(value.value);
  }

  private field(type: MessageModel, part: OptionPart): FieldModel | undefined {
    return part.extension ? this.extension(type, part) : this.ownField(type, part);
  }

  private ownField(type: MessageModel, part: OptionPart): FieldModel | undefined {
    if (part.text === "uninterpreted_option") {
      this.error(part.offset, "uninterpreted_option is not for manifests");
      return undefined;
    }
    const field = type.fields.find(
      ({ name, type, delimited }) =>
        part.text === name || (this.isText && delimited && type.kind === "message" && part.text === type.message.name),
    );
    if (field === undefined) {
      const near = nearest(part.text, type.fields, ({ name }) => name)?.name;
      this.error(part.offset, `unknown option "${part.text}": ${type.fullName} has no such field${didYouMean(near)}`);
    }
    return field;
  }

  private extension(type: MessageModel, part: OptionPart): FieldModel | undefined {
    const { symbols, view, scope } = this.context;
    const isExtension = (found: Declaration): found is FieldModel =>
      found.kind === "field" && found.extendee !== undefined;
    const { found, unimported } = symbols.lookup(part.text, scope, view, isExtension);
    if (found !== undefined && isExtension(found)) {
      if (found.extendee === type) return found;
      this.error(
        part.offset,
        `option "(${part.text})" extends ${found.extendee?.fullName}, but this is a ${type.fullName}`,
      );
      return undefined;
    }
    const near = symbols.nearest(part.text, view, (other) => isExtension(other) && other.extendee === type);
    const hint =
      unimported === undefined
        ? didYouMean(near === undefined ? undefined : `(${near})`)
        : `; ${unimported}, which has it, is not imported`;
    this.error(part.offset, `unknown option "(${part.text})"${hint}`);
    return undefined;
  }

  private mismatch(value: OptionValue, wanted: string, hint = ""): undefined {
    this.error(value.offset, `expected ${wanted}, found ${describeValue(value)}${hint}`);
    return undefined;
  }

  private error(offset: number, text: string): void {
    this.context.diagnostics.error(this.position(offset), text);
  }

  private position(offset: number): Position {
    return { file: this.context.source, offset };
  }
}

/** What may stand before the name of a type in a written-out Any. */
const ANY_PREFIXES: readonly string[] = ["type.googleapis.com", "type.googleprod.com"];

/** How protobuf's text format may write a bool, beside 0 and 1. */
const TEXT_BOOLS = new Set(["true", "True", "t", "false", "False", "f"]);

/** What a map's entry has for a key or a value that is not written. */
function emptyValue(type: FieldType): OptionResult {
  if (type.kind === "message") return new OptionMessage();
  if (type.kind === "enum") return type.enum.values[0]?.number ?? 0;
  return ZEROS[type.scalar];
}

function describeValue(value: OptionValue): string {
  switch (value.kind) {
    case "aggregate":
      return "{ ... }";
    case "list":
      return "[ ... ]";
    case "identifier":
      return value.text;
    case "string":
      return JSON.stringify(value.value.toString().slice(0, 60));
    default:
      return String(value.value);
  }
}
