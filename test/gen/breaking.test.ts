// `sluice breaking`: which changes are found, where they are reported, and where the old manifests may come from.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { breakingCommand } from "../../src/cli/breaking.js";
import { findBreakingChanges } from "../../src/gen/breaking.js";
import { compile } from "../../src/gen/generate.js";
import { MemoryReader } from "../../src/gen/load.js";
import type { FileModel } from "../../src/gen/model.js";
import { Diagnostics } from "../../src/gen/source.js";

type Texts = Readonly<Record<string, string>>;

function models(texts: Texts): FileModel[] {
  const diagnostics = new Diagnostics();
  const names = Object.keys(texts);
  const found = compile(names, new MemoryReader(texts), diagnostics);
  if (diagnostics.errorCount > 0) throw new Error(diagnostics.lines().join("\n"));
  return found.filter(({ name }) => names.includes(name));
}

function findings(before: Texts, after: Texts): string[] {
  const diagnostics = new Diagnostics();
  findBreakingChanges(models(before), models(after), diagnostics);
  return diagnostics.lines();
}

const proto3 = (body: string): string => `syntax = "proto3"; package t;\n${body}`;
const proto2 = (body: string): string => `syntax = "proto2"; package t;\n${body}`;

/** What is found between two bodies of one file, without the places. */
function between(before: string, after: string, file = proto3): string[] {
  const lines = findings({ "a.proto": file(before) }, { "a.proto": file(after) });
  return lines.map((line) => line.replace(/^.*?error: /, "").replace(/ \(before: .*\)$/, ""));
}

describe("breaking changes of messages", () => {
  it.each([
    ["int32 a = 1;", "string a = 1;", 'the type of "a" changed from int32 to string'],
    ["int32 a = 1;", "int64 a = 1;", 'the type of "a" changed from int32 to int64'],
    ["int32 a = 1;", "sint32 a = 1;", 'the type of "a" changed from int32 to sint32'],
    ["int32 a = 1;", "repeated int32 a = 1;", 'the type of "a" changed from int32 to repeated int32'],
    ["map<int32, int32> a = 1;", "map<uint32, int32> a = 1;", "from map<int32, int32> to map<uint32, int32>"],
    ["E a = 1;", "F a = 1;", 'the type of "a" changed from t.E to t.F'],
    ["int32 a = 1;", "int32 a = 2;", 'the number of "a" changed from 1 to 2'],
    ["int32 a = 1;", "int32 b = 1;", 'field 1 ("a", now "b") is "b" in JSON and was "a"'],
    ["int32 a = 1;", 'int32 a = 1 [json_name = "x"];', '"a" is "x" in JSON and was "a"'],
    [
      "int32 a = 1;",
      "",
      'field "a" was removed without reserving its number (reserved 1;) and its name (reserved "a";)',
    ],
    ["int32 a = 1;", "reserved 1;", 'field "a" was removed without reserving its name (reserved "a";)'],
    ["int32 a = 1;", 'reserved "a";', 'field "a" was removed without reserving its number (reserved 1;)'],
    ["reserved 4 to 9;", "reserved 4 to 6, 8 to 9;", "reserved 4 to 9 was taken back"],
    ['reserved "a";', "", 'reserved "a" was taken back'],
    ["int32 a = 1;", "oneof o { int32 a = 1; }", '"a" moved into the oneof "o"'],
    ["oneof o { int32 a = 1; }", "int32 a = 1;", '"a" moved out of the oneof "o"'],
    [
      "oneof o { int32 a = 1; int32 b = 2; }",
      "oneof o { int32 a = 1; } oneof p { int32 b = 2; }",
      '"b" moved from the oneof "o" to "p"',
    ],
  ])("%s -> %s", (before, after, text) => {
    const enums = "enum E { Z = 0; } enum F { Y = 0; }";
    const found = between(`${enums} message M { ${before} }`, `${enums} message M { ${after} }`);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(text);
  });

  it.each([
    ["int32 a = 1;", "int32 a = 1; string b = 2;"],
    ["int32 a = 1;", "uint32 a = 1;"],
    ["int32 a = 1;", "optional int32 a = 1;"],
    ["repeated int32 a = 1;", "repeated int32 a = 1 [packed = false];"],
    ["int32 a = 1;", 'reserved 1; reserved "a";'],
    ["int32 foo_bar = 1;", "int32 fooBar = 1;"],
    ["reserved 4 to 9;", "reserved 2 to 6; reserved 7 to 12;"],
    ["oneof o { int32 a = 1; int32 b = 2; }", "oneof p { int32 a = 1; int32 b = 2; int32 c = 3; }"],
    ["oneof o { int32 a = 1; }", "oneof o { int32 a = 1; string b = 2; }"],
  ])("%s -> %s breaks nothing", (before, after) => {
    expect(between(`message M { ${before} }`, `message M { ${after} }`)).toEqual([]);
  });

  it("knows proto2's labels, groups and extensions", () => {
    const change = (before: string, after: string): string[] =>
      between(`message M { ${before} }`, `message M { ${after} }`, proto2);
    expect(change("", "required int32 a = 1;")).toEqual(['the required field "a" is new; old writers leave it out']);
    expect(change("optional int32 a = 1;", "required int32 a = 1;")).toEqual(['"a" became required']);
    expect(change("required int32 a = 1;", "optional int32 a = 1;")).toEqual(['"a" is no longer required']);
    const extension = (body: string): string =>
      `message M { extensions 5 to 9; } extend M { ${body} optional int32 z = 9; }`;
    expect(between(extension("optional int32 a = 5;"), extension(""), proto2)).toEqual([
      "the extension t.a was removed",
    ]);
    expect(between(extension("optional int32 a = 5;"), extension("optional string a = 5;"), proto2)).toEqual([
      'the type of "a" changed from int32 to string',
    ]);
  });
});

describe("a default that changed", () => {
  const change = (before: string, after: string, enums = "enum E { A = 1; B = 2; }"): string[] =>
    between(`enum E { A = 1; B = 2; } message M { ${before} }`, `${enums} message M { ${after} }`, proto2);

  it.each([
    ["int32 a = 1 [default = 3]", "int32 a = 1 [default = -4]", "from 3 to -4"],
    ["int64 a = 1 [default = 9007199254740993]", "int64 a = 1 [default = 9007199254740992]", "993 to 9007199254740992"],
    ["int32 a = 1", "int32 a = 1 [default = 3]", "from 0 to 3"],
    ["string a = 1 [default = 'x']", "string a = 1", 'from "x" to ""'],
    ["bool a = 1 [default = true]", "bool a = 1 [default = false]", "from true to false"],
    ["double a = 1 [default = 0]", "double a = 1 [default = -0]", "from 0 to -0"],
    ["bytes a = 1 [default = '\\001']", "bytes a = 1 [default = '\\002']", 'from the bytes "01" to the bytes "02"'],
    ["E a = 1 [default = A]", "E a = 1 [default = B]", "from A to B"],
    ["uint32 a = 1", "int32 a = 1 [default = 1]", "from 0 to 1"],
  ])("changes what old messages mean: %s -> %s", (before, after, text) => {
    const found = change(`optional ${before};`, `optional ${after};`);
    expect(found).toEqual([expect.stringContaining(`the default of "a" changed`)]);
    expect(found[0]).toContain(text);
  });

  it.each([
    ["int32 a = 1", "int32 a = 1 [default = 0]"],
    ["E a = 1", "E a = 1 [default = A]"],
    ["double a = 1 [default = nan]", "double a = 1 [default = nan]"],
    ["bytes a = 1 [default = 'x']", "bytes a = 1 [default = '\\170']"],
    ["M a = 1", "M a = 1 [deprecated = true]"],
  ])("is none where it only says what holds anyway: %s -> %s", (before, after) => {
    expect(change(`optional ${before};`, `optional ${after};`)).toEqual([]);
  });

  it("may be that of an enum, whose first value it is, or of an extension", () => {
    expect(change("optional E a = 1;", "optional E a = 1;", "enum E { B = 2; A = 1; }")).toEqual([
      'the default of "a" changed from A to B',
    ]);
    const extension = (value: string): string =>
      `message M { extensions 5; } extend M { optional int32 a = 5 [default = ${value}]; }`;
    expect(between(extension("1"), extension("2"), proto2)).toEqual(['the default of "a" changed from 1 to 2']);
  });

  it("is reported at the field, with its old place", () => {
    const texts = (value: number): Texts => ({
      "a.proto": proto2(`message M { optional int32 a = 1 [default = ${value}]; }`),
    });
    expect(findings(texts(1), texts(2))).toEqual([
      'a.proto:2:28: error: the default of "a" changed from 1 to 2 (before: a.proto:2:28)',
    ]);
  });
});

describe("breaking changes of enums, services and files", () => {
  it.each([
    ["A = 1;", "B = 1;", "A = 1 was renamed B, which is its name in JSON"],
    ["A = 1;", "A = 2;", "the number of A changed from 1 to 2"],
    ["A = 1;", "", 'value A was removed without reserving its number (reserved 1;) and its name (reserved "A";)'],
  ])("enum: %s -> %s", (before, after, text) => {
    expect(between(`enum E { Z = 0; ${before} }`, `enum E { Z = 0; ${after} }`)).toEqual([text]);
  });

  it.each([
    ["rpc A(M) returns (M);", "", "the rpc A was removed"],
    ["rpc A(M) returns (M);", "rpc A(N) returns (M);", "the rpc A took t.M and takes t.N"],
    ["rpc A(M) returns (M);", "rpc A(M) returns (N);", "the rpc A returned t.M and returns t.N"],
    ["rpc A(M) returns (M);", "rpc A(stream M) returns (M);", "the rpc A was unary and is client-streaming"],
  ])("service: %s -> %s", (before, after, text) => {
    const around = (rpc: string): string => `message M {} message N {} service S { ${rpc} }`;
    expect(between(around(before), around(after))).toEqual([text]);
  });

  it("finds nothing in a policy that changed: both sides enforce their own, and none travels", () => {
    const around = (policy: string): string =>
      `import "sluice/options.proto"; message M {} service S { rpc A(M) returns (M) { option (sluice.method) = { ${policy} }; } }`;
    const old = "client: { concurrency: 5 failure: RETRY } server: { queue: 5 }";
    expect(between(around(old), around("server: { batch: { max_size: 5 } }"))).toEqual([]);
    expect(between(around(old), around(""))).toEqual([]);
  });

  it("reports what was removed once, at the file that had it, with the old place", () => {
    const before = { "a.proto": proto3("message M { int32 a = 1; }\nenum E { Z = 0; }\nservice S {}") };
    expect(findings(before, { "a.proto": proto3("") })).toEqual([
      "a.proto:1:1: error: the message t.M was removed (before: a.proto:2:9)",
      "a.proto:1:1: error: the enum t.E was removed (before: a.proto:3:6)",
      "a.proto:1:1: error: the service t.S was removed (before: a.proto:4:9)",
    ]);
    expect(findings(before, { "b.proto": proto3("") })[0]).toBe(
      "a.proto:2:9: error: the message t.M was removed (before: a.proto:2:9)",
    );
  });

  it("reports a type that moved to another file, and a package that changed, once", () => {
    const text = proto3("message M { M m = 1; } service S { rpc A(M) returns (M); }");
    expect(findings({ "a.proto": text }, { "a.proto": text.replace("package t", "package u") })).toEqual([
      'a.proto:1:1: error: the package changed from "t" to "u" (before: a.proto:1:1)',
    ]);
    expect(findings({ "a.proto": proto3("message M {}") }, { "b.proto": proto3("message M {}") })).toEqual([
      "b.proto:2:9: error: t.M moved from a.proto to b.proto (before: a.proto:2:9)",
    ]);
  });
});

describe("sluice breaking", () => {
  let folder: string;
  let errors: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sluice-breaking-"));
    errors = "";
    vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      errors += String(text);
      return true;
    });
    put("repo/proto/v1/a.proto", proto3("message M { int32 a = 1; }"));
  });

  afterEach(() => {
    vi.restoreAllMocks();
    rmSync(folder, { recursive: true });
  });

  const at = (path: string): string => join(folder, path);
  const git = (...args: string[]): void => {
    const author = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];
    execFileSync("git", [...author, ...args], { cwd: at("repo"), stdio: "ignore", timeout: 20_000 });
  };

  function put(path: string, text: string): void {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), text);
  }

  function commit(): void {
    git("init", "--quiet");
    git("add", ".");
    git("commit", "--quiet", "-m", "First");
  }

  it("compares with a folder: 0 if nothing breaks, 1 with a line for each finding if something does", () => {
    put("old/v1/a.proto", proto3("message M { int32 a = 1; }"));
    expect(breakingCommand([at("repo/proto"), "--against", at("old")])).toBe(0);
    expect(errors).toBe("");
    put("old/v1/a.proto", proto3("message M { int64 a = 1; }"));
    expect(breakingCommand([at("repo/proto"), "--against", at("old")])).toBe(1);
    expect(errors).toBe(
      `${at("repo/proto/v1/a.proto")}:2:19: error: the type of "a" changed from int64 to int32 (before: ${at("old/v1/a.proto")}:2:19)\n`,
    );
  });

  it("compares with a commit of git, whatever the working tree has", () => {
    put("repo/proto/v1/gone.proto", proto3("message Gone {}"));
    commit();
    expect(breakingCommand([at("repo/proto"), "--against", "HEAD"])).toBe(0);
    put("repo/proto/v1/a.proto", proto3("message M { string a = 1; }"));
    rmSync(at("repo/proto/v1/gone.proto"));
    expect(breakingCommand([at("repo/proto"), "--against", "HEAD"])).toBe(1);
    expect(errors.split("\n")).toEqual([
      `${at("repo/proto/v1/a.proto")}:2:20: error: the type of "a" changed from int32 to string (before: HEAD:v1/a.proto:2:19)`,
      "HEAD:v1/gone.proto:2:9: error: the message t.Gone was removed (before: HEAD:v1/gone.proto:2:9)",
      "",
    ]);
  });

  it("looks only at what it was given, and reads roots that git does not know as they are", () => {
    put("repo/proto/v2/b.proto", proto3("import 'shared.proto'; message B { Shared s = 1; }"));
    commit();
    put("shared/shared.proto", proto3("message Shared {}"));
    put("repo/proto/v1/a.proto", proto3("message M { string a = 1; }"));
    const roots = ["-I", at("repo/proto"), "-I", at("shared")];
    expect(breakingCommand([at("repo/proto/v2"), ...roots, "--against", "HEAD"])).toBe(0);
    expect(breakingCommand([at("repo/proto/v1/a.proto"), ...roots, "--against", "HEAD"])).toBe(1);
  });

  it.each([
    "--upload-pack=touch evil",
    "-h",
    "HEAD;touch evil",
    "a..b",
    "HEAD:proto",
    "$(touch evil)",
    "a b",
    "main\n-h",
  ])("refuses %j as a ref", (ref) => {
    commit();
    expect(() => breakingCommand([at("repo/proto"), `--against=${ref}`])).toThrow("takes a folder or a git ref");
  });

  it("says what is wrong with what it was given", () => {
    expect(() => breakingCommand([])).toThrow("name the manifests");
    expect(() => breakingCommand([at("repo/proto")])).toThrow("--against <dir or git ref>");
    expect(() => breakingCommand([at("repo/proto"), "--against", "main"])).toThrow("main has no manifests in");
    commit();
    expect(() => breakingCommand([at("repo/proto"), "--against", "v9"])).toThrow(
      '"v9" is neither a folder nor a commit',
    );
    put("repo/proto/v1/a.proto", proto3("message M { Gone a = 1; }"));
    expect(breakingCommand([at("repo/proto"), "--against", "HEAD"])).toBe(1);
    expect(errors).toContain('error: unknown type "Gone"');
  });
});
