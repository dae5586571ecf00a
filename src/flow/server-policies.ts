// The policies of the methods that a task pool serves: what users read and replace while the server runs.

import type { ServerPolicy } from "../codec/policy.js";
import { methodFacts, policyMistakes } from "../codec/policy-rules.js";
import { Code, localError } from "../codec/status.js";
import type { MethodStats } from "./method-counters.js";
import type { MethodGate } from "./method-gate.js";
import type { MethodName, Policies, PolicyEntry } from "./policies.js";
import type { TaskPool } from "./task-pool.js";

const NO_BATCHES =
  "the handler takes one call at a time; write batch in the manifest, and a handler that takes many, or leave it out";

/** Hears of each policy that was replaced, and by whom if that is known. */
export type PolicyChanged = (path: string, policy: ServerPolicy, by: string | undefined) => void;

/**
 * See {@link Policies}; `get` says what was asked for, without the defaults. Whether a method has batches is settled by its
 * handler: a policy may change their limits only.
 */
export class ServerPolicies implements Policies<ServerPolicy> {
  private readonly pool: TaskPool;
  private readonly onChange: PolicyChanged;

  /** Those of the methods that `pool` serves. */
  constructor(pool: TaskPool, onChange: PolicyChanged) {
    this.pool = pool;
    this.onChange = onChange;
  }

  get(method: MethodName): ServerPolicy | undefined {
    return this.gateOf(method)?.current;
  }

  set(method: MethodName, policy: ServerPolicy, by?: string): void {
    const gate = this.gateOf(method);
    const path = pathOf(method);
    if (gate === undefined) throw invalid(`${path}: no such method is served here`);
    const wanted = gate.sizes === undefined ? policy : { ...policy, batch: policy.batch ?? {} };
    const mistakes = policyMistakes(methodFacts(gate.method), { server: wanted, client: {} }).map(
      ({ field, text }) => `${field}: ${text}`,
    );
    if (gate.sizes === undefined && policy.batch !== undefined) mistakes.push(`server.batch: ${NO_BATCHES}`);
    if (mistakes.length > 0) throw invalid(`${path}: ${mistakes.join("; ")}`);
    gate.replace(Object.freeze({ ...wanted }));
    this.onChange(path, wanted, by);
  }

  list(): readonly PolicyEntry<ServerPolicy>[] {
    return [...this.pool.gates].map(([path, { current }]) => ({ path, policy: current }));
  }

  stats(): { readonly [path: string]: MethodStats } {
    return Object.fromEntries([...this.pool.gates].map(([path, gate]) => [path, gate.stats()]));
  }

  private gateOf(method: MethodName): MethodGate | undefined {
    return this.pool.gates.get(pathOf(method));
  }
}

function pathOf(method: MethodName): string {
  return typeof method === "string" ? method : method.path;
}

function invalid(text: string): Error {
  return localError(Code.INVALID_ARGUMENT, text, "never");
}
