// Extensions, where unknown fields are kept: constants that read and write them in messages of other manifests, on the wire
// as any other field, in JSON as `[pkg.name]`.

import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { Extendable, Extension } from "../../src/codec/extension.js";
import type { MessageType } from "../../src/codec/message.js";
import { DEFAULT_EMIT_OPTIONS } from "../../src/gen/generate.js";
import { MemoryReader } from "../../src/gen/load.js";
import { type JsonExtension, type JsonMessage, JsonRegistry } from "../../src/json.js";
import { generateInto, generateText, importFile, messageType } from "./support.js";

const BASE = `syntax = "proto2"; package base;
  enum Size { SMALL = 1; LARGE = 2; }
  message Base { optional int32 id = 1; extensions 100 to 536870911; }
  message Set { option message_set_wire_format = true; extensions 4 to max; }`;
const MORE = `syntax = "proto2"; package more; import "base.proto";
  // How many.
  extend base.Base { optional int64 count = 100; repeated sint32 numbers = 101; repeated base.Size sizes = 102 [packed = true]; }
  message Extra {
    extend base.Base { optional Extra extra = 536870911; }
    extend base.Set { optional Extra in_set = 5; }
    optional string text = 1;
  }
  extend base.Base { optional group Part = 103 { optional bool on = 1; } }`;
/** The same fields, declared in the message itself. */
const WHOLE = `syntax = "proto2"; package whole;
  enum Size { SMALL = 1; LARGE = 2; }
  message Base {
    optional int32 id = 1; optional int64 count = 100; repeated sint32 numbers = 101; repeated Size sizes = 102 [packed = true];
    optional group Part = 103 { optional bool on = 1; } optional Extra extra = 536870911;
  }
  message Extra { optional string text = 1; }`;

type Message = Record<string, unknown> & Extendable;
type Any = Extension<Message, unknown, unknown>;

let Base: MessageType<Message>;
let BaseJson: JsonMessage<Message>;
let Whole: MessageType<Record<string, unknown>>;
let more: Record<string, unknown>;
let registry: JsonRegistry;
const extension = (name: string): Any => more[name] as Any;
const VALUES = { count: 5n, numbers: [-1, 1], sizes: [1, 2], part: { on: true }, Extra_extra: { text: "t" } };

beforeAll(async () => {
  const options = { ...DEFAULT_EMIT_OPTIONS, unknownFields: true, json: true };
  const reader = new MemoryReader({ "base.proto": BASE, "more.proto": MORE, "whole.proto": WHOLE });
  const root = generateInto("extensions", ["more.proto", "whole.proto"], reader, options);
  const load = (name: string): Promise<Record<string, unknown>> => importFile(join(root, name));
  Base = messageType(await load("base.ts"), "Base");
  BaseJson = (await load("base.json.ts")).BaseJson as JsonMessage<Message>;
  Whole = messageType(await load("whole.ts"), "Base");
  more = await load("more.ts");
  const json = await load("more.json.ts");
  const names = Object.keys(VALUES).map((name) => json[`${name}Json`] as JsonExtension);
  registry = new JsonRegistry([], names);
});

/** A message with all of VALUES. */
function extended(): Message {
  const message: Message = { id: 7 };
  for (const [name, value] of Object.entries(VALUES)) extension(name).set(message, value);
  return message;
}

describe("an extension", () => {
  it("is on the wire what a field of the message would be", () => {
    const { Extra_extra: extra, ...fields } = VALUES;
    expect(Whole.fromBytes(Base.toBytes(extended()))).toMatchObject({ id: 7, ...fields, extra });
    const decoded = Base.fromBytes(Whole.toBytes({ id: 7, ...fields, extra }));
    for (const [name, value] of Object.entries(VALUES))
      expect(extension(name).get(decoded)).toMatchObject(value as object);
  });

  it("is undefined, or an empty list, where it is not set", () => {
    const base = Base.fromBytes(new Uint8Array(0));
    expect(extension("count").get(base)).toBeUndefined();
    expect(extension("numbers").get(base)).toEqual([]);
    expect(extension("count").has(base)).toBe(false);
  });

  it("has one value, the last that was set, and can be taken out", () => {
    const base = extended();
    extension("count").set(base, 0n);
    expect(extension("count").get(base)).toBe(0n);
    extension("numbers").set(base, []);
    expect(extension("numbers").has(base)).toBe(false);
    for (const name of Object.keys(VALUES)) extension(name).clear(base);
    expect(Base.toBytes(base)).toEqual(Base.toBytes({ id: 7 }));
  });

  it("merges the occurrences of a message, as a field does", () => {
    const [on, empty] = ["bb06 0801 bc06", "bb06 bc06"].map((hex) => Buffer.from(hex.replaceAll(" ", ""), "hex"));
    const base = Base.fromBytes(Buffer.concat([on!, empty!]));
    expect(extension("part").get(base)).toMatchObject({ on: true });
  });

  it("refuses values of the wrong type, and leaves the message as it was", () => {
    const base = extended();
    expect(() => extension("count").set(base, 1)).toThrow("more.count: expected bigint");
    expect(extension("count").get(base)).toBe(5n);
  });

  it("is `[its.name]` in JSON, where the registry has it", () => {
    const json = {
      id: 7,
      "[more.count]": "5",
      "[more.numbers]": [-1, 1],
      "[more.sizes]": ["SMALL", "LARGE"],
      "[more.part]": { on: true },
      "[more.Extra.extra]": { text: "t" },
    };
    expect(BaseJson.toJson(extended(), { registry })).toEqual(json);
    expect(BaseJson.fromJson(json, { registry })).toEqual(extended());
    expect(BaseJson.toJson(extended())).toEqual({ id: 7 });
    expect(() => BaseJson.fromJson(json)).toThrow('base.Base: there is no field "[more.count]"');
    expect(BaseJson.fromJson({ "[more.count]": null }, { registry })).toEqual(Base.fromBytes(new Uint8Array(0)));
  });

  it("has a name that nothing else in the file has", () => {
    const options = { ...DEFAULT_EMIT_OPTIONS, unknownFields: true };
    const text = generateText(
      `syntax = "proto2"; package t; message A { extensions 4 to 9; message note {} message noteInit {} }
      message B { extend A { optional int32 note = 4; } }
      extend A { optional int32 encode_b = 5; optional int32 A_note = 6; optional int32 delete = 7; }`,
      options,
    );
    const names = [...text.matchAll(/^(?:export )?(?:const|function|class) ([\w$]+)/gm)].map(([, name]) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(["A_note", "B_note", "encodeB$", "ANote", "delete$"]));
    expect(text).toContain("type B_note$Init = ");
  });

  it("has the manifest's comment, and no constant in a message set or where unknown fields are not kept", () => {
    const options = { ...DEFAULT_EMIT_OPTIONS, unknownFields: true };
    const manifest = `syntax = "proto2"; message A { extensions 4 to 9; } extend A {\n // How many.\n optional int32 b = 4; }`;
    expect(generateText(manifest, options)).toContain(" * How many.\n * Extends {@link A}.\n");
    expect(generateText(manifest)).not.toContain("Extension");
    expect(more.Extra_inSet).toBeUndefined();
  });
});
