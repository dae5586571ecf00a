// `create`, `equals` and `clone` on generated message types: what is a whole message, what is the same, what is shared.

import { beforeAll, describe, expect, it } from "vitest";
import type { MessageType } from "../../src/codec/message.js";
import { importGenerated, messageType } from "./support.js";

const MANIFEST = `syntax = "proto3"; package t; import "google/protobuf/struct.proto";
  message Item { uint32 id = 1; string name = 2; }
  message Order {
    uint64 id = 1; double score = 2; float rough = 3; bytes raw = 4; repeated Item items = 5; map<string, Item> by_name = 6;
    oneof pay { string card = 7; Item cash = 8; } optional string note = 9; google.protobuf.Value json = 10;
    repeated double numbers = 11;
  }`;

let order: MessageType<Record<string, unknown>>;

beforeAll(async () => {
  order = messageType(await importGenerated("message-values", MANIFEST), "Order");
});

const nullPrototype = (entries: object): object => Object.assign(Object.create(null), entries);

describe("create", () => {
  it("makes a whole message of nothing", () => {
    expect(order.create()).toEqual(order.fromBytes(new Uint8Array(0)));
    expect(order.create({}).items).toEqual([]);
  });

  it("keeps what is given, shares none of it, and refuses what cannot be encoded", () => {
    const raw = Uint8Array.of(1, 2);
    const items = [{ id: 1 }];
    const made = order.create({ raw, items, rough: 0.1 });
    expect(made).toMatchObject({ raw, items: [{ id: 1, name: "" }], rough: Math.fround(0.1), note: undefined });
    raw[0] = 9;
    expect(made.raw).toEqual(Uint8Array.of(1, 2));
    expect(() => order.create({ id: 1 })).toThrow("t.Order.id: expected bigint, got number 1");
  });
});

describe("equals", () => {
  it.each([
    [{}, { id: 0n, items: [], byName: {}, pay: undefined, note: undefined }],
    [{ byName: { a: { id: 1 }, b: {} } }, { byName: nullPrototype({ b: { id: 0 }, a: { id: 1, name: "" } }) }],
    [
      { score: Number.NaN, numbers: [Number.NaN] },
      { score: Number.NaN, numbers: [Number.NaN] },
    ],
    [{ raw: Uint8Array.of(1) }, { raw: Buffer.of(1) }],
    [{ rough: 0.1 }, { rough: Math.fround(0.1) }],
    [{ json: { a: [1, { b: null }] } }, { json: nullPrototype({ a: [1, { b: null }] }) }],
  ])("%o and %o", (a, b) => {
    expect(order.equals(a, b)).toBe(true);
    expect(order.equals(order.create(a), b)).toBe(true);
  });

  it.each([
    [{ id: 1n }, { id: 2n }],
    [{ note: "" }, {}],
    [{ score: 0 }, { score: -0 }],
    [{ pay: { case: "cash", value: {} } }, {}],
    [{ items: [{ id: 1 }, { id: 2 }] }, { items: [{ id: 2 }, { id: 1 }] }],
    [{ byName: { a: { id: 1 }, b: { id: 2 } } }, { byName: { a: { id: 2 }, b: { id: 1 } } }],
    [{ byName: { a: {} } }, { byName: { b: {} } }],
    [{ raw: Uint8Array.of(1) }, { raw: Uint8Array.of(2) }],
  ])("not %o and %o", (a, b) => {
    expect(order.equals(a, b)).toBe(false);
  });
});

describe("clone", () => {
  it("is equal, shares nothing, and keeps the prototypes of maps", () => {
    const json = JSON.parse('{"__proto__": {"polluted": true}, "list": [1, [2]]}');
    const original = order.create({
      raw: Uint8Array.of(1),
      items: [{ id: 1 }],
      byName: { a: { id: 1 } },
      pay: { case: "cash", value: { id: 2 } },
      json,
    });
    const copy = order.clone(original);
    expect(copy).toEqual(original);
    expect(order.equals(copy, original)).toBe(true);
    expect(Object.getPrototypeOf(copy.byName)).toBe(null);
    expect((copy as { polluted?: boolean }).polluted).toBe(undefined);
    expect(Object.getPrototypeOf(copy.json)).toBe(Object.getPrototypeOf(original.json));
    for (const key of ["raw", "items", "byName", "pay", "json"]) expect(copy[key]).not.toBe(original[key]);
    (copy.items as { id: number }[])[0]!.id = 7;
    (copy.raw as Uint8Array)[0] = 7;
    expect(original).toMatchObject({ items: [{ id: 1 }], raw: Uint8Array.of(1) });
  });
});
