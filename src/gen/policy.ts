// What a manifest says about how an rpc is called: `option (sluice.method)`, the defaults that a service gives with
// `option (sluice.service)`, and protobuf's own `idempotency_level`. Mistakes are reported where the value stands.

import type { MethodModel, MethodPolicy, OptionMessage, ServiceModel } from "./model.js";
import type { Diagnostics, Position } from "./source.js";

const METHOD_OPTION = "[sluice.method]";
const SERVICE_OPTION = "[sluice.service]";
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
/** What a 32-bit count of milliseconds can say, about 24 days: timers count so. */
const MAX_DEADLINE_MS = 2 ** 31 - 1;
const PRIORITIES = [undefined, "low", "normal", "high"] as const;
const IDEMPOTENCY = [undefined, "no-side-effects", "idempotent"] as const;

/** Settles the policy of every rpc of a service. */
export function assignPolicies(service: ServiceModel, diagnostics: Diagnostics): void {
  const defaults = service.options.message(SERVICE_OPTION);
  for (const method of service.methods) {
    method.policy = policyOf(method, defaults, diagnostics);
    checkOneWay(method, diagnostics);
  }
}

/** Milliseconds of a duration such as `500ms`, `2s`, `1.5m` or `1h`, or why it is none. */
export function parseDeadline(text: string): number | string {
  const found = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)$/.exec(text);
  if (found === null) return `expected a duration such as "500ms", "2s", "1m" or "1h", found ${JSON.stringify(text)}`;
  const ms = Number(found[1]) * UNIT_MS[found[2]!]!;
  if (ms < 1 || !Number.isInteger(ms))
    return `a deadline is a whole number of milliseconds, 1 or more; "${text}" is ${ms} ms`;
  return ms > MAX_DEADLINE_MS ? `a deadline is at most ${MAX_DEADLINE_MS} ms (about 24 days); "${text}" is more` : ms;
}

function policyOf(method: MethodModel, defaults: OptionMessage | undefined, diagnostics: Diagnostics): MethodPolicy {
  const own = method.options.message(METHOD_OPTION);
  // A stream may live as long as its caller likes: it has a deadline only where the rpc itself says so.
  const inherited = deadlineOf(defaults, diagnostics);
  return {
    deadlineMs: deadlineOf(own, diagnostics) ?? (method.methodKind === "unary" ? inherited : undefined),
    oneWay: own?.get("one_way") === true,
    priority: PRIORITIES[Number(own?.get("priority") ?? 0)] ?? PRIORITIES[Number(defaults?.get("priority") ?? 0)],
    idempotency: IDEMPOTENCY[Number(method.options.get("idempotency_level") ?? 0)],
  };
}

function deadlineOf(options: OptionMessage | undefined, diagnostics: Diagnostics): number | undefined {
  const text = options?.get("deadline");
  if (typeof text !== "string") return undefined;
  const parsed = parseDeadline(text);
  if (typeof parsed === "number") return parsed;
  diagnostics.error(options?.positions.get("deadline"), parsed);
  return undefined;
}

/** A one-way rpc has no response, so its reply must be able to say nothing. */
function checkOneWay(method: MethodModel, diagnostics: Diagnostics): void {
  if (!method.policy.oneWay) return;
  const position: Position = method.options.message(METHOD_OPTION)?.positions.get("one_way") ?? method.position;
  if (method.methodKind !== "unary")
    diagnostics.error(position, `one_way is for rpcs without streams; ${method.name} is ${method.methodKind}`);
  if (method.output.fullName !== "google.protobuf.Empty") {
    diagnostics.error(
      position,
      `a one_way rpc returns google.protobuf.Empty, since nothing is sent back; ${method.name} returns ${method.output.fullName}`,
    );
  }
}
