// The parser of JSON text agrees with `JSON.parse`, but for what it is stricter and more exact about.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exactInteger, JsonError, numberOf, type ParsedJson, parseJson } from "../../src/codec/json/json-text.js";

/** What `JSON.parse` makes of a text, undefined if it refuses. */
function native(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function own(text: string): { value: unknown } | undefined {
  try {
    return { value: parseJson(text) };
  } catch (error) {
    expect(error).toBeInstanceOf(JsonError);
    return undefined;
  }
}

/** What the parser gave, with numbers for bigints. */
function rounded(json: ParsedJson): unknown {
  if (typeof json === "bigint") return Number(json);
  if (Array.isArray(json)) return json.map(rounded);
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, rounded(item)]));
}

describe("parsing JSON text", () => {
  it("gives what JSON.parse gives", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), fc.nat(3), (text, indent) => {
        const spaced = JSON.stringify(JSON.parse(text), null, indent);
        expect(rounded(parseJson(spaced))).toEqual(JSON.parse(spaced));
      }),
    );
  });

  it("takes what JSON.parse takes, and refuses what it refuses", () => {
    const pieces = fc.constantFrom(
      ...'{}[]:,"\\ \t\n0123-+.eEtruefalsn\u0001\u007f',
      '"a"',
      "true",
      "null",
      '"\\u00e9"',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
        const text = parts.join("");
        const mine = own(text);
        expect(mine, text).toEqual(native(text));
      }),
      { numRuns: 5000 },
    );
  });

  it("reads strings with quotes and backslashes at their ends", () => {
    for (const text of ['"\\""', '"\\\\"', '"\\\\\\""', '"a\\\\"', '"\\ud83e\\udd80"']) {
      expect(parseJson(text)).toBe(JSON.parse(text));
    }
    for (const text of ['"\\"', '"\\\\\\"', '"\\x"', '"\\u12"']) expect(own(text)).toBeUndefined();
  });

  it("keeps the digits of whole numbers to 2^64, and the sign of zero", () => {
    expect(parseJson("[9007199254740993,-9223372036854775808,1.8446744073709551615e19]")).toEqual([
      9007199254740993n,
      -9223372036854775808n,
      18446744073709551615n,
    ]);
    expect(parseJson("[1e300,-0,9007199254740991]")).toEqual([1e300, -0, 9007199254740991]);
  });

  it("has the keys of objects as they are, each once", () => {
    const parsed = parseJson('{"__proto__":1,"constructor":2}') as object;
    expect(Object.keys(parsed)).toEqual(["__proto__", "constructor"]);
    expect(() => parseJson('{"a":1,"b":{"a":1},"\\u0061":2}')).toThrow('JSON has the key "a" twice in one object');
  });
});

describe("numbers in strings", () => {
  it.each(["", " 1", "1 ", "01", "+1", ".5", "1.", "0x1", "1e", "NaN", "1_0"])("are not %j", (text) => {
    expect(numberOf(text)).toBeUndefined();
    expect(exactInteger(text)).toBeUndefined();
  });

  it.each([
    ["-0", 0n],
    ["12.00", 12n],
    ["1.5e1", 15n],
    ["1500e-2", 15n],
    ["0e999999999999", 0n],
    ["0.00001e5", 1n],
    ["1.5", undefined],
    ["1e-1", undefined],
    ["1e999999999999", undefined],
    ["1e-999999999999", undefined],
  ])("are whole or not: %s", (text, value) => {
    expect(exactInteger(text)).toBe(value);
  });
});
