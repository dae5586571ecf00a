// The rules of policies for a running process, which knows a method by its descriptor and may be given anything. What goes
// together is in test/gen/policies.test.ts, by the words of manifests.

import { describe, expect, it } from "vitest";
import { Method, type MethodSpec } from "../../src/codec/method.js";
import { type MethodPolicies, methodFacts, policyMistakes } from "../../src/codec/policy-rules.js";
import { Code } from "../../src/codec/status.js";
import { Empty } from "../../src/codec/well-known/empty.js";
import { Echo } from "../support/gen/support/v1/echo.js";

const { input } = Echo.methods.echo;

function mistakes(
  policies: Partial<Record<keyof MethodPolicies, unknown>>,
  spec: Partial<MethodSpec<never, never, never, never>> = {},
): string[] {
  const method = new Method("t.S", { name: "M", localName: "m", input, output: input, ...spec } as never);
  const given = { client: {}, server: {}, ...policies } as MethodPolicies;
  return policyMistakes(methodFacts(method), given).map(({ field, text }) => `${field}: ${text}`);
}

describe("policyMistakes", () => {
  it("finds nothing in policies that may be used, undefined fields aside", () => {
    const retry = { maxAttempts: 5, initialBackoffMs: undefined, codes: [Code.UNAVAILABLE] };
    expect(
      mistakes({ client: { failure: "retry", retry, queue: undefined }, server: { queue: 0, batch: {} } }),
    ).toEqual([]);
    expect(mistakes({})).toEqual([]);
  });

  it.each<[string, Partial<Record<keyof MethodPolicies, unknown>>, string]>([
    ["a field that is none", { client: { concurency: 5 } }, "client.concurency: there is no field concurency"],
    [
      "what every object has",
      { server: JSON.parse('{"__proto__": 1}') },
      "server.__proto__: there is no field __proto__",
    ],
    ["a side that is none", { both: {} } as object, "both: there is no field both"],
    ["no policy", { client: null }, "client: client is written { ... }"],
    ["a list for a group", { client: { retry: [] } }, "client.retry: retry is written { ... }"],
    ["a word for a number", { server: { rate: "5" } }, 'server.rate: rate is from 1 to 16777216; "5" is not'],
    ["a fraction", { server: { rate: 1.5 } }, "server.rate: rate is from 1 to 16777216; 1.5 is not"],
    ["no number", { server: { queueDeadlineMs: Number.NaN } }, "queue_deadline is from 1 to 2147483647 ms; NaN is not"],
    [
      "without end",
      { server: { batch: { maxDelayMs: Number.POSITIVE_INFINITY } } },
      "server.batch.maxDelayMs: max_delay is",
    ],
    [
      "a choice that is none",
      { client: { overflow: "REJECT" } },
      'overflow is BLOCK, REJECT, LOG, QUEUE; "REJECT" is not',
    ],
    ["a word for a flag", { client: { throttle: "yes" } }, 'client.throttle: throttle is true or false; "yes" is not'],
    ["no codes", { client: { retry: { codes: [] } } }, "client.retry.codes: codes is empty: name a code"],
    ["a code that is none", { client: { retry: { codes: [99] } } }, "client.retry.codes: 99 is no status code"],
    [
      "one code for a list",
      { client: { retry: { codes: 14 } } },
      "client.retry.codes: codes is a list of status codes",
    ],
    ["an empty key", { client: { queueKey: "" } }, "client.queueKey: queue_key names a field of the request"],
  ])("refuses %s", (_, policies, text) => {
    expect(mistakes(policies)).toEqual([expect.stringContaining(text)]);
  });

  it("tells every mistake, and what does not go together only where each field is right", () => {
    const client = { burst: 1, retry: {} };
    expect(mistakes({ client, server: { burst: 1 } })).toEqual([
      "client.burst: burst is for rate, which is not said: write rate, or leave burst out",
      "client.retry: retry is for failure: RETRY: write that, or leave retry out",
      "server.burst: burst is for rate, which is not said: write rate, or leave burst out",
    ]);
    expect(mistakes({ client: { ...client, rate: 0, queue: 0 } })).toEqual([
      expect.stringMatching(/^client.rate: /),
      expect.stringMatching(/^client.queue: /),
    ]);
  });

  it("knows the method by its descriptor", () => {
    const hedge = { client: { failure: "hedge" } };
    expect(mistakes(hedge)).toEqual([expect.stringContaining("M is not idempotent")]);
    expect(mistakes(hedge, { idempotency: "idempotent" })).toEqual([]);
    expect(mistakes(hedge, { idempotency: "no-side-effects" })).toEqual([]);
    const log = { server: { overflow: "log" } };
    expect(mistakes(log)).toEqual([expect.stringContaining(`M returns ${input.typeName}`)]);
    expect(mistakes(log, { output: Empty } as object)).toEqual([]);
    expect(mistakes(log, { kind: "bidi-streaming" })).toEqual([expect.stringContaining("M is bidi-streaming")]);
    expect(mistakes({ server: { batch: {} } }, { output: Empty, oneWay: true } as object)).toEqual([
      expect.stringContaining("M is one-way"),
    ]);
    const slow = { server: { queueDeadlineMs: 21 } };
    expect(mistakes(slow, { deadlineMs: 20 })).toEqual([expect.stringContaining("of the deadline (20 ms)")]);
    expect(mistakes(slow, { deadlineMs: 21 })).toEqual([]);
  });

  it("leaves the key of a queue alone, because a descriptor does not tell the fields of a request", () => {
    const client = { failure: "queue", queueName: "q", queueKey: "whatever" };
    expect(mistakes({ client }, { output: Empty } as object)).toEqual([]);
  });

  it("shows no more of a value than a line has room for", () => {
    const [text] = mistakes({ client: { queueName: "x".repeat(10_000) } });
    expect(text!.length).toBeLessThan(300);
  });
});
