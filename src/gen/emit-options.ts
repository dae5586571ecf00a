// What generated code tells about a manifest's own options and defaults: a constant with the custom options of a service
// and its methods, of a message and its fields, of an enum and its values, and one with the defaults of a message's
// fields. Only literals are emitted, so that the constants have exact types; nothing refers to those of messages and
// enums, so that a program that does not use them is without them.

import { customKeys, hasCustomOptions, runtimeOptions } from "./custom-options.js";
import { fieldType } from "./emit-types.js";
import {
  type Element,
  type EnumModel,
  type FieldModel,
  type MessageModel,
  type MethodModel,
  OptionMessage,
  type OptionResult,
  type ServiceModel,
} from "./model.js";
import { docComment, type Literal, literal, propertyKey, writeLiteral } from "./printer.js";
import type { Target } from "./target.js";

type Holder = Pick<Element, "options">;

/** Emits the constant with a service's custom options; nothing if it has none. */
export function emitServiceOptions(target: Target, service: ServiceModel): void {
  if (![service, ...service.methods].some(hasCustomOptions)) return;
  const value: Literal = {
    ...ownOptions("service", service),
    methods: optionsByKey(service.methods.map((method) => [method.localName, method])),
  };
  const doc = `The custom options that the manifest gives {@link ${service.localName}} and its methods.`;
  emitConstant(target, service.optionsName, value, doc);
}

/** Emits the constant with the custom options of a message, its fields and its oneofs; nothing if there are none. */
export function emitMessageOptions(target: Target, message: MessageModel): void {
  const { optionsName, localName, oneofs } = message;
  if (optionsName === "") return;
  const value: Literal = {
    ...ownOptions("message", message),
    fields: optionsByKey(withKeys(message).map(({ key, field }) => [key, field])),
    ...(oneofs.some(hasCustomOptions) ? { oneofs: optionsByKey(oneofs.map((oneof) => [oneof.localName, oneof])) } : {}),
  };
  emitConstant(target, optionsName, value, `The custom options of {@link ${localName}} and its fields.`);
}

/** Emits the constant with the custom options of an enum and its values; nothing if there are none. */
export function emitEnumOptions(target: Target, { optionsName, localName, ...declared }: EnumModel): void {
  if (optionsName === "") return;
  const value: Literal = {
    ...ownOptions("enum", declared),
    values: optionsByKey(declared.values.map((value) => [value.name, value])),
  };
  emitConstant(target, optionsName, value, `The custom options of {@link ${localName}} and its values.`);
}

function ownOptions(what: string, holder: Holder): { readonly [key: string]: Literal } {
  return hasCustomOptions(holder) ? { [what]: customOptions(holder) } : {};
}

function optionsByKey(holders: readonly (readonly [key: string, Holder])[]): Literal {
  const telling = holders.filter(([, holder]) => hasCustomOptions(holder));
  return Object.fromEntries(telling.map(([key, holder]) => [key, customOptions(holder)]));
}

function emitConstant(target: Target, name: string, value: Literal, doc: string): void {
  target.printer.line(...docComment(doc), `export const ${name} = ${writeLiteral(value)} as const;`, "");
}

/** Where generated code finds the custom options of a method; undefined if it has none. */
export function methodOptions(service: ServiceModel, method: MethodModel): string | undefined {
  return hasCustomOptions(method) ? `${service.optionsName}.methods${access(method.localName)}` : undefined;
}

/** Where generated code finds the custom options of a service itself; undefined if it has none. */
export function serviceOptions(service: ServiceModel): string | undefined {
  return hasCustomOptions(service) ? `${service.optionsName}.service` : undefined;
}

/** Emits the constant with the defaults that a manifest gives fields which may be unset; nothing if it gives none. */
export function emitDefaults(target: Target, message: MessageModel): void {
  const fields = withKeys(message).filter(({ field }) => defaultOf(target, field) !== undefined);
  if (fields.length === 0) return;
  const types = fields.map(({ key, field }) => `readonly ${propertyKey(key)}: ${fieldType(target, field)}`);
  const doc = `What fields of {@link ${message.localName}} stand for where they are not set: \`message.x ?? ${message.defaultsName}.x\`.`;
  target.printer.line(...docComment(doc));
  target.printer.block(
    `export const ${message.defaultsName}: { ${types.join("; ")} } = {`,
    () => {
      for (const { key, field } of fields) target.printer.line(`${propertyKey(key)}: ${defaultOf(target, field)},`);
    },
    "};",
  );
  target.printer.line("");
}

/** The fields of a message by their names in TypeScript; one of a oneof may need a `$` to be told from one that is in none. */
function withKeys({ fields }: MessageModel): { readonly key: string; readonly field: FieldModel }[] {
  const taken = new Set<string>();
  return fields.map((field) => {
    let key = field.localName;
    while (taken.has(key)) key += "$";
    taken.add(key);
    return { key, field };
  });
}

function defaultOf(target: Target, field: FieldModel): string | undefined {
  const value = field.defaultValue;
  const as = target.int64As(field);
  if (value === undefined) return undefined;
  if (typeof value === "bigint") return as === undefined ? `${value}n` : as === "string" ? `"${value}"` : String(value);
  if (typeof value === "string") return literal(value);
  if (typeof value === "number") return numberLiteral(value);
  if (value instanceof Uint8Array) return `new Uint8Array([${value.join(", ")}])`;
  return typeof value === "boolean" ? String(value) : undefined;
}

function numberLiteral(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function customOptions(holder: Holder): Literal {
  const options = runtimeOptions(holder.options);
  const entries = customKeys({ options }).map((key): [string, Literal] => [
    key.slice(1, -1),
    valueLiteral(options.get(key)!, options.fields.get(key)),
  ]);
  return Object.fromEntries(entries);
}

/** Messages by their JSON names, enums as numbers, 64-bit integers as bigints, bytes as base64. */
function valueLiteral(value: OptionResult, field: FieldModel | undefined): Literal {
  if (Array.isArray(value)) {
    return field?.cardinality === "map" ? mapLiteral(value) : value.map((item) => valueLiteral(item, undefined));
  }
  if (value instanceof OptionMessage) return messageLiteral(value);
  if (value instanceof Uint8Array) return literal(Buffer.from(value).toString("base64"));
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number") return Number.isFinite(value) ? numberLiteral(value) : literal(String(value));
  return typeof value === "string" ? literal(value) : String(value);
}

function messageLiteral(message: OptionMessage): Literal {
  const entries = [...message.values].map(([key, value]): [string, Literal] => {
    const field = message.fields.get(key);
    const name = field === undefined || field.extendee !== undefined ? key.replace(/^\[|\]$/g, "") : field.jsonName;
    return [name, valueLiteral(value, field)];
  });
  return Object.fromEntries(entries);
}

function mapLiteral(entries: readonly OptionResult[]): Literal {
  const pairs = entries
    .filter((entry) => entry instanceof OptionMessage)
    .map((entry): [string, Literal] => [
      String(entry.get("key") ?? ""),
      valueLiteral(entry.get("value") ?? "", entry.fields.get("value")),
    ]);
  return Object.fromEntries(pairs);
}

function access(name: string): string {
  const key = propertyKey(name);
  return key === name ? `.${name}` : `[${literal(name)}]`;
}
