// Metadata: what keys and values may be, and its block on the wire, at and beyond each limit and cut at each byte.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecodeError } from "../../src/codec/message.js";
import {
  decodeMetadata,
  encodeMetadata,
  MAX_METADATA_BYTES,
  MAX_METADATA_ENTRIES,
  Metadata,
  type MetadataInit,
  metadataBlockBytes,
} from "../../src/codec/metadata.js";
import { Writer } from "../../src/codec/writer.js";

const LIMIT = 16_384;

function encode(init: MetadataInit, maxBytes: number = LIMIT): Buffer {
  const writer = new Writer(16);
  encodeMetadata(init, writer, maxBytes);
  return Buffer.from(writer.buf.subarray(writer.start, writer.pos));
}

/** Reads the block at the beginning of `bytes`, as a connection does. */
function decode(bytes: Buffer, maxBytes: number = LIMIT): Metadata {
  metadataBlockBytes(bytes, 0, bytes.length, maxBytes);
  return decodeMetadata(bytes, 0);
}

/** A block of entries that may be wrong. */
function block(...entries: readonly (readonly [string | Buffer, string | Buffer])[]): Buffer {
  const parts = entries.map(([key, value]) => {
    const [k, v] = [Buffer.from(key as string, "latin1"), Buffer.from(value as string, "latin1")];
    const head = Buffer.from([k.length]);
    const length = Buffer.alloc(2);
    length.writeUInt16LE(v.length);
    return Buffer.concat([head, k, length, v]);
  });
  const body = Buffer.concat(parts);
  const size = Buffer.alloc(2);
  size.writeUInt16LE(body.length);
  return Buffer.concat([size, body]);
}

describe("what is remembered of the calls before", () => {
  it("is written as it was, whatever text comes next", () => {
    const texts = [
      "acme",
      "acme",
      "acme",
      "acme",
      "acme",
      "other",
      "acme",
      "",
      "acme",
      "x".repeat(1_024),
      "x".repeat(1_025),
    ];
    const repeated = texts.flatMap((text) => Array<string>(20).fill(text));
    const mixed = Array.from({ length: 200 }, (_, i) => texts[(i * 7) % texts.length]!);
    for (const text of [...repeated, ...mixed]) {
      const init = { "Said-Once": text, id: `${text.length}`, "said-once": [text, "acme"] };
      expect([...decode(encode(init))]).toEqual([
        ["said-once", text],
        ["said-once", text],
        ["said-once", "acme"],
        ["id", `${text.length}`],
      ]);
    }
  });

  it("lets no wrong value pass", () => {
    for (let i = 0; i < 40; i++) encode({ wrong: "right" });
    expect(() => encode({ wrong: "r\u00efght" })).toThrow(TypeError);
    expect(() => encode({ wrong: Buffer.from("right") })).toThrow(TypeError);
    expect([...decode(encode({ wrong: "right" }))]).toEqual([["wrong", "right"]]);
  });

  it("is written beyond the limit no more than anything else", () => {
    const init = { key: "right" };
    const bytes = encode(init).length - 2;
    for (let i = 0; i < 40; i++) encode(init, bytes);
    expect(() => encode(init, bytes - 1)).toThrow(RangeError);
  });
});

describe("keys and values", () => {
  it("are matched without case and kept in order", () => {
    const metadata = new Metadata({ "X-A": "1", b: ["2", "3"] });
    metadata.append("x-a", "4");
    expect([...metadata]).toEqual([
      ["x-a", "1"],
      ["x-a", "4"],
      ["b", "2"],
      ["b", "3"],
    ]);
    expect(metadata.get("X-a")).toBe("1");
    expect(metadata.getAll("x-A")).toEqual(["1", "4"]);
    metadata.set("B", "5");
    metadata.delete("X-A");
    expect([...metadata]).toEqual([["b", "5"]]);
    expect(metadata.get("none")).toBeUndefined();
  });

  it.each(["", "a b", "a:b", "ä", "a\n", "x".repeat(256)])("refuse the key %j", (key) => {
    expect(() => new Metadata({ [key]: "1" })).toThrow(TypeError);
  });

  it.each(["a\r\nb: c", "ä", "\0", "\x7f"])("refuse the text %j", (value) => {
    expect(() => new Metadata({ a: value })).toThrow("use a key that ends in -bin");
  });

  it("take bytes under -bin keys only, and text under others only", () => {
    expect(() => new Metadata({ "a-bin": "text" })).toThrow("a key that ends in -bin takes a Uint8Array, not string");
    expect(() => new Metadata({ a: new Uint8Array(1) })).toThrow("takes printable ASCII text");
    expect(() => new Metadata({ a: 5 as never })).toThrow(TypeError);
    expect(new Metadata({ "A-BIN": new Uint8Array([1]) }).get("a-bin")).toEqual(new Uint8Array([1]));
  });

  it("may be called __proto__ or constructor without touching any prototype", () => {
    const init = Object.fromEntries([["__proto__", "polluted"]]) as MetadataInit;
    const metadata = decode(encode(init));
    expect(metadata.get("__proto__")).toBe("polluted");
    expect(metadata.get("constructor")).toBeUndefined();
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(decode(block(["constructor", "x"], ["__proto__", "y"])).get("__proto__")).toBe("y");
  });
});

describe("a block", () => {
  it("comes back as it was", () => {
    const key = fc.stringMatching(/^[0-9a-z_.-]{1,40}$/).filter((each) => !each.endsWith("-bin"));
    const text = fc.stringMatching(/^[\x20-\x7e]{0,60}$/);
    const entry = fc.oneof(
      fc.tuple(key, text),
      fc.tuple(
        key.map((each) => `${each}-bin`),
        fc.uint8Array({ maxLength: 60 }),
      ),
    );
    fc.assert(
      fc.property(fc.array(entry, { maxLength: MAX_METADATA_ENTRIES }), (entries) => {
        const metadata = new Metadata();
        for (const [name, value] of entries) metadata.append(name, value);
        expect([...decode(encode(metadata))]).toEqual([...metadata]);
      }),
      { numRuns: 200 },
    );
  });

  it("shares no memory with what it was read from", () => {
    const bytes = encode({ "a-bin": new Uint8Array([1, 2]), b: "text" });
    const metadata = decode(bytes);
    bytes.fill(0);
    expect([...metadata]).toEqual([
      ["a-bin", new Uint8Array([1, 2])],
      ["b", "text"],
    ]);
  });

  it("has at most as many bytes as the peer accepts", () => {
    const overhead = 1 + 1 + 2;
    expect(encode({ a: "x".repeat(LIMIT - overhead) })).toHaveLength(LIMIT + 2);
    expect(() => encode({ a: "x".repeat(LIMIT - overhead + 1) })).toThrow(RangeError);
    expect(() => encode({ a: "x".repeat(LIMIT) })).toThrow("metadata takes 16388 bytes; the peer accepts 16384");
    expect(() => encode({ a: "x".repeat(70_000) }, MAX_METADATA_BYTES)).toThrow(RangeError);
  });

  it("is refused beyond the limit before anything of it is read", () => {
    const bytes = block(["a", "x".repeat(100)]);
    expect(decode(bytes, 104).get("a")).toHaveLength(100);
    expect(() => decode(bytes, 103)).toThrow("metadata block of 104 bytes; the limit is 103");
  });

  it("has at most 100 entries, written or read", () => {
    const entries = Array.from({ length: 100 }, (_, i) => [`k${i}`, ""] as const);
    expect([...decode(block(...entries))]).toHaveLength(100);
    expect(() => decode(block(...entries, ["one-more", ""]))).toThrow("more than 100 entries");
    expect(() => encode({ a: Array.from({ length: 101 }, () => "") })).toThrow("more than 100 entries");
  });

  it.each([
    ["an upper-case key", block(["Key", "v"]), "upper-case"],
    ["an empty key", block(["", "v"]), "metadata key"],
    ["a key with a space", block(["a b", "v"]), "metadata key"],
    ["a key with a byte above ASCII", block([Buffer.from([0xe9]), "v"]), "metadata key"],
    ["text with a line break", block(["a", "b\r\nc"]), "printable ASCII"],
    ["text above ASCII", block(["a", "é"]), "printable ASCII"],
  ])("is refused for %s", (_, bytes, text) => {
    expect(() => decode(bytes)).toThrow(DecodeError);
    expect(() => decode(bytes)).toThrow(text);
  });

  it("is refused when it is cut at any byte, and when any length in it is wrong", () => {
    const whole = block(["first", "value"], ["second-bin", Buffer.from([0, 255])], ["third", ""]);
    for (let at = 0; at < whole.length; at++) {
      expect(() => decode(whole.subarray(0, at)), `cut at ${at}`).toThrow(DecodeError);
      const cut = Buffer.from(whole);
      // The block says that it ends here, so an entry is cut, unless the cut lies between two entries.
      cut.writeUInt16LE(Math.max(0, at - 2), 0);
      try {
        expect([...decode(cut)].length).toBeLessThan(3);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }
  });

  it("never makes the reader throw anything but DecodeError, nor read beyond its end", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        try {
          decode(Buffer.from(noise));
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("metadata that has arrived", () => {
  const init = { a: ["1", "2"], "b-bin": new Uint8Array([7]), bin: "3", n: "4", "-bin": new Uint8Array([8]) };
  const long = { "x-long": "y".repeat(3_000), "z-bin": new Uint8Array(2_000).fill(9) };

  it.each([
    ["short", init],
    ["long", long],
  ] as const)("says of each key what it says when it is taken apart (%s)", (_, given) => {
    const arrived = decode(encode(given));
    const apart = decode(encode(given));
    expect([...apart]).toEqual([...new Metadata(given)]);
    for (const key of [...Object.keys(given), "A", "B-Bin", "none", ""]) {
      expect(arrived.get(key)).toEqual(apart.get(key));
      expect(arrived.getAll(key)).toEqual(apart.getAll(key));
    }
  });

  it("can be changed, and sent on as it is or changed", () => {
    const arrived = decode(encode(init));
    expect(encode(arrived)).toEqual(encode(init));
    arrived.append("A", "5");
    arrived.delete("bin");
    expect(arrived.isEmpty).toBe(false);
    expect([...decode(encode(arrived))]).toEqual(
      [...new Metadata({ ...init, a: ["1", "2", "5"] })].filter(([key]) => key !== "bin"),
    );
  });

  it("stays what it was while thousands of others come", () => {
    const kept = Array.from({ length: 5_000 }, (_, at) => decode(encode({ number: String(at) })));
    expect(kept.every((metadata, at) => metadata.get("number") === String(at))).toBe(true);
  });

  it("remembers no more keys than it may, and knows the others", () => {
    for (let at = 0; at < 1_002; at++) expect(decode(encode({ [`Key-${at}`]: "v" })).get(`key-${at}`)).toBe("v");
  });
});
