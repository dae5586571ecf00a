// Rules of the language beyond its grammar. Each row is a manifest that protoc refuses and so must we, where it is wrong.
// Where protoc is installed, it is asked whether it does refuse those that its version can judge.

import { describe, expect, it } from "vitest";
import { askProtoc, diagnose, hasProtoc } from "./support.js";

const PROTO2 = 'syntax = "proto2";';
const PROTO3 = 'syntax = "proto3";';
const OPTIONS = `${PROTO2} import "google/protobuf/descriptor.proto"; extend google.protobuf.MessageOptions`;

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
];

describe("rules", () => {
  it.each(REFUSED)("%s", (manifest, text) => {
    expect(diagnose(manifest).join("\n")).toContain(text);
  });

  it.skipIf(!hasProtoc)("are protoc's (skipped without protoc)", () => {
    const accepted = REFUSED.filter(([manifest]) => askProtoc(manifest).accepted);
    expect(accepted.map(([manifest]) => manifest)).toEqual([]);
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
