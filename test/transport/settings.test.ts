// Limits: each has a default and bounds, and is refused by name outside them, as an option and as an announcement.

import { describe, expect, it } from "vitest";
import { availableCompressions } from "../../src/codec/compression.js";
import { CloseReason, FrameError } from "../../src/codec/frame.js";
import { Settings, type SettingsInit } from "../../src/codec/wire.js";
import { Code, RpcError } from "../../src/index.js";
import {
  announcement,
  beforeSettings,
  type ConnectionLimits,
  INITIAL,
  LIMITS,
  readSettings,
  resolveLimits,
} from "../../src/transport/settings.js";

const names = Object.keys(LIMITS) as (keyof ConnectionLimits)[];
const read = (init: SettingsInit): ReturnType<typeof readSettings> =>
  readSettings(Settings.fromBytes(Settings.toBytes({ minVersion: 1, maxVersion: 1, ...init })));

function refusal(init: SettingsInit): FrameError {
  try {
    read(init);
  } catch (error) {
    expect(error).toBeInstanceOf(FrameError);
    return error as FrameError;
  }
  throw new Error("it was accepted");
}

describe.each(names)("the limit %s", (name) => {
  const [fallback, least, greatest] = LIMITS[name];

  it("has a default within its bounds", () => {
    expect(resolveLimits()[name]).toBe(fallback);
    expect(fallback).toBeGreaterThanOrEqual(least);
    expect(fallback).toBeLessThanOrEqual(greatest);
  });

  it("may be its least and its greatest value", () => {
    expect(resolveLimits({ [name]: least })[name]).toBe(least);
    expect(resolveLimits({ [name]: greatest })[name]).toBe(greatest);
  });

  it.each([least - 1, greatest + 1, Number.NaN, Number.POSITIVE_INFINITY, "7"])("may not be %s", (value) => {
    const make = (): unknown => resolveLimits({ [name]: value as number });
    expect(make).toThrow(RpcError);
    expect(make).toThrow(`${name}: ${value} is not between ${least} and ${greatest}`);
    expect(() => make()).toThrow(expect.objectContaining({ code: Code.INVALID_ARGUMENT }));
  });
});

describe("maxMessageBytes", () => {
  it("is at least maxFrameBytes, which is made smaller with it where nothing is said of it", () => {
    expect(resolveLimits({ maxMessageBytes: 200_000 }).maxFrameBytes).toBe(200_000);
    expect(resolveLimits({ maxMessageBytes: 200_000, maxFrameBytes: 200_000 })).toMatchObject({
      maxFrameBytes: 200_000,
    });
    const make = (): unknown => resolveLimits({ maxMessageBytes: 199_999, maxFrameBytes: 200_000 });
    expect(make).toThrow("maxMessageBytes: 199999 is less than maxFrameBytes, 200000");
    expect(make).toThrow(expect.objectContaining({ code: Code.INVALID_ARGUMENT }));
  });
});

describe("an announcement", () => {
  const FIELDS = [
    ["maxFrameBytes", "maxFrameBytes", "maxFrameBytes"],
    ["maxCalls", "maxCalls", "maxCallsPerConnection"],
    ["maxMetadataBytes", "maxMetadataBytes", "maxMetadataBytes"],
    ["maxMethods", "maxMethods", "maxMethods"],
    ["streamWindowBytes", "streamWindowBytes", "streamWindowBytes"],
    ["connectionWindowBytes", "connectionWindowBytes", "connectionWindowBytes"],
    ["minPingIntervalMs", "minPingIntervalMs", "minPingIntervalMs"],
  ] as const;

  it.each(FIELDS)("of %s is taken at its bounds and refused beyond them", (field, property, limit) => {
    const [, least, greatest] = LIMITS[limit];
    const others = field === "maxFrameBytes" ? {} : { maxMessageBytes: LIMITS.maxFrameBytes[2] };
    expect(read({ ...others, [field]: least })[property]).toBe(least);
    expect(read({ ...others, [field]: greatest })[property]).toBe(greatest);
    for (const value of [least - 1, greatest + 1].filter((each) => each > 0)) {
      const { reason, message } = refusal({ ...others, [field]: value });
      expect(reason).toBe(CloseReason.PROTOCOL_ERROR);
      expect(message).toMatch(new RegExp(`^SETTINGS \\w+ is ${value}; allowed are ${least} to ${greatest}$`));
    }
  });

  it("of maxMessageBytes is at least maxFrameBytes, which it follows", () => {
    expect(read({ maxFrameBytes: 200_000 }).maxMessageBytes).toBe(200_000);
    expect(read({ maxFrameBytes: 200_000, maxMessageBytes: 200_000 }).maxMessageBytes).toBe(200_000);
    expect(read({ maxMessageBytes: 0xffff_ffff }).maxMessageBytes).toBe(0xffff_ffff);
    expect(refusal({ maxFrameBytes: 200_000, maxMessageBytes: 199_999 }).message).toContain(
      "SETTINGS maxMessageBytes is 199999; allowed are 200000 to 4294967295",
    );
  });

  it("that says nothing means the protocol's initial values", () => {
    const { peerId, agent, ...limits } = read({});
    expect(limits).toMatchObject(INITIAL);
    expect([peerId, agent]).toEqual(["", ""]);
    expect(beforeSettings).toMatchObject(INITIAL);
  });

  it("that does not speak version 1 is refused as such", () => {
    for (const versions of [
      { minVersion: 2, maxVersion: 3 },
      { minVersion: 0, maxVersion: 0 },
    ]) {
      const { reason, message } = refusal(versions);
      expect(reason).toBe(CloseReason.UNSUPPORTED_VERSION);
      expect(message).toContain(`versions ${versions.minVersion} to ${versions.maxVersion}; this side speaks 1`);
    }
    expect(read({ minVersion: 0, maxVersion: 9 })).toMatchObject(INITIAL);
  });

  it("has names of at most 64 bytes, not characters", () => {
    expect(read({ peerId: "x".repeat(64) }).peerId).toHaveLength(64);
    expect(refusal({ peerId: "x".repeat(65) }).message).toContain("longer than 64 bytes");
    expect(refusal({ agent: "é".repeat(33) }).message).toContain("longer than 64 bytes");
  });

  it("is what the other side reads", () => {
    const limits = resolveLimits({ maxFrameBytes: 200_000, maxCallsPerConnection: 7, minPingIntervalMs: 42 });
    for (const leases of [false, true]) {
      expect(read(announcement(limits, "me", "test/1", leases))).toEqual({
        maxFrameBytes: 200_000,
        maxMessageBytes: limits.maxMessageBytes,
        maxCalls: 7,
        maxMetadataBytes: limits.maxMetadataBytes,
        maxMethods: limits.maxMethods,
        streamWindowBytes: limits.streamWindowBytes,
        connectionWindowBytes: limits.connectionWindowBytes,
        minPingIntervalMs: 42,
        compressions: availableCompressions,
        leases,
        peerId: "me",
        agent: "test/1",
      });
    }
  });
});
