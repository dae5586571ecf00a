// What generated code tells about custom options, deprecation and proto2's defaults: exact values, and types that a
// program can read.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DEFAULT_EMIT_OPTIONS } from "../../src/gen/generate.js";
import { MemoryReader } from "../../src/gen/load.js";
import { compileErrors, generateInto, generateText, importGenerated } from "./support.js";

const OPTIONS = `syntax = "proto2"; package acme; import "google/protobuf/descriptor.proto";
  enum Tier { FREE = 0; GOLD = 2; }
  message Audit {
    optional string log_name = 1; repeated Tier tiers = 2; optional uint64 limit = 3; optional bytes key = 4;
    optional double rate = 5; map<string, int32> weights = 6; optional Audit inner = 7; extensions 100 to 200;
  }
  extend Audit { optional bool strict = 100; }
  extend google.protobuf.MethodOptions { optional Audit audit = 50000; repeated string tags = 50001; }
  extend google.protobuf.ServiceOptions { optional string owner = 50002; }`;

const SERVICE = `syntax = "proto3"; package t; import "acme.proto"; import "sluice/options.proto";
  message M {}
  service Orders {
    option (acme.owner) = "*/ billing \${x}";
    rpc Create(M) returns (M) {
      option deprecated = true;
      option (sluice.method) = { deadline: "1s" };
      option (acme.tags) = "a"; option (acme.tags) = "b";
      option (acme.audit) = { log_name: "orders" tiers: [GOLD, FREE] limit: 18446744073709551615 key: "\\001\\377" rate: inf
        weights { key: "x" value: 3 } inner { log_name: "deep" [acme.strict]: true } };
    }
    rpc Plain(M) returns (M);
  }`;

const MANIFESTS = { "test.proto": SERVICE, "acme.proto": OPTIONS };

describe("custom options", () => {
  it("of methods and services are values in the descriptor", async () => {
    const { Orders } = (await importGenerated("custom-options", MANIFESTS)) as {
      Orders: {
        options: object;
        methods: Record<string, { options: object; deprecated: boolean; deadlineMs?: number }>;
      };
    };
    expect(Orders.options).toEqual({ "acme.owner": "*/ billing $" + "{x}" });
    expect(Orders.methods.create).toMatchObject({ deprecated: true, deadlineMs: 1000 });
    expect(Orders.methods.create?.options).toEqual({
      "acme.tags": ["a", "b"],
      "acme.audit": {
        logName: "orders",
        tiers: [2, 0],
        limit: 2n ** 64n - 1n,
        key: "Af8=",
        rate: "Infinity",
        weights: { x: 3 },
        inner: { logName: "deep", "acme.strict": true },
      },
    });
    expect(Orders.methods.plain).toMatchObject({ deprecated: false, options: {} });
  });

  it("are typed in the descriptor", () => {
    const text = generateText(MANIFESTS);
    expect(text).toContain("readonly create: Method<M, MInit, M, MInit, typeof OrdersOptions.methods.create>;");
    expect(text).toContain("readonly plain: Method<M, MInit, M, MInit>;");
    expect(text).toMatch(/export const OrdersOptions = \{[\s\S]+\} as const;/);
    expect(generateText('syntax = "proto3"; message OrdersOptions {} service Orders {}')).not.toContain("as const");
  });
});

describe("custom options of messages and enums", () => {
  const texts = {
    "test.proto": `syntax = "proto3"; package t; import "acme.proto";
      message Order {
        option (acme.table) = "orders";
        string card = 1 [(acme.mask) = { keep: 4 secret: "s" inner { keep: 1 secret: "t" } }, (acme.note) = "kept back"];
        int32 plain = 2 [deprecated = true];
        oneof pay { option (acme.rank) = 3; Cash cash = 3 [(acme.mask) = {}]; }
        message Cash { int64 cents = 1; }
        enum State { option (acme.labels) = "a"; option (acme.labels) = "b"; NEW = 0; DONE = 1 [(acme.label) = -1]; }
      }
      message OrderOptions {}
      message NoneToSee { string a = 1 [(acme.note) = "x"]; }`,
    "acme.proto": `syntax = "proto2"; package acme; import "google/protobuf/descriptor.proto";
      message Mask {
        optional int64 keep = 1; optional string secret = 2 [retention = RETENTION_SOURCE]; optional Mask inner = 3;
      }
      extend google.protobuf.MessageOptions { optional string table = 50000; }
      extend google.protobuf.FieldOptions {
        optional Mask mask = 50000; optional string note = 50001 [retention = RETENTION_SOURCE];
      }
      extend google.protobuf.OneofOptions { optional int32 rank = 50000; }
      extend google.protobuf.EnumOptions { repeated string labels = 50000; }
      extend google.protobuf.EnumValueOptions { optional sint32 label = 50000; }`,
  };

  it("are constants beside them, without what is kept to the source", async () => {
    const module = await importGenerated("declared-options", texts);
    expect(module.OrderOptions$).toEqual({
      message: { "acme.table": "orders" },
      fields: { card: { "acme.mask": { keep: 4n, inner: { keep: 1n } } }, cash: { "acme.mask": {} } },
      oneofs: { pay: { "acme.rank": 3 } },
    });
    expect(module.Order_StateOptions).toEqual({
      enum: { "acme.labels": ["a", "b"] },
      values: { DONE: { "acme.label": -1 } },
    });
    expect(Object.keys(module).filter((name) => name.endsWith("Options"))).toEqual([
      "Order_StateOptions",
      "OrderOptions",
    ]);
  });

  it("have exact types", () => {
    const root = generateInto("declared-option-types", ["test.proto"], new MemoryReader(texts));
    const uses = [
      'import { OrderOptions$, Order_StateOptions } from "./test.ts";',
      'export const keep: 4n = OrderOptions$.fields.card["acme.mask"].keep;',
      'export const label: -1 = Order_StateOptions.values.DONE["acme.label"];',
      "// @ts-expect-error it has no options",
      "export const none: unknown = OrderOptions$.fields.plain;",
    ];
    writeFileSync(join(root, "uses.ts"), uses.join("\n"));
    expect(compileErrors(root)).toEqual([]);
  });

  it("cost nothing where there are none, and no other name", () => {
    const text = generateText('syntax = "proto3"; message A { int32 a = 1 [deprecated = true]; } enum E { Z = 0; }');
    expect(text).not.toContain("Options");
  });
});

describe("defaults of proto2", () => {
  const manifest = `syntax = "proto2"; package t; enum Size { SMALL = 1; LARGE = 2; }
    message Box { optional Size size = 1 [default = LARGE]; optional string note = 2 [default = "a\\"*/"];
      optional uint64 id = 3 [default = 7]; optional bytes raw = 4 [default = "\\001"]; optional double rate = 5 [default = -inf];
      optional bool on = 6 [default = true]; optional int32 none = 7; oneof o { int32 in = 8 [default = 3]; bool oN = 9 [default = false]; } }`;

  it("are a constant beside the message", async () => {
    const module = await importGenerated("defaults", manifest);
    expect(module.BoxDefaults).toEqual({
      size: 2,
      note: 'a"*/',
      id: 7n,
      raw: Uint8Array.of(1),
      rate: Number.NEGATIVE_INFINITY,
      on: true,
      in: 3,
      oN: false,
    });
    expect(generateText(manifest, { ...DEFAULT_EMIT_OPTIONS, int64: "string" })).toContain('id: "7",');
    expect(generateText('syntax = "proto2"; message A { optional int32 a = 1; }')).not.toContain("Defaults");
  });
});
