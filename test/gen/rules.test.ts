// Rules of the language beyond its grammar. Each row is a manifest that protoc refuses and so must we, where it is wrong.
// Where protoc is installed, it is asked whether it does refuse those that its version can judge.

import { describe, expect, it } from "vitest";
import { askProtoc, diagnose, hasProtoc } from "./support.js";

const PROTO2 = 'syntax = "proto2";';
const PROTO3 = 'syntax = "proto3";';
const OPTIONS = `${PROTO2} import "google/protobuf/descriptor.proto"; extend google.protobuf.MessageOptions`;

const INNER = `${PROTO2} import "google/protobuf/descriptor.proto"; enum E { ONE = 1; }
  message M {
    optional int32 i = 1; optional E e = 2; optional float f = 3; repeated M list = 4; oneof o { int32 a = 5; int32 b = 6; }
    extensions 9;
  }
  extend M { optional int32 x = 9; }
  extend google.protobuf.MessageOptions { optional M m = 50001; repeated M l = 50002; }`.replaceAll("\n", "");
const E2023 = 'edition = "2023";';
const E2024 = 'edition = "2024";';
const STRICT = `${E2024} option features.default_symbol_visibility = STRICT;`;
const CLOSED = "enum E { option features.enum_type = CLOSED; Z = 1; }";

/** Ranges for extensions with declarations, and what an extension `x = 5`, an int32, makes wrong. */
const DECLARATIONS = (
  [
    ["5 [declaration = { number: 5 full_name: '.y' type: 'int32' }]", "its name is .y"],
    ["5 [declaration = { number: 5 full_name: '.x' type: 'int64' }]", "its type is int64"],
    ["5 [declaration = { number: 5 full_name: '.x' type: 'int32' repeated: true }]", "it is repeated"],
    ["5 [declaration = { number: 5 reserved: true }]", "the number is reserved"],
    ["5 to 6 [declaration = { number: 6 full_name: '.x' type: 'int32' }]", "A does not declare an extension 5"],
    ["5 [verification = DECLARATION]", "A does not declare an extension 5"],
    ["5 [declaration = { number: 5 full_name: 'x' type: 'int32' }]", 'the full_name "x" does not begin with a dot'],
    ["5 [declaration = { number: 5 full_name: '.x' type: 'y' }]", 'the type "y" is no scalar'],
    ["5 [declaration = { number: 5 full_name: '.x' }]", "the declaration of 5 needs a full_name and a type"],
    ["5 [declaration = { number: 6 reserved: true }]", "the declared number 6 is not in the range"],
    ["5 [verification = UNVERIFIED, declaration = { number: 5 reserved: true }]", "is not UNVERIFIED"],
    ["5 [declaration = { number: 5 reserved: true }, declaration = { number: 5 reserved: true }]", "declared twice"],
  ] as const
).map(
  ([range, text]) => [`${PROTO2} message A { extensions ${range}; } extend A { optional int32 x = 5; }`, text] as const,
);

/** A manifest, and what its error says, with the column where it stands. */
const REFUSED: readonly (readonly [string, string])[] = [
  [
    `${PROTO3} message A { reserved 1 to 5, 4; }`,
    "1:49: error: the reserved range 4 overlaps the reserved range 1 to 5",
  ],
  [
    `${PROTO2} message A { extensions 5 to max; reserved 7; }`,
    "the reserved range 7 overlaps the extension range 5 to max",
  ],
  [`${PROTO2} message A { extensions 5, 1 to 5; }`, "the extension range 1 to 5 overlaps the extension range 5"],
  [
    `${PROTO3} enum A { Z = 0; reserved 1 to 3, 2 to 9; }`,
    "the reserved range 2 to 9 overlaps the reserved range 1 to 3",
  ],
  [`${PROTO3} message A { reserved "a", "b", "a"; }`, 'the name "a" is reserved twice'],
  [`${PROTO3} enum A { Z = 0; reserved "a", "a"; }`, 'the name "a" is reserved twice'],
  [
    `${PROTO3} message A { map<string, A> by_id = 1; message ByIdEntry {} }`,
    'needs the name "ByIdEntry" for its entries',
  ],
  [
    `${PROTO2} enum E { B = 1; } message A { map<string, E> m = 1; }`,
    "the first value of an enum that a map holds must be 0",
  ],
  [`${PROTO2} message A { optional string s = 1 [lazy = true]; }`, "only a field that holds a message can be lazy"],
  [
    `${PROTO2} message A { optional group part = 1 {} }`,
    "1:47: error: the name of a group begins with a capital letter",
  ],
  [
    `${PROTO2} message A { extensions 1; } extend A { optional int32 x = 2; }`,
    "A does not leave number 2 to extensions",
  ],
  [
    `${PROTO2} message A { extensions 1; } extend A { optional int32 x = 1; optional int32 y = 1; }`,
    'extension 1 of A is already "x", at test.proto:1:',
  ],
  [
    `${PROTO2} message A { extensions 1; } extend A { optional int32 x = 1 [json_name = "y"]; }`,
    "an extension has no json_name of its own",
  ],
  [
    `${PROTO2} message A { optional double d = 1 [default = 1.5f]; }`,
    "a number must be followed by a space or a symbol",
  ],
  [
    `${PROTO3} import "google/protobuf/any.proto"; import "google/protobuf/any.proto";`,
    '"google/protobuf/any.proto" is imported twice',
  ],
  [
    `${OPTIONS} { optional M m = 50001; } message M { oneof o { int32 a = 1; int32 b = 2; } } message A { option (m) = { a: 1 b: 2 }; }`,
    'option "b" excludes "a", which is set already',
  ],
  [`${PROTO3} message A { int32 a = 08; }`, "a number that begins with 0 is octal"],
  [`${PROTO3} message A { int32 a = +1; }`, 'expected a whole number, found "+"'],
  [`${PROTO3} message A { oneof o { ; int32 a = 1; } }`, 'expected a name, found ";"'],
  [`${PROTO2} message A { extensions 5; } extend A { ; optional int32 x = 5; }`, 'expected a name, found ";"'],
  [`${PROTO2} message A { extensions 5; } extend A {}`, "this extend adds no field"],
  [
    `${PROTO3} message A { map<int32, A> Foo = 1; map<int32, A> foo = 2; }`,
    'the map "foo" needs the name "FooEntry" for its entries',
  ],
  [`${PROTO3} message A { reserved 0; }`, "1:41: error: numbers of fields begin at 1, not 0"],
  [`${PROTO3} message A { reserved -1; }`, "numbers of fields begin at 1, not -1"],
  [`${PROTO3} message A { reserved a; }`, 'a reserved name is in quotes here: "a"'],
  [`${PROTO3} message A { reserved 1 to 4294967296; }`, "numbers end at 2147483647"],
  [`${PROTO2} message A { extensions 0; }`, "numbers of fields begin at 1, not 0"],
  [`${PROTO2} message A { extensions 1 to 536870912; }`, "numbers of extensions end at 536870911"],
  [`${PROTO3} enum A { option allow_alias = true; Z = 0; }`, "allow_alias is for values that share a number"],
  [`${PROTO3} enum A { option allow_alias = false; Z = 0; }`, "allow_alias = false says nothing"],
  [`${PROTO3} enum A { Z = 0; reserved 5 to 2147483648; }`, "numbers end at 2147483647"],
  [`${PROTO3} enum A { option = 0; }`, 'expected a name, found "="'],
  [`${PROTO3} enum A { reserved = 0; }`, "expected a whole number"],
  [`${PROTO3} message stream {} service S { rpc M(stream) returns (stream); }`, 'expected a name, found ")"'],
  [`${PROTO3} /* a /* b */ message A {}`, "1:25: error: a comment in a comment"],
  [`${PROTO3} \u00a0message A {}`, "unexpected character"],
  [`${PROTO3} export message A {}`, 'found "export"'],
  [`${PROTO2} message A { option message_set_wire_format = true; optional A a = 1; }`, "has extensions and no fields"],
  [`${PROTO3} message A { option message_set_wire_format = true; }`, "proto3 has no message sets"],
  [
    `${PROTO2} message A { option message_set_wire_format = true; extensions 4 to max; } extend A { optional int32 x = 5; }`,
    "A is a message set: what extends it is one message",
  ],
  [`${PROTO2} message A { optional uint32 a = 1 [default = -0]; }`, "expected a number from 0 to 4294967295"],
  [`${PROTO2} message A { optional double a = 1 [default = 0xFFFFFFFFFFFFFFFFF]; }`, "has more than 64 bits"],
  [`${PROTO2} message A { optional int32 a = 1 [default = 1, default = 2]; }`, 'option "default" is set twice'],
  [`${PROTO2} message A { optional int32 a = 1 [default.x = 1]; }`, 'option "default" has no fields of its own'],
  [`${PROTO3} message A { option uninterpreted_option = {}; }`, "uninterpreted_option is not for manifests"],
  [`${INNER} message A { option (m) = < i: 1 >; }`, 'expected a value, found "<"'],
  [`${INNER} message A { option (l) = [{}]; }`, 'expected a value, found "["'],
  [`${INNER} message A { option (l).i = 1; }`, 'option "l" is repeated, so it takes a whole { ... }'],
  [`${INNER} message A { option (m) = { e: 9 }; }`, "expected a value of the enum E"],
  [`${INNER} message A { option (m) = { f: 0x10 }; }`, "expected a float"],
  [`${INNER} message A { option (m) = { i: +1 }; }`, 'expected a value, found "+"'],
  [`${INNER} message A { option (m) = { [.x]: 1 }; }`, 'expected a name, found "."'],
  [`${INNER} message A { option (m).f = -infinity; }`, "expected a number"],
  [
    `${OPTIONS} { optional R r = 50001; } message R { required int32 i = 1; optional R n = 2; } message A { option (r) = { i: 1 n {} }; }`,
    '1:215: error: the required field "i" of R is missing',
  ],
  [`${PROTO2} message A { optional group G = 1 [lazy = true] {} }`, "only a field that holds a message can be lazy"],
];

/** Manifests that look wrong and are not. */
const TAKEN: readonly string[] = [
  `${PROTO2} message A { optional int32 a = 1 [jstype = JS_NORMAL]; }`,
  `${INNER} message A { option (m) = { f: -Infinity }; }`,
  `${INNER} message A { option (m).a = 1; option (m).b = 2; }`,
  `${INNER} message A { option (m) = { e: 1 list: [{ i: 1 }, < i: 2 >] }; }`,
  `${PROTO3} message A { reserved 536870912; }`,
  `${PROTO3} message A { oneof oneof { int32 a = 1; } }`,
];

/** The same for editions, which the protoc that distributions have does not know; these are protoc 35's. */
const EDITIONS: readonly (readonly [string, string])[] = [
  [`${PROTO3} option features = {};`, "features are for editions; this is proto3"],
  [`${E2023} message A { reserved 'a'; }`, "editions reserve names without quotes: a"],
  [`${E2023} enum A { option features.enum_type = ENUM_TYPE_UNKNOWN; Z = 0; }`, "enum_type has no such value to set"],
  [`${E2023} option features.field_presence = LEGACY_REQUIRED;`, "fields cannot be required by default"],
  [`${E2023} message A { A a = 1 [features.field_presence = IMPLICIT]; }`, "holds a message is never IMPLICIT"],
  [`${E2023} message A { repeated A a = 1 [features.field_presence = EXPLICIT]; }`, "a repeated field has no"],
  [`${E2023} message A { oneof o { A a = 1 [features.field_presence = EXPLICIT]; } }`, "a field of a oneof has no"],
  [
    `${E2023} message A { extensions 5; } extend A { A a = 5 [features.field_presence = EXPLICIT]; }`,
    "an extension has no field_presence",
  ],
  [
    `${E2023} message A { int32 a = 1 [features.field_presence = IMPLICIT, default = 1]; }`,
    "a field with IMPLICIT presence has no default",
  ],
  [
    `${E2023} ${CLOSED} message A { E e = 1 [features.field_presence = IMPLICIT]; }`,
    "with IMPLICIT presence holds an open enum; E is closed",
  ],
  [`${E2023} message A { int32 a = 1 [features.repeated_field_encoding = PACKED]; }`, "only repeated fields have a"],
  [`${E2023} message A { repeated string a = 1 [features.repeated_field_encoding = PACKED]; }`, "can be packed"],
  [`${E2023} message A { bytes a = 1 [features.utf8_validation = NONE]; }`, "only strings have a utf8_validation"],
  [`${E2023} message A { int32 a = 1 [features.message_encoding = DELIMITED]; }`, "has a message_encoding"],
  [`${E2023} message A { repeated int32 a = 1 [packed = true]; }`, "this edition has features.repeated_field_encoding"],
  [`${E2024} message A { string a = 1 [ctype = CORD]; }`, "this edition has features.(pb.cpp).string_type for ctype"],
  [
    `${E2024} option java_multiple_files = true;`,
    '"google.protobuf.FileOptions.java_multiple_files" is gone since 2024',
  ],
  [`${E2023} option features.default_symbol_visibility = LOCAL_ALL;`, "came with a later edition than 2023"],
  [`${E2024} message foo_bar {}`, 'edition 2024 wants "foo_bar" to be TitleCase'],
  [`${E2024} message A { int32 a_1 = 1; }`, 'wants "a_1" to be lower_snake_case'],
  [`${E2024} message A { oneof Foo { int32 a = 1; } }`, 'wants "Foo" to be lower_snake_case'],
  [`${E2024} enum E { z = 0; }`, 'wants "z" to be UPPER_SNAKE_CASE'],
  [`${E2024} package a.B;`, 'wants "a.B" to be lower_snake_case'],
  [`${E2024} message A {} service S { rpc m(A) returns (A); }`, 'wants "m" to be TitleCase'],
  [`${E2024} message A { local a = 1; }`, 'expected message or enum, since that is what can be local, found "a"'],
  [
    `${E2024} import option "google/protobuf/descriptor.proto"; import "google/protobuf/any.proto";`,
    "imports of types come before imports of options",
  ],
  [`${STRICT} message A { export message B {} }`, "STRICT default_symbol_visibility exports nothing nested"],
  [`${STRICT} message A { export enum E { Z = 0; } }`, "STRICT default_symbol_visibility exports nothing nested"],
  ...DECLARATIONS,
];

const EDITIONS_TAKEN: readonly string[] = [
  `${E2023} option features.field_presence = IMPLICIT; ${CLOSED} message A { repeated E e = 1; oneof o { E f = 2; } A a = 3; }`,
  `${E2023} message A { map<int32, string> a = 1 [features.utf8_validation = NONE]; }`,
  `${E2024} option features.enforce_naming_style = STYLE_LEGACY; package Foo; message foo_bar { int32 aB = 1; }`,
  `${E2024} package a._b.v1; message Foo1Bar { int32 a1_b = 1; }`,
  `${STRICT} message A { reserved 1 to max; export enum E { Z = 0; } }`,
];

describe("rules", () => {
  it.each(REFUSED)("%s", (manifest, text) => {
    expect(diagnose(manifest).join("\n")).toContain(text);
  });

  it.each(EDITIONS)("%s", (manifest, text) => {
    expect(diagnose(manifest).join("\n")).toContain(text);
  });

  it.each([...TAKEN, ...EDITIONS_TAKEN])("take %s", (manifest) => {
    expect(diagnose(manifest)).toEqual([]);
  });

  it.skipIf(!hasProtoc)("are protoc's (skipped without protoc)", () => {
    const accepted = REFUSED.filter(([manifest]) => askProtoc(manifest).accepted);
    expect(accepted.map(([manifest]) => manifest)).toEqual([]);
    expect(TAKEN.filter((manifest) => !askProtoc(manifest).accepted)).toEqual([]);
  });

  it("take an enum of proto2 in proto3 for the mistake that it is", () => {
    const texts = {
      "test.proto": `${PROTO3} import "b.proto"; message A { E e = 1; }`,
      "b.proto": `${PROTO2} enum E { B = 0; }`,
    };
    expect(diagnose(texts).join()).toContain("proto3 fields hold open enums; E is declared in proto2");
  });
});

describe("edition 2024", () => {
  const other = (text: string): string => `edition = "2024"; package o; ${text}`;
  const using = (field: string): string => `edition = "2023"; import "o.proto"; message A { ${field} f = 1; }`;

  it.each([
    ["local message L {}", "o.L", "o.L is local to o.proto"],
    ["message M { message N {} }", "o.M.N", "o.M.N is local to o.proto"],
    ["local enum E { Z = 0; }", "o.E", "o.E is local to o.proto"],
    ["option features.default_symbol_visibility = LOCAL_ALL; message M {}", "o.M", "o.M is local to o.proto"],
  ])("keeps from others: %s", (declared, used, text) => {
    expect(diagnose({ "test.proto": using(used), "o.proto": other(declared) }).join()).toContain(text);
  });

  it("keeps from others what they would extend", () => {
    const extending = `${PROTO2} import "o.proto"; extend o.L { optional int32 x = 5; }`;
    const texts = { "test.proto": extending, "o.proto": other("local message L { extensions 5; }") };
    expect(diagnose(texts)).toEqual(["test.proto:1:45: error: o.L is local to o.proto"]);
  });

  it.each([
    ["message M {}", "o.M"],
    ["message M { export message N {} }", "o.M.N"],
    ["option features.default_symbol_visibility = EXPORT_ALL; message M { message N {} }", "o.M.N"],
  ])("lets others use: %s", (declared, used) => {
    expect(diagnose({ "test.proto": using(used), "o.proto": other(declared) })).toEqual([]);
  });

  it("imports options without types", () => {
    const declared = `import "google/protobuf/descriptor.proto"; extend google.protobuf.MessageOptions { string s = 50001; } message M {}`;
    const texts = (body: string): Record<string, string> => ({
      "test.proto": `edition = "2024"; import option "o.proto"; message A { ${body} }`,
      "o.proto": other(declared),
    });
    expect(diagnose(texts('option (o.s) = "x";'))).toEqual([]);
    expect(diagnose(texts("o.M m = 1;")).join()).toContain('"o.M" is declared in o.proto, which is not imported');
  });
});
