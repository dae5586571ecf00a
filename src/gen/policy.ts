// What a manifest says about how an rpc is called: `option (sluice.method)`, the defaults that a service gives with
// `option (sluice.service)`, and protobuf's own `idempotency_level`. Mistakes are reported where the value stands.
// An rpc inherits each field that its service gives, unless it says the field itself or the field says nothing for it: what
// only other kinds of rpcs can have, or what goes with something that the rpc says otherwise.

import { parseDuration } from "../codec/durations.js";
import { combinationMistakes, fieldMistakes, type KeyKind, type MethodFacts } from "../codec/policy-rules.js";
import type { FieldModel, MessageModel, MethodModel, MethodPolicy, OptionMessage, ServiceModel } from "./model.js";
import {
  asPolicies,
  mergeTrees,
  type PolicyTree,
  placeOfField,
  readPolicies,
  saysField,
  withoutField,
} from "./policy-options.js";
import type { Diagnostics, Position } from "./source.js";

const METHOD_OPTION = "[sluice.method]";
const SERVICE_OPTION = "[sluice.service]";
const PRIORITIES = [undefined, "low", "normal", "high"] as const;
const IDEMPOTENCY = [undefined, "no-side-effects", "idempotent"] as const;

/** What a service says for all its rpcs. */
interface Defaults {
  readonly options: OptionMessage | undefined;
  readonly tree: PolicyTree;
  /** Fields that rpcs went without: how many did, and why the first one. */
  readonly unused: Map<string, { count: number; readonly text: string }>;
}

/** Settles the policy of every rpc of a service. */
export function assignPolicies(service: ServiceModel, diagnostics: Diagnostics): void {
  const options = service.options.message(SERVICE_OPTION);
  const defaults: Defaults = { options, tree: readPolicies(options, diagnostics), unused: new Map() };
  for (const { field, text } of fieldMistakes(asPolicies(defaults.tree)))
    diagnostics.error(placeOfField(options, field), text);
  for (const method of service.methods) {
    const policy = policyOf(method, options, diagnostics);
    method.policy = policy;
    checkOneWay(method, diagnostics);
    method.policy = { ...policy, ...flowOf(method, defaults, diagnostics) };
  }
  for (const [field, { count, text }] of defaults.unused)
    if (count === service.methods.length) diagnostics.error(placeOfField(options, field), text);
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
    client: {},
    server: {},
  };
}

function deadlineOf(options: OptionMessage | undefined, diagnostics: Diagnostics): number | undefined {
  const text = options?.get("deadline");
  if (typeof text !== "string") return undefined;
  const parsed = parseDuration(text, "a deadline", 1);
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

/** The client's and the server's part of an rpc's policy, checked. */
function flowOf(
  method: MethodModel,
  defaults: Defaults,
  diagnostics: Diagnostics,
): Pick<MethodPolicy, "client" | "server"> {
  const options = method.options.message(METHOD_OPTION);
  const own = readPolicies(options, diagnostics);
  if (Object.keys(own).length + Object.keys(defaults.tree).length === 0) return { client: {}, server: {} };
  const facts = factsOf(method);
  const tree = inherit(own, defaults, facts);
  const place = (field: string | undefined): Position | undefined =>
    field === undefined ? undefined : placeOfField(options, field);
  for (const { field, text } of fieldMistakes(asPolicies(own))) diagnostics.error(place(field), text);
  for (const { field, beside, text } of combinationMistakes(facts, asPolicies(tree)))
    diagnostics.error(place(field) ?? place(beside) ?? placeOfField(defaults.options, field), text);
  const { client, server } = asPolicies(tree);
  return { client: withLocalKey(client, method.input), server };
}

/** What the rpc says and, of what its service says, all that is not moot for it. */
function inherit(own: PolicyTree, { tree, unused }: Defaults, facts: MethodFacts): PolicyTree {
  let merged = mergeTrees(tree, own);
  for (;;) {
    const moot = combinationMistakes(facts, asPolicies(merged)).find(
      ({ isMoot, field }) => isMoot && !saysField(own, field),
    );
    if (moot === undefined) return merged;
    merged = withoutField(merged, moot.field);
    const { count, text } = unused.get(moot.field) ?? { count: 0, text: moot.text };
    unused.set(moot.field, { count: count + 1, text });
  }
}

function factsOf({ name, methodKind, policy, input, output }: MethodModel): MethodFacts {
  return {
    name,
    kind: methodKind,
    oneWay: policy.oneWay,
    reply: output.fullName,
    idempotency: policy.idempotency ?? "unknown",
    deadlineMs: policy.deadlineMs,
    requestFields: new Map(fieldsOf(input).map((field) => [field.name, keyKind(field)])),
  };
}

/** An rpc of an enum, which is reported elsewhere, has none. */
function fieldsOf({ kind, fields }: MessageModel): readonly FieldModel[] {
  return kind === "message" ? fields : [];
}

function keyKind({ cardinality, oneof, type }: FieldModel): KeyKind {
  if (cardinality !== "single") return "repeated";
  if (oneof !== undefined) return "in a oneof";
  if (type.kind === "message") return "a message";
  const isFloat = type.kind === "scalar" && (type.scalar === "float" || type.scalar === "double");
  return isFloat ? "a floating-point number" : "key";
}

/** Programs find the field by its name in TypeScript. */
function withLocalKey(client: MethodPolicy["client"], request: MessageModel): MethodPolicy["client"] {
  const field = fieldsOf(request).find(({ name }) => name === client.queueKey);
  return field === undefined ? client : { ...client, queueKey: field.localName };
}
