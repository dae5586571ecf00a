// What generated code looks like: one small manifest in full, and the names that hostile or unlucky manifests give.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DEFAULT_EMIT_OPTIONS, generate } from "../../src/gen/generate.js";
import { BUNDLED_ROOT, FolderReader } from "../../src/gen/load.js";
import { diagnose, generateText, importGenerated, messageType } from "./support.js";

const proto3 = (body: string): string => `syntax = "proto3"; package t; ${body}`;

describe("output", () => {
  it("is what golden.ts.txt shows", async () => {
    const manifest = readFileSync(new URL("./golden.proto", import.meta.url), "utf8");
    await expect(generateText(manifest)).toMatchFileSnapshot("./golden.ts.txt");
  });

  it("is what the runtime's own well-known types are", () => {
    const names = ["any", "duration", "empty", "field_mask", "timestamp", "wrappers"];
    const reader = new FolderReader([join(BUNDLED_ROOT, "google/protobuf")]);
    const { files } = generate(
      names.map((name) => `${name}.proto`),
      reader,
      { ...DEFAULT_EMIT_OPTIONS, runtime: "../message-runtime.js" },
    );
    expect(files.map(({ path }) => path)).toEqual(names.map((name) => `${name}.ts`));
    for (const { path, text } of files) {
      expect(readFileSync(new URL(`../../src/codec/well-known/${path}`, import.meta.url), "utf8")).toBe(text);
    }
  });

  it("is the same every time", () => {
    const manifest = readFileSync(new URL("./torture.proto", import.meta.url), "utf8");
    expect(generateText(manifest)).toBe(generateText(manifest));
  });

  it.each([
    ["of four unary rpcs", ["", "", "", ""], ["", "", "", ""]],
    ["with an rpc of each kind", ["", "stream", "", "stream"], ["", "", "stream", "stream"]],
  ])("is at most 14 KB for the benchmark's messages and a service %s", (_, requests, replies) => {
    const messages = readFileSync(new URL("../../bench/proto/bench/v1/codec.proto", import.meta.url), "utf8");
    const rpcs = requests.map((request, i) => `rpc R${i}(${request} Small) returns (${replies[i]} Nested);`).join(" ");
    expect(generateText(`${messages} service S { ${rpcs} }`).length).toBeLessThan(14 * 1024);
  });

  it("imports only from the named runtime, which a message-only file can point at codec modules", () => {
    const text = generateText(proto3("message A { string a = 1; map<int32, bytes> b = 2; }"), {
      ...DEFAULT_EMIT_OPTIONS,
      runtime: "./protobuf.js",
    });
    expect([...text.matchAll(/from "([^"]+)"/g)].map(([, module]) => module)).toEqual(["./protobuf.js"]);
  });
});

describe("comments", () => {
  it("cannot end the comment they become, whatever they hold", () => {
    const evil = "*/ globalThis.evil = 1; /* $" + "{`x`} \u2028 globalThis.evil = 2; //";
    const text = generateText(`syntax = "proto3";\n// ${evil}\nmessage A { string a = 1; // ${evil}\n }`);
    expect(text).not.toMatch(/\*\/ globalThis/);
    expect(text).not.toContain("\u2028");
    expect(
      text
        .split("\n")
        .filter((line) => line.includes("globalThis"))
        .every((line) => /^\s*(\/\*\*|\*)/.test(line)),
    ).toBe(true);
  });

  it("belong to what follows without a blank line, or to what they share a line with", () => {
    const text = generateText(
      'syntax = "proto3";\n// Detached.\n\n// Of A.\nmessage A {\n  string a = 1; // Of a.\n  /* Of b. */\n  string b = 2;\n}',
    );
    expect(text).not.toContain("Detached");
    expect(text).toContain("/** Of A. */\nexport interface A {");
    expect(text).toContain("/** Of a. */\n  a: string;");
    expect(text).toContain("/** Of b. */\n  b: string;");
  });
});

describe("names", () => {
  it("that JavaScript uses get a dollar, and the codecs still work", async () => {
    const words = [
      "constructor",
      "to_string",
      "has_own_property",
      "class",
      "await",
      "buf",
      "pos",
      "writer",
      "message",
      "into",
      "read_string",
      "__proto__",
      "_1st",
      "cursor",
    ];
    const fields = words.map((name, index) => `string ${name} = ${index + 1};`).join(" ");
    const module = await importGenerated("words", proto3(`message Words { ${fields} }`));
    const type = messageType(module, "Words");
    const message = type.fromBytes(new Uint8Array(0));
    expect(Object.keys(message)).toEqual([
      "constructor$",
      "toString$",
      "hasOwnProperty$",
      "class",
      "await",
      "buf",
      "pos",
      "writer",
      "message",
      "into",
      "readString",
      "Proto",
      "$1st",
      "cursor",
    ]);
    const filled = Object.fromEntries(Object.keys(message).map((name) => [name, name]));
    expect(type.fromBytes(type.toBytes(filled))).toEqual(filled);
  });

  it("of types never collide with what they import, with globals, or with each other", async () => {
    const manifest = `message Promise { string a = 1; } message MessageType { Promise p = 1; } message Writer { MessageType m = 1; }
      message Order { message Cash { int32 a = 1; } Cash c = 1; } message Order_Cash { Order.Cash c = 1; } message OrderInit { Order o = 1; }
      message object { bool string = 1; } message cursor { int32 a = 1; }
      enum Color { __proto__ = 0; constructor = 1; }
      service Service { rpc Then(Promise) returns (Writer); rpc constructor(Promise) returns (Writer); rpc Caller(Promise) returns (Writer); }`;
    const module = await importGenerated("collisions", proto3(manifest));
    expect(Object.keys(module).sort()).toEqual(
      [
        "Color",
        "MessageType",
        "Order",
        "OrderInit",
        "Order_Cash",
        "Order_Cash$",
        "Promise$",
        "Service",
        "ServiceClient",
        "Writer",
        "cursor",
        "object$",
      ].sort(),
    );
    expect(Object.entries(module.Color as object)).toEqual([
      ["__proto__", 0],
      ["constructor", 1],
    ]);
    const methods = (module.Service as { methods: object }).methods;
    expect(Object.keys(methods)).toEqual(["then$", "constructor$", "caller$"]);
    const writer = messageType(module, "Writer");
    expect(writer.fromBytes(writer.toBytes({ m: { p: { a: "x" } } }))).toEqual({ m: { p: { a: "x" } } });
  });
});

describe("options of sluice", () => {
  const withMethod = (option: string, output = "A", service = ""): string =>
    `syntax = "proto3";\npackage t;\nimport "sluice/options.proto"; import "google/protobuf/empty.proto";\nmessage A {}\nservice S { ${service}\n  rpc M(A) returns (${output}) { option (sluice.method) = { ${option} }; }\n}`;

  it("reach the descriptor; what a method says overrides its service", () => {
    const text = generateText(
      withMethod('deadline: "1.5m" priority: LOW', "A", 'option (sluice.service) = { deadline: "1s" priority: HIGH };'),
    );
    expect(text).toContain("deadlineMs: 90000,");
    expect(text).toContain('priority: "low",');
    const inherited = generateText(withMethod("", "A", 'option (sluice.service) = { deadline: "1s" priority: HIGH };'));
    expect(inherited).toContain("deadlineMs: 1000,");
    expect(inherited).toContain('priority: "high",');
    expect(generateText(withMethod("one_way: true", "google.protobuf.Empty"))).toContain("oneWay: true,");
  });

  it.each([
    [
      'deadline: "soon"',
      'test.proto:6:63: error: expected a duration such as "500ms", "2s", "1m" or "1h", found "soon"',
    ],
    [
      'deadline: "0.5ms"',
      'test.proto:6:63: error: a deadline is a whole number of milliseconds, 1 or more; "0.5ms" is 0.5 ms',
    ],
    [
      'deadline: "9999h"',
      'test.proto:6:63: error: a deadline is at most 2147483647 ms (about 24 days); "9999h" is more',
    ],
    ["deadline: 5", "test.proto:6:63: error: expected a string, found 5"],
    [
      "priority: URGENT",
      "expected a value of the enum sluice.Priority (PRIORITY_UNSPECIFIED, LOW, NORMAL, HIGH), found URGENT",
    ],
    ["one_way: true", "a one_way rpc returns google.protobuf.Empty, since nothing is sent back; M returns t.A"],
    ["retries: 3", 'unknown option "retries": sluice.MethodPolicy has no such field'],
  ])("%s is refused at its place", (option, text) => {
    expect(diagnose(withMethod(option)).join("\n")).toContain(text);
  });

  it("and others are read by their schema: unknown, misspelt and mistyped ones are refused, 64 bits kept", () => {
    const custom =
      'syntax = "proto2"; import "google/protobuf/descriptor.proto"; extend google.protobuf.FieldOptions { optional uint64 big = 50000; }';
    const use = (option: string): string[] =>
      diagnose({
        "a.proto": `syntax = "proto3"; import "b.proto"; message A { int32 a = 1 [${option}]; }`,
        "b.proto": custom,
      });
    expect(use("(big) = 18446744073709551615")).toEqual([]);
    expect(use("(big) = 18446744073709551616").join()).toContain(
      "expected a number from 0 to 18446744073709551615 (uint64)",
    );
    expect(use("(bog) = 1").join()).toContain('unknown option "(bog)"; did you mean "(big)"?');
    expect(use("deprecatd = true").join()).toContain('unknown option "deprecatd"');
    expect(use("deprecated = 1").join()).toContain("expected true or false, found 1");
    expect(use("deprecated = true, deprecated = true").join()).toContain('option "deprecated" is set twice');
  });
});
