// What generated code tells about custom options, deprecation and proto2's defaults: exact values, and types that a
// program can read.

import { describe, expect, it } from "vitest";
import { DEFAULT_EMIT_OPTIONS } from "../../src/gen/generate.js";
import { generateText, importGenerated } from "./support.js";

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

describe("defaults of proto2", () => {
  const manifest = `syntax = "proto2"; package t; enum Size { SMALL = 1; LARGE = 2; }
    message Box { optional Size size = 1 [default = LARGE]; optional string note = 2 [default = "a\\"*/"];
      optional uint64 id = 3 [default = 7]; optional bytes raw = 4 [default = "\\001"]; optional double rate = 5 [default = -inf];
      optional bool on = 6 [default = true]; optional int32 none = 7; oneof o { int32 in = 8 [default = 3]; } }`;

  it("are a constant beside the message", async () => {
    const module = await importGenerated("defaults", manifest);
    expect(module.BoxDefaults).toEqual({
      size: 2,
      note: 'a"*/',
      id: 7n,
      raw: Uint8Array.of(1),
      rate: Number.NEGATIVE_INFINITY,
      on: true,
    });
    expect(generateText(manifest, { ...DEFAULT_EMIT_OPTIONS, int64: "string" })).toContain('id: "7",');
    expect(generateText('syntax = "proto2"; message A { optional int32 a = 1; }')).not.toContain("Defaults");
  });
});
