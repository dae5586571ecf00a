// What every generated codec does with bytes that are unusual, wrong or hostile, and with values of the wrong type.
// The torture manifest stands for all manifests.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { DecodeError, MessageType } from "../../src/codec/message.js";
import { Writer } from "../../src/codec/writer.js";
import { randomFrom, randomMessage } from "../gen/random-message.js";
import { importGenerated, messageType, reflect } from "../gen/support.js";
import { testSeed } from "../support/seed.js";

type AnyType = MessageType<Record<string, unknown>>;
const seed = testSeed();
const manifest = readFileSync(new URL("../gen/torture.proto", import.meta.url), "utf8");
let types: Record<string, AnyType>;

beforeAll(async () => {
  const module = await importGenerated("codec", manifest);
  const names = ["Leaf", "Scalars", "Optionals", "Lists", "Maps", "Choice", "WellKnown", "Everything"];
  types = Object.fromEntries(names.map((name) => [name, messageType(module, name)]));
});

const type = (name: string): AnyType => types[name]!;
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("decoding", () => {
  it("gives every field of an empty message its default", () => {
    const scalars = type("Scalars").fromBytes(new Uint8Array(0));
    expect(scalars).toMatchObject({
      fDouble: 0,
      fInt64: 0n,
      fBool: false,
      fString: "",
      fBytes: new Uint8Array(0),
      fEnum: 0,
      fLeaf: undefined,
    });
    expect(type("Optionals").fromBytes(new Uint8Array(0)).fString).toBeUndefined();
    expect(type("Choice").fromBytes(new Uint8Array(0)).pick).toEqual({ case: undefined });
  });

  it("reads packed and unpacked lists, whatever the manifest says", () => {
    expect(type("Lists").fromBytes(hex("1801 1802 1a03 03ac02")).fInt32).toEqual([1, 2, 3, 300]);
    expect(type("Lists").fromBytes(hex("9201020100 900107")).unpacked).toEqual([1, 0, 7]);
  });

  it("lets the last member of a oneof win, and merges a message that comes twice", () => {
    expect(type("Choice").fromBytes(hex("120161 2005")).pick).toEqual({ case: "fInt64", value: 5n });
    const twice = type("Choice").fromBytes(hex("3a030a0161 3a021007")).pick;
    expect(twice).toEqual({ case: "fLeaf", value: { name: "a", count: 7, leaves: [] } });
    const reset = type("Choice").fromBytes(hex("3a030a0161 2801 3a021007")).pick;
    expect(reset).toEqual({ case: "fLeaf", value: { name: "", count: 7, leaves: [] } });
  });

  it("merges submessages: scalars are replaced, lists appended", () => {
    const leaf = type("Scalars").fromBytes(hex("8a01 08 0a0161 1a030a0178 8a01 07 1002 1a030a0179")).fLeaf;
    expect(leaf).toMatchObject({ name: "a", count: 2, leaves: [{ name: "x" }, { name: "y" }] });
  });

  it("gives map entries without key or value their defaults, and lets the last entry of a key win", () => {
    expect({ ...(type("Maps").fromBytes(hex("0a00")).stringString as object) }).toEqual({ "": "" });
    expect({ ...(type("Maps").fromBytes(hex("1202 0805")).int32Leaf as object) }).toMatchObject({
      5: { name: "", count: 0 },
    });
    expect({
      ...(type("Maps").fromBytes(hex("0a06 0a0161 120162 0a06 0a0161 120163")).stringString as object),
    }).toEqual({ a: "c" });
  });

  it("keeps `__proto__` as an ordinary key of a map", () => {
    const map = type("Maps").fromBytes(type("Maps").toBytes({ stringString: JSON.parse('{"__proto__":"x"}') }))
      .stringString as object;
    expect(Object.getPrototypeOf(map)).toBeNull();
    expect(Object.entries(map)).toEqual([["__proto__", "x"]]);
  });

  it("skips unknown fields of every wire type, groups included", () => {
    const unknown = "c03e05 c13e0000000000000000 c23e03616263 c33e 0801 cb3e cc3e c43e c53e00000000";
    expect(type("Leaf").fromBytes(hex(`${unknown} 1003 ${unknown}`))).toEqual({ name: "", count: 3, leaves: [] });
  });

  it("skips a known field whose wire type is another", () => {
    expect(type("Leaf").fromBytes(hex("0807 1205 0000000000".replaceAll(" ", ""))).count).toBe(0);
  });

  it("cuts a long varint to the field's width", () => {
    expect(type("Scalars").fromBytes(hex("18 ffffffffffffffffff01")).fInt32).toBe(-1);
    expect(type("Scalars").fromBytes(hex("28 8180808010")).fUint32).toBe(1);
    expect(type("Scalars").fromBytes(hex("68 8080808010")).fBool).toBe(true);
  });

  it("never aliases the buffer", () => {
    for (const length of [5, 100, 5000]) {
      const bytes = type("Scalars").toBytes({ fBytes: new Uint8Array(length).fill(7), fString: "abc" });
      const decoded = type("Scalars").fromBytes(bytes);
      bytes.fill(0);
      expect(decoded).toMatchObject({ fBytes: new Uint8Array(length).fill(7), fString: "abc" });
    }
  });
});

describe("bad bytes", () => {
  it.each([
    ["Leaf", "0a05 61", "torture.v1.Leaf: a string is longer than what holds it, at byte 1 of this message"],
    ["Leaf", "10", "torture.v1.Leaf: the bytes end inside a number, at byte 1 of this message"],
    ["Scalars", "0900", "torture.v1.Scalars: the bytes end inside a field, at byte 2 of this message"],
    [
      "Leaf",
      "10 ffffffffffffffffffff01",
      "torture.v1.Leaf: a varint is longer than 10 bytes, at byte 1 of this message",
    ],
    ["Leaf", "0a02c328", "torture.v1.Leaf: a string is not valid UTF-8, at byte 2 of this message"],
    ["Leaf", "0c", "torture.v1.Leaf: a group ends that did not begin, at byte 1 of this message"],
    ["Leaf", "1e", "torture.v1.Leaf: a field has the wire type 6, at byte 1 of this message"],
    ["Leaf", "0001", "torture.v1.Leaf: a field has the number 0, at byte 1 of this message"],
    ["Leaf", "c33e 0801", "torture.v1.Leaf: a group has no end, at byte 2 of this message"],
    ["Leaf", "1a03 0a0561", "torture.v1.Leaf: a string is longer than what holds it, at byte 1 of this message"],
    ["Lists", "1a02 8080", "torture.v1.Lists: the bytes end inside a number"],
    ["Lists", "1a01 80 1801", "torture.v1.Lists: a list or map entry ends inside a value, at byte 3 of this message"],
  ])("%s %s", (name, bytes, text) => {
    expect(() => type(name).fromBytes(hex(bytes))).toThrow(DecodeError);
    expect(() => type(name).fromBytes(hex(bytes))).toThrow(text);
  });

  it("cut at any offset either are a shorter message or fail with a DecodeError", () => {
    const reflected = reflect({ "test.proto": manifest }).lookupType("torture.v1.Everything");
    const random = randomFrom(seed);
    for (let round = 0; round < 5; round++) {
      const bytes = type("Everything").toBytes(randomMessage(reflected, random)).subarray(0, 20_000);
      for (let length = 0; length < bytes.length; length++)
        decodeOrRefuse(type("Everything"), bytes.subarray(0, length));
    }
  }, 60_000);

  it("inside a nested message are refused at any cut, since the length promised more", () => {
    const inner = { name: "name", count: 300, leaves: [{ name: "é", count: -1 }] };
    const bytes = type("Scalars").toBytes({ fLeaf: inner });
    for (let length = 1; length < bytes.length; length++) {
      expect(() => type("Scalars").fromBytes(bytes.subarray(0, length)), `SEED=${seed}, cut at ${length}`).toThrow(
        DecodeError,
      );
    }
  });

  it("of any kind never do anything worse", () => {
    const anyBytes = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(types)), anyBytes, (name, bytes) => decodeOrRefuse(type(name), bytes)),
      { numRuns: 5000, seed },
    );
  });

  it("that repeat a field many times are read in linear time", () => {
    const bytes = Buffer.alloc(600_000, Buffer.from("8a0100", "hex"));
    const started = performance.now();
    type("Scalars").fromBytes(bytes);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe("nesting", () => {
  it("is read 100 deep and refused 101 deep", () => {
    expect(type("Leaf").fromBytes(nestedLeaves(100))).toBeTypeOf("object");
    expect(() => type("Leaf").fromBytes(nestedLeaves(101))).toThrow(
      "torture.v1.Leaf: messages are nested more than 100 deep",
    );
  });

  it("of unknown groups is bounded too", () => {
    const groups = (count: number): Uint8Array => hex("c33e".repeat(count) + "c43e".repeat(count));
    expect(type("Leaf").fromBytes(groups(100))).toBeTypeOf("object");
    expect(() => type("Leaf").fromBytes(groups(101))).toThrow("groups are nested more than 100 deep");
  });
});

describe("encoding", () => {
  it("leaves out defaults, but not -0, NaN or what has presence", () => {
    expect(
      toHex(type("Scalars").toBytes({ fInt32: 0, fString: "", fBool: false, fBytes: new Uint8Array(0), fDouble: 0 })),
    ).toBe("");
    expect(toHex(type("Scalars").toBytes({ fDouble: -0, fFloat: Number.NaN }))).toBe("090000000000000080150000c07f");
    expect(toHex(type("Optionals").toBytes({ fInt32: 0, fString: "" }))).toBe("18007200");
    expect(toHex(type("Choice").toBytes({ pick: { case: "fString", value: "" } }))).toBe("1200");
  });

  it.each([
    ["Scalars", { fInt64: 5 }, "torture.v1.Scalars.f_int64: expected bigint, got number 5"],
    ["Scalars", { fInt64: "5" }, "torture.v1.Scalars.f_int64: expected bigint, got string"],
    [
      "Scalars",
      { fUint64: -1n },
      "torture.v1.Scalars.f_uint64: expected a bigint from 0 to 2^64-1 (uint64), got bigint -1",
    ],
    ["Scalars", { fInt64: 1n << 63n }, "torture.v1.Scalars.f_int64: expected a bigint from -2^63 to 2^63-1 (int64)"],
    ["Scalars", { fInt32: 1.5 }, "torture.v1.Scalars.f_int32: expected a 32-bit integer (int32), got number 1.5"],
    ["Scalars", { fUint32: -1 }, "torture.v1.Scalars.f_uint32: expected a 32-bit integer (uint32), got number -1"],
    ["Scalars", { fInt32: "1" }, "torture.v1.Scalars.f_int32: expected a 32-bit integer (int32), got string"],
    ["Scalars", { fString: 5 }, "torture.v1.Scalars.f_string: expected string, got number 5"],
    ["Optionals", { fString: null }, "torture.v1.Optionals.f_string: expected string, got null"],
    ["Scalars", { fBytes: "abc" }, "torture.v1.Scalars.f_bytes: expected Uint8Array, got string"],
    ["Scalars", { fBool: "yes" }, "torture.v1.Scalars.f_bool: expected boolean, got string"],
    ["Scalars", { fDouble: "1" }, "torture.v1.Scalars.f_double: expected number, got string"],
    ["Scalars", { fLeaf: "leaf" }, "torture.v1.Scalars.f_leaf: expected an object, got string"],
    ["Lists", { fLeaf: [null] }, "torture.v1.Lists.f_leaf: expected an object, got null"],
    ["Lists", { fInt32: 7 }, "torture.v1.Lists.f_int32: expected an array, got number 7"],
    ["Lists", { fString: [undefined] }, "torture.v1.Lists.f_string: expected string, got undefined"],
    ["Maps", { stringString: { a: 1 } }, "torture.v1.Maps.string_string: expected string, got number 1"],
    ["Maps", { int64Bytes: { one: new Uint8Array(1) } }, "torture.v1.Maps.int64_bytes: expected a whole number"],
  ])("%s %o names the field of a wrong type", (name, message, text) => {
    expect(() => type(name).toBytes(message)).toThrow(TypeError);
    expect(() => type(name).toBytes(message)).toThrow(text);
  });

  it("moves to a larger buffer wherever a message stops fitting", () => {
    const reflected = reflect({ "test.proto": manifest }).lookupType("torture.v1.Everything");
    const message = randomMessage(reflected, randomFrom(seed));
    const expected = Buffer.from(type("Everything").toBytes(message));
    for (const room of [0, 1, 7, 64, 500, 4000]) {
      const writer = new Writer(room + 3);
      writer.pos = writer.start = 3;
      type("Everything").encode(message, writer);
      expect(writer.buf.subarray(writer.start, writer.pos).equals(expected), `SEED=${seed}, room ${room}`).toBe(true);
    }
  });

  it("refuses code that was generated for another version of the runtime", () => {
    const { encode, decode } = type("Leaf");
    expect(() => new MessageType("t.A", encode, decode, 99)).toThrow(
      "t.A was generated for version 99 of sluice/runtime, but this is version 1: install the version of sluice that generated it",
    );
  });
});

function decodeOrRefuse(of: AnyType, bytes: Uint8Array): void {
  try {
    of.fromBytes(bytes);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw new Error(`SEED=${seed}: ${toHex(bytes)}`, { cause: error });
  }
}

function nestedLeaves(depth: number): Uint8Array {
  let leaf: Record<string, unknown> = { name: "innermost" };
  for (let level = 0; level < depth; level++) leaf = { leaves: [leaf] };
  return type("Leaf").toBytes(leaf);
}
