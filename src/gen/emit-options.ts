// What generated code tells about a manifest's own options and defaults: a constant with the custom options of a service
// and its methods, and one with the defaults of a message's fields. Only literals are emitted, so that the constants
// have exact types; sluice's own options are not among them, since they are policy.

import { fieldType } from "./emit-types.js";
import {
  type Element,
  type FieldModel,
  type MessageModel,
  type MethodModel,
  OptionMessage,
  type OptionResult,
  type ServiceModel,
} from "./model.js";
import { docComment, LINE_WIDTH, literal, propertyKey } from "./printer.js";
import type { Target } from "./target.js";

type Literal = string | readonly Literal[] | { readonly [key: string]: Literal };

/** Emits the constant with a service's custom options; nothing if it has none. */
export function emitServiceOptions(target: Target, service: ServiceModel): void {
  const methods = service.methods.filter(hasCustomOptions);
  if (methods.length === 0 && !hasCustomOptions(service)) return;
  const value: Literal = {
    ...(hasCustomOptions(service) ? { service: customOptions(service) } : {}),
    methods: Object.fromEntries(methods.map((method) => [method.localName, customOptions(method)])),
  };
  const doc = `The custom options that the manifest gives {@link ${service.localName}} and its methods.`;
  target.printer.line(...docComment(doc), `export const ${service.optionsName} = ${write(value, "")} as const;`, "");
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
  const fields = message.fields.filter((field) => field.oneof === undefined && defaultOf(target, field) !== undefined);
  if (fields.length === 0) return;
  const types = fields.map((field) => `readonly ${propertyKey(field.localName)}: ${fieldType(target, field)}`);
  const doc = `What fields of {@link ${message.localName}} stand for where they are not set: \`message.x ?? ${message.defaultsName}.x\`.`;
  target.printer.line(...docComment(doc));
  target.printer.block(
    `export const ${message.defaultsName}: { ${types.join("; ")} } = {`,
    () => {
      for (const field of fields) target.printer.line(`${propertyKey(field.localName)}: ${defaultOf(target, field)},`);
    },
    "};",
  );
  target.printer.line("");
}

function defaultOf(target: Target, field: FieldModel): string | undefined {
  const value = field.defaultValue;
  const as = target.int64As(field);
  if (value === undefined) return undefined;
  if (typeof value === "bigint") return as === undefined ? `${value}n` : as === "string" ? `"${value}"` : String(value);
  if (typeof value === "string") return literal(value);
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (value instanceof Uint8Array) return `new Uint8Array([${value.join(", ")}])`;
  return typeof value === "boolean" ? String(value) : undefined;
}

/** Extensions that the manifest imports, but for the runtime's own. */
function customKeys({ options }: Pick<Element, "options">): string[] {
  return [...options.values.keys()].filter((key) => key.startsWith("[") && !key.startsWith("[sluice."));
}

function hasCustomOptions(element: Pick<Element, "options">): boolean {
  return customKeys(element).length > 0;
}

function customOptions(element: Pick<Element, "options">): Literal {
  const entries = customKeys(element).map((key): [string, Literal] => [
    key.slice(1, -1),
    valueLiteral(element.options.get(key)!, element.options.fields.get(key)),
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
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : literal(String(value));
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

/** One line if it fits, else an entry a line. */
function write(value: Literal, indent: string): string {
  if (typeof value === "string") return value;
  const inside = `${indent}  `;
  const parts = Array.isArray(value)
    ? value.map((item) => write(item, inside))
    : Object.entries(value).map(([key, item]) => `${propertyKey(key)}: ${write(item, inside)}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (parts.length === 0) return open + close;
  const gap = Array.isArray(value) ? "" : " ";
  const line = `${open}${gap}${parts.join(", ")}${gap}${close}`;
  if (line.length + indent.length <= LINE_WIDTH && !line.includes("\n")) return line;
  return `${open}\n${parts.map((part) => `${inside}${part},\n`).join("")}${indent}${close}`;
}

function access(name: string): string {
  const key = propertyKey(name);
  return key === name ? `.${name}` : `[${literal(name)}]`;
}
