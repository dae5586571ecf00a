// Tokens -> what the manifest says (`syntax.ts`), by recursive descent over protobuf's grammar (proto2, proto3 and
// editions). It reports every syntax error it can: after one it resumes at the next statement.
// It resolves no names and reads no option; both need other files. Nesting is bounded, so hostile input cannot
// exhaust the stack.

import { type Token, tokenize, unquote } from "./lexer.js";
import { didYouMean, nearest } from "./nearest.js";
import type { Diagnostics, SourceFile } from "./source.js";
import type {
  AggregateField,
  Edition,
  EnumSyntax,
  EnumValueSyntax,
  ExtendSyntax,
  FieldSyntax,
  FileSyntax,
  ImportSyntax,
  MessageSyntax,
  MethodSyntax,
  NumberRange,
  OneofSyntax,
  OptionPart,
  OptionSyntax,
  OptionValue,
  ServiceSyntax,
  Text,
  Visibility,
} from "./syntax.js";

/** Messages, groups and option values may be nested this deep (protoc's own limit for messages is 32). */
export const MAX_NESTING = 64;
/** The largest number that `to max` stands for in a message. */
export const MAX_FIELD_NUMBER = 536_870_911;
/** The largest number of an enum value. */
export const MAX_ENUM_NUMBER = 2_147_483_647;
const MAX_UINT64 = 2n ** 64n - 1n;

/** Editions in which whatever is declared can be used wherever its manifest is imported. */
export const BEFORE_2024: ReadonlySet<Edition> = new Set(["proto2", "proto3", "2023"]);

const LABELS = new Set(["optional", "required", "repeated"]);
/** What statements begin with, by what they stand in; for "did you mean". */
const KEYWORDS = {
  file: "syntax edition package import option message enum service extend export local".split(" "),
  message: [..."message enum extend oneof option reserved extensions map group export local".split(" "), ...LABELS],
  /** Of a oneof or an extend; there, no statement is empty. */
  fields: ["option", "group", ...LABELS],
  enum: ["option", "reserved"],
  service: ["rpc", "option"],
} as const;
/** A misspelt keyword is found out within this many tokens: `optoin deprecated = true`. */
const GUESS_WITHIN = 3;

/** Reads a manifest. Errors go to `diagnostics`; what could be read is returned all the same. */
export function parse(source: SourceFile, diagnostics: Diagnostics): FileSyntax {
  return new Parser(source, diagnostics).file();
}

/** Unwinds to the statement loop that resumes after a syntax error, which was already reported. */
class SyntaxFailure extends Error {}

class Parser {
  private readonly source: SourceFile;
  private readonly diagnostics: Diagnostics;
  private readonly tokens: Token[];
  private readonly names = new Map<string, string>();
  private index = 0;
  private depth = 0;
  private edition: Edition = "proto2";
  /** Where the statement begins that is being read, and which keywords could. */
  private statement: { readonly index: number; readonly keywords: readonly string[] } = { index: 0, keywords: [] };

  constructor(source: SourceFile, diagnostics: Diagnostics) {
    this.source = source;
    this.diagnostics = diagnostics;
    this.tokens = tokenize(source, diagnostics);
  }

  file(): FileSyntax {
    const file: FileSyntax = {
      source: this.source,
      edition: "proto2",
      package: undefined,
      comment: this.tokens[0]!.leading,
      imports: [],
      options: [],
      messages: [],
      enums: [],
      services: [],
      extends: [],
    };
    if (this.peek.text === "syntax" || this.peek.text === "edition")
      this.attempt(() => this.syntax(file), KEYWORDS.file);
    else this.diagnostics.warning({ file: this.source, offset: 0 }, "no syntax is given, so this is read as proto2");
    while (this.peek.kind !== "end") this.attempt(() => this.topLevel(file), KEYWORDS.file);
    return file;
  }

  private syntax(file: FileSyntax): void {
    const keyword = this.advance();
    this.expect("=");
    const offset = this.peek.offset;
    const value = this.string().toString();
    const known = keyword.text === "syntax" ? ["proto2", "proto3"] : ["2023", "2024", "2026"];
    if (!known.includes(value))
      this.fail(offset, `unknown ${keyword.text} "${value}"; known are ${known.join(" and ")}`);
    file.edition = this.edition = value as Edition;
    this.expect(";");
  }

  private topLevel(file: FileSyntax): void {
    const token = this.peek;
    switch (token.text) {
      case ";":
        this.advance();
        return;
      case "package":
        this.package(file);
        return;
      case "import":
        file.imports.push(this.import());
        return;
      case "option":
        file.options.push(this.optionStatement());
        return;
      case "message":
        file.messages.push(this.message());
        return;
      case "enum":
        file.enums.push(this.enum());
        return;
      case "service":
        file.services.push(this.service());
        return;
      case "extend":
        file.extends.push(this.extend(file.messages));
        return;
      default:
        if (this.isVisibility()) {
          this.visible(file.messages, file.enums);
          return;
        }
        this.unexpected("a message, enum, service, extend, import, option or package");
    }
  }

  /** True at `export message`, `local enum` and the like: since edition 2024 no type can be called so. */
  private isVisibility(): boolean {
    return (this.peek.text === "export" || this.peek.text === "local") && !BEFORE_2024.has(this.edition);
  }

  private visible(messages: MessageSyntax[], enums: EnumSyntax[]): void {
    const visibility = this.advance().text as Visibility;
    if (this.peek.text === "message") messages.push(this.message(visibility));
    else if (this.peek.text === "enum") enums.push(this.enum(visibility));
    else this.unexpected(`message or enum, since that is what can be ${visibility}`);
  }

  private package(file: FileSyntax): void {
    const { offset } = this.advance();
    if (file.package !== undefined) this.fail(offset, "a manifest has one package; this is the second");
    file.package = this.qualifiedName();
    this.expect(";");
  }

  private import(): ImportSyntax {
    this.advance();
    const kind = ["public", "weak", "option"].includes(this.peek.text)
      ? (this.advance().text as ImportSyntax["kind"])
      : "plain";
    const offset = this.peek.offset;
    const path = { text: this.string().toString(), offset };
    this.expect(";");
    return { path, kind };
  }

  // Messages

  private message(visibility?: Visibility): MessageSyntax {
    const comment = this.commentHere();
    this.advance();
    const message = newMessage(this.identifier(), comment, visibility);
    this.block(() => this.messageStatement(message), KEYWORDS.message);
    return message;
  }

  private messageStatement(message: MessageSyntax): void {
    switch (this.peek.text) {
      case "message":
        message.messages.push(this.message());
        return;
      case "enum":
        message.enums.push(this.enum());
        return;
      case "extend":
        message.extends.push(this.extend(message.messages));
        return;
      case "oneof":
        this.oneof(message);
        return;
      case "option":
        message.options.push(this.optionStatement());
        return;
      case "reserved":
        this.reserved(message, MAX_FIELD_NUMBER);
        return;
      case "extensions":
        this.extensions(message);
        return;
      default:
        if (this.isVisibility()) {
          this.visible(message.messages, message.enums);
          return;
        }
        message.fields.push(this.field(message.messages, undefined));
    }
  }

  private field(groups: MessageSyntax[], oneof: number | undefined): FieldSyntax {
    const comment = this.commentHere();
    const labelOffset = this.peek.offset;
    const label = LABELS.has(this.peek.text) ? (this.advance().text as FieldSyntax["label"]) : undefined;
    if (this.peek.text === "group" && this.tokens[this.index + 1]?.kind === "identifier") {
      return this.group(groups, { comment, label, labelOffset, oneof });
    }
    const mapKey = this.mapKey();
    const type = this.typeName();
    if (mapKey !== undefined) this.expect(">");
    const name = this.identifier();
    const { number, offset: numberOffset } = this.assignedNumber();
    const options = this.inlineOptions();
    const end = this.expect(";");
    return {
      name,
      comment: comment ?? end.trailing,
      options,
      label,
      labelOffset,
      type,
      mapKey,
      number,
      numberOffset,
      isGroup: false,
      oneof,
    };
  }

  private mapKey(): Text | undefined {
    if (this.peek.text !== "map" || this.tokens[this.index + 1]?.text !== "<") return undefined;
    this.advance();
    this.advance();
    const key = this.typeName();
    this.expect(",");
    return key;
  }

  private group(
    groups: MessageSyntax[],
    field: Pick<FieldSyntax, "comment" | "label" | "labelOffset" | "oneof">,
  ): FieldSyntax {
    this.advance();
    const type = this.identifier();
    const { number, offset: numberOffset } = this.assignedNumber();
    const options = this.inlineOptions();
    const group = newMessage(type, field.comment);
    groups.push(group);
    this.block(() => this.messageStatement(group), KEYWORDS.message);
    const name = { text: type.text.toLowerCase(), offset: type.offset };
    return { ...field, name, options, type, mapKey: undefined, number, numberOffset, isGroup: true };
  }

  private oneof(message: MessageSyntax): void {
    const comment = this.commentHere();
    this.advance();
    const oneof: OneofSyntax = { name: this.identifier(), comment, options: [] };
    const index = message.oneofs.push(oneof) - 1;
    this.block(() => {
      if (this.peek.text === "option") oneof.options.push(this.optionStatement());
      else message.fields.push(this.field(message.messages, index));
    }, KEYWORDS.fields);
  }

  private extend(groups: MessageSyntax[]): ExtendSyntax {
    this.advance();
    const extend: ExtendSyntax = { extendee: this.typeName(), fields: [] };
    const { offset } = this.peek;
    this.block(() => extend.fields.push(this.field(groups, undefined)), KEYWORDS.fields);
    if (extend.fields.length === 0) this.error(offset, "this extend adds no field");
    return extend;
  }

  private extensions(message: MessageSyntax): void {
    this.advance();
    const ranges = this.ranges(Number.POSITIVE_INFINITY);
    const options = this.inlineOptions();
    message.extensionRanges.push(...ranges.map((range) => ({ ...range, options })));
    this.expect(";");
  }

  private reserved(target: { reservedRanges: NumberRange[]; reservedNames: Text[] }, max: number): void {
    this.advance();
    if (this.peek.kind === "string" || this.peek.kind === "identifier") {
      do target.reservedNames.push(this.reservedName());
      while (this.take(","));
    } else {
      target.reservedRanges.push(...this.ranges(max));
    }
    this.expect(";");
  }

  private reservedName(): Text {
    const { offset, kind } = this.peek;
    const isEdition = this.edition !== "proto2" && this.edition !== "proto3";
    const name = kind === "string" ? { text: this.string().toString(), offset } : this.identifier();
    if (isEdition && kind === "string") this.error(offset, `editions reserve names without quotes: ${name.text}`);
    if (!isEdition && kind !== "string") this.error(offset, `a reserved name is in quotes here: "${name.text}"`);
    return name;
  }

  private ranges(max: number): NumberRange[] {
    const ranges: NumberRange[] = [];
    do {
      const { number: first, offset } = this.number();
      const last = this.take("to") ? this.rangeEnd(max) : first;
      if (last < first) this.error(offset, "this range ends before it begins");
      if (first > MAX_ENUM_NUMBER || (last > MAX_ENUM_NUMBER && last !== max))
        this.error(offset, `numbers end at ${MAX_ENUM_NUMBER}`);
      ranges.push({ first, last, offset });
    } while (this.take(","));
    return ranges;
  }

  private rangeEnd(max: number): number {
    return this.take("max") ? max : this.number().number;
  }

  // Enums and services

  private enum(visibility?: Visibility): EnumSyntax {
    const comment = this.commentHere();
    this.advance();
    const declared: EnumSyntax = {
      name: this.identifier(),
      comment,
      options: [],
      visibility,
      values: [],
      reservedRanges: [],
      reservedNames: [],
    };
    this.block(() => {
      if (this.peek.text === "option") declared.options.push(this.optionStatement());
      else if (this.peek.text === "reserved") this.reserved(declared, MAX_ENUM_NUMBER);
      else declared.values.push(this.enumValue());
    }, KEYWORDS.enum);
    return declared;
  }

  private enumValue(): EnumValueSyntax {
    const comment = this.commentHere();
    const name = this.identifier();
    const { number, offset: numberOffset } = this.assignedNumber();
    const options = this.inlineOptions();
    const end = this.expect(";");
    return { name, comment: comment ?? end.trailing, options, number, numberOffset };
  }

  private service(): ServiceSyntax {
    const comment = this.commentHere();
    this.advance();
    const service: ServiceSyntax = { name: this.identifier(), comment, options: [], methods: [] };
    this.block(() => {
      if (this.peek.text === "option") service.options.push(this.optionStatement());
      else if (this.peek.text === "rpc") service.methods.push(this.method());
      else this.unexpected("rpc or option");
    }, KEYWORDS.service);
    return service;
  }

  private method(): MethodSyntax {
    const comment = this.commentHere();
    this.advance();
    const name = this.identifier();
    const input = this.methodType();
    this.expect("returns");
    const output = this.methodType();
    const options: OptionSyntax[] = [];
    const end = this.peek;
    if (end.text === "{") this.block(() => options.push(this.optionStatement()), ["option"]);
    else this.expect(";");
    return {
      name,
      comment: comment ?? end.trailing,
      options,
      input: input.type,
      output: output.type,
      inputStream: input.stream,
      outputStream: output.stream,
    };
  }

  private methodType(): { type: Text; stream: boolean } {
    this.expect("(");
    const stream = this.take("stream");
    const type = this.typeName();
    this.expect(")");
    return { type, stream };
  }

  // Options

  private optionStatement(): OptionSyntax {
    if (this.peek.text !== "option") this.unexpected("option");
    this.advance();
    const option = this.option();
    this.expect(";");
    return option;
  }

  private inlineOptions(): OptionSyntax[] {
    if (!this.take("[")) return [];
    const options = [this.option()];
    while (this.take(",")) options.push(this.option());
    this.expect("]");
    return options;
  }

  private option(): OptionSyntax {
    const { offset } = this.peek;
    const path = [this.optionPart()];
    while (this.take(".")) path.push(this.optionPart());
    this.expect("=");
    if (this.peek.text === "<" || this.peek.text === "[") this.unexpected("a value");
    return { path, value: this.optionValue(), offset };
  }

  private optionPart(): OptionPart {
    if (!this.take("(")) return this.plainPart();
    const { text, offset } = this.typeName();
    this.expect(")");
    return { text, offset, extension: true };
  }

  private plainPart(): OptionPart {
    const { text, offset } = this.identifier();
    return { text, offset, extension: false };
  }

  /** `isText` where it is in braces, which hold protobuf's text format. */
  private optionValue(isText = false): OptionValue {
    const { offset, kind, text } = this.peek;
    if (text === "{" || text === "<") return this.aggregate();
    if (text === "[") return this.list();
    if (kind === "string") return { kind: "string", value: this.string(), offset };
    if (text === "-" || kind === "integer" || kind === "float") return this.numericValue(isText);
    if (kind === "identifier") return { kind: "identifier", text: this.identifier().text, offset };
    return this.unexpected("a value");
  }

  private numericValue(isText: boolean): OptionValue {
    const { offset } = this.peek;
    const negative = this.take("-");
    const token = this.advance();
    if (token.kind === "integer") {
      const value = this.integerOf(token);
      const form = negative && value === 0n ? "-0" : /^0./.test(token.text) ? "octal or hexadecimal" : "decimal";
      return { kind: "integer", value: negative ? -value : value, form, offset };
    }
    const value = isText ? textFloat(token) : floatValue(token);
    if (value === undefined) return this.fail(token.offset, `expected a number, found ${describe(token)}`);
    return { kind: "float", value: negative ? -value : value, offset };
  }

  /** The value of a decimal, octal or hexadecimal integer; only decimal ones may be larger than 64 bits can say. */
  private integerOf({ text, offset }: Token): bigint {
    if (/^0[0-9]*[89]/.test(text))
      this.fail(offset, "a number that begins with 0 is octal; 8 and 9 are no octal digits");
    const value = BigInt(/^0[0-7]+$/.test(text) ? `0o${text.slice(1)}` : text);
    if (text.startsWith("0") && value > MAX_UINT64) this.fail(offset, "this number has more than 64 bits");
    return value;
  }

  private aggregate(): OptionValue {
    const open = this.advance();
    const close = open.text === "{" ? "}" : ">";
    const fields: AggregateField[] = [];
    this.enter(open.offset);
    while (!this.take(close)) {
      fields.push(this.aggregateField());
      if (!this.take(",")) this.take(";");
    }
    this.depth--;
    return { kind: "aggregate", fields, offset: open.offset };
  }

  private aggregateField(): AggregateField {
    const name = this.aggregateName();
    const first = this.peek.text === "[" ? this.tokens[this.index + 1]!.text : this.peek.text;
    const isMessage = first === "{" || first === "<";
    if (!this.take(":") && !isMessage) this.unexpected('":"');
    return { name, value: this.optionValue(true) };
  }

  private aggregateName(): OptionPart {
    if (!this.take("[")) return this.plainPart();
    const name = this.qualifiedName();
    const prefix = this.take("/") ? this.qualifiedName() : undefined;
    this.expect("]");
    return {
      text: prefix === undefined ? name.text : `${name.text}/${prefix.text}`,
      offset: name.offset,
      extension: true,
    };
  }

  private list(): OptionValue {
    const open = this.advance();
    const items: OptionValue[] = [];
    this.enter(open.offset);
    if (!this.take("]")) {
      do items.push(this.optionValue(true));
      while (this.take(","));
      this.expect("]");
    }
    this.depth--;
    return { kind: "list", items, offset: open.offset };
  }

  // Small parts

  private qualifiedName(): Text {
    const { text: first, offset } = this.identifier();
    let text = first;
    while (this.take(".")) text += `.${this.identifier().text}`;
    return { text: this.keep(text), offset };
  }

  private typeName(): Text {
    const { offset } = this.peek;
    if (!this.take(".")) return this.qualifiedName();
    return { text: this.keep(`.${this.qualifiedName().text}`), offset };
  }

  private identifier(): Text {
    if (this.peek.kind !== "identifier") this.unexpected("a name");
    const { text, offset } = this.advance();
    return { text: this.keep(text), offset };
  }

  /** A name to remember, once for each file, and as a copy: a slice would keep the whole text in memory. */
  private keep(name: string): string {
    const known = this.names.get(name);
    if (known !== undefined) return known;
    const copy = Buffer.from(name).toString();
    this.names.set(copy, copy);
    return copy;
  }

  private string(): Buffer {
    if (this.peek.kind !== "string") this.unexpected("a string");
    const parts: Buffer[] = [];
    while (this.peek.kind === "string") {
      const token = this.advance();
      parts.push(unquote(token.text) ?? this.fail(token.offset, "this string has an unknown escape"));
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  private assignedNumber(): { number: number; offset: number } {
    this.expect("=");
    return this.number();
  }

  private number(): { number: number; offset: number } {
    const { offset } = this.peek;
    const negative = this.take("-");
    if (this.peek.kind !== "integer") this.unexpected("a whole number");
    const value = Number(this.integerOf(this.advance()));
    return { number: negative ? -value : value, offset };
  }

  // Blocks and recovery

  private block(statement: () => void, keywords: readonly string[]): void {
    const open = this.expect("{");
    this.enter(open.offset);
    while (!this.take("}")) {
      if (this.peek.kind === "end") this.fail(open.offset, "this { is never closed");
      if (keywords === KEYWORDS.fields || !this.take(";")) this.attempt(statement, keywords);
    }
    this.depth--;
  }

  private enter(offset: number): void {
    if (++this.depth > MAX_NESTING) this.fail(offset, `nested more than ${MAX_NESTING} deep`);
  }

  /** Runs a statement; after a syntax error in it, continues at the next one of the same block. */
  private attempt(statement: () => void, keywords: readonly string[]): void {
    const { index, depth } = this;
    this.statement = { index, keywords };
    try {
      statement();
    } catch (error) {
      if (!(error instanceof SyntaxFailure)) throw error;
      this.depth = depth;
      this.skipStatement(index);
    }
  }

  private skipStatement(start: number): void {
    this.index = start;
    let open = 0;
    while (this.peek.kind !== "end") {
      const { text } = this.peek;
      if (text === "}" && open === 0) {
        if (this.depth === 0) this.advance();
        return;
      }
      this.advance();
      if (text === "{") open++;
      if (text === "}") open--;
      if (open === 0 && (text === ";" || text === "}")) return;
    }
  }

  private commentHere(): string | undefined {
    return this.peek.leading;
  }

  private get peek(): Token {
    return this.tokens[this.index]!;
  }

  private advance(): Token {
    const token = this.tokens[this.index]!;
    if (token.kind !== "end") this.index++;
    return token;
  }

  private take(text: string): boolean {
    if (this.peek.text !== text || this.peek.kind === "string") return false;
    this.advance();
    return true;
  }

  private expect(text: string): Token {
    if (this.peek.text !== text) this.unexpected(`"${text}"`);
    return this.advance();
  }

  private unexpected(wanted: string): never {
    this.fail(this.peek.offset, `expected ${wanted}, found ${describe(this.peek)}${this.guess()}`);
  }

  /** What the first word of the statement was probably meant to be. */
  private guess(): string {
    const { index, keywords } = this.statement;
    const { kind, text } = this.tokens[index]!;
    if (kind !== "identifier" || this.index - index > GUESS_WITHIN || keywords.includes(text)) return "";
    const near = didYouMean(nearest(text, keywords, (keyword) => keyword));
    return near === "" || this.index === index ? near : near.replace("; ", `; by ${JSON.stringify(text)}, `);
  }

  private error(offset: number, text: string): void {
    this.diagnostics.error({ file: this.source, offset }, text);
  }

  private fail(offset: number, text: string): never {
    this.error(offset, text);
    throw new SyntaxFailure(text);
  }
}

function newMessage(name: Text, comment: string | undefined, visibility?: Visibility): MessageSyntax {
  return {
    name,
    comment,
    visibility,
    options: [],
    fields: [],
    oneofs: [],
    messages: [],
    enums: [],
    extends: [],
    extensionRanges: [],
    reservedRanges: [],
    reservedNames: [],
  };
}

function floatValue({ kind, text }: Pick<Token, "kind" | "text">): number | undefined {
  if (kind === "float") return Number.parseFloat(text);
  if (text === "inf") return Number.POSITIVE_INFINITY;
  return text === "nan" ? Number.NaN : undefined;
}

function textFloat({ kind, text }: Token): number | undefined {
  return floatValue({ kind, text: text.toLowerCase().replace(/^infinity$/, "inf") });
}

function describe(token: Token): string {
  return token.kind === "end" ? "the end of the file" : JSON.stringify(token.text.slice(0, 60));
}
