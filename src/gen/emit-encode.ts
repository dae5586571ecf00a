// The function that encodes a message. Fields are written in the order of their numbers. Runs of plain fields share
// one capacity check and keep the buffer and position in variables; lists, maps and messages work on the writer.

import { members } from "./emit-types.js";
import type { FieldModel, MessageModel, Scalar } from "./model.js";
import { literal, propertyKey } from "./printer.js";
import { AS_BIGINT, SCALAR_TRAITS, tagOf, varintBytes } from "./scalars.js";
import type { Target } from "./target.js";

/** Emits `encodeX(message, writer)`. */
export function emitEncode(target: Target, message: MessageModel): void {
  new EncodeEmitter(target, message).emit();
}

class EncodeEmitter {
  private readonly target: Target;
  private readonly message: MessageModel;
  /** True once the function's `buf` and `pos` are declared. */
  private declared = false;

  constructor(target: Target, message: MessageModel) {
    this.target = target;
    this.message = message;
  }

  emit(): void {
    const { printer } = this.target;
    const { localName, initName, fields } = this.message;
    const writer = this.target.runtimeType("Writer");
    const isEmpty = fields.length === 0 && !this.target.keepsUnknown;
    if (isEmpty) {
      printer.line(`function encode${localName}(_message: ${initName}, _writer: ${writer}): void {}`, "");
      return;
    }
    printer.block(`function encode${localName}(message: ${initName}, writer: ${writer}): void {`, () => {
      printer.line(`const { ${this.bindings().join(", ")} } = message;`);
      for (const run of runsOf(fields.toSorted((a, b) => a.number - b.number))) {
        if (isPlain(run[0]!)) this.plainRun(run);
        else this.composite(run[0]!);
      }
      if (this.target.keepsUnknown) this.unknown();
    });
    printer.line("");
  }

  private bindings(): string[] {
    const own = members(this.message).map(({ localName }) => binding(localName, this.target.variable(localName)));
    return this.target.keepsUnknown ? [...own, "$unknown"] : own;
  }

  private unknown(): void {
    const write = this.target.runtime("writeUnknown");
    const name = literal(`${this.message.fullName}.$unknown`);
    this.target.printer.line(`if ($unknown !== undefined) ${write}(writer, $unknown, ${name});`);
  }

  /** Scalars and enums: one capacity check for all, then one write each. */
  private plainRun(run: readonly FieldModel[]): void {
    const { printer } = this.target;
    const rooms = run.filter((field) => maxBytesOf(field) === undefined).map((field) => this.conditionalRoom(field));
    const fixed = run.reduce(
      (sum, field) => sum + (maxBytesOf(field) === undefined ? 0 : tagBytes(field) + maxBytesOf(field)!),
      0,
    );
    this.reserve([...(fixed > 0 || rooms.length === 0 ? [String(fixed)] : []), ...rooms]);
    printer.line(this.declared ? "buf = writer.buf;" : `${this.hasLaterRun(run) ? "let" : "const"} buf = writer.buf;`);
    printer.line(this.declared ? "pos = writer.pos;" : "let pos = writer.pos;");
    this.declared = true;
    for (const field of run) this.plainField(field);
    printer.line("writer.pos = pos;");
  }

  /** The capacity check, an addend a line where there are several. */
  private reserve(addends: readonly string[]): void {
    const { printer } = this.target;
    if (addends.length === 1) {
      printer.line(`writer.reserve(${addends[0]!.replace(/^\((.*)\)$/, "$1")});`);
      return;
    }
    printer.block(
      "writer.reserve(",
      () => {
        const last = addends.length - 1;
        printer.line(
          ...addends.map((addend, index) => `${index === 0 ? "" : "  "}${addend}${index === last ? "," : " +"}`),
        );
      },
      ");",
    );
  }

  private hasLaterRun(run: readonly FieldModel[]): boolean {
    const last = Math.max(...run.map(({ number }) => number));
    return this.message.fields.some((field) => field.number > last && isPlain(field));
  }

  private conditionalRoom(field: FieldModel): string {
    const condition = this.condition(field);
    const room = this.room(field, this.variable(field));
    return condition === undefined ? room : `(${condition} ? ${room} : 0)`;
  }

  private plainField(field: FieldModel): void {
    const { printer } = this.target;
    const condition = this.condition(field);
    const write = (): void => this.writeTagged(field.number, field, this.variable(field));
    if (condition === undefined) write();
    else printer.block(`if (${condition}) {`, write);
  }

  /** The tag and value of a scalar or enum, at `pos`. */
  private writeTagged(number: number, field: FieldModel, value: string): void {
    const { printer } = this.target;
    const tag = tagOf(number, wireTypeOf(field));
    if (tag < 128) {
      printer.line(`buf[pos] = ${tag};`, `pos = ${this.write(field, value, "pos + 1")};`);
    } else {
      printer.line(
        `pos = ${this.target.runtime("writeVarint32")}(buf, pos, ${tag});`,
        `pos = ${this.write(field, value, "pos")};`,
      );
    }
  }

  /** The call that writes a value of a scalar or enum field. */
  private write(field: FieldModel, value: string, at: string): string {
    const scalar = scalarOf(field);
    const { verb, maxBytes } = SCALAR_TRAITS[scalar];
    const name = maxBytes === undefined ? "" : `, ${this.fieldName(field)}`;
    return `${this.target.runtime(`write${verb}`)}(buf, ${at}, ${this.asWireValue(field, value)}${name})`;
  }

  private asWireValue(field: FieldModel, value: string): string {
    return this.target.int64As(field) === undefined
      ? value
      : `${this.target.runtime("toBigint")}(${value}, ${this.fieldName(field)})`;
  }

  /** The expression for the bytes that a value of changing size needs, its tag included. */
  private room(field: FieldModel, value: string): string {
    return `${this.target.runtime(scalarOf(field) === "string" ? "stringRoom" : "bytesRoom")}(${value}, ${this.fieldName(field)})`;
  }

  // Lists, maps and messages

  private composite(field: FieldModel): void {
    if (field.cardinality === "map") this.map(field);
    else if (field.cardinality === "repeated") this.list(field);
    else this.single(field);
  }

  private single(field: FieldModel): void {
    const condition = this.condition(field);
    // A required message needs a block too: its `mark` must not meet that of another.
    const head = condition === undefined ? "{" : `if (${condition}) {`;
    this.target.printer.block(head, () => this.writeMessage(field, field.number, this.variable(field)));
  }

  /** A message with its tag, on the writer. */
  private writeMessage(field: FieldModel, number: number, value: string): void {
    const { printer } = this.target;
    if (field.type.kind !== "message") return;
    const encode = this.target.encoder(field.type.message);
    const isWrapper = this.target.wrapped(field) !== undefined;
    if (!isWrapper && !isJson(field))
      printer.line(`${this.target.runtime("expectObject")}(${value}, ${this.fieldName(field)});`);
    const encoded = isWrapper ? `{ value: ${value} }` : value;
    if (field.delimited) {
      const tag = this.target.runtime("writeTag");
      printer.line(
        `${tag}(writer, ${tagOf(number, 3)});`,
        `${encode}(${encoded}, writer);`,
        `${tag}(writer, ${tagOf(number, 4)});`,
      );
      return;
    }
    printer.line(`const mark = ${this.target.runtime("beginLength")}(writer, ${tagOf(number, 2)});`);
    printer.line(`${encode}(${encoded}, writer);`, `${this.target.runtime("endLength")}(writer, mark);`);
  }

  private list(field: FieldModel): void {
    const { printer } = this.target;
    const list = this.variable(field);
    printer.block(`if (${list} !== undefined${field.packed ? ` && ${list}.length !== 0` : ""}) {`, () => {
      printer.line(`${this.target.runtime("expectList")}(${list}, ${this.fieldName(field)});`);
      if (field.packed) this.packed(field, list);
      else printer.block(`for (const item of ${list}) {`, () => this.listItem(field));
    });
  }

  private listItem(field: FieldModel): void {
    if (field.type.kind === "message") {
      this.writeMessage(field, field.number, "item");
      return;
    }
    this.onWriter(this.roomOf(field, "item"), () => this.writeTagged(field.number, field, "item"));
  }

  private packed(field: FieldModel, list: string): void {
    const { printer } = this.target;
    printer.line(`const mark = ${this.target.runtime("beginLength")}(writer, ${tagOf(field.number, 2)});`);
    this.onWriter(`${list}.length * ${maxBytesOf(field)}`, () => {
      printer.line(`for (const item of ${list}) pos = ${this.write(field, "item", "pos")};`);
    });
    printer.line(`${this.target.runtime("endLength")}(writer, mark);`);
  }

  private map(field: FieldModel): void {
    const { printer } = this.target;
    const map = this.variable(field);
    const key: FieldModel = {
      ...field,
      type: { kind: "scalar", scalar: field.mapKey! },
      cardinality: "single",
      options: field.options,
    };
    printer.block(`if (${map} !== undefined) {`, () => {
      printer.line(`${this.target.runtime("expectObject")}(${map}, ${this.fieldName(field)});`);
      printer.block(`for (const key of Object.keys(${map})) {`, () => {
        printer.line(
          `const item = ${map}[${SCALAR_TRAITS[field.mapKey!].type === "number" ? "key as unknown as number" : "key"}]!;`,
        );
        this.mapEntry(field, key);
      });
    });
  }

  private mapEntry(field: FieldModel, key: FieldModel): void {
    const { printer } = this.target;
    const isMessage = field.type.kind === "message";
    const mark = isMessage ? "entry" : "mark";
    printer.line(`const ${mark} = ${this.target.runtime("beginLength")}(writer, ${tagOf(field.number, 2)});`);
    const room = isMessage ? this.roomOf(key, "key") : `${this.roomOf(key, "key")} + ${this.roomOf(field, "item")}`;
    const write = (): void => {
      this.writeTagged(1, { ...key, options: AS_BIGINT }, this.mapKey(field));
      if (!isMessage) this.writeTagged(2, field, "item");
    };
    this.onWriter(room, write, isMessage);
    if (isMessage) this.writeMessage(field, 2, "item");
    printer.line(`${this.target.runtime("endLength")}(writer, ${mark});`);
  }

  /** Object keys are strings; on the wire they are what the manifest says. */
  private mapKey(field: FieldModel): string {
    const { type } = SCALAR_TRAITS[field.mapKey!];
    if (type === "string") return "key";
    if (type === "boolean") return 'key === "true"';
    return type === "number" ? "Number(key)" : `${this.target.runtime("toBigint")}(key, ${this.fieldName(field)})`;
  }

  /** Writes at the writer's position, with variables of its own. */
  private onWriter(room: string, write: () => void, scoped = false): void {
    const { printer } = this.target;
    const body = (): void => {
      printer.line(`writer.reserve(${room});`, "const buf = writer.buf;", "let pos = writer.pos;");
      write();
      printer.line("writer.pos = pos;");
    };
    if (scoped) printer.block("{", body);
    else body();
  }

  private roomOf(field: FieldModel, value: string): string {
    const bytes = maxBytesOf(field);
    return bytes === undefined ? this.room(field, value) : String(bytes + 5);
  }

  // Presence

  /** When the field is written; undefined means always. */
  private condition(field: FieldModel): string | undefined {
    const name = this.target.variable((field.oneof ?? field).localName);
    if (field.oneof !== undefined) return `${name}?.case === ${literal(field.localName)}`;
    if (field.presence === "required") return undefined;
    if (field.presence === "explicit" || field.type.kind === "message") return `${name} !== undefined`;
    return implicitCondition(field, name, this.target.int64As(field));
  }

  private variable(field: FieldModel): string {
    if (field.oneof !== undefined) return `${this.target.variable(field.oneof.localName)}.value`;
    return this.target.variable(field.localName);
  }

  private fieldName(field: FieldModel): string {
    return literal(field.fullName);
  }
}

/** When a field without presence differs from its default. -0 and NaN do; an empty `Uint8Array` does not. */
function implicitCondition(field: FieldModel, name: string, as: "string" | "number" | undefined): string {
  if (as === "number") return `${name} !== undefined && ${name} !== 0`;
  if (as === "string") return `${name} && ${name} !== "0"`;
  const scalar = scalarOf(field);
  if (scalar === "double" || scalar === "float") return `${name} !== undefined && !Object.is(${name}, 0)`;
  return scalar === "bytes" ? `${name} !== undefined && ${name}.length !== 0` : name;
}

/** Fields that need no loop and no call that takes the writer. */
function isPlain(field: FieldModel): boolean {
  return field.cardinality === "single" && field.type.kind !== "message";
}

/** Consecutive plain fields together, every other field alone. */
function runsOf(fields: readonly FieldModel[]): FieldModel[][] {
  const runs: FieldModel[][] = [];
  for (const field of fields) {
    const last = runs.at(-1);
    if (last !== undefined && isPlain(field) && isPlain(last[0]!)) last.push(field);
    else runs.push([field]);
  }
  return runs;
}

function scalarOf({ type }: FieldModel): Scalar {
  return type.kind === "scalar" ? type.scalar : "int32";
}

function wireTypeOf(field: FieldModel): number {
  return SCALAR_TRAITS[scalarOf(field)].wireType;
}

function maxBytesOf(field: FieldModel): number | undefined {
  return SCALAR_TRAITS[scalarOf(field)].maxBytes;
}

function tagBytes(field: FieldModel): number {
  return varintBytes(tagOf(field.number, wireTypeOf(field)));
}

function isJson({ type }: FieldModel): boolean {
  return (
    type.kind === "message" && ["google.protobuf.Value", "google.protobuf.ListValue"].includes(type.message.fullName)
  );
}

/** A destructuring entry. */
export function binding(property: string, variable: string): string {
  const key = propertyKey(property);
  return key === variable ? key : `${key}: ${variable}`;
}
