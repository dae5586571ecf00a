// The well-known types as JavaScript has them: times, JSON, and messages of any type.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecodeError } from "../../src/codec/message.js";
import {
  Duration,
  durationFromMs,
  durationToMs,
  ListValue,
  packAny,
  StringValue,
  Struct,
  Timestamp,
  timestampFrom,
  timestampToDate,
  unpackAny,
  Value,
} from "../../src/runtime.js";
import { testSeed } from "../support/seed.js";

const seed = testSeed();

describe(`time (SEED=${seed})`, () => {
  it("keeps the milliseconds of a Date, before 1970 too", () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), (date) => {
        const timestamp = Timestamp.fromBytes(Timestamp.toBytes(timestampFrom(date)));
        expect(timestamp.nanos).toBeGreaterThanOrEqual(0);
        expect(timestampToDate(timestamp)).toEqual(date);
      }),
      { seed },
    );
  });

  it("gives a duration's seconds and nanos the same sign", () => {
    expect(durationFromMs(-1500)).toEqual({ seconds: -1n, nanos: -500_000_000 });
    expect(durationToMs(Duration.fromBytes(Duration.toBytes(durationFromMs(2_500.5))))).toBe(2_500.5);
  });

  it("refuses what is no time", () => {
    expect(() => timestampFrom(new Date(Number.NaN))).toThrow(RangeError);
    expect(() => durationFromMs(Number.POSITIVE_INFINITY)).toThrow(RangeError);
  });
});

describe(`JSON (SEED=${seed})`, () => {
  it("comes back as it went", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5, noUnicodeString: false }), (json) => {
        const decoded = Value.fromBytes(Value.toBytes(json as never));
        expect(JSON.parse(JSON.stringify(decoded))).toEqual(JSON.parse(JSON.stringify(json)));
      }),
      { seed },
    );
  });

  it("has no prototype that a key could reach", () => {
    const decoded = Struct.fromBytes(Struct.toBytes(JSON.parse('{"__proto__":{"polluted":true}}')));
    expect(Object.getPrototypeOf(decoded)).toBeNull();
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it("refuses what JSON cannot say, and nesting without end", () => {
    expect(() => Value.toBytes(Number.NaN)).toThrow("google.protobuf.Value: NaN is not a JSON number");
    expect(() => Value.toBytes(undefined as never)).toThrow(
      "google.protobuf.Value: expected a JSON value, got undefined",
    );
    let nested: unknown = 1;
    for (let depth = 0; depth < 200; depth++) nested = [nested];
    const bytes = ListValue.toBytes(nested as never);
    expect(() => ListValue.fromBytes(bytes)).toThrow(DecodeError);
  });
});

describe("Any", () => {
  it("unpacks as the type it was packed as, and as no other", () => {
    const any = packAny(StringValue, { value: "x" });
    expect(any.typeUrl).toBe("type.googleapis.com/google.protobuf.StringValue");
    expect(unpackAny(any, StringValue)).toEqual({ value: "x" });
    expect(unpackAny(any, Timestamp)).toBeUndefined();
  });
});
