// proto3's JSON mapping, through the files that `--json` writes. protobuf's conformance suite checks it at large
// (`npm run conformance`); this is what must not break between its runs, and what it does not ask.

import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_EMIT_OPTIONS, generate } from "../../src/gen/generate.js";
import { MemoryReader } from "../../src/gen/load.js";
import { AnyJson, DurationJson, FieldMaskJson, type JsonMessage, JsonRegistry, TimestampJson } from "../../src/json.js";
import { packAny } from "../../src/runtime.js";
import { diagnose, generateInto, importFile } from "./support.js";

const MANIFEST = `syntax = "proto3"; package t;
  import "google/protobuf/any.proto"; import "google/protobuf/struct.proto"; import "google/protobuf/timestamp.proto";
  import "google/protobuf/wrappers.proto"; import "other.proto";
  enum Color { option allow_alias = true; UNKNOWN = 0; RED = 1; ROUGE = 1; }
  message Leaf { string leaf_name = 1; repeated Leaf leaves = 2; }
  message All {
    int32 f_int32 = 1; uint64 f_uint64 = 2; bool f_bool = 3; string f_string = 4; bytes f_bytes = 5; double f_double = 6;
    float f_float = 7; Color f_color = 8; Leaf f_leaf = 9; optional int32 maybe = 10; string renamed = 11 [json_name = "@name"];
    string nameless = 27 [json_name = ""];
    repeated Color colors = 12; map<int64, Leaf> by_number = 13; map<bool, string> by_bool = 14;
    oneof pick { string text = 15; Leaf leaf = 16; google.protobuf.NullValue nothing = 17; }
    google.protobuf.Value value = 18; google.protobuf.Struct struct = 19; google.protobuf.Timestamp at = 20;
    google.protobuf.Int64Value wrapped = 21; google.protobuf.Any any = 22; int64 as_string = 23 [jstype = JS_STRING];
    int64 as_number = 24 [jstype = JS_NUMBER]; repeated google.protobuf.BoolValue flags = 25; Other other = 26;
  }`;
const OTHER = 'syntax = "proto3"; package t; message Other { fixed64 id = 1; }';
const PROTO2 = `syntax = "proto2"; package t;
  enum Size { SMALL = 1; LARGE = 2; } message Two { required string name = 1; optional Size size = 2; }`;

type Type = JsonMessage<Record<string, unknown>>;
let All: Type;
let Leaf: Type;
let Two: Type;

beforeAll(async () => {
  const options = { ...DEFAULT_EMIT_OPTIONS, json: true };
  const reader = new MemoryReader({ "test.proto": MANIFEST, "other.proto": OTHER, "two.proto": PROTO2 });
  const root = generateInto("json", ["test.proto", "two.proto"], reader, options);
  const module = await importFile(join(root, "test.json.ts"));
  [All, Leaf] = [module.AllJson as Type, module.LeafJson as Type];
  Two = (await importFile(join(root, "two.json.ts"))).TwoJson as Type;
});

/** What JSON text becomes when it is read and written again. */
const again = (text: string): string => All.stringify(All.parse(text));

describe("a message's JSON", () => {
  it("holds every kind of field, and comes back as the message it was", () => {
    const json = {
      fInt32: -1,
      fUint64: "18446744073709551615",
      fBool: true,
      fString: "é\u2028",
      fBytes: "+/8=",
      fDouble: "-Infinity",
      fFloat: 0.1,
      fColor: "RED",
      fLeaf: { leafName: "l", leaves: [{}] },
      maybe: 0,
      "@name": "n",
      "": "of no name",
      colors: ["UNKNOWN", 7],
      byNumber: { "-9223372036854775808": {} },
      byBool: { false: "f" },
      text: "",
      value: null,
      struct: { a: [1, null, { b: "c" }] },
      at: "2024-02-29T23:59:59.000000001Z",
      wrapped: "0",
      any: { "@type": "type.googleapis.com/google.protobuf.Duration", value: "1.500s" },
      asString: "9007199254740993",
      asNumber: "-5",
      flags: [true, false],
      other: { id: "1" },
    };
    const message = All.fromJson(json);
    expect(message).toMatchObject({ fUint64: 2n ** 64n - 1n, pick: { case: "text", value: "" }, wrapped: 0n });
    expect(message).toMatchObject({
      asString: "9007199254740993",
      asNumber: -5,
      flags: [{ value: true }, { value: false }],
    });
    expect(All.toJson(message)).toEqual(json);
    expect(All.toJson(All.type.fromBytes(All.type.toBytes(message)))).toEqual(json);
    expect(JSON.parse(All.stringify(message))).toEqual(json);
  });

  it("reads as what decoding no bytes gives, where it says nothing", () => {
    expect(All.fromJson({})).toEqual(All.type.fromBytes(new Uint8Array(0)));
    expect(All.stringify({})).toBe("{}");
  });

  it.each([
    ["names as in the manifest", '{"f_int32":1}', '{"fInt32":1}'],
    [
      "numbers as strings, and whole ones with a fraction",
      '{"fInt32":"1e2","fUint64":1.0}',
      '{"fInt32":100,"fUint64":"1"}',
    ],
    ["64-bit numbers with every digit", '{"fUint64":18446744073709551615}', '{"fUint64":"18446744073709551615"}'],
    ["64-bit numbers with an exponent", '{"fUint64":"1.8446744073709551615e19"}', '{"fUint64":"18446744073709551615"}'],
    ["base64 with the other alphabet and no padding", '{"fBytes":"-_8"}', '{"fBytes":"+/8="}'],
    ["an enum by number, by another name", '{"fColor":1,"colors":["ROUGE"]}', '{"fColor":"RED","colors":["RED"]}'],
    ["null as not set", '{"fInt32":null,"colors":null,"byBool":null,"text":null,"fLeaf":null}', "{}"],
    ["null as a value where it is one", '{"nothing":null}', '{"nothing":null}'],
    ["not a number", '{"fDouble":"NaN","fFloat":"1.5"}', '{"fDouble":"NaN","fFloat":1.5}'],
    ["the largest float, in the digits that it is written with", '{"fFloat":3.4028235e38}', '{"fFloat":3.4028235e+38}'],
    ["minus zero, which has no default's bits", '{"fDouble":-0}', '{"fDouble":"-0"}'],
    ["a time with an offset", '{"at":"1970-01-01T01:30:00.1+01:30"}', '{"at":"1970-01-01T00:00:00.100Z"}'],
    ["keys that JavaScript objects have", '{"struct":{"__proto__":1}}', '{"struct":{"__proto__":1}}'],
  ])("may have %s", (_, text, expected) => {
    expect(again(text)).toBe(expected);
  });

  it.each([
    ['{"fInt32":1.5}', "t.All.f_int32: expected a whole number from -2147483648 to 2147483647, found 1.5"],
    ['{"fInt32":2147483648}', "t.All.f_int32: "],
    ['{"fInt32":" 1"}', "t.All.f_int32: "],
    ['{"fUint64":-1}', "t.All.f_uint64: "],
    ['{"fUint64":"1e99999999999"}', "t.All.f_uint64: "],
    ['{"fBool":"true"}', "t.All.f_bool: expected true or false"],
    ['{"fString":"\\ud800"}', "t.All.f_string: "],
    ['{"fBytes":"a"}', "t.All.f_bytes: expected base64"],
    ['{"fFloat":3.5e38}', "t.All.f_float: "],
    ['{"fDouble":1e999}', "t.All.f_double: "],
    ['{"fColor":"BLUE"}', 't.All.f_color: expected one of UNKNOWN, RED, found "BLUE"'],
    ['{"colors":[null]}', "t.All.colors: "],
    ['{"fLeaf":[]}', "t.All.f_leaf: expected an object, found an array"],
    ['{"byNumber":{"x":{}}}', "t.All.by_number: "],
    ['{"byBool":{"1":""}}', "t.All.by_bool: "],
    ['{"text":"","leaf":{}}', "t.All.leaf: another field of the oneof is set as well"],
    ['{"fInt32":1,"f_int32":1}', "t.All.f_int32: this field is set twice"],
    ['{"nope":1}', 't.All: there is no field "nope"'],
    ['{"at":"2023-02-29T00:00:00Z"}', "t.All.at: expected a time"],
    ['{"asNumber":"9007199254740993"}', "t.All.as_number: expected a safe integer"],
    ['{"any":{"@type":"x/t.Leaf"}}', 't.All.any: the type "x/t.Leaf" is not in the registry'],
    ['{"struct":{"a":1,"a":1}}', 'JSON has the key "a" twice'],
    ['{"fInt32":01}', "JSON is not valid at character 11"],
    ['{"fInt32":1,}', "JSON is not valid at character 12"],
    ['{"fString":"\n"}', "JSON is not valid"],
    ['{"fInt32":1}}', "expected the end of the text"],
    ["", "the text ends"],
  ])("is refused: %s", (text, message) => {
    expect(() => All.parse(text)).toThrow(message);
  });

  it("can pass over what is unknown", () => {
    const text = '{"nope":{"a":[1]},"fColor":"BLUE","colors":["RED","BLUE"],"any":{}}';
    expect(All.stringify(All.parse(text, { ignoreUnknown: true }))).toBe('{"colors":["RED"],"any":{}}');
  });

  it("can have defaults, the manifest's names, and enums as numbers", () => {
    expect(Leaf.stringify({}, { defaults: true, originalNames: true })).toBe('{"leaf_name":"","leaves":[]}');
    expect(All.stringify({ fColor: 1 }, { enumNumbers: true })).toBe('{"fColor":1}');
  });

  it("ends at a depth, in text, in a tree and in an Any", () => {
    const leaf = (depth: number): object => (depth === 0 ? {} : { leaves: [leaf(depth - 1)] });
    expect(Leaf.fromJson(leaf(99))).toBeDefined();
    expect(() => Leaf.fromJson(leaf(100))).toThrow("nested more than 100 deep");
    expect(() => All.parse(`{"value":${"[".repeat(20_000)}`)).toThrow("nested more than 1000 deep");
    let any = packAny(AnyJson.type, {});
    for (let depth = 0; depth < 200; depth++) any = packAny(AnyJson.type, any);
    expect(() => AnyJson.toJson(any)).toThrow("nested more than 100 deep");
  });

  it("of proto2 needs what is required, and knows only the numbers of closed enums", () => {
    expect(Two.parse('{"name":"","size":2}')).toEqual({ name: "", size: 2 });
    expect(() => Two.parse("{}")).toThrow("t.Two.name: this required field is missing");
    expect(() => Two.toJson({})).toThrow("t.Two.name: this required field is missing");
    expect(() => Two.parse('{"name":"","size":3}')).toThrow("t.Two.size: expected a number that the enum declares");
  });
});

describe("the JSON of well-known types", () => {
  it("is that of the held message in an Any, for types of the registry", () => {
    const registry = new JsonRegistry([Leaf]);
    const any = packAny(Leaf.type, { leafName: "l" });
    const json = { "@type": "type.googleapis.com/t.Leaf", leafName: "l" };
    expect(AnyJson.toJson(any, { registry })).toEqual(json);
    expect(AnyJson.fromJson(json, { registry })).toEqual(any);
    expect(() => AnyJson.toJson(any)).toThrow("is not in the registry");
    expect(() => AnyJson.fromJson({ leafName: "l" }, { registry })).toThrow('an object with "@type"');
  });

  it.each([
    [{ seconds: -62_135_596_800n, nanos: 0 }, "0001-01-01T00:00:00Z"],
    [{ seconds: 253_402_300_799n, nanos: 999_999_999 }, "9999-12-31T23:59:59.999999999Z"],
    [{ seconds: -1n, nanos: 10_000_000 }, "1969-12-31T23:59:59.010Z"],
  ])("is RFC 3339 for times: %#", (timestamp, text) => {
    expect(TimestampJson.toJson(timestamp)).toBe(text);
    expect(TimestampJson.fromJson(text)).toEqual(timestamp);
  });

  it.each(["24:00:00Z", "12:00:60Z", "12:00:00z", "12:00:00", "12:00:00.1234567890Z", "12:00:00+24:00"])(
    "is no time: %s",
    (time) => {
      expect(() => TimestampJson.fromJson(`2024-01-01T${time}`)).toThrow("expected a time");
    },
  );

  it.each([
    [{ seconds: 0n, nanos: -500_000_000 }, "-0.500s"],
    [{ seconds: -3n, nanos: -1000 }, "-3.000001s"],
    [{ seconds: 315_576_000_000n, nanos: 0 }, "315576000000s"],
  ])("is seconds for durations: %#", (duration, text) => {
    expect(DurationJson.toJson(duration)).toBe(text);
    expect(DurationJson.fromJson(text)).toEqual(duration);
  });

  it("refuses durations of two signs, and times out of range", () => {
    expect(() => DurationJson.toJson({ seconds: 1n, nanos: -1 })).toThrow("with one sign");
    expect(() => DurationJson.fromJson("315576000001s")).toThrow("at most 315576000000 s");
    expect(() => TimestampJson.toJson({ seconds: 253_402_300_800n })).toThrow("no time from the year 1 to 9999");
  });

  it("is camel case for field masks, where that can be undone", () => {
    expect(FieldMaskJson.toJson({ paths: ["user.display_name", "photo"] })).toBe("user.displayName,photo");
    expect(FieldMaskJson.fromJson("user.displayName,photo")).toEqual({ paths: ["user.display_name", "photo"] });
    expect(() => FieldMaskJson.toJson({ paths: ["a_1"] })).toThrow("lowerCamelCase");
    expect(() => FieldMaskJson.fromJson("a_b")).toThrow("lowerCamelCase");
  });
});

describe("the files of --json", () => {
  const pathsOf = (manifests: Readonly<Record<string, string>>, json: boolean): string[] => {
    const { files } = generate(Object.keys(manifests), new MemoryReader(manifests), { ...DEFAULT_EMIT_OPTIONS, json });
    return files.map(({ path, text }) => (text.includes("sluice/json") ? `${path} (json)` : path));
  };

  it("stand beside the code, which does not know of them", () => {
    const manifests = { "a.proto": 'syntax = "proto3"; message A {}', "b.proto": 'syntax = "proto3";' };
    expect(pathsOf(manifests, true)).toEqual(["a.json.ts (json)", "a.ts", "b.ts"]);
    expect(pathsOf(manifests, false)).toEqual(["a.ts", "b.ts"]);
  });

  it("may not be those of another manifest", () => {
    const manifests = { "a.proto": 'syntax = "proto3"; message A {}', "a.json.proto": 'syntax = "proto3";' };
    const { diagnostics } = generate(Object.keys(manifests), new MemoryReader(manifests), {
      ...DEFAULT_EMIT_OPTIONS,
      json: true,
    });
    expect(diagnostics.lines().join()).toContain("a.json.ts, which is also");
    expect(diagnose(manifests)).toEqual([]);
  });
});
