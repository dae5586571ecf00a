// The policies of a channel's or a server's methods, as users read and replace them while the process runs. It owns only
// the shape; `call/client-policies.ts` has the client's.

import type { AnyMethod } from "../codec/method.js";
import type { MethodStats } from "./method-counters.js";

/** A method by its descriptor, or by its path (`push.v1.Register/Bind`) once it is known here. */
export type MethodName = AnyMethod | string;

/** A method and what holds for it now. */
export interface PolicyEntry<P> {
  /** `push.v1.Register/Bind`. */
  readonly path: string;
  readonly policy: P;
}

/** Reads and replaces the policies of methods. `P` is `ClientPolicy` on a channel or peer, `ServerPolicy` on a server. */
export interface Policies<P> {
  /** What holds for a method now: what was set last, else what its manifest says. Undefined for a path that is not known. */
  get(method: MethodName): P | undefined;
  /**
   * Replaces the policy of a method as a whole, from its next call on; calls that wait go on under the new limits. The log
   * tells of it, and `by` whom it was done, such as `"ada at 10.0.0.1:4711"`. Throws `RpcError` INVALID_ARGUMENT, which says
   * what is wrong, and changes nothing.
   */
  set(method: MethodName, policy: P, by?: string): void;
  /** The methods that have a policy, in the order in which they became known. */
  list(): readonly PolicyEntry<P>[];
  /** What was counted for each of them since it became known, by path. */
  stats(): { readonly [path: string]: MethodStats };
}
