// What the compiler says about manifests that are wrong: where, what, and all of it at once.

import { describe, expect, it } from "vitest";
import { askProtoc, diagnose, hasProtoc } from "./support.js";

const proto3 = (body: string): string => `syntax = "proto3";\npackage t;\n${body}`;

describe("diagnostics", () => {
  it("carry file, line and column, and come all at once, in the order of the text", () => {
    const manifest = proto3("message A {\n  Missing a = 1;\n  string b = 0;\n}\nmessage B { oneof c { } }");
    expect(diagnose(manifest)).toEqual([
      'test.proto:4:3: error: unknown type "Missing"',
      "test.proto:5:14: error: a field's number is from 1 to 536870911, not 0",
      'test.proto:7:19: error: the oneof "c" has no fields',
    ]);
  });

  it("are given for several syntax errors of one file", () => {
    const manifest = proto3("message A { string = 1; int32 ok = 2; string b 3; }\nmesage C {}\nmessage D {}");
    expect(diagnose(manifest)).toEqual([
      'test.proto:3:20: error: expected a name, found "="',
      'test.proto:3:48: error: expected "=", found "3"',
      'test.proto:4:1: error: expected a message, enum, service, extend, import, option or package, found "mesage"; did you mean "message"?',
    ]);
  });

  it("name the manifest of a type that is not imported, and what is nearest to a name that is wrong", () => {
    const lines = diagnose({
      "a.proto": 'syntax = "proto3"; package t; import "b.proto"; message A { Ordr a = 1; Hidden b = 2; }',
      "b.proto": 'syntax = "proto3"; package t; import "c.proto"; message Order {}',
      "c.proto": 'syntax = "proto3"; package t; message Hidden {}',
    });
    expect(lines).toEqual([
      'a.proto:1:61: error: unknown type "Ordr"; did you mean "t.Order"?',
      'a.proto:1:73: error: "Hidden" is declared in c.proto, which is not imported',
    ]);
  });

  it("do not tolerate a weak import that is missing, as protoc does not; nor weak imports where editions have none", () => {
    const texts = { "test.proto": 'syntax = "proto3"; import weak "gone.proto";' };
    expect(diagnose(texts)).toEqual(['test.proto:1:32: error: manifest "gone.proto" was not found; looked in memory']);
    if (hasProtoc)
      expect(askProtoc(texts)).toMatchObject({ accepted: false, said: expect.stringContaining("not found") });
    const importing = (edition: string, kind: string): string =>
      diagnose({ "test.proto": `${edition}; import ${kind} "b.proto";`, "b.proto": 'syntax = "proto3";' }).join();
    expect(importing('edition = "2023"', "weak")).toBe("");
    expect(importing('edition = "2024"', "weak")).toContain('1:31: error: edition 2024 has no "import weak"; ');
    expect(importing('edition = "2024"', "option")).toBe("");
    expect(importing('edition = "2023"', "option")).toContain('1:33: error: "import option" came with edition 2024');
    expect(importing('syntax = "proto3"', "option")).toContain('"import option" came with edition 2024');
  });

  it("say where a missing import was looked for, and which import closes a cycle", () => {
    expect(diagnose('syntax = "proto3"; import "gone.proto";')).toEqual([
      'test.proto:1:27: error: manifest "gone.proto" was not found; looked in memory',
    ]);
    const near = {
      "push/v1/a.proto":
        'syntax = "proto3"; import "b.proto"; import "push/v1/a_gean.proto"; import "google/protobuf/timestmp.proto";',
      "push/v1/b.proto": "",
      "push/v1/a_gain.proto": "",
    };
    expect(diagnose(near).map((line) => line.slice(line.indexOf("looked")))).toEqual([
      'looked in memory; did you mean "push/v1/b.proto"?',
      'looked in memory; did you mean "push/v1/a_gain.proto"?',
      'looked in memory; did you mean "google/protobuf/timestamp.proto"?',
    ]);
    const cycle = {
      "a.proto": 'syntax = "proto3"; import "b.proto";',
      "b.proto": 'syntax = "proto3"; import "a.proto";',
    };
    expect(diagnose(cycle)).toEqual(['b.proto:1:27: error: "a.proto" imports itself, through this import']);
  });
});

describe("guesses", () => {
  it("name the field or the enum value that an option nearly named", () => {
    expect(diagnose(proto3("message A { option depricated = true; }")).join()).toContain(
      'google.protobuf.MessageOptions has no such field; did you mean "deprecated"?',
    );
    expect(diagnose(proto3("message A { int64 a = 1 [jstype = JS_STRNG]; }")).join()).toContain(
      'found JS_STRNG; did you mean "JS_STRING"?',
    );
  });

  it("know the scalar types", () => {
    expect(diagnose(proto3("message A { strng a = 1; }")).join()).toContain(
      'unknown type "strng"; did you mean "string"?',
    );
  });

  it.each([
    ["mesage Foo {}", 'found "mesage"; did you mean "message"?'],
    ['improt "a.proto";', 'found "improt"; did you mean "import"?'],
    ["exprot message A {}", 'found "exprot"; did you mean "export"?'],
    ["message A { mesage B {} }", 'expected "=", found "{"; by "mesage", did you mean "message"?'],
    ["message A { emum E { Z = 0; } }", 'by "emum", did you mean "enum"?'],
    ["message A { optinal string a = 1; }", 'by "optinal", did you mean "optional"?'],
    ["message A { mpa<int32, int32> a = 1; }", 'by "mpa", did you mean "map"?'],
    ["message A { reserve 1; }", 'by "reserve", did you mean "reserved"?'],
    ["message A { oneoff o { repeted int32 a = 1; } }", 'by "oneoff", did you mean "oneof"?'],
    ["message A { oneof o { repeted int32 a = 1; } }", 'by "repeted", did you mean "repeated"?'],
    ["message A { optoin deprecated = true; }", 'by "optoin", did you mean "option"?'],
    ["enum E { resrved 3; }", 'by "resrved", did you mean "reserved"?'],
    ["service S { prc A(B) returns (B); }", 'found "prc"; did you mean "rpc"?'],
  ])("know the keywords: %s", (body, text) => {
    expect(diagnose(proto3(body)).join()).toContain(text);
  });

  it("know no keyword where one was spelt right or the name is an ordinary one", () => {
    for (const body of ["message A { optional int32 = 1; }", "message A { Order order 1; }", "enum E { ONE 1; }"])
      expect(diagnose(proto3(body)).join()).not.toContain("did you mean");
  });

  it("are not made when nothing is near, and not without end", () => {
    expect(diagnose(proto3("message A { Entirely a = 1; }")).join()).not.toContain("did you mean");
    const wrong = Array.from({ length: 300 }, (_, index) => `Ordr f${index} = ${index + 1};`).join(" ");
    const guesses = diagnose(proto3(`message Order { ${wrong} }`)).filter((line) => line.includes("did you mean"));
    expect(guesses).toHaveLength(100);
  });
});

describe("rules that a parser alone does not enforce", () => {
  it.each([
    ["message A { int32 a = 19000; }", "numbers from 19000 to 19999 are reserved for protobuf itself"],
    ["message A { int32 a = 536870912; }", "a field's number is from 1 to 536870911, not 536870912"],
    ["message A { int32 a = 1; int32 b = 1; }", 'number 1 is already used by "a" at test.proto:3:19'],
    ["message A { reserved 2 to 4; int32 a = 3; }", "number 3 is reserved"],
    ['message A { reserved "a"; int32 a = 3; }', 'the field name "a" is reserved'],
    ["message A { int32 a = 1; string a = 2; }", '"t.A.a" is already declared as a field at test.proto:3:19'],
    ["message A { int32 foo_bar = 1; int32 fooBar = 2; }", '"fooBar" and "foo_bar" are both "fooBar" in JSON'],
    ["enum E { ONE = 1; }", "the first value of an open enum (as in proto3) must be 0"],
    ["enum E { }", 'the enum "E" has no values'],
    ["enum E { A = 0; B = 0; }", 'number 0 is already used by "A"; "option allow_alias = true" would allow it'],
    ["enum E { A = 0; } enum F { A = 0; }", "values of an enum are named in the scope around the enum"],
    ["enum E { A = 0; B = 2147483648; }", "an enum's number has 32 bits; 2147483648 does not fit"],
    ["message A { int32 a = 1 [default = 3]; }", "proto3 fields have no defaults of their own"],
    ["message A { extensions 100 to 200; }", "proto3 messages have no extension ranges"],
    ["message A { required int32 a = 1; }", "only proto2 has required fields"],
    ["message A { repeated string a = 1 [packed = true]; }", "only repeated numbers, bools and enums can be packed"],
    ["message A { map<double, int32> a = 1; }", "a map's keys are integers, bools or strings, not double"],
    ["message A { repeated map<int32, int32> a = 1; }", 'map fields have no label; remove "repeated"'],
    ["message A { oneof o { repeated int32 a = 1; } }", 'fields of a oneof have no label; remove "repeated"'],
    ["message A { string a = 1 [jstype = JS_STRING]; }", "jstype is for 64-bit integers"],
    [
      "message A {} extend A { int32 a = 1; }",
      "proto3 can only extend the option messages of google.protobuf, not t.A",
    ],
    ["enum E { Z = 0; } service S { rpc M(E) returns (E); }", 'an rpc takes and returns messages; "E" is none'],
    ["message t {} message A { t.B b = 1; } message B {}", 'unknown type "t.B"'],
  ])("%s", (body, text) => {
    expect(diagnose(proto3(body)).join("\n")).toContain(text);
  });

  it("accept what protoc accepts though it looks odd", () => {
    const manifest = `syntax = "proto2"; package t;
      message A {
        optional int32 a = 1 [default = - 1];
        oneof o { group G = 2 { optional int32 x = 1; } string s = 3; }
        optional A message = 4; optional int32 optional = 5; optional string reserved = 6;
        extensions 100 to max;
      }
      extend A { optional string more = 100; }
      enum Closed { ONE = 1; option allow_alias = true; UNO = 1; };`;
    expect(diagnose(manifest)).toEqual([]);
  });
});

describe("hostile manifests", () => {
  it("that nest ten thousand deep fail within a second", () => {
    const started = performance.now();
    const deep = "error: nested more than 64 deep";
    expect(diagnose(proto3("message A { ".repeat(10_000))).join("\n")).toContain(deep);
    expect(diagnose(proto3(`option (a) = ${"{ a: ".repeat(10_000)}`)).join("\n")).toContain(deep);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it("that nearly name what has a huge name are not compared with it", () => {
    const started = performance.now();
    const long = "A".repeat(100_000);
    expect(diagnose(proto3(`message ${long}B { ${long}C a = 1; }`)).join()).toContain("unknown type");
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it("cannot name a file outside the roots", () => {
    for (const path of [
      "../secret.proto",
      "/etc/passwd",
      "a/../../b.proto",
      "a\\\\b.proto",
      "a\\0b.proto",
      "C:/x.proto",
    ]) {
      expect(diagnose(`syntax = "proto3"; import "${path}";`).join()).toContain("cannot be read");
    }
  });

  it("with strings, comments and characters that make no sense are refused, not looped over", () => {
    expect(diagnose('syntax = "proto3"; /* open')[0]).toContain("this comment is not closed");
    expect(diagnose('syntax = "proto3"; import "open;\n')[0]).toContain("this string is not closed on its line");
    expect(diagnose('syntax = "proto3"; message Ä {}').join()).toContain('unexpected character "Ä"');
    expect(diagnose("}}}}{{{{").length).toBeGreaterThan(0);
  });
});
