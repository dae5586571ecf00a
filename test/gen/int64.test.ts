// `--int64`: the three things that a 64-bit integer may be, and what each refuses.

import { describe, expect, it } from "vitest";
import { DEFAULT_EMIT_OPTIONS } from "../../src/gen/generate.js";
import type { Int64Style } from "../../src/gen/scalars.js";
import { generateText, importGenerated, messageType } from "./support.js";

const MANIFEST = `syntax = "proto3"; package t; message M {
  uint64 id = 1; repeated sint64 deltas = 2; map<int64, fixed64> sizes = 3; optional sfixed64 maybe = 4;
  oneof o { int64 big = 5; } int64 normal = 6 [jstype = JS_NORMAL]; int64 text = 7 [jstype = JS_STRING]; }`;

const load = async (int64: Int64Style) =>
  messageType(await importGenerated(`int64-${int64}`, MANIFEST, { ...DEFAULT_EMIT_OPTIONS, int64 }), "M");

describe("--int64", () => {
  it.each(["bigint", "string", "number"] as const)("%s goes through the codec; jstype comes first", async (style) => {
    const type = await load(style);
    const as = (value: bigint): unknown => ({ bigint: value, string: String(value), number: Number(value) })[style];
    const message = {
      id: as(2n ** 40n),
      deltas: [as(-3n), as(0n)],
      sizes: { "-7": as(9n) },
      maybe: as(0n),
      o: { case: "big", value: as(-1n) },
      normal: 5n,
      text: "6",
    };
    const decoded = type.fromBytes(type.toBytes(message));
    expect({ ...decoded, sizes: { ...(decoded.sizes as object) } }).toEqual(message);
    expect(type.fromBytes(new Uint8Array(0))).toMatchObject({ id: as(0n), normal: 0n, text: "0" });
    expect(type.toBytes({ id: as(0n) })).toHaveLength(0);
  });

  it("number refuses what a number cannot hold, on both sides", async () => {
    const type = await load("number");
    const exact = (await load("bigint")).toBytes({ id: 2n ** 53n - 1n });
    expect(type.fromBytes(exact)).toMatchObject({ id: 2 ** 53 - 1 });
    const beyond = (await load("bigint")).toBytes({ id: 2n ** 53n });
    expect(() => type.fromBytes(beyond)).toThrow(
      "t.M: 9007199254740992 does not fit a JavaScript number (2^53 and more lose digits), at byte 9 of this message",
    );
    for (const id of [2 ** 53, 0.5, Number.NaN])
      expect(() => type.toBytes({ id })).toThrow("t.M.id: expected a whole number");
  });

  it("is in the types", () => {
    const text = generateText(MANIFEST, { ...DEFAULT_EMIT_OPTIONS, int64: "number" });
    expect(text).toContain(
      "  id: number;\n  deltas: number[];\n  sizes: Record<string, number>;\n  maybe?: number | undefined;",
    );
    expect(text).toContain("normal: bigint;\n  text: string;");
  });
});
