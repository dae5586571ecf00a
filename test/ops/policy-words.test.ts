// Policies as messages, as words and as JSON: nothing that a policy may say is lost on the way.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDuration, parseDuration } from "../../src/codec/durations.js";
import { MAX_POLICY_MS, type PolicyField } from "../../src/codec/policy-limits.js";
import { ClientPolicy, ServerPolicy } from "../../src/ops/gen/sluice/options.js";
import { clientPolicyMessage, readPolicy, serverPolicyMessage } from "../../src/ops/policy-message.js";
import {
  fieldsOf,
  findField,
  type PolicySide,
  type PolicyTree,
  valueAt,
  withValue,
} from "../../src/ops/policy-tree.js";
import { parseField, parseSetting, policyJson, policyWords } from "../../src/ops/policy-words.js";

/** Anything that a field may hold. */
function anyValue(field: PolicyField): fc.Arbitrary<unknown> {
  switch (field.type) {
    case "count":
    case "ms":
      return fc.integer({ min: field.least, max: field.most });
    case "choice":
      return fc.constantFrom(...field.values);
    case "flag":
      return fc.boolean();
    case "codes":
      return fc.uniqueArray(fc.constantFrom(2, 8, 10, 14), { minLength: 1 });
    case "group":
      return anyTree(field.fields);
    default:
      return fc.stringMatching(/^[A-Za-z][A-Za-z_]{0,9}$/);
  }
}

function anyTree(fields: Readonly<Record<string, PolicyField>>): fc.Arbitrary<PolicyTree> {
  const values = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, anyValue(field)]));
  return fc.record(values, { requiredKeys: [], noNullPrototype: true });
}

/** The paths to the fields of a tree that are no groups. */
function leaves(tree: PolicyTree, names: readonly string[] = []): string[][] {
  return Object.entries(tree).flatMap(([name, value]) =>
    typeof value === "object" && !Array.isArray(value)
      ? leaves(value as PolicyTree, [...names, name])
      : [[...names, name]],
  );
}

const sides: readonly PolicySide[] = ["server", "client"];

describe.each(sides)("the policy of a %s", (side) => {
  it("is the same after it has travelled", () => {
    fc.assert(
      fc.property(anyTree(fieldsOf(side)), (policy) => {
        const flaws: string[] = [];
        const travelled =
          side === "server"
            ? ServerPolicy.create(serverPolicyMessage(policy))
            : ClientPolicy.create(clientPolicyMessage(policy));
        expect(readPolicy(side, travelled, flaws)).toEqual(policy);
        expect(flaws).toEqual([]);
      }),
    );
  });

  it("can be set again field by field, as its JSON says it", () => {
    fc.assert(
      fc.property(anyTree(fieldsOf(side)), (policy) => {
        const json = policyJson(side, policy);
        for (const path of leaves(json)) {
          const words = `${side}.${path.join(".")}=${[valueAt(json, path)].flat().join(",")}`;
          const setting = parseSetting(words);
          if (typeof setting === "string") throw new Error(`${words}: ${setting}`);
          expect([words, setting.value]).toEqual([words, valueAt(policy, setting.names)]);
          expect(parseField(`${side}.${path.join(".")}`)).toMatchObject({ side, names: setting.names });
        }
      }),
    );
  });
});

it("is one line in the words of a manifest", () => {
  const client = {
    rate: 5,
    overflow: "queue",
    failure: "retry",
    retry: { maxAttempts: 2, initialBackoffMs: 1_000, codes: [14, 8] },
    hedge: {},
    queueName: "stats",
    storeAlways: true,
  } as const;
  expect(policyWords("client", client)).toBe(
    'rate: 5  overflow: QUEUE  failure: RETRY  retry: { max_attempts: 2  initial_backoff: "1s"  codes: [UNAVAILABLE, RESOURCE_EXHAUSTED] }  hedge: {}  queue_name: "stats"  store: ALWAYS',
  );
  expect(policyWords("server", { batch: { maxDelayMs: 0 } })).toBe('batch: { max_delay: "0ms" }');
  expect(policyWords("server", {})).toBe("");
});

it("writes durations that are read as the same", () => {
  for (const [ms, text] of Object.entries({
    0: "0ms",
    1: "1ms",
    1500: "1500ms",
    2000: "2s",
    90000: "90s",
    7200000: "2h",
  }))
    expect(formatDuration(Number(ms))).toBe(text);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: MAX_POLICY_MS }), (ms) => {
      expect(parseDuration(formatDuration(ms), "it")).toBe(ms);
    }),
  );
});

describe("a tree", () => {
  it("is changed at a path into another one", () => {
    const tree: PolicyTree = Object.freeze({ rate: 1, batch: Object.freeze({ maxSize: 2 }) });
    expect(withValue(tree, ["batch", "maxSize"], 3)).toEqual({ rate: 1, batch: { maxSize: 3 } });
    expect(withValue(tree, ["batch", "maxSize"], undefined)).toEqual({ rate: 1, batch: {} });
    expect(withValue(tree, ["batch"], undefined)).toEqual({ rate: 1 });
    expect(withValue({}, ["batch", "maxSize"], undefined)).toEqual({});
    expect(withValue({}, ["batch", "maxSize"], 4)).toEqual({ batch: { maxSize: 4 } });
  });

  it("has fields in the writing of manifests, of TypeScript and of generated code", () => {
    const found = (text: string): unknown => (findField("client", text) as { names: unknown }).names;
    expect(["store", "storeAlways"].map(found)).toEqual([["storeAlways"], ["storeAlways"]]);
    expect(["retry.max_backoff", "retry.maxBackoff", "retry.maxBackoffMs"].map(found)).toEqual(
      Array(3).fill(["retry", "maxBackoffMs"]),
    );
    expect(findField("client", "retry.")).toContain('client.retry has no field ""');
    expect(findField("server", "__proto__")).toContain('server has no field "__proto__"');
  });
});
