// Client and server policies as options of a manifest say them: `POLICY_FIELDS` names the option of every field, so that
// reading them, merging a service's with an rpc's, and finding where a field stands, are loops over one list.

import { parseDuration } from "../codec/durations.js";
import { POLICY_FIELDS, type PolicyField, type PolicyFields } from "../codec/policy-limits.js";
import type { MethodPolicies } from "../codec/policy-rules.js";
import { OptionMessage, type OptionResult } from "./model.js";
import type { Diagnostics, Position } from "./source.js";

/** What options say, by the names of the policies' fields. Groups are trees of their own. */
export interface PolicyTree {
  [name: string]: unknown;
}

/** The value of `store` for which `storeAlways` is true. */
const ALWAYS = "always";

/** Reads `client` and `server` of a `(sluice.method)` or `(sluice.service)`. What cannot be read is reported. */
export function readPolicies(options: OptionMessage | undefined, diagnostics: Diagnostics): PolicyTree {
  return options === undefined ? {} : readGroup(options, POLICY_FIELDS, diagnostics);
}

/** A tree as the policies that it is. */
export function asPolicies({ client = {}, server = {} }: PolicyTree): MethodPolicies {
  return { client, server } as MethodPolicies;
}

/** `defaults` with everything replaced that `own` says, field by field. */
export function mergeTrees(defaults: PolicyTree, own: PolicyTree): PolicyTree {
  const merged: PolicyTree = { ...defaults };
  for (const [name, value] of Object.entries(own)) {
    const known = merged[name];
    merged[name] = isTree(known) && isTree(value) ? mergeTrees(known, value) : value;
  }
  return merged;
}

/** True if the tree says something about the field at `path`, such as `client.retry`. */
export function saysField(tree: PolicyTree, path: string): boolean {
  let at: unknown = tree;
  for (const name of path.split(".")) {
    if (!isTree(at) || !Object.hasOwn(at, name)) return false;
    at = at[name];
  }
  return true;
}

/** The tree without the field at `path`. */
export function withoutField(tree: PolicyTree, path: string): PolicyTree {
  const [name, ...rest] = path.split(".") as [string, ...string[]];
  const { [name]: value, ...others } = tree;
  return rest.length === 0 || !isTree(value) ? others : { ...others, [name]: withoutField(value, rest.join(".")) };
}

/** Where options say the field at `path`; undefined if they do not. */
export function placeOfField(options: OptionMessage | undefined, path: string): Position | undefined {
  let fields = POLICY_FIELDS;
  let at = options;
  const names = path.split(".");
  for (const [index, name] of names.entries()) {
    const field = fields[name];
    if (field === undefined || at === undefined) return undefined;
    if (index === names.length - 1) return at.positions.get(field.option);
    at = at.message(field.option);
    fields = field.type === "group" ? field.fields : {};
  }
  return undefined;
}

function readGroup(options: OptionMessage, fields: PolicyFields, diagnostics: Diagnostics): PolicyTree {
  const tree: PolicyTree = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = options.get(field.option);
    const read = value === undefined ? undefined : readField(options, field, value, diagnostics);
    if (read !== undefined) tree[name] = read;
  }
  return tree;
}

function readField(options: OptionMessage, field: PolicyField, value: OptionResult, diagnostics: Diagnostics): unknown {
  switch (field.type) {
    case "group":
      return value instanceof OptionMessage ? readGroup(value, field.fields, diagnostics) : undefined;
    case "ms":
      return readDuration(options, field.option, value, diagnostics);
    case "choice":
      return readChoice(options, field.option, value, diagnostics);
    case "flag":
      return typeof value === "boolean" ? value : isAlways(readChoice(options, field.option, value, diagnostics));
    default:
      return value;
  }
}

function readDuration(
  options: OptionMessage,
  option: string,
  value: OptionResult,
  diagnostics: Diagnostics,
): number | undefined {
  const parsed = parseDuration(String(value), option);
  if (typeof parsed === "number") return parsed;
  diagnostics.error(options.positions.get(option), parsed);
  return undefined;
}

/** The name of an enum's value, in small letters; undefined for the one that leaves it to the service. */
function readChoice(
  options: OptionMessage,
  option: string,
  value: OptionResult,
  diagnostics: Diagnostics,
): string | undefined {
  const type = options.fields.get(option)?.type;
  if (value === 0 || type?.kind !== "enum") return undefined;
  const found = type.enum.values.find(({ number }) => number === value);
  if (found !== undefined) return found.name.toLowerCase();
  const names = type.enum.values.filter(({ number }) => number !== 0).map(({ name }) => name);
  diagnostics.error(options.positions.get(option), `${option} is ${names.join(", ")}; ${value} is not`);
  return undefined;
}

function isAlways(choice: string | undefined): boolean | undefined {
  return choice === undefined ? undefined : choice === ALWAYS;
}

function isTree(value: unknown): value is PolicyTree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
