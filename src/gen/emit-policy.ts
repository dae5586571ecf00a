// The client's and the server's policy of an rpc as code in its descriptor: what the manifest says and nothing else, so
// that defaults stay where they are enforced.

import type { MethodPolicies } from "../codec/policy-rules.js";
import { codeName } from "../codec/status.js";
import { type Literal, literal, writeLiteral } from "./printer.js";

/** Properties of a method's spec at `indent`: `client: { ... }` and `server: { ... }`, each only if something is said. */
export function emitPolicies({ client, server }: MethodPolicies, indent: string): string[] {
  const said = Object.entries({ client, server }).filter(([, policy]) => Object.keys(policy).length > 0);
  return said.map(([side, policy]) => `${side}: ${writeLiteral(groupLiteral(policy), indent)}`);
}

function groupLiteral(group: object): Literal {
  return Object.fromEntries(Object.entries(group).map(([name, value]) => [name, valueLiteral(value)]));
}

function valueLiteral(value: unknown): Literal {
  // The numbers of codes, which need no import; their names are for who reads.
  if (Array.isArray(value)) return value.map((code: number) => `${code} /* ${codeName(code)} */`);
  if (typeof value === "object" && value !== null) return groupLiteral(value);
  return typeof value === "string" ? literal(value) : String(value);
}
