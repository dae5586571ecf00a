// A policy as a tree of its fields, and paths into it: `batch.max_size` as a manifest has it, or `batch.maxSize` as TypeScript
// does. Trees are never changed: what changes one makes another. What a field may hold, `codec/policy-limits.ts` says.

import { POLICY_FIELDS, type PolicyField, type PolicyFields } from "../codec/policy-limits.js";

/** Which end of a call a policy is for. */
export type PolicySide = "client" | "server";

/** What a policy says, by the names of its fields in TypeScript. Groups are trees of their own. */
export interface PolicyTree {
  readonly [name: string]: unknown;
}

/** A field of a policy, and the way to it. */
export interface FieldPath {
  /** The names on the way, in TypeScript's writing: `["batch", "maxSize"]`. */
  readonly names: readonly string[];
  readonly field: PolicyField;
}

/** The fields of one side's policy. */
export function fieldsOf(side: PolicySide): PolicyFields {
  const field = POLICY_FIELDS[side] as Extract<PolicyField, { type: "group" }>;
  return field.fields;
}

/** `maxSize` for `max_size`: the name that generated code has for an option. */
export function localName(option: string): string {
  return option.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** The field of a side's policy that `text` names, or why it names none. */
export function findField(side: PolicySide, text: string): FieldPath | string {
  const names: string[] = [];
  let fields = fieldsOf(side);
  let field: PolicyField | undefined;
  for (const part of text.split(".")) {
    const found = Object.entries(fields).find(([name, { option }]) => [name, option, localName(option)].includes(part));
    const place = [side, ...names].join(".");
    if (found === undefined) return noField(part, place, fields);
    names.push(found[0]);
    field = found[1];
    fields = field.type === "group" ? field.fields : {};
  }
  return { names, field: field as PolicyField };
}

/** The value at a path; undefined if the tree says nothing there. */
export function valueAt(tree: PolicyTree, names: readonly string[]): unknown {
  return names.reduce<unknown>((at, name) => (isTree(at) && Object.hasOwn(at, name) ? at[name] : undefined), tree);
}

/** The tree with another value at a path; undefined takes away what is there. */
export function withValue(tree: PolicyTree, names: readonly string[], value: unknown): PolicyTree {
  const [name, ...rest] = names as [string, ...string[]];
  const { [name]: old, ...others } = tree;
  if (rest.length === 0) return value === undefined ? others : { ...others, [name]: value };
  if (value === undefined && !isTree(old)) return tree;
  return { ...others, [name]: withValue(isTree(old) ? old : {}, rest, value) };
}

function noField(part: string, place: string, fields: PolicyFields): string {
  const options = Object.values(fields).map(({ option }) => option);
  const instead = options.length === 0 ? `${place} has no fields` : `its fields are ${options.join(", ")}`;
  return `${place} has no field ${JSON.stringify(part.slice(0, 80))}: ${instead}`;
}

function isTree(value: unknown): value is PolicyTree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
