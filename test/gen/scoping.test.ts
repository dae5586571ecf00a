// Names mean what protoc says they mean: each test is a manifest whose names could be taken for something else.

import { describe, expect, it } from "vitest";
import { compile } from "../../src/gen/generate.js";
import { MemoryReader } from "../../src/gen/load.js";
import { allMessages } from "../../src/gen/model.js";
import { Diagnostics } from "../../src/gen/source.js";

describe("name lookup", () => {
  it("prefers the enclosing scope to a child's", () => {
    const manifest =
      "enum State { A = 0; } message L { State s = 1; message M { enum State { B = 0; } State t = 1; } }";
    expect(fieldTypes(manifest)).toEqual({ "p.L.s": "p.State", "p.L.M.t": "p.L.M.State" });
  });

  it("prefers the innermost scope to the package", () => {
    const manifest = "message X {} message A { message X {} X x = 1; .p.X outer = 2; p.X also = 3; }";
    expect(fieldTypes(manifest)).toEqual({ "p.A.x": "p.A.X", "p.A.outer": "p.X", "p.A.also": "p.X" });
  });

  it("lets the first part of a dotted name decide the scope, even if the rest is not there", () => {
    const texts = {
      "a.proto":
        'syntax = "proto3"; package foo.bar; import "b.proto"; message A { message foo {} foo.other.B b = 1; }',
      "b.proto": 'syntax = "proto3"; package foo.other; message B {}',
    };
    expect(linkErrors(texts)).toEqual([
      'a.proto:1:82: error: unknown type "foo.other.B"; did you mean ".foo.other.B"?',
    ]);
  });

  it("goes on outwards past something that is no type, for a simple name", () => {
    expect(fieldTypes("message T {} message A { int32 T = 1; T t = 2; }")).toMatchObject({ "p.A.t": "p.T" });
  });

  it("finds enclosing packages and their siblings", () => {
    const texts = {
      "a.proto": 'syntax = "proto3"; package x.y.z; import "b.proto"; message A { w.B b = 1; y.w.B c = 2; B d = 3; }',
      "b.proto": 'syntax = "proto3"; package x.y.w; import public "c.proto"; message B {}',
      "c.proto": 'syntax = "proto3"; package x; message B {}',
    };
    expect(fieldTypes(texts)).toEqual({ "x.y.z.A.b": "x.y.w.B", "x.y.z.A.c": "x.y.w.B", "x.y.z.A.d": "x.B" });
  });

  it("does not see packages of files that are not imported", () => {
    const texts = {
      "a.proto": 'syntax = "proto3"; package x.inner; import "b.proto"; message A { shared.T t = 1; }',
      "b.proto": 'syntax = "proto3"; package shared; import "c.proto"; message T {}',
      "c.proto": 'syntax = "proto3"; package x.shared; message Other {}',
    };
    expect(fieldTypes(texts)).toEqual({ "x.inner.A.t": "shared.T" });
  });

  it("sees through public imports, and only through those", () => {
    const texts = {
      "a.proto": 'syntax = "proto3"; import "b.proto"; message A { C c = 1; D d = 2; }',
      "b.proto": 'syntax = "proto3"; import public "c.proto"; import "d.proto";',
      "c.proto": 'syntax = "proto3"; message C {}',
      "d.proto": 'syntax = "proto3"; message D {}',
    };
    expect(linkErrors(texts)).toEqual(['a.proto:1:59: error: "D" is declared in d.proto, which is not imported']);
  });

  it("takes keywords as names", () => {
    const manifest =
      "message message { message enum {} .p.message.enum rpc = 1; } message stream { stream stream = 1; }";
    expect(fieldTypes(manifest)).toEqual({ "p.message.rpc": "p.message.enum", "p.stream.stream": "p.stream" });
  });
});

function fieldTypes(manifests: string | Readonly<Record<string, string>>): Record<string, string> {
  const texts =
    typeof manifests === "string" ? { "test.proto": `syntax = "proto3"; package p; ${manifests}` } : manifests;
  const diagnostics = new Diagnostics();
  const name = Object.keys(texts)[0]!;
  const file = compile([name], new MemoryReader(texts), diagnostics).find((model) => model.name === name)!;
  expect(diagnostics.lines()).toEqual([]);
  const fields = allMessages(file).flatMap((message) => message.fields);
  return Object.fromEntries(fields.flatMap(({ fullName, type }) => typeOf(fullName, type)));
}

function typeOf(
  fullName: string,
  type: ReturnType<typeof allMessages>[number]["fields"][number]["type"],
): [string, string][] {
  if (type.kind === "scalar") return [];
  return [[fullName, type.kind === "enum" ? type.enum.fullName : type.message.fullName]];
}

function linkErrors(texts: Readonly<Record<string, string>>): string[] {
  const diagnostics = new Diagnostics();
  compile([Object.keys(texts)[0]!], new MemoryReader(texts), diagnostics);
  return diagnostics.lines();
}
