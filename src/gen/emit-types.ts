// The types of messages and enums: an interface for what decoding returns, one for what encoding takes, and the
// constant that carries the codec; for an enum its values. How they are encoded is emit-codec's business.

import type { EnumModel, FieldModel, MessageModel, OneofModel } from "./model.js";
import { docComment, literal, propertyKey } from "./printer.js";
import { SCALAR_TRAITS } from "./scalars.js";
import type { Target } from "./target.js";

/** Which of a message's two interfaces is meant. */
type Side = "decoded" | "init";

/** Emits an enum as a constant object and the type of its values. */
export function emitEnum(target: Target, declared: EnumModel): void {
  const { printer } = target;
  const helper = target.runtimeType(declared.features.closedEnums ? "ClosedEnum" : "OpenEnum");
  printer.line(...docComment(declared.comment, deprecation(declared)));
  printer.block(
    `export const ${declared.localName} = {`,
    () => {
      for (const value of declared.values) {
        printer.line(...docComment(value.comment, deprecation(value)), `${propertyKey(value.name)}: ${value.number},`);
      }
    },
    "} as const;",
  );
  printer.line(...docComment(`A value of {@link ${declared.localName}}.`, deprecation(declared)));
  printer.line(`export type ${declared.localName} = ${helper}<typeof ${declared.localName}>;`, "");
}

/** Emits a message's interfaces and its constant. */
export function emitMessageTypes(target: Target, message: MessageModel): void {
  const { printer } = target;
  const { localName, initName, fullName } = message;
  const doc = docComment(message.comment, deprecation(message));
  emitInterface(target, message, "decoded", doc);
  emitInterface(
    target,
    message,
    "init",
    docComment(`What encoding {@link ${localName}} takes. A field that is left out has its default.`),
  );
  const type = target.runtime("MessageType");
  printer.line(
    `/** Encodes and decodes {@link ${localName}}. */`,
    `export const ${localName}: ${type}<${localName}, ${initName}> = /* @__PURE__ */ new ${type}(`,
  );
  printer.line(`  ${literal(fullName)},`, `  encode${localName},`, `  decode${localName},`, "  1,", ");", "");
}

/** The type of a oneof's property: a union that `case` discriminates. */
export function oneofType(target: Target, oneof: OneofModel, side: Side): string {
  const cases = oneof.fields.map(
    (field) => `{ case: ${literal(field.localName)}; value: ${valueType(target, field, side)} }`,
  );
  const none =
    side === "decoded" ? "{ case: undefined; value?: undefined }" : "{ case?: undefined; value?: undefined }";
  return [...cases, none].join(" | ");
}

/** The type of a field's property, presence aside. */
export function fieldType(target: Target, field: FieldModel, side: Side = "decoded"): string {
  const value = valueType(target, field, side);
  if (field.cardinality === "repeated") {
    const element = /[|&]/.test(value) ? `(${value})` : value;
    return side === "decoded" ? `${element}[]` : `readonly ${element}[]`;
  }
  if (field.cardinality !== "map") return value;
  const key = SCALAR_TRAITS[field.mapKey!].type === "number" ? "number" : "string";
  return side === "decoded" ? `Record<${key}, ${value}>` : `Readonly<Record<${key}, ${value}>>`;
}

/** True if decoding may leave the field undefined. */
export function isOptional(field: FieldModel): boolean {
  return field.cardinality === "single" && field.presence === "explicit";
}

function emitInterface(target: Target, message: MessageModel, side: Side, doc: readonly string[]): void {
  const { printer } = target;
  const name = side === "decoded" ? message.localName : message.initName;
  if (message.fields.length === 0 && !target.keepsUnknown) {
    printer.line(...doc, `export type ${name} = Record<never, never>;`, "");
    return;
  }
  printer.line(...doc);
  printer.block(`export interface ${name} {`, () => {
    for (const member of members(message)) {
      if (member.kind === "field") emitField(target, member, side);
      else emitOneof(target, member, side);
    }
    if (target.keepsUnknown) emitUnknown(target, side);
  });
  printer.line("");
}

/** A message's properties in the order of the manifest. */
export function members(message: MessageModel): (FieldModel | OneofModel)[] {
  return [...new Set(message.fields.map((field) => field.oneof ?? field))];
}

function emitUnknown({ printer }: Target, side: Side): void {
  const list = side === "decoded" ? "Uint8Array[]" : "readonly Uint8Array[]";
  if (side === "decoded")
    printer.line("/** Fields that the manifest does not have, each as it came: its tag and value. */");
  printer.line(`$unknown?: ${list} | undefined;`);
}

function emitField(target: Target, field: FieldModel, side: Side): void {
  const optional = side === "init" ? field.presence !== "required" : isOptional(field);
  const type = fieldType(target, field, side);
  const suffix = optional && !/\bundefined$/.test(type) ? " | undefined" : "";
  const doc =
    side === "decoded"
      ? docComment(field.comment, [...defaultDoc(field), ...deprecation(field)])
      : docComment(undefined, deprecation(field));
  target.printer.line(...doc, `${propertyKey(field.localName)}${optional ? "?" : ""}: ${type}${suffix};`);
}

function emitOneof(target: Target, oneof: OneofModel, side: Side): void {
  const { printer } = target;
  if (side === "decoded") printer.line(...docComment(oneof.comment));
  const name = propertyKey(oneof.localName) + (side === "init" ? "?" : "");
  printer.line(`${name}:`);
  for (const field of oneof.fields) {
    const doc = side === "decoded" ? docComment(field.comment, deprecation(field)) : [];
    for (const line of doc) printer.line(`  ${line}`);
    printer.line(`  | { case: ${literal(field.localName)}; value: ${valueType(target, field, side)} }`);
  }
  printer.line(
    side === "decoded"
      ? "  | { case: undefined; value?: undefined };"
      : "  | { case?: undefined; value?: undefined }\n  | undefined;",
  );
}

/** The type of one value of a field. */
export function valueType(target: Target, field: FieldModel, side: Side): string {
  const { type } = field;
  if (type.kind === "enum") return target.enumType(type.enum);
  if (type.kind === "scalar") return target.int64As(field) ?? SCALAR_TRAITS[type.scalar].type;
  const wrapped = target.wrapped(field);
  if (wrapped !== undefined) return SCALAR_TRAITS[wrapped].type;
  return side === "decoded" ? target.messageType(type.message) : target.messageInitType(type.message);
}

function defaultDoc({ defaultValue }: FieldModel): string[] {
  if (
    typeof defaultValue !== "string" &&
    typeof defaultValue !== "number" &&
    typeof defaultValue !== "bigint" &&
    typeof defaultValue !== "boolean"
  )
    return [];
  const shown =
    typeof defaultValue === "string" ? literal(defaultValue).replaceAll("*/", "*\\/") : String(defaultValue);
  return [`Default where it is not set: ${shown}.`];
}

/** The TSDoc tag for what the manifest marks deprecated. */
export function deprecation({ options }: Pick<FieldModel, "options">): string[] {
  return options.get("deprecated") === true ? ["@deprecated The manifest says so."] : [];
}
