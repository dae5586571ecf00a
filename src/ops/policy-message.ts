// Policies as they travel: the messages of `proto/sluice/options.proto`, which a manifest's options are, too. Both are
// read and written by loops over `POLICY_FIELDS`, which knows the name of every field in a manifest.

import { formatDuration, parseDuration } from "../codec/durations.js";
import type { ClientPolicy, ServerPolicy } from "../codec/policy.js";
import type { PolicyField, PolicyFields } from "../codec/policy-limits.js";
import {
  ClientPolicy_Overflow,
  ClientPolicy_Store,
  type ClientPolicyInit,
  type ClientPolicy as ClientPolicyMessage,
  Failure,
  ServerPolicy_Limiter,
  ServerPolicy_Overflow,
  type ServerPolicyInit,
  type ServerPolicy as ServerPolicyMessage,
} from "./gen/sluice/options.js";
import { fieldsOf, localName, type PolicySide, type PolicyTree } from "./policy-tree.js";

type Enum = Readonly<Record<string, number>>;

/** The enums of the fields that have one. */
const ENUMS: ReadonlyMap<string, Enum> = new Map<string, Enum>([
  ["client.overflow", ClientPolicy_Overflow],
  ["client.failure", Failure],
  ["client.storeAlways", ClientPolicy_Store],
  ["server.limiter", ServerPolicy_Limiter],
  ["server.overflow", ServerPolicy_Overflow],
]);

/** A server's policy as a message. */
export function serverPolicyMessage(policy: ServerPolicy): ServerPolicyInit {
  return writeGroup(fieldsOf("server"), policy as PolicyTree, "server.");
}

/** A client's policy as a message. */
export function clientPolicyMessage(policy: ClientPolicy): ClientPolicyInit {
  return writeGroup(fieldsOf("client"), policy as PolicyTree, "client.");
}

/** The policy that a message is. What cannot be read is left out, and told to `flaws`: `server.queueDeadlineMs: ...`. */
export function readPolicy(
  side: PolicySide,
  message: ServerPolicyMessage | ClientPolicyMessage,
  flaws: string[],
): PolicyTree {
  return readGroup(fieldsOf(side), message as unknown as PolicyTree, `${side}.`, flaws);
}

function writeGroup(fields: PolicyFields, policy: PolicyTree, place: string): PolicyTree {
  const message: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = policy[name];
    if (value !== undefined) message[localName(field.option)] = writeValue(field, value, place + name);
  }
  return message;
}

function writeValue(field: PolicyField, value: unknown, path: string): unknown {
  switch (field.type) {
    case "ms":
      return formatDuration(value as number);
    case "choice":
      return ENUMS.get(path)?.[(value as string).toUpperCase()];
    case "flag":
      return ENUMS.has(path) ? (value === true ? ClientPolicy_Store.ALWAYS : ClientPolicy_Store.ON_DEMAND) : value;
    case "group":
      return writeGroup(field.fields, value as PolicyTree, `${path}.`);
    default:
      return value;
  }
}

function readGroup(fields: PolicyFields, message: PolicyTree, place: string, flaws: string[]): PolicyTree {
  const policy: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = message[localName(field.option)];
    const read = value === undefined ? undefined : readValue(field, value, place + name, flaws);
    if (read !== undefined) policy[name] = read;
  }
  return policy;
}

function readValue(field: PolicyField, value: unknown, path: string, flaws: string[]): unknown {
  switch (field.type) {
    case "ms":
      return readDuration(field.option, value as string, path, flaws);
    case "choice":
      return readEnum(field.option, value as number, path, flaws)?.toLowerCase();
    case "flag": {
      if (!ENUMS.has(path)) return value;
      const chosen = readEnum(field.option, value as number, path, flaws);
      return chosen === undefined ? undefined : chosen === "ALWAYS";
    }
    case "group":
      return readGroup(field.fields, value as PolicyTree, `${path}.`, flaws);
    case "codes":
      // A list has no presence: an empty one says nothing.
      return (value as readonly number[]).length === 0 ? undefined : value;
    default:
      return value;
  }
}

function readDuration(option: string, text: string, path: string, flaws: string[]): number | undefined {
  const parsed = parseDuration(text, option);
  if (typeof parsed === "number") return parsed;
  flaws.push(`${path}: ${parsed}`);
  return undefined;
}

/** The name of an enum's value; undefined for the one that says nothing. */
function readEnum(option: string, value: number, path: string, flaws: string[]): string | undefined {
  if (value === 0) return undefined;
  const entries = Object.entries(ENUMS.get(path) ?? {});
  const found = entries.find(([, number]) => number === value);
  if (found !== undefined) return found[0];
  const names = entries.filter(([, number]) => number !== 0).map(([name]) => name);
  flaws.push(`${path}: ${option} is ${names.join(", ")}; ${value} is not`);
  return undefined;
}
