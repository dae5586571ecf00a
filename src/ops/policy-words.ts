// Policies in the words of a manifest, for people at a terminal: `concurrency: 64  queue_deadline: "20ms"`, and
// `server.concurrency=64` the other way. What makes sense is checked where the policy is to hold.

import { formatDuration, parseDuration } from "../codec/durations.js";
import type { ClientPolicy, ServerPolicy } from "../codec/policy.js";
import { fieldFlaw, type PolicyField, type PolicyFields } from "../codec/policy-limits.js";
import { Code, codeName } from "../codec/status.js";
import { type FieldPath, fieldsOf, findField, localName, type PolicySide, type PolicyTree } from "./policy-tree.js";

/** One field of a policy and, where it is to be set, its value. */
export interface Setting extends FieldPath {
  readonly side: PolicySide;
  readonly value: unknown;
}

/** A policy on one line, as a manifest could have it; empty for one that says nothing. */
export function policyWords(side: PolicySide, policy: ServerPolicy | ClientPolicy): string {
  return groupWords(fieldsOf(side), policy as PolicyTree);
}

/** A policy as JSON: what its message would be, with names for numbers: `{ queueDeadline: "20ms", overflow: "REJECT" }`. */
export function policyJson(side: PolicySide, policy: ServerPolicy | ClientPolicy): PolicyTree {
  return groupJson(fieldsOf(side), policy as PolicyTree);
}

/** What `server.concurrency=64` says, or why it says nothing. */
export function parseSetting(text: string): Setting | string {
  const at = text.indexOf("=");
  if (at === -1) return `expected a field and its value, such as server.concurrency=64, found ${JSON.stringify(text)}`;
  const found = parseField(text.slice(0, at));
  if (typeof found === "string") return found;
  const flaws: string[] = [];
  const value = parseValue(found.field, text.slice(at + 1), (flaw) => flaws.push(flaw));
  return flaws[0] === undefined ? { ...found, value } : `${text.slice(0, at)}: ${flaws[0]}`;
}

/** The field that `server.concurrency` names, or why it names none. */
export function parseField(text: string): Setting | string {
  const [side, ...rest] = text.split(".");
  if ((side !== "server" && side !== "client") || rest.length === 0)
    return `expected a field such as server.concurrency or client.rate, found ${JSON.stringify(text)}`;
  const found = findField(side, rest.join("."));
  return typeof found === "string" ? found : { side, ...found, value: undefined };
}

function groupWords(fields: PolicyFields, policy: PolicyTree): string {
  return Object.entries(fields)
    .filter(([name]) => policy[name] !== undefined)
    .map(([name, field]) => `${field.option}: ${valueWords(field, policy[name])}`)
    .join("  ");
}

function valueWords(field: PolicyField, value: unknown): string {
  if (field.type === "group") return `{ ${groupWords(field.fields, value as PolicyTree)} }`.replace("{  }", "{}");
  const plain = plainValue(field, value);
  if (Array.isArray(plain)) return `[${plain.join(", ")}]`;
  return field.type === "choice" || isStore(field) || typeof plain !== "string" ? String(plain) : JSON.stringify(plain);
}

function groupJson(fields: PolicyFields, policy: PolicyTree): PolicyTree {
  const said = Object.entries(fields).filter(([name]) => policy[name] !== undefined);
  return Object.fromEntries(said.map(([name, field]) => [localName(field.option), valueJson(field, policy[name])]));
}

function valueJson(field: PolicyField, value: unknown): unknown {
  return field.type === "group" ? groupJson(field.fields, value as PolicyTree) : plainValue(field, value);
}

/** The value of a field that is no group, with the names that manifests have. */
function plainValue(field: PolicyField, value: unknown): unknown {
  switch (field.type) {
    case "ms":
      return formatDuration(value as number);
    case "choice":
      return (value as string).toUpperCase();
    case "codes":
      return (value as readonly number[]).map(codeName);
    default:
      return isStore(field) ? (value === true ? "ALWAYS" : "ON_DEMAND") : value;
  }
}

/** The value that a text is for a field; `flaw` is told what is wrong. */
function parseValue(field: PolicyField, text: string, flaw: (text: string) => void): unknown {
  const value = unquoted(field, text.trim(), flaw);
  const wrong = value === undefined ? undefined : fieldFlaw(field, value);
  if (wrong !== undefined) flaw(wrong);
  return value;
}

function unquoted(field: PolicyField, text: string, flaw: (text: string) => void): unknown {
  switch (field.type) {
    case "count":
      return /^\d+$/.test(text) ? Number(text) : (text as unknown);
    case "ms": {
      const parsed = parseDuration(text, field.option);
      if (typeof parsed === "number") return parsed;
      flaw(parsed);
      return undefined;
    }
    case "choice":
      return text.toLowerCase();
    case "flag":
      return parseFlag(field, text.toLowerCase());
    case "codes":
      return text.split(",").map((name) => (Code as Readonly<Record<string, Code>>)[name.trim().toUpperCase()] ?? name);
    case "group":
      if (text !== "{}")
        flaw(`it has fields, such as ${field.option}.${Object.values(field.fields)[0]?.option}: set those`);
      return {};
    default:
      return text;
  }
}

function parseFlag(field: PolicyField, text: string): unknown {
  const [yes, no] = isStore(field) ? ["always", "on_demand"] : ["true", "false"];
  return text === yes ? true : text === no ? false : text;
}

/** The one flag that a manifest writes as an enum. */
function isStore({ option }: PolicyField): boolean {
  return option === "store";
}
