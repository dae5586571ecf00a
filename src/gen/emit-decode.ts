// The function that decodes a message: a loop over tags with one `switch`, values in variables, and one object literal
// at the end. Reads never throw; a failed one ends the loop at a position that is not the end, and that throws.

import { binding } from "./emit-encode.js";
import { fieldType, isOptional, members } from "./emit-types.js";
import { isPackable } from "./link.js";
import type { FieldModel, MessageModel, OneofModel, Scalar } from "./model.js";
import { literal } from "./printer.js";
import { AS_BIGINT, SCALAR_TRAITS, tagOf } from "./scalars.js";
import type { Target } from "./target.js";

/** Emits `decodeX(buf, start, end, depth, into)`. */
export function emitDecode(target: Target, message: MessageModel): void {
  new DecodeEmitter(target, message).emit();
}

class DecodeEmitter {
  private readonly target: Target;
  private readonly message: MessageModel;

  constructor(target: Target, message: MessageModel) {
    this.target = target;
    this.message = message;
  }

  emit(): void {
    const { printer } = this.target;
    const { localName } = this.message;
    const into = this.isEmpty ? "_into" : "into";
    const signature = `buf: Buffer, start: number, end: number, depth: number, ${into}?: ${localName}`;
    printer.block(`function decode${localName}(${signature}): ${localName} {`, () => this.body());
    printer.line("");
  }

  /** True if there is nothing to return. */
  private get isEmpty(): boolean {
    return this.message.fields.length === 0 && !this.target.keepsUnknown;
  }

  private body(): void {
    const { printer } = this.target;
    const typeName = literal(this.message.fullName);
    printer.line(
      `if (depth > ${this.target.runtime("MAX_MESSAGE_DEPTH")}) throw ${this.target.runtime("tooDeep")}(${typeName});`,
    );
    for (const member of members(this.message)) printer.line(this.declaration(member));
    if (this.target.keepsUnknown) printer.line("let $unknown: Uint8Array[] | undefined;");
    if (!this.isEmpty) printer.line(`if (into !== undefined) ({ ${this.bindings()} } = into);`);
    printer.line("let pos = start;");
    printer.block("while (pos < end) {", () => {
      if (this.target.keepsUnknown) printer.line("const from = pos;");
      printer.line("let tag = buf[pos++]!;");
      printer.block("if (tag > 127) {", () => {
        printer.line(`tag = ${this.target.runtime("readVarint32")}(buf, pos - 1);`, this.advance());
      });
      this.dispatch();
    });
    printer.line(`if (pos !== end) throw ${this.target.runtime("decodeFailure")}(${typeName}, start, end, pos);`);
    for (const field of this.message.fields) this.checkRequired(field);
    printer.line(this.isEmpty ? "return {};" : `return { ${this.bindings()} };`);
  }

  private dispatch(): void {
    const { printer } = this.target;
    const skip = [
      `pos = ${this.target.runtime("skipField")}(buf, pos, end, tag);`,
      ...(this.target.keepsUnknown ? [this.keep("pos")] : []),
    ];
    if (this.message.fields.length === 0) {
      printer.line(...skip);
      return;
    }
    printer.block("switch (tag) {", () => {
      for (const field of this.message.fields) this.cases(field);
      printer.line("default:", ...skip.map((line) => `  ${line}`));
    });
  }

  private bindings(): string {
    const own = members(this.message).map(({ localName }) => binding(localName, this.target.variable(localName)));
    return [...own, ...(this.target.keepsUnknown ? ["$unknown"] : [])].join(", ");
  }

  private declaration(member: FieldModel | OneofModel): string {
    const name = this.target.variable(member.localName);
    if (member.kind === "oneof") return `let ${name}: ${this.memberType(member)} = { case: undefined };`;
    const type = fieldType(this.target, member);
    if (member.cardinality === "repeated") return `let ${name}: ${type} = [];`;
    if (member.cardinality === "map") return `let ${name}: ${type} = Object.create(null);`;
    if (isOptional(member) || member.presence === "required") return `let ${name}: ${type} | undefined;`;
    const zero = this.zero(member);
    return type === "string" || type === "bigint" || type === "boolean" || type === "number"
      ? `let ${name} = ${zero};`
      : `let ${name}: ${type} = ${zero};`;
  }

  private memberType({ localName }: OneofModel): string {
    return `${this.message.localName}[${literal(localName)}]`;
  }

  /** What a value is when the wire does not have it. */
  private zero(field: FieldModel): string {
    const { type } = field;
    if (type.kind === "message") return `${this.target.decoder(type.message)}(buf, 0, 0, depth + 1)`;
    if (type.kind === "enum") return String(type.enum.values[0]?.number ?? 0);
    const as = this.target.int64As(field);
    if (as !== undefined) return as === "string" ? '"0"' : "0";
    return type.scalar === "bytes" ? this.target.runtime("NO_BYTES") : SCALAR_TRAITS[type.scalar].zero;
  }

  private cases(field: FieldModel): void {
    if (field.cardinality === "map") {
      this.mapCase(field);
      return;
    }
    if (field.type.kind === "message") {
      this.messageCase(field, field.type.message);
      return;
    }
    this.valueCase(field);
    if (field.cardinality === "repeated" && isPackable(field.type)) this.packedCase(field);
  }

  private valueCase(field: FieldModel): void {
    const wireType = SCALAR_TRAITS[scalarOf(field)].wireType;
    const read = this.read(field, "end");
    const value = this.isClosed(field) ? "value" : read;
    const body = [
      ...(this.isClosed(field) ? [`const value = ${read};`] : []),
      this.guarded(field, this.store(field, value), this.keep(this.cursor)),
      this.advance(),
    ];
    this.case(tagOf(field.number, wireType), body, this.isClosed(field));
  }

  private packedCase(field: FieldModel): void {
    const read = this.read(field, "end");
    const name = this.target.variable(field.localName);
    const push = this.isClosed(field)
      ? `{ const value = ${read}; ${this.guarded(field, `${name}.push(value);`, this.keepNumber(field))} }`
      : `${name}.push(${read});`;
    const lines = [
      `const stop = ${this.target.runtime("readLength")}(buf, pos, end);`,
      `for (pos = ${this.cursor}; pos < stop; pos = ${this.cursor}) ${push}`,
      `pos = ${this.target.runtime("endRange")}(pos, stop);`,
    ];
    this.case(tagOf(field.number, 2), lines, true);
  }

  private messageCase(field: FieldModel, message: MessageModel): void {
    const tag = tagOf(field.number, field.delimited ? 3 : 2);
    if (field.delimited) {
      const stop = `const stop = ${this.target.runtime("readGroup")}(buf, pos, end, ${tag});`;
      const lines = [
        stop,
        `const after = ${this.cursor};`,
        this.store(field, this.decodeCall(field, message, "pos", "stop")),
        "pos = after;",
      ];
      this.case(tag, lines, true);
      return;
    }
    const lines = [
      `pos = ${this.target.runtime("readLength")}(buf, pos, end);`,
      this.store(field, this.decodeCall(field, message, this.cursor, "pos")),
    ];
    this.case(tag, lines, false);
  }

  /** Decodes a message field; one that was there before is merged into, as protobuf has it. */
  private decodeCall(field: FieldModel, message: MessageModel, start: string, stop: string): string {
    const call = `${this.target.decoder(message)}(buf, ${start}, ${stop}, depth + 1`;
    if (field.cardinality !== "single") return `${call})`;
    if (this.target.wrapped(field) === undefined) return `${call}, ${this.before(field)})`;
    return `${call}, ${this.wrapperBefore(field)}).value`;
  }

  private before(field: FieldModel): string {
    if (field.oneof === undefined) return this.target.variable(field.localName);
    return `(${this.isCase(field)} ? ${this.target.variable(field.oneof.localName)}.value : undefined)`;
  }

  /** The wrapper around the value that was there before. */
  private wrapperBefore(field: FieldModel): string {
    const value = this.target.variable(field.localName);
    if (field.oneof === undefined) return `${value} === undefined ? undefined : { value: ${value} }`;
    const oneof = this.target.variable(field.oneof.localName);
    return `${this.isCase(field)} ? { value: ${oneof}.value } : undefined`;
  }

  private isCase({ oneof, localName }: FieldModel): string {
    return `${this.target.variable(oneof!.localName)}.case === ${literal(localName)}`;
  }

  private mapCase(field: FieldModel): void {
    const { printer } = this.target;
    const key: FieldModel = { ...field, type: { kind: "scalar", scalar: field.mapKey! }, options: AS_BIGINT };
    printer.block(`case ${tagOf(field.number, 2)}: {`, () => {
      printer.line(`const stop = ${this.target.runtime("readLength")}(buf, pos, end);`);
      printer.line(`let key = ${this.zero(key)};`, `let item${this.itemType(field)} = ${this.zero(field)};`);
      if (this.isClosed(field)) printer.line("let known = true;");
      printer.line(this.advance());
      printer.block("while (pos < stop) {", () => this.mapEntry(field, key));
      printer.line(`pos = ${this.target.runtime("endRange")}(pos, stop);`);
      const store = `${this.target.variable(field.localName)}[${this.mapKey(field)}] = item;`;
      printer.line(this.isClosed(field) ? this.choice("known", store, this.keep("pos")) : store, "break;");
    });
  }

  private mapEntry(field: FieldModel, key: FieldModel): void {
    const { printer } = this.target;
    printer.line(`const entryTag = ${this.target.runtime("readVarint32")}(buf, pos);`, this.advance());
    printer.block("switch (entryTag) {", () => {
      this.case(
        tagOf(1, SCALAR_TRAITS[field.mapKey!].wireType),
        [`key = ${this.read(key, "stop")};`, this.advance()],
        false,
      );
      this.mapValue(field);
      printer.line("default:", `  pos = ${this.target.runtime("skipField")}(buf, pos, stop, entryTag);`);
    });
  }

  private mapValue(field: FieldModel): void {
    if (field.type.kind === "message") {
      const call = `${this.target.decoder(field.type.message)}(buf, ${this.cursor}, pos, depth + 1, item)`;
      this.case(tagOf(2, 2), [`pos = ${this.target.runtime("readLength")}(buf, pos, stop);`, `item = ${call};`], false);
      return;
    }
    const tag = tagOf(2, SCALAR_TRAITS[scalarOf(field)].wireType);
    if (!this.isClosed(field)) {
      this.case(tag, [`item = ${this.read(field, "stop")};`, this.advance()], false);
      return;
    }
    const declared = `if (${this.isDeclared(field, "value")}) item = value;`;
    this.case(
      tag,
      [`const value = ${this.read(field, "stop")};`, this.advance(), declared, "else known = false;"],
      true,
    );
  }

  private itemType(field: FieldModel): string {
    const type = fieldType(this.target, { ...field, cardinality: "single" });
    return ["string", "bigint", "boolean", "number"].includes(type) ? "" : `: ${type}`;
  }

  private mapKey(field: FieldModel): string {
    const { type } = SCALAR_TRAITS[field.mapKey!];
    return type === "string" || type === "number" ? "key" : "String(key)";
  }

  private case(tag: number, lines: readonly string[], scoped: boolean): void {
    const { printer } = this.target;
    printer.block(
      scoped ? `case ${tag}: {` : `case ${tag}:`,
      () => printer.line(...lines, "break;"),
      scoped ? "}" : CASE_END,
    );
  }

  /** Where the last read stopped. */
  private get cursor(): string {
    return `${this.target.runtime("cursor")}.pos`;
  }

  private advance(): string {
    return `pos = ${this.cursor};`;
  }

  /** The expression that reads one scalar or enum value at `pos`. */
  private read(field: FieldModel, end: string): string {
    const scalar = scalarOf(field);
    const { verb, wireType } = SCALAR_TRAITS[scalar];
    const read = this.target.runtime(`read${scalar === "string" && !field.features.verifyUtf8 ? "LooseString" : verb}`);
    const call = `${read}(buf, pos${wireType === 2 ? `, ${end}` : ""})`;
    const as = this.target.int64As(field);
    if (as === undefined) return call;
    return as === "string" ? `String(${call})` : `${this.target.runtime("toSafeNumber")}(${call})`;
  }

  private store(field: FieldModel, value: string): string {
    if (field.cardinality === "repeated") return `${this.target.variable(field.localName)}.push(${value});`;
    if (field.oneof === undefined) return `${this.target.variable(field.localName)} = ${value};`;
    return `${this.target.variable(field.oneof.localName)} = { case: ${literal(field.localName)}, value: ${value} };`;
  }

  private isClosed({ type }: FieldModel): boolean {
    return type.kind === "enum" && type.enum.features.closedEnums;
  }

  private guarded(field: FieldModel, store: string, keep: string): string {
    return this.isClosed(field) ? this.choice(this.isDeclared(field, "value"), store, keep) : store;
  }

  /** Stores a value that a closed enum has; one that it has not is an unknown field. */
  private choice(condition: string, store: string, keep: string): string {
    return `if (${condition}) ${store}${this.target.keepsUnknown ? ` else ${keep}` : ""}`;
  }

  /** Keeps the field that was read up to `pos`. Only where unknown fields are kept. */
  private keep(pos: string): string {
    if (!this.target.keepsUnknown) return "";
    return `$unknown = ${this.target.runtime("keepUnknown")}($unknown, buf, from, ${pos}, end);`;
  }

  /** Keeps one number of a packed list as a field of its own. */
  private keepNumber(field: FieldModel): string {
    if (!this.target.keepsUnknown) return "";
    return `$unknown = ${this.target.runtime("keepUnknownNumber")}($unknown, ${tagOf(field.number, 0)}, value);`;
  }

  private isDeclared({ type }: FieldModel, value: string): string {
    if (type.kind !== "enum") return "true";
    return `${this.target.runtime("hasNumber")}(${this.target.enumConstant(type.enum)}, ${value})`;
  }

  private checkRequired(field: FieldModel): void {
    if (field.presence !== "required") return;
    const name = this.target.variable(field.localName);
    this.target.printer.line(
      `if (${name} === undefined) throw ${this.target.runtime("missingField")}(${literal(field.fullName)});`,
    );
  }
}

/** Cases without a scope end where the next begins. */
const CASE_END = "";

function scalarOf({ type }: FieldModel): Scalar {
  return type.kind === "scalar" ? type.scalar : "int32";
}
