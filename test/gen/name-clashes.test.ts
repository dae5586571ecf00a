// Names that become one: fields in JSON and TypeScript, values of an enum without its prefix. What is an error and what a
// warning is protoc's to say; of what is only a warning, the generated code must still tell the two apart.

import { beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_EMIT_OPTIONS } from "../../src/gen/generate.js";
import { MemoryReader } from "../../src/gen/load.js";
import type { JsonMessage } from "../../src/json.js";
import { askProtoc, compileErrors, diagnose, generateInto, hasProtoc, importFile, messageType } from "./support.js";

const fields = (...names: string[]): string =>
  names.map((name, index) => name.replace(/^\w+/, `optional int32 $& = ${index + 1}`)).join("; ");

describe("fields that are one in JSON", () => {
  const proto2 = (body: string): string => `syntax = "proto2"; message A { ${body}; }`;
  const edition = (body: string): string => `edition = "2023"; message A { ${body}; }`.replaceAll("optional ", "");
  const LEGACY = "option features.json_format = LEGACY_BEST_EFFORT";

  it.each([
    [proto2(fields("foo_bar", "fooBar")), "warning", '"fooBar" and "foo_bar" are both "fooBar" in JSON'],
    [proto2(fields('a [json_name = "x"]', "x")), "warning", '"x" and "a" are both "x" in JSON'],
    [proto2(fields('a [json_name = "x"]', 'b [json_name = "x"]')), "error", '"b" and "a" are both "x" in JSON'],
    [proto2(fields('foo_bar [json_name = "x"]', "fooBar")), "warning", 'are both "fooBar" in JSON'],
    [edition(`${LEGACY}; ${fields("foo_bar", "fooBar")}`), "warning", 'are both "fooBar" in JSON'],
    [edition(fields("foo_bar", "fooBar")), "error", 'are both "fooBar" in JSON'],
    [
      `syntax = "proto3"; message A { ${fields('foo_bar [json_name = "x"]', "fooBar")}; }`,
      "error",
      'are both "fooBar" in JSON',
    ],
    [proto2(fields('a [json_name = "[x]"]')), "error", "names in brackets are those of extensions"],
    [proto2(fields('a [json_name = "x\\0"]')), "error", "has no NUL in it"],
  ])("%s: %s", (manifest, severity, text) => {
    const lines = diagnose(manifest);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`: ${severity}: `);
    expect(lines[0]).toContain(text);
  });

  it("are let pass where the message says that it knows", () => {
    const body = `option deprecated_legacy_json_field_conflicts = true; ${fields("foo_bar", "fooBar")}`;
    expect(diagnose(proto2(body))).toEqual([]);
    expect(diagnose(`syntax = "proto3"; message A { ${body}; }`)).toEqual([]);
  });
});

describe("generated code of fields that clash", () => {
  const MANIFEST = `syntax = "proto2"; package t;
    message A {
      optional string foo_bar = 1 [default = "first"]; optional int32 fooBar = 2 [default = 7];
      oneof pick { bool foo__bar = 3; string in_pick = 4; int32 inPick = 5; }
      oneof fooBar_ { int32 other = 6; }
    }`;
  let root: string;

  beforeAll(() => {
    const options = { ...DEFAULT_EMIT_OPTIONS, json: true };
    root = generateInto("name-clashes", ["test.proto"], new MemoryReader({ "test.proto": MANIFEST }), options);
  });

  const whole = {
    fooBar: "a",
    fooBar$: 2,
    pick: { case: "inPick$", value: 5 },
    fooBar$$: { case: "other", value: 6 },
  };

  it("tells them apart by a $, in the order of the manifest", async () => {
    const module = await importFile(`${root}/test.ts`);
    const type = messageType(module, "A");
    expect(type.fromBytes(type.toBytes(whole))).toEqual(whole);
    expect(module.ADefaults).toEqual({ fooBar: "first", fooBar$: 7 });
  });

  it("tells them apart in JSON by the names that they have in the manifest", async () => {
    const json = (await importFile(`${root}/test.json.ts`)).AJson as JsonMessage<object>;
    expect(json.toJson(whole)).toEqual({ foo_bar: "a", fooBar: 2, inPick: 5, other: 6 });
    expect(json.fromJson(json.toJson(whole))).toEqual(whole);
    const first = { ...whole, pick: { case: "fooBar", value: true } };
    expect(json.fromJson({ foo_bar: "a", fooBar: 2, foo__bar: true, other: 6 })).toEqual(first);
  });

  it("compiles", () => {
    expect(compileErrors(root)).toEqual([]);
  });
});

describe("values of an enum that are one without its prefix", () => {
  const CLASHES: readonly (readonly [string, string])[] = [
    ["enum Foo { FOO_A = 0; A = 1; }", "A and FOO_A are both A"],
    ["enum Bar { BAR_BAZ = 0; BarBaz = 1; }", "BarBaz and BAR_BAZ are both Baz"],
    ["enum FooBar { FOOBAR_X = 0; FOO_BAR_x = 1; }", "FOO_BAR_x and FOOBAR_X are both X"],
    ["enum N { N_1 = 0; _1 = 1; }", "_1 and N_1 are both 1"],
    ["enum Foo { USER_ID = 0; user_id = 1; }", "user_id and USER_ID are both UserId"],
    ["enum Foo { FOO = 0; FOO_FOO = 1; }", "FOO_FOO and FOO are both Foo"],
    ["enum Foo { FOO__ = 0; foo = 1; }", "foo and FOO__ are both Foo"],
  ];
  const NO_CLASHES: readonly string[] = [
    "enum Foo { option allow_alias = true; FOO_A = 0; A = 0; }",
    "enum R { r_ONE = 0; O_NE = 1; }",
    "enum Foo { FO = 0; FOO_BAR = 1; BA = 2; }",
  ];
  const proto2 = (body: string): string => `syntax = "proto2"; ${body}`;
  const proto3 = (body: string): string => `syntax = "proto3"; ${body}`;

  it.each(CLASHES)("are refused, but for proto2: %s", (body, text) => {
    expect(diagnose(proto3(body)).join()).toMatch(`: error: ${text}`);
    expect(diagnose(`edition = "2023"; ${body}`).join()).toMatch(`: error: ${text}`);
    expect(diagnose(proto2(body)).join()).toMatch(`: warning: ${text}`);
  });

  it.each(NO_CLASHES)("are told from others: %s", (body) => {
    expect(diagnose(proto3(body))).toEqual([]);
  });

  it.skipIf(!hasProtoc)("are what protoc says (skipped without protoc)", () => {
    for (const [body] of CLASHES) {
      expect(askProtoc(proto3(body))).toMatchObject({ accepted: false });
      expect(askProtoc(proto2(body))).toMatchObject({
        accepted: true,
        said: expect.stringContaining("warning: Enum name"),
      });
    }
    for (const body of NO_CLASHES) expect(askProtoc(proto3(body))).toEqual({ accepted: true, said: "" });
  });
});
