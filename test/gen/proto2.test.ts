// proto2 and editions: what they add to proto3 (required fields, groups, closed enums, defaults, features), with
// protobufjs's opinion where it has one.

import { describe, expect, it } from "vitest";
import { encodeByReflection } from "./random-message.js";
import { diagnose, generateText, importGenerated, messageType, reflect } from "./support.js";

const PROTO2 = `syntax = "proto2"; package t;
  enum Size { SMALL = 1; LARGE = 2; }
  enum Mark { UNMARKED = 0; MARKED = 2; }
  message Box {
    required string name = 1;
    optional Size size = 2 [default = LARGE];
    repeated Size sizes = 3;
    repeated int32 numbers = 4;
    repeated group Part = 5 { optional int32 id = 1; optional Box inner = 2; }
    map<string, Mark> by_name = 6;
    optional string note = 7 [default = "*/ none"];
    oneof kind { group Extra = 8 { optional string text = 1; } int32 plain = 9; }
  }`;

describe("proto2", () => {
  it("keeps groups, presence and required fields through both codecs", async () => {
    const type = messageType(await importGenerated("proto2", PROTO2), "Box");
    const box = {
      name: "b",
      size: 1,
      sizes: [1, 2],
      numbers: [1, 300],
      part: [{ id: 7 }, { inner: { name: "i" } }],
      byName: { a: 2 },
      kind: { case: "extra", value: { text: "x" } },
    };
    const decoded = type.fromBytes(type.toBytes(box));
    expect(decoded).toMatchObject({ ...box, byName: expect.anything(), note: undefined });
    expect(type.fromBytes(type.toBytes(decoded))).toEqual(decoded);
    const readable = PROTO2.replace(/oneof kind .*/, ""); // protobufjs cannot read a group in a oneof
    const reflected = reflect({ "test.proto": readable }).lookupType("t.Box");
    const plain = { name: "b", sizes: [1, 2], numbers: [1, 300] };
    expect(Buffer.from(type.toBytes(plain)).toString("hex")).toBe(
      Buffer.from(encodeByReflection(reflected, plain)).toString("hex"),
    );
  });

  it("refuses a message without a required field, on both sides", async () => {
    const type = messageType(await importGenerated("proto2", PROTO2), "Box");
    expect(() => type.fromBytes(new Uint8Array(0))).toThrow("t.Box.name: this required field is missing");
    expect(() => type.toBytes({})).toThrow("t.Box.name: expected string, got undefined");
  });

  it("drops numbers that a closed enum does not declare", async () => {
    const type = messageType(await importGenerated("proto2", PROTO2), "Box");
    const decoded = type.fromBytes(
      Uint8Array.from(
        Buffer.from("0a0162 1009 1801 1809 1a020209 32050a01611009 32050a01621002".replaceAll(" ", ""), "hex"),
      ),
    );
    expect(decoded).toMatchObject({ size: undefined, sizes: [1, 2] });
    expect({ ...(decoded.byName as object) }).toEqual({ b: 2 });
  });

  it("encodes several required messages of one message", async () => {
    const manifest = `syntax = "proto2"; package t;
      message Leaf { optional int32 id = 1; } message Pair { required Leaf left = 1; required Leaf right = 2; }`;
    const type = messageType(await importGenerated("required", manifest), "Pair");
    const pair = { left: { id: 1 }, right: { id: 2 } };
    expect(type.fromBytes(type.toBytes(pair))).toEqual(pair);
  });

  it("documents defaults without letting them end the comment", () => {
    expect(generateText(PROTO2)).toContain('/** Default where it is not set: "*\\/ none". */');
  });
});

describe("editions", () => {
  it("have presence by default and let features change what proto2 and proto3 fix", () => {
    const text = generateText(`edition = "2023"; package t;
      enum Open { A = 0; } enum Closed { option features.enum_type = CLOSED; B = 1; }
      message M {
        string a = 1;
        string b = 2 [features.field_presence = IMPLICIT];
        string c = 3 [features.field_presence = LEGACY_REQUIRED];
        repeated int32 d = 4 [features.repeated_field_encoding = EXPANDED];
        M e = 5 [features.message_encoding = DELIMITED];
        string f = 6 [features.utf8_validation = NONE];
      }`);
    expect(text).toContain(
      "  a?: string | undefined;\n  b: string;\n  c: string;\n  d: number[];\n  e?: M | undefined;",
    );
    expect(text).toContain("OpenEnum<typeof Open>");
    expect(text).toContain("ClosedEnum<typeof Closed>");
    expect(text).toContain("writeTag(writer, 43);");
    expect(text).toContain("f = readLooseString(buf, pos, end);");
    expect(text).not.toContain("beginLength");
  });

  it("have no optional label", () => {
    expect(diagnose('edition = "2023"; message A { optional int32 a = 1; }').join()).toContain(
      "editions have no optional label",
    );
  });
});
