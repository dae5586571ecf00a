// What the declaration of an option says about its use: `targets` limits what it is set on, `retention` whether programs
// see it. protoc 22 and later enforce the first (the installed one may be older), for the manifests that are compiled.

import { describe, expect, it } from "vitest";
import { FileDescriptorProto } from "../../src/gen/descriptor/descriptor.js";
import { DEFAULT_EMIT_OPTIONS } from "../../src/gen/generate.js";
import { MemoryReader } from "../../src/gen/load.js";
import { diagnose, generateInto, importFile } from "./support.js";

const KINDS: readonly (readonly [schema: string, target: string, where: string])[] = [
  ["FileOptions", "file", "option (o) = 1;"],
  ["ExtensionRangeOptions", "extension range", "message A { extensions 5 to 9 [(o) = 1]; }"],
  ["MessageOptions", "message", "message A { option (o) = 1; }"],
  ["FieldOptions", "field", "message A { int32 a = 1 [(o) = 1]; }"],
  ["FieldOptions", "field", "message A { extensions 5; } extend A { int32 a = 5 [(o) = 1]; }"],
  ["OneofOptions", "oneof", "message A { oneof c { option (o) = 1; int32 a = 1; } }"],
  ["EnumOptions", "enum", "enum E { option (o) = 1; Z = 0; }"],
  ["EnumValueOptions", "enum value", "message A { enum E { Z = 0 [(o) = 1]; } }"],
  ["ServiceOptions", "service", "service S { option (o) = 1; }"],
  ["MethodOptions", "method", "message A {} service S { rpc M(A) returns (A) { option (o) = 1; } }"],
];

const NAMES: ReadonlyMap<string, string> = new Map([["enum value", "ENUM_ENTRY"]]);

const nameOf = (target: string): string => `TARGET_TYPE_${NAMES.get(target) ?? target.toUpperCase().replace(" ", "_")}`;
const edition = (text: string): string => `edition = "2023"; import "google/protobuf/descriptor.proto"; ${text}`;

describe("targets", () => {
  const using = (schema: string, targets: readonly string[], where: string): Record<string, string> => {
    const list = targets.map((target) => `targets = ${nameOf(target)}`).join(", ");
    return {
      "test.proto": `edition = "2023"; package t; import "o.proto";\n${where}`,
      "o.proto": edition(`package t; extend google.protobuf.${schema} { int32 o = 50001 [${list}]; }`),
    };
  };

  it.each(KINDS)("of options in %s: %s", (schema, target, where) => {
    const other = target === "file" ? "oneof" : "file";
    const at = `2:${where.indexOf("(o) = 1") + 7}`;
    const text = `test.proto:${at}: error: option "t.o" is not for this ${target}; its targets: ${other}, unknown`;
    expect(diagnose(using(schema, [other, "unknown"], where))).toEqual([text]);
    expect(diagnose(using(schema, [other, target], where))).toEqual([]);
  });

  it("are minded in the values of options, however deep, and where they are written in one file", () => {
    const lines = diagnose(
      edition(`
        message M { option (i).f = 1; option (i).list = { map { key: "k" value { f: 2 } } }; }
        message I { int32 f = 1 [targets = TARGET_TYPE_FIELD]; repeated I list = 2; map<string, I> map = 3; }
        extend google.protobuf.MessageOptions { I i = 50001; }
        message N { option features.enum_type = OPEN; }`),
    );
    const ofField = 'option "I.f" is not for this message; its targets: field';
    expect(lines).toEqual([
      `test.proto:2:36: error: ${ofField}`,
      `test.proto:2:85: error: ${ofField}`,
      expect.stringContaining(
        'option "google.protobuf.FeatureSet.enum_type" is not for this message; its targets: enum',
      ),
    ]);
  });

  it("are minded in the manifests that are compiled, not in what they import", () => {
    const texts = using("MessageOptions", ["field"], "message A { option (o) = 1; }");
    const importing = 'syntax = "proto3"; import "test.proto"; message B { t.A a = 1; }';
    expect(diagnose({ "first.proto": importing, ...texts })).toEqual([]);
  });
});

describe("retention", () => {
  const MANIFEST = edition(`
    message I { string kept = 1; string source = 2 [retention = RETENTION_SOURCE]; repeated I list = 3; map<string, I> map = 4; }
    extend google.protobuf.MessageOptions { I i = 50001; int32 source = 50002 [retention = RETENTION_SOURCE]; }
    message M {
      option (source) = 1;
      option (i) = { kept: "k" source: "s" list { source: "s" } map { key: "a" value { source: "s" kept: "v" } } };
    }
    message OnlySource { option (source) = 1; extensions 5 [verification = UNVERIFIED]; }`);

  it("keeps options of the source out of the descriptors that programs get, as protoc does", async () => {
    const options = { ...DEFAULT_EMIT_OPTIONS, descriptors: true };
    const root = generateInto("retention", ["test.proto"], new MemoryReader({ "test.proto": MANIFEST }), options);
    const { descriptors } = (await importFile(`${root}/descriptors.ts`)) as { descriptors: string[] };
    const { messageType } = FileDescriptorProto.fromBytes(Buffer.from(descriptors.at(-1)!, "base64"));
    const optionsOf = (name: string): string | undefined => {
      const options = messageType.find((message) => message.name === name)?.options;
      return options && Buffer.from(options).toString("hex");
    };
    // 50001: { 1: "k", 3: {}, 4: { 1: "a", 2: { 1: "v" } } }
    expect(optionsOf("M")).toBe(`8ab518${"0f"}${"0a016b"}${"1a00"}${"2208"}${"0a0161"}${"1203"}${"0a0176"}`);
    expect(optionsOf("OnlySource")).toBeUndefined();
    expect(messageType.find(({ name }) => name === "OnlySource")?.extensionRange[0]?.options).toBeUndefined();
  });
});
