// The policies of the methods that a task pool serves: what users read and replace while the server runs.

import type { ServerPolicy } from "../codec/policy.js";
import { methodFacts, policyMistakes } from "../codec/policy-rules.js";
import { Code, localError } from "../codec/status.js";
import type { MethodStats } from "./method-counters.js";
import type { MethodGate } from "./method-gate.js";
import type { MethodName, Policies, PolicyEntry } from "./policies.js";
import type { TaskPool } from "./task-pool.js";

/** See {@link Policies}; `get` says what was asked for, without the defaults. */
export class ServerPolicies implements Policies<ServerPolicy> {
  private readonly pool: TaskPool;
  private readonly onChange: (path: string, policy: ServerPolicy) => void;

  /** `onChange` hears of each policy that was replaced. */
  constructor(pool: TaskPool, onChange: (path: string, policy: ServerPolicy) => void) {
    this.pool = pool;
    this.onChange = onChange;
  }

  get(method: MethodName): ServerPolicy | undefined {
    return this.gateOf(method)?.current;
  }

  set(method: MethodName, policy: ServerPolicy): void {
    const gate = this.gateOf(method);
    const path = pathOf(method);
    if (gate === undefined) throw invalid(`${path}: no such method is served here`);
    const mistakes = policyMistakes(methodFacts(gate.method), { server: policy, client: {} });
    if (mistakes.length > 0)
      throw invalid(`${path}: ${mistakes.map(({ field, text }) => `${field}: ${text}`).join("; ")}`);
    gate.replace(Object.freeze({ ...policy }));
    this.onChange(path, policy);
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
