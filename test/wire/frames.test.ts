// Sections 3, 4 and 10 to 14 of PROTOCOL.md: the bytes of single frames.

import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { beginFrame, endFrame, Flag, FrameType, HEADER_BYTES, readArg, readUint32 } from "../../src/codec/frame.js";
import { SlabPool } from "../../src/codec/slab.js";
import { Splitter } from "../../src/codec/splitter.js";
import { Writer } from "../../src/codec/writer.js";
import { Assembler, announcedBytes } from "../../src/transport/assembler.js";
import { resolveLimits } from "../../src/transport/settings.js";
import { decodeFrame, encodeFrame, joinFrames, PREFACE_HEX, splitFrames, TYPES } from "./reference.js";
import { cut, frames, named } from "./vectors.js";

/** The frames that our splitter finds behind a preface, in hex. */
function split(hex: string, chunkBytes: number): string[] {
  const found: string[] = [];
  const sink = {
    isOpen: true,
    onFrame: (buf: Buffer, start: number, end: number) => void found.push(buf.toString("hex", start, end)),
  };
  const slabs = new SlabPool({ debug: true });
  const splitter = new Splitter(slabs, sink, 1_048_576);
  const bytes = Buffer.from(PREFACE_HEX + hex, "hex");
  for (let at = 0; at < bytes.length; at += chunkBytes)
    splitter.push(bytes, at, Math.min(bytes.length, at + chunkBytes));
  splitter.release();
  expect(slabs.leaks()).toEqual([]);
  return found;
}

describe("the reference", () => {
  it.each(named(frames))("%s: decodes to the fields", (_, { hex, frame }) => {
    expect(decodeFrame(hex)).toEqual(frame);
  });

  it.each(named(frames))("%s: encodes to the bytes", (_, { hex, frame }) => {
    expect(encodeFrame(frame)).toBe(hex);
  });

  it("has vectors of every type", () => {
    expect(new Set(frames.map(({ frame }) => frame.type))).toEqual(new Set(TYPES.slice(1)));
  });

  it.each(named(frames.filter(({ plain }) => plain !== undefined)))("%s: decompresses", (_, { frame, plain }) => {
    const message = Buffer.from(frame.payload.message as string, "hex");
    expect(message[0]).toBe(1);
    expect(gunzipSync(message.subarray(1)).toString("hex")).toBe(plain);
  });
});

describe("frames that are cut up", () => {
  it.each(named(cut))("%s: the reference puts them together", (_, { hex, parts }) => {
    expect(joinFrames(parts)).toBe(hex);
    for (const part of parts) expect(encodeFrame(decodeFrame(part))).toBe(part);
  });

  it.each(named(cut))("%s: the assembler puts them together", (_, { hex, parts }) => {
    const [first, ...rest] = parts.map((part) => Buffer.from(part, "hex")) as [Buffer, ...Buffer[]];
    const assembler = new Assembler(resolveLimits());
    expect(assembler.refusalOf(readUint32(first, 8), announcedBytes(first, 0, first.length))).toBeUndefined();
    assembler.begin(first, 0, first.length, 0, true);
    const made = rest.map((part) => assembler.append(part, 0, part.length, 0));
    expect(made.slice(0, -1)).toEqual(made.slice(0, -1).map(() => undefined));
    const { frame, bytes } = made.at(-1)!;
    const whole = Buffer.from(frame!.subarray(0, bytes));
    // The length in the header is that of the first frame; nobody reads it again.
    whole.writeUInt32LE(bytes - HEADER_BYTES, 0);
    expect(whole.toString("hex")).toBe(hex);
    expect(assembler.isEmpty).toBe(true);
  });
});

describe("the codec", () => {
  it.each(named(frames))("%s: reads and writes the header", (_, { hex, frame }) => {
    const bytes = Buffer.from(hex, "hex");
    const flags = frame.flags.reduce((bits, name) => bits | Flag[name as keyof typeof Flag], 0);
    expect(bytes[4]).toBe(FrameType[frame.type as keyof typeof FrameType]);
    expect(bytes[5]).toBe(flags);
    expect(readArg(bytes, 0)).toBe(frame.arg);
    expect(readUint32(bytes, 8)).toBe(frame.id);
    expect(readUint32(bytes, 0)).toBe(bytes.length - HEADER_BYTES);

    const writer = new Writer();
    beginFrame(writer);
    writer.reserve(bytes.length);
    bytes.copy(writer.buf, writer.pos, HEADER_BYTES);
    writer.pos += bytes.length - HEADER_BYTES;
    endFrame(writer, bytes[4] as FrameType, flags, frame.arg, frame.id);
    expect(writer.buf.toString("hex", 0, writer.pos)).toBe(hex);
  });

  it.each([1, 2, 7, 11, 12, 13, 1000, 1_000_000])(
    "finds the frames of a stream in chunks of %i bytes",
    (chunkBytes) => {
      const stream = frames.map(({ hex }) => hex);
      expect(splitFrames(stream.join(""))).toEqual(stream);
      expect(split(stream.join(""), chunkBytes)).toEqual(stream);
    },
  );
});
