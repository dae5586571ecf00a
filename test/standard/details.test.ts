// Typed error details: what a handler attaches the caller finds, and what a peer makes up cannot hurt.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, expectTypeOf, it } from "vitest";
import { Code, DecodeError, type ErrorDetail, type MessageType, RpcError } from "../../src/index.js";
import * as details from "../../src/standard/details.js";
import {
  BadRequest,
  detail,
  ErrorInfo,
  findDetail,
  Help,
  QuotaFailure,
  RetryInfo,
} from "../../src/standard/details.js";
import { Message } from "../support/gen/support/v1/echo.js";
import { failure, useRig } from "../support/rig.js";
import { testSeed } from "../support/seed.js";

const rig = useRig();
const seed = testSeed();
const BAD_NAME = { fieldViolations: [{ field: "name", description: "is empty" }] };

const errorWith = (...list: ErrorDetail[]): RpcError => new RpcError(Code.ABORTED, "no", { details: list });

describe("a detail", () => {
  it("that a handler attaches is found by the caller, typed and whole", async () => {
    await rig.current.serve({
      fail: () => {
        throw new RpcError(Code.INVALID_ARGUMENT, "bad name", {
          details: [detail(ErrorInfo, { reason: "EMPTY", metadata: { a: "b" } }), detail(BadRequest, BAD_NAME)],
        });
      },
    });
    const error = await rig.current.now(failure(rig.current.client().fail({})));
    const found = findDetail(error, BadRequest);
    expectTypeOf(found).toEqualTypeOf<BadRequest | undefined>();
    expect(found).toEqual(BadRequest.create(BAD_NAME));
    expect(findDetail(error, ErrorInfo)).toEqual(ErrorInfo.create({ reason: "EMPTY", metadata: { a: "b" } }));
    expect(findDetail(error, Help)).toBeUndefined();
  });

  it("is the first one where there are several of its type", () => {
    const error = errorWith(detail(ErrorInfo, { reason: "FIRST" }), detail(ErrorInfo, { reason: "SECOND" }));
    expect(findDetail(error, ErrorInfo)?.reason).toBe("FIRST");
  });

  it("may be a message of the user's own", () => {
    expect(findDetail(errorWith(detail(Message, { text: "mine" })), Message)?.text).toBe("mine");
  });

  it("is looked for in anything that was caught", () => {
    for (const thrown of [undefined, null, "text", new Error("no"), { details: [detail(ErrorInfo, {})] }])
      expect(findDetail(thrown, ErrorInfo)).toBeUndefined();
  });

  it.each([
    ["type.googleapis.com/google.rpc.ErrorInfo", true],
    ["https://example.com/a/b/google.rpc.ErrorInfo", true],
    ["/google.rpc.ErrorInfo", true],
    ["google.rpc.ErrorInfo", true],
    ["type.googleapis.com/google.rpc.ErrorInfo/", false],
    ["type.googleapis.com/rpc.ErrorInfo", false],
    ["", false],
  ])("with the URL %o is an ErrorInfo: %s", (typeUrl, is) => {
    expect(findDetail(errorWith({ typeUrl, value: new Uint8Array() }), ErrorInfo) !== undefined).toBe(is);
  });

  it("that does not decode counts as absent, and a later one is found", () => {
    const broken = { typeUrl: detail(ErrorInfo, {}).typeUrl, value: Uint8Array.of(0x0a, 0x7f) };
    expect(() => ErrorInfo.fromBytes(broken.value)).toThrow(DecodeError);
    expect(findDetail(errorWith(broken), ErrorInfo)).toBeUndefined();
    expect(findDetail(errorWith(broken, detail(ErrorInfo, { reason: "GOOD" })), ErrorInfo)?.reason).toBe("GOOD");
  });

  it(`never throws, whatever its bytes (SEED=${seed})`, () => {
    fc.assert(
      fc.property(fc.constantFrom(ErrorInfo, QuotaFailure, RetryInfo, BadRequest), fc.uint8Array(), (type, value) => {
        findDetail(errorWith({ typeUrl: `x/${type.typeName}`, value }), type as MessageType);
      }),
      { seed, numRuns: 2_000 },
    );
  });

  it("with a field of the wrong type is refused where it is made", () => {
    expect(() => detail(RetryInfo, { retryDelay: 5 as never })).toThrow(TypeError);
    // @ts-expect-error: there is no such field
    detail(RetryInfo, { delay: 5 });
  });
});

it("the types are those of Google's manifests, and bytes mean to protobufjs what they mean here", () => {
  const text = readFileSync(new URL("../../proto/google/rpc/error_details.proto", import.meta.url), "utf8");
  const { nested } = protobuf.parse(text).root.lookup("google.rpc") as protobuf.Namespace;
  const names = Object.keys(nested ?? {});
  expect(names).toHaveLength(10);
  const all: Readonly<Record<string, unknown>> = details;
  for (const name of names) expect((all[name] as MessageType).typeName).toBe(`google.rpc.${name}`);
  const violation = { subject: "s", quotaId: "q", quotaDimensions: { a: "b" }, quotaValue: 5n, futureQuotaValue: 0n };
  const bytes = QuotaFailure.toBytes({ violations: [violation] });
  const reflected = new protobuf.Root();
  protobuf.parse(text.replace(/^import.*$/m, ""), reflected);
  const type = reflected.lookupType("google.rpc.QuotaFailure");
  expect(type.toObject(type.decode(bytes), { longs: Number })).toEqual({
    violations: [{ ...violation, quotaValue: 5, futureQuotaValue: 0 }],
  });
});
