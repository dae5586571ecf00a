// What of a new tree of manifests an old one's programs would not understand, on the wire or in JSON. Declarations are
// paired by full name (or by name within the file, if only its package changed), fields and values by number.
// It compares models and judges nothing else: that a tree is valid is the compiler's business.

import type {
  EnumModel,
  EnumValueModel,
  FieldModel,
  FieldType,
  FileModel,
  MessageModel,
  MethodModel,
  OneofModel,
  OptionResult,
  ServiceModel,
} from "./model.js";
import { allEnums, allMessages } from "./model.js";
import { ZEROS } from "./scalars.js";
import { type Diagnostics, formatPosition, type Position } from "./source.js";
import type { NumberRange } from "./syntax.js";

/** Reports every breaking change from `before` to `after` as an error at its place in the new tree. */
export function findBreakingChanges(
  before: readonly FileModel[],
  after: readonly FileModel[],
  diagnostics: Diagnostics,
): void {
  new Comparison(before, after, diagnostics).run();
}

/** Scalars that JSON and the wire write alike, so that one may become another. */
const ALIKE: readonly (readonly string[])[] = [
  ["int32", "uint32"],
  ["int64", "uint64"],
  ["fixed32", "sfixed32"],
  ["fixed64", "sfixed64"],
];

type Named = MessageModel | EnumModel | ServiceModel;

/** What a removed declaration leaves behind, so that nobody takes its number or name again. */
interface Reserving {
  readonly position: Position;
  readonly reservedRanges: readonly NumberRange[];
  readonly reservedNames: ReadonlySet<string>;
}

class Comparison {
  private readonly before: readonly FileModel[];
  private readonly diagnostics: Diagnostics;
  private readonly files: ReadonlyMap<string, FileModel>;
  private readonly declared: ReadonlyMap<string, Named>;
  /** Extensions of the new tree, by what they extend and their number. */
  private readonly extended: ReadonlyMap<string, FieldModel>;
  /** Old full names whose package changed, and what they are called now. */
  private readonly renamed = new Map<string, string>();

  constructor(before: readonly FileModel[], after: readonly FileModel[], diagnostics: Diagnostics) {
    this.before = before;
    this.diagnostics = diagnostics;
    this.files = new Map(after.map((file) => [file.name, file]));
    this.declared = new Map(after.flatMap(namedIn).map((found) => [found.fullName, found]));
    const extensions = after.flatMap(extensionsIn);
    this.extended = new Map(extensions.map((found) => [`${found.extendee?.fullName} ${found.number}`, found]));
  }

  run(): void {
    for (const file of this.before) this.file(file);
    for (const old of this.before.flatMap(namedIn)) this.named(old);
    for (const file of this.before) this.extensions(file);
  }

  /** A package that changed is one finding, not one for each type in it. */
  private file(old: FileModel): void {
    const now = this.files.get(old.name);
    if (now === undefined || now.package === old.package) return;
    this.report(now.position, old.position, `the package changed from "${old.package}" to "${now.package}"`);
    for (const { fullName } of namedIn(old)) {
      const moved = inPackage(now.package, fullName.slice(old.package === "" ? 0 : old.package.length + 1));
      if (!this.declared.has(fullName) && this.declared.has(moved)) this.renamed.set(fullName, moved);
    }
  }

  private named(old: Named): void {
    const now = this.declared.get(this.nameNow(old.fullName));
    if (now === undefined || now.kind !== old.kind) {
      const where = this.files.get(old.file.name)?.position ?? old.position;
      this.report(where, old.position, `the ${old.kind} ${old.fullName} was removed`);
      return;
    }
    if (now.file.name !== old.file.name)
      this.report(now.position, old.position, `${old.fullName} moved from ${old.file.name} to ${now.file.name}`);
    if (old.kind === "message") this.message(old, now as MessageModel);
    else if (old.kind === "enum") this.enum(old, now as EnumModel);
    else this.service(old, now as ServiceModel);
  }

  // Messages

  private message(old: MessageModel, now: MessageModel): void {
    for (const field of old.fields) this.field(field, now);
    for (const field of now.fields) {
      if (field.presence === "required" && !old.fields.some(({ number }) => number === field.number))
        this.report(
          field.position,
          old.position,
          `the required field "${field.name}" is new; old writers leave it out`,
        );
    }
    this.reservations(old, now);
  }

  private field(old: FieldModel, holder: MessageModel): void {
    const now = holder.fields.find(({ number }) => number === old.number);
    if (now !== undefined) {
      this.sameNumber(old, now);
      return;
    }
    const sameName = holder.fields.find(({ name }) => name === old.name);
    if (sameName === undefined) this.removed(`field "${old.name}"`, old, holder);
    else {
      const text = `the number of "${old.name}" changed from ${old.number} to ${sameName.number}`;
      this.report(sameName.position, old.position, text);
    }
  }

  private sameNumber(old: FieldModel, now: FieldModel): void {
    const say = (text: string): void => this.report(now.position, old.position, text);
    const what = old.name === now.name ? `"${now.name}"` : `field ${now.number} ("${old.name}", now "${now.name}")`;
    if (old.jsonName !== now.jsonName) say(`${what} is "${now.jsonName}" in JSON and was "${old.jsonName}"`);
    const [was, is] = [this.shape(old), shapeOf(now)];
    if (was !== is && !areAlike(old, now)) say(`the type of ${what} changed from ${shapeOf(old)} to ${is}`);
    else if (old.delimited !== now.delimited) say(`the encoding of ${what} changed: a group is not length-prefixed`);
    else if (!isSameDefault(defaultOf(old), defaultOf(now)))
      say(`the default of ${what} changed from ${showDefault(old)} to ${showDefault(now)}`);
    if ((old.presence === "required") !== (now.presence === "required"))
      say(`${what} ${now.presence === "required" ? "became required" : "is no longer required"}`);
    if (!sameOneof(old.oneof, now.oneof)) say(oneofMove(what, old.oneof, now.oneof));
  }

  /** A removed number or name could be taken again, and old data would be read as what it is not. */
  private removed(what: string, { name, number, position }: FieldModel | EnumValueModel, holder: Reserving): void {
    const missing = [
      ...(isIn(number, holder.reservedRanges) ? [] : [`its number (reserved ${number};)`]),
      ...(holder.reservedNames.has(name) ? [] : [`its name (reserved "${name}";)`]),
    ];
    if (missing.length > 0)
      this.report(holder.position, position, `${what} was removed without reserving ${missing.join(" and ")}`);
  }

  private reservations(old: Reserving, now: Reserving): void {
    for (const { first, last } of old.reservedRanges) {
      if (isCovered(first, last, now.reservedRanges)) continue;
      const range = first === last ? `${first}` : `${first} to ${last}`;
      this.report(now.position, old.position, `reserved ${range} was taken back`);
    }
    for (const name of old.reservedNames) {
      if (!now.reservedNames.has(name)) this.report(now.position, old.position, `reserved "${name}" was taken back`);
    }
  }

  // Enums

  private enum(old: EnumModel, now: EnumModel): void {
    for (const value of old.values) this.enumValue(value, now);
    if (old.features.closedEnums !== now.features.closedEnums) {
      const change = now.features.closedEnums ? "closed: it drops unknown numbers" : "open: it keeps unknown numbers";
      this.report(now.position, old.position, `the enum ${now.fullName} became ${change}`);
    }
    this.reservations(old, now);
  }

  private enumValue(old: EnumValueModel, holder: EnumModel): void {
    const sameName = holder.values.find(({ name }) => name === old.name);
    if (sameName?.number === old.number) return;
    const sameNumber = holder.values.find(({ number }) => number === old.number);
    if (sameName !== undefined) {
      const text = `the number of ${old.name} changed from ${old.number} to ${sameName.number}`;
      this.report(sameName.position, old.position, text);
    } else if (sameNumber !== undefined) {
      const text = `${old.name} = ${old.number} was renamed ${sameNumber.name}, which is its name in JSON`;
      this.report(sameNumber.position, old.position, text);
    } else this.removed(`value ${old.name}`, old, holder);
  }

  // Services

  private service(old: ServiceModel, now: ServiceModel): void {
    for (const method of old.methods) {
      const found = now.methods.find(({ name }) => name === method.name);
      if (found === undefined) this.report(now.position, method.position, `the rpc ${method.name} was removed`);
      else this.method(method, found);
    }
  }

  private method(old: MethodModel, now: MethodModel): void {
    const say = (text: string): void => this.report(now.position, old.position, `the rpc ${now.name} ${text}`);
    if (old.methodKind !== now.methodKind) say(`was ${old.methodKind} and is ${now.methodKind}`);
    if (this.nameNow(old.input.fullName) !== now.input.fullName)
      say(`took ${old.input.fullName} and takes ${now.input.fullName}`);
    if (this.nameNow(old.output.fullName) !== now.output.fullName)
      say(`returned ${old.output.fullName} and returns ${now.output.fullName}`);
    if (old.policy.oneWay !== now.policy.oneWay) say(now.policy.oneWay ? "became one-way" : "is no longer one-way");
  }

  // Extensions

  private extensions(old: FileModel): void {
    for (const extension of extensionsIn(old)) {
      const extendee = this.nameNow(extension.extendee?.fullName ?? "");
      const now = this.extended.get(`${extendee} ${extension.number}`);
      if (now !== undefined) this.sameNumber(extension, now);
      else {
        const where = this.files.get(old.name)?.position ?? extension.position;
        this.report(where, extension.position, `the extension ${extension.fullName} was removed`);
      }
    }
  }

  private nameNow(fullName: string): string {
    return this.renamed.get(fullName) ?? fullName;
  }

  /** A field's type as the new tree would write it. */
  private shape(field: FieldModel): string {
    return shapeOf(field, (name) => this.nameNow(name));
  }

  private report(position: Position, before: Position, text: string): void {
    this.diagnostics.error(position, `${text} (before: ${formatPosition(before)})`);
  }
}

function namedIn(file: FileModel): Named[] {
  return [...allMessages(file), ...allEnums(file), ...file.services];
}

function extensionsIn(file: FileModel): FieldModel[] {
  return [...file.extensions, ...allMessages(file).flatMap(({ extensions }) => extensions)];
}

function inPackage(name: string, rest: string): string {
  return name === "" ? rest : `${name}.${rest}`;
}

/** `repeated int32`, `map<string, t.Order>`. */
function shapeOf(field: FieldModel, nameNow: (name: string) => string = (name) => name): string {
  const type = typeName(field.type, nameNow);
  if (field.cardinality === "map") return `map<${field.mapKey}, ${type}>`;
  return field.cardinality === "repeated" ? `repeated ${type}` : type;
}

function typeName(type: FieldType, nameNow: (name: string) => string): string {
  if (type.kind === "scalar") return type.scalar;
  return nameNow((type.kind === "enum" ? type.enum : type.message).fullName);
}

function areAlike(old: FieldModel, now: FieldModel): boolean {
  if (old.cardinality !== now.cardinality || old.mapKey !== now.mapKey) return false;
  const names = [old.type, now.type].map((type) => (type.kind === "scalar" ? type.scalar : ""));
  return ALIKE.some((group) => names.every((name) => group.includes(name)));
}

/** What a field stands for where it is not set; undefined where that is a matter of its type alone. */
function defaultOf({ cardinality, defaultValue, type }: FieldModel): OptionResult | undefined {
  if (cardinality !== "single" || type.kind === "message") return undefined;
  if (defaultValue !== undefined) return defaultValue;
  if (type.kind === "enum") return type.enum.values[0]?.number;
  return ZEROS[type.scalar];
}

function isSameDefault(old: OptionResult | undefined, now: OptionResult | undefined): boolean {
  if (old instanceof Uint8Array && now instanceof Uint8Array) return Buffer.compare(old, now) === 0;
  return Object.is(old, now);
}

function showDefault(field: FieldModel): string {
  const value = defaultOf(field);
  const { type } = field;
  if (type.kind === "enum") return type.enum.values.find(({ number }) => number === value)?.name ?? String(value);
  if (value instanceof Uint8Array) return `the bytes "${Buffer.from(value).toString("hex")}"`;
  if (Object.is(value, -0)) return "-0";
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** True if a field's oneof is still the same one; it may be renamed, since its name is on no wire. */
function sameOneof(old: OneofModel | undefined, now: OneofModel | undefined): boolean {
  if (old === undefined || now === undefined) return old === now;
  return old.name === now.name || isSubset(numbersOf(old.fields), numbersOf(now.fields));
}

function isSubset(some: ReadonlySet<number>, all: ReadonlySet<number>): boolean {
  return [...some].every((number) => all.has(number));
}

function numbersOf(fields: readonly FieldModel[]): Set<number> {
  return new Set(fields.map(({ number }) => number));
}

function oneofMove(what: string, old: OneofModel | undefined, now: OneofModel | undefined): string {
  if (old === undefined) return `${what} moved into the oneof "${now?.name}"`;
  return now === undefined
    ? `${what} moved out of the oneof "${old.name}"`
    : `${what} moved from the oneof "${old.name}" to "${now.name}"`;
}

function isIn(number: number, ranges: readonly NumberRange[]): boolean {
  return ranges.some(({ first, last }) => number >= first && number <= last);
}

/** True if ranges together hold every number of one. */
function isCovered(first: number, last: number, ranges: readonly NumberRange[]): boolean {
  let next = first;
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    if (range.first <= next && range.last >= next) next = range.last + 1;
  }
  return next > last;
}
