// The frame header, the fixed frames, ids, and the names and numbers of codes and errors.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  beginFrame,
  CloseReason,
  closeReasonName,
  endFrame,
  FrameType,
  GENERATION_STEP,
  HEADER_BYTES,
  MAX_SLOTS,
  PING_FRAME,
  PONG_FRAME,
  PREFACE,
  readArg,
  readUint32,
  slotOf,
  writeUint32,
} from "../../src/codec/frame.js";
import { Code, codeFrom, codeName, RpcError } from "../../src/codec/status.js";
import { Writer } from "../../src/codec/writer.js";

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });

describe("a frame", () => {
  it("has a header that says what was asked for, little-endian, whatever surrounds it", () => {
    const args = [fc.nat(500), fc.nat(255), fc.nat(255), fc.nat(65_535), uint32] as const;
    fc.assert(
      fc.property(...args, (payloadBytes, type, flags, arg, id) => {
        const writer = new Writer(8);
        beginFrame(writer);
        endFrame(writer, FrameType.PING, 0, 0, 0);
        beginFrame(writer);
        writer.reserve(payloadBytes);
        writer.pos += payloadBytes;
        const at = writer.start;
        endFrame(writer, type as FrameType, flags, arg, id);
        const { buf } = writer;
        const read = [
          buf.readUInt32LE(at),
          buf[at + 4],
          buf[at + 5],
          buf.readUInt16LE(at + 6),
          buf.readUInt32LE(at + 8),
        ];
        expect(read).toEqual([payloadBytes, type, flags, arg, id]);
        expect([readUint32(buf, at), readArg(buf, at), readUint32(buf, at + 8)]).toEqual([payloadBytes, arg, id]);
        expect(writer.start).toBe(at + HEADER_BYTES + payloadBytes);
      }),
    );
  });

  it("of PING and PONG is 12 fixed bytes", () => {
    expect(PING_FRAME.toString("hex")).toBe("000000000900000000000000");
    expect(PONG_FRAME.toString("hex")).toBe("000000000a00000000000000");
    expect(PREFACE.toString("latin1")).toBe("\xf0SLUICE\n");
  });

  it("keeps 32-bit numbers unsigned", () => {
    const buf = Buffer.alloc(4);
    for (const value of [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
      writeUint32(buf, 0, value);
      expect([readUint32(buf, 0), buf.readUInt32LE(0)]).toEqual([value, value]);
    }
  });
});

it("an id names its slot in every generation, and the last generation is followed by the first", () => {
  for (const slot of [0, 1, 127, MAX_SLOTS - 1]) {
    let id = ((slot << 1) | 1) >>> 0;
    const first = id;
    for (let generation = 0; generation < 32_768; generation++) {
      expect(slotOf(id)).toBe(slot);
      expect(id & 1).toBe(1);
      id = (id + GENERATION_STEP) >>> 0;
    }
    expect(id).toBe(first);
  }
});

it("names go-away reasons and codes, and unknown numbers too", () => {
  for (const [name, reason] of Object.entries(CloseReason)) expect(closeReasonName(reason)).toBe(name);
  expect(closeReasonName(99)).toBe("REASON_99");
  for (const [name, code] of Object.entries(Code)) expect([codeName(code), codeFrom(code)]).toEqual([name, code]);
  expect(codeName(99)).toBe("CODE_99");
  for (const number of [17, 99, -1, 65_535, Number.NaN]) expect(codeFrom(number)).toBe(Code.UNKNOWN);
});

describe("RpcError", () => {
  it("is what user code throws unless it says otherwise", () => {
    const error = new RpcError(Code.NOT_FOUND, "no such user");
    expect(error).toMatchObject({ origin: "user", retry: "never", details: [], retryAfterMs: undefined });
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toBe("NOT_FOUND no such user");
    expect("cause" in error).toBe(false);
  });

  it("passes through from(), which masks everything else and keeps it as the cause", () => {
    const error = new RpcError(Code.ABORTED, "x");
    expect(RpcError.from(error)).toBe(error);
    for (const thrown of [new Error("secret"), "secret", undefined, null, { secret: 1 }]) {
      const masked = RpcError.from(thrown);
      expect(masked).toMatchObject({ code: Code.UNKNOWN, message: "the handler failed", origin: "user" });
      expect(masked.cause).toBe(thrown);
    }
  });
});
