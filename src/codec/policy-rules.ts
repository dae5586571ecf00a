// Which policies make sense: every number in its range, nothing said twice over or against each other, nothing that the
// method cannot have. The generator asks before it writes a descriptor, live control before it changes one; both tell
// people what is wrong in the words of the manifest. Rules only look: they change nothing and never throw.

import type { AnyMethod, Idempotency, MethodKind } from "./method.js";
import type { ClientPolicy, ServerPolicy } from "./policy.js";
import { fieldFlaw, POLICY_FIELDS, type PolicyField, type PolicyFields } from "./policy-limits.js";

/** What the rules must know about a method. */
export interface MethodFacts {
  /** Its name in the manifest, for messages. */
  readonly name: string;
  readonly kind: MethodKind;
  readonly oneWay: boolean;
  /** The full name of the reply's type. */
  readonly reply: string;
  readonly idempotency: Idempotency;
  /** Milliseconds; undefined where the manifest says nothing. */
  readonly deadlineMs: number | undefined;
  /** The request's fields by name, each with what it holds; undefined where nobody knows: `queueKey` is not checked then. */
  readonly requestFields: ReadonlyMap<string, KeyKind> | undefined;
}

/** What a field of a request holds, as far as a key of a queue goes: `key` can be one, everything else says why not. */
export type KeyKind = "key" | "a message" | "a floating-point number" | "repeated" | "in a oneof";

/** What both sides do with a method's calls. */
export interface MethodPolicies {
  readonly client: ClientPolicy;
  readonly server: ServerPolicy;
}

/** Something in a policy that makes no sense. */
export interface PolicyMistake {
  /** What is wrong, from the side down: `client.retry.maxAttempts`. */
  readonly field: string;
  /** The field that it is wrong beside, if it is one. */
  readonly beside?: string;
  /** Why, and what to write instead, in the words of the manifest. */
  readonly text: string;
  /** True if the field only says nothing here, so that one who inherits it can do without. */
  readonly isMoot: boolean;
}

const EMPTY = "google.protobuf.Empty";

/** What the rules must know about a method, from its descriptor. */
export function methodFacts(method: AnyMethod): MethodFacts {
  const { name, kind, oneWay, output, idempotency, deadlineMs } = method;
  return { name, kind, oneWay, reply: output.typeName, idempotency, deadlineMs, requestFields: undefined };
}

/** Everything that is wrong with the policies of a method; empty if they may be used. */
export function policyMistakes(facts: MethodFacts, policies: MethodPolicies): PolicyMistake[] {
  const flawed = fieldMistakes(policies);
  return flawed.length > 0 ? flawed : combinationMistakes(facts, policies);
}

/** The fields that hold what they never may, whatever the method and the other fields are. */
export function fieldMistakes(policies: MethodPolicies): PolicyMistake[] {
  return [...flaws(POLICY_FIELDS, policies as object, "")];
}

/** What does not go together: fields with each other, and with the method. The fields must hold what they may. */
export function combinationMistakes(facts: MethodFacts, { client, server }: MethodPolicies): PolicyMistake[] {
  const found = new Findings();
  checkClientFields(client, found);
  checkStore(client, found);
  checkServerFields(server, found);
  if (facts.kind !== "unary") checkStream(facts, client, server, found);
  else if (facts.oneWay) checkOneWay(facts, client, server, found);
  else checkUnary(facts, client, server, found);
  if (client.queueKey !== undefined) checkQueueKey(facts, client.queueKey, found);
  if (facts.deadlineMs !== undefined) checkDeadline(facts.deadlineMs, client, server, found);
  return found.list;
}

class Findings {
  readonly list: PolicyMistake[] = [];

  /** A field that says nothing beside the others, or for the method. */
  moot(field: string, text: string): void {
    this.list.push({ field, text, isMoot: true });
  }

  /** A field that says what cannot be. */
  wrong(field: string, text: string, beside?: string): void {
    this.list.push({ field, text, isMoot: false, ...(beside === undefined ? {} : { beside }) });
  }
}

function* flaws(fields: PolicyFields, values: object, path: string): Generator<PolicyMistake> {
  for (const [name, value] of Object.entries(values)) {
    const field: PolicyField | undefined = Object.hasOwn(fields, name) ? fields[name] : undefined;
    const flaw =
      field === undefined ? `there is no field ${name}` : value === undefined ? undefined : fieldFlaw(field, value);
    if (flaw !== undefined) yield { field: path + name, text: flaw, isMoot: false };
    else if (field?.type === "group" && value !== undefined) yield* flaws(field.fields, value, `${path}${name}.`);
  }
}

// What goes with what, whatever the method is

function checkClientFields(client: ClientPolicy, found: Findings): void {
  const { concurrency, queue, rate, burst, overflow, failure, retry, hedge } = client;
  if (burst !== undefined && rate === undefined) found.moot("client.burst", burstText);
  if (queue !== undefined && (overflow ?? "block") !== "block") {
    const text = `queue is for overflow: BLOCK; with overflow: ${shout(overflow)} no call waits: leave queue out`;
    found.moot("client.queue", text);
  } else if (queue !== undefined && concurrency === undefined && rate === undefined) {
    found.moot("client.queue", "queue is for calls beyond concurrency or rate: write one of them, or leave queue out");
  }
  if (retry !== undefined && failure !== "retry") found.moot("client.retry", companionText("retry"));
  if (hedge !== undefined && failure !== "hedge") found.moot("client.hedge", companionText("hedge"));
  const { initialBackoffMs = 10, maxBackoffMs = 1_000 } = retry ?? {};
  if (initialBackoffMs > maxBackoffMs) {
    const [said, other] = retry?.maxBackoffMs === undefined ? ["initial", "max"] : ["max", "initial"];
    const text = `max_backoff (${maxBackoffMs} ms) is shorter than initial_backoff (${initialBackoffMs} ms): write a longer max_backoff or a shorter initial_backoff`;
    found.wrong(`client.retry.${said}BackoffMs`, text, `client.retry.${other}BackoffMs`);
  }
}

const burstText = "burst is for rate, which is not said: write rate, or leave burst out";

function companionText(name: "retry" | "hedge"): string {
  return `${name} is for failure: ${shout(name)}: write that, or leave ${name} out`;
}

function checkStore(client: ClientPolicy, found: Findings): void {
  const { overflow, failure, queue, queueName, queueKey, storeAlways } = client;
  const queueing = overflow === "queue" ? "overflow" : failure === "queue" ? "failure" : undefined;
  if (queueing !== undefined && queueName === undefined)
    found.wrong(`client.${queueing}`, `${queueing}: QUEUE needs a queue: write queue_name: "..."`);
  const unused = (field: string, option: string): void =>
    found.moot(
      `client.${field}`,
      `${option} is for overflow: QUEUE or failure: QUEUE: write one, or leave ${option} out`,
    );
  if (queueing === undefined && queueName !== undefined) unused("queueName", "queue_name");
  if (queueing === undefined && queueKey !== undefined) unused("queueKey", "queue_key");
  if (queueing === undefined && storeAlways !== undefined) unused("storeAlways", "store");
  if (queueing === undefined || storeAlways !== true) return;
  const needless = "with store: ALWAYS every call goes through the queue";
  if (overflow !== undefined && overflow !== "queue")
    found.wrong(
      "client.storeAlways",
      `${needless}: leave overflow: ${shout(overflow)} or store out`,
      "client.overflow",
    );
  else if (queue !== undefined && overflow === undefined)
    found.moot("client.queue", `${needless}, and no call waits elsewhere: leave queue out`);
  if (failure !== undefined && failure !== "queue" && failure !== "fail")
    found.wrong("client.storeAlways", `${needless}: leave failure: ${shout(failure)} or store out`, "client.failure");
}

function checkServerFields(server: ServerPolicy, found: Findings): void {
  const { concurrency, limiter, queue, queueDeadlineMs, rate, burst, batch } = server;
  if (burst !== undefined && rate === undefined) found.moot("server.burst", burstText);
  if (queueDeadlineMs !== undefined && queue === 0)
    found.moot("server.queueDeadlineMs", "with queue: 0 no call waits: leave queue_deadline or queue out");
  if (batch !== undefined && limiter === "adaptive") {
    const text =
      "limiter: ADAPTIVE follows the time of single calls, which a batch does not tell: write limiter: STATIC, or leave batch out";
    found.wrong("server.limiter", text, "server.batch");
  }
  if (concurrency !== undefined && batch?.maxSize !== undefined && batch.maxSize > concurrency) {
    const text = `a batch of max_size (${batch.maxSize}) is never full: concurrency (${concurrency}) counts its calls: write a larger concurrency or a smaller max_size`;
    found.wrong("server.batch.maxSize", text, "server.concurrency");
  }
}

// What methods of a kind can have

function checkStream(facts: MethodFacts, client: ClientPolicy, server: ServerPolicy, found: Findings): void {
  const unaryOnly = (field: string, what: string, instead = "leave it out"): void =>
    found.moot(field, `${what} is for unary rpcs; ${facts.name} is ${facts.kind}: ${instead}`);
  const { overflow, failure } = client;
  if (overflow === "log" || overflow === "queue")
    unaryOnly("client.overflow", `overflow: ${shout(overflow)}`, "write BLOCK or REJECT");
  if (failure !== undefined && failure !== "fail") unaryOnly("client.failure", `failure: ${shout(failure)}`);
  if (client.throttle === true) unaryOnly("client.throttle", "throttle");
  if (server.overflow === "log") unaryOnly("server.overflow", "overflow: LOG", "write REJECT");
  if (server.limiter === "adaptive") unaryOnly("server.limiter", "limiter: ADAPTIVE", "write STATIC");
  if (server.batch !== undefined) unaryOnly("server.batch", "batch");
}

function checkOneWay({ name }: MethodFacts, client: ClientPolicy, server: ServerPolicy, found: Findings): void {
  const answered = (field: string, what: string): void =>
    found.moot(field, `${what} is for rpcs with an answer; ${name} is one-way: leave it out`);
  const { failure } = client;
  if (client.concurrency !== undefined) {
    const text = `concurrency is for rpcs with an answer; a call of ${name}, which is one-way, is over once it is written: write rate instead`;
    found.moot("client.concurrency", text);
  }
  if (failure === "retry" || failure === "hedge") answered("client.failure", `failure: ${shout(failure)}`);
  if (client.throttle === true) answered("client.throttle", "throttle");
  if (server.batch !== undefined) answered("server.batch", "batch");
}

function checkUnary(facts: MethodFacts, client: ClientPolicy, server: ServerPolicy, found: Findings): void {
  const { name, reply, idempotency } = facts;
  const { overflow, failure } = client;
  const emptyOnly = (field: string, what: string, instead: string): void => {
    if (reply === EMPTY) return;
    const text = `${what} is for rpcs that return ${EMPTY}, since the call succeeds without a reply; ${name} returns ${reply}: write ${instead}`;
    found.wrong(field, text);
  };
  if (overflow === "log" || overflow === "queue")
    emptyOnly("client.overflow", `overflow: ${shout(overflow)}`, "BLOCK or REJECT");
  if (failure === "log" || failure === "queue")
    emptyOnly("client.failure", `failure: ${shout(failure)}`, "FAIL or RETRY");
  if (server.overflow === "log") emptyOnly("server.overflow", "overflow: LOG", "REJECT");
  if (failure === "hedge" && idempotency === "unknown") {
    const text = `failure: HEDGE runs a call twice; ${name} is not idempotent: write option idempotency_level = IDEMPOTENT if it is, else failure: RETRY`;
    found.wrong("client.failure", text);
  }
}

function checkQueueKey({ name, requestFields }: MethodFacts, queueKey: string, found: Findings): void {
  if (requestFields === undefined) return;
  const kind = requestFields.get(queueKey);
  if (kind === "key") return;
  const known = [...requestFields].filter(([, each]) => each === "key").map(([field]) => field);
  const instead = known.length === 0 ? "leave it out" : `name one of ${known.slice(0, 12).join(", ")}`;
  const flaw =
    kind === undefined ? `the request of ${name} has no field ${JSON.stringify(queueKey)}` : `${queueKey} is ${kind}`;
  const text = `queue_key is a string, an integer, a bool, an enum or bytes; ${flaw}: ${instead}`;
  found.wrong("client.queueKey", text);
}

function checkDeadline(deadlineMs: number, client: ClientPolicy, server: ServerPolicy, found: Findings): void {
  const within = (field: string, option: string, ms: number | undefined, most: number): void => {
    if (ms === undefined || ms <= most) return;
    found.wrong(
      field,
      `${option} (${ms} ms) leaves nothing of the deadline (${deadlineMs} ms): write a shorter ${option}`,
    );
  };
  within("server.queueDeadlineMs", "queue_deadline", server.queueDeadlineMs, deadlineMs);
  within("server.batch.maxDelayMs", "max_delay", server.batch?.maxDelayMs, deadlineMs - 1);
  within("client.hedge.delayMs", "delay", client.hedge?.delayMs, deadlineMs - 1);
  within("client.retry.initialBackoffMs", "initial_backoff", client.retry?.initialBackoffMs, deadlineMs - 1);
}

/** `"block"` as a manifest has it. */
function shout(value: string | undefined): string {
  return String(value).toUpperCase();
}
