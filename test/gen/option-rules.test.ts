// What the declaration of an option says about its use: `targets` limits what it is set on, `retention` whether programs
// see it. protoc 22 and later enforce the first (the installed one may be older), for the manifests that are compiled.

import { describe, expect, it } from "vitest";
import { diagnose } from "./support.js";

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
