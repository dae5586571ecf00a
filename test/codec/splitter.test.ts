// The splitter: frames come out the same however the stream is cut, whole ones are not copied, and what a header
// announces is never believed.

import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { copyOut } from "../../src/codec/copies.js";
import { CloseReason, FrameError, HEADER_BYTES, PREFACE, writeUint32 } from "../../src/codec/frame.js";
import { SlabPool } from "../../src/codec/slab.js";
import { type FrameSink, Splitter } from "../../src/codec/splitter.js";

const MAX_FRAME_BYTES = 1_000;

class Collector implements FrameSink {
  readonly frames: string[] = [];
  readonly buffers: Buffer[] = [];
  isOpen = true;
  closeAfter = Number.POSITIVE_INFINITY;

  onFrame(buf: Buffer, start: number, end: number): void {
    this.frames.push(buf.toString("hex", start, end));
    this.buffers.push(buf);
    if (this.frames.length >= this.closeAfter) this.isOpen = false;
  }
}

function frame(payloadBytes: number, fill = 0xab): Buffer {
  const buf = Buffer.alloc(HEADER_BYTES + payloadBytes, fill);
  writeUint32(buf, 0, payloadBytes);
  return buf;
}

let slabs: SlabPool;
let sink: Collector;
let splitter: Splitter;

beforeEach(() => {
  slabs = new SlabPool({ debug: true });
  sink = new Collector();
  splitter = new Splitter(slabs, sink, MAX_FRAME_BYTES);
});

/** What comes of `chunks`, each in a buffer of its own that is overwritten afterwards. */
function split(chunks: readonly Buffer[]): string[] {
  const collector = new Collector();
  const own = new Splitter(slabs, collector, MAX_FRAME_BYTES);
  for (const chunk of chunks) {
    const padded = Buffer.concat([Buffer.from("xx"), chunk, Buffer.from("yyy")]);
    own.push(padded, 2, 2 + chunk.length);
    padded.fill(0xdd);
  }
  own.release();
  return collector.frames;
}

const FRAMES = [frame(0), frame(5, 1), frame(1), frame(MAX_FRAME_BYTES, 2), frame(0), frame(300, 3)];
const STREAM = Buffer.concat([PREFACE, ...FRAMES]);
const EXPECTED = FRAMES.map((each) => each.toString("hex"));

describe("the same frames come out", () => {
  it("of a stream in one piece", () => {
    expect(split([STREAM])).toEqual(EXPECTED);
  });

  it("of a stream that is cut in two at any byte", () => {
    for (let at = 0; at <= STREAM.length; at++) {
      expect(split([STREAM.subarray(0, at), STREAM.subarray(at)]), `cut at ${at}`).toEqual(EXPECTED);
    }
    expect(slabs.leased).toBe(0);
  });

  it("of a stream that comes one byte at a time", () => {
    expect(split(Array.from(STREAM, (byte) => Buffer.from([byte])))).toEqual(EXPECTED);
    expect(slabs.leased).toBe(0);
  });

  it("of any frames, cut anywhere", () => {
    const frames = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 12 });
    fc.assert(
      fc.property(frames, fc.array(fc.nat(80), { maxLength: 60 }), (payloads, sizes) => {
        const all = payloads.map((payload) =>
          Buffer.concat([frame(payload.length).subarray(0, HEADER_BYTES), payload]),
        );
        let rest = Buffer.concat([PREFACE, ...all]);
        const chunks: Buffer[] = [];
        for (const size of sizes) {
          chunks.push(rest.subarray(0, size));
          rest = rest.subarray(size);
        }
        expect(split([...chunks, rest])).toEqual(all.map((each) => each.toString("hex")));
        expect(slabs.leased).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});

describe("copies", () => {
  it("are not made of a frame that lies whole in a chunk, nor is a slab taken", () => {
    splitter.push(STREAM, 0, STREAM.length);
    expect(sink.buffers.every((buf) => buf === STREAM)).toBe(true);
    expect(slabs.leased).toBe(0);
  });

  it("are made only of the frame that crosses two chunks", () => {
    const first = STREAM.subarray(0, PREFACE.length + 20);
    const second = STREAM.subarray(PREFACE.length + 20);
    splitter.push(first, 0, first.length);
    splitter.push(second, 0, second.length);
    expect(sink.buffers.map((buf) => (buf === first ? 1 : buf === second ? 2 : "slab"))).toEqual([
      1,
      "slab",
      2,
      2,
      2,
      2,
    ]);
    expect(slabs.leased).toBe(0);
  });
});

describe("a length above the limit", () => {
  const claims = [MAX_FRAME_BYTES + 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

  it.each(claims)("of %i is refused as soon as the header is there, and nothing is allocated", (claim) => {
    const bytes = Buffer.concat([PREFACE, frame(0)]);
    writeUint32(bytes, PREFACE.length, claim);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 1_000; i++) {
      const own = new Splitter(slabs, sink, MAX_FRAME_BYTES);
      let thrown: unknown;
      try {
        own.push(bytes, 0, bytes.length);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(FrameError);
      expect(thrown).toMatchObject({
        reason: CloseReason.LIMIT_EXCEEDED,
        message: `a frame of ${claim} bytes; the limit is ${MAX_FRAME_BYTES}`,
      });
      own.release();
    }
    expect(slabs.leased).toBe(0);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
    expect(sink.frames).toEqual([]);
  });

  it("is refused with the header's last byte when that comes byte by byte", () => {
    const bytes = Buffer.concat([PREFACE, frame(0)]);
    writeUint32(bytes, PREFACE.length, MAX_FRAME_BYTES + 1);
    for (let at = 0; at < bytes.length - 1; at++) splitter.push(bytes, at, at + 1);
    expect(() => splitter.push(bytes, bytes.length - 1, bytes.length)).toThrow(FrameError);
    splitter.release();
    expect(slabs.leased).toBe(0);
  });

  it("does not take the limit itself for one", () => {
    splitter.push(STREAM, 0, STREAM.length);
    expect(sink.frames[3]).toBe(EXPECTED[3]);
  });
});

it.each([
  [1, 16_000],
  [0, 16_000_000],
])("holds memory for what has arrived, not for what is announced (%i slab for %i bytes)", (leases, bytes) => {
  const pool = new SlabPool({ debug: true, maxFreeBytes: 0 });
  const own = new Splitter(pool, sink, 16_000_000);
  const begun = Buffer.concat([PREFACE, frame(0), Buffer.alloc(1_000)]);
  writeUint32(begun, PREFACE.length, bytes);
  const before = process.memoryUsage().arrayBuffers;
  own.push(begun, 0, begun.length);
  const chunk = Buffer.alloc(10_000);
  for (let sent = 0; sent < Math.min(bytes - 10_000, 100_000); sent += chunk.length) own.push(chunk, 0, chunk.length);
  expect(pool.leased).toBe(leases);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
  own.release();
  expect(pool.leased).toBe(0);
});

it.each([
  [16_384, false],
  [16_385, true],
])("puts a frame of %i bytes together in memory that goes with its message: %s", (bytes, isOwn) => {
  const whole = frame(bytes - HEADER_BYTES, 7);
  let first: Uint8Array | undefined;
  const take = (buf: Buffer, start: number, end: number): void => {
    const most = end - start - HEADER_BYTES - 100;
    first = copyOut(buf, start + HEADER_BYTES, most);
    const second = copyOut(buf, start + HEADER_BYTES, most);
    expect(first.buffer === buf.buffer).toBe(isOwn);
    expect(second.buffer).not.toBe(buf.buffer);
    expect(Buffer.compare(first, second)).toBe(0);
  };
  const own = new Splitter(slabs, { isOpen: true, onFrame: take }, 100_000);
  own.push(PREFACE, 0, PREFACE.length);
  own.push(whole, 0, 5);
  own.push(whole, 5, 6_000);
  own.push(whole, 6_000, bytes);
  whole.fill(0);
  expect(first?.every((byte) => byte === 7)).toBe(true);
  expect(slabs.leased).toBe(0);
});

it("hands out nothing after the sink has closed, and holds nothing", () => {
  sink.closeAfter = 2;
  splitter.push(STREAM, 0, STREAM.length);
  expect(sink.frames).toHaveLength(2);
  splitter.push(STREAM, PREFACE.length, STREAM.length);
  expect(sink.frames).toHaveLength(2);
  expect(slabs.leased).toBe(0);
});

it("refuses a preface at its first wrong byte", () => {
  for (let at = 0; at < PREFACE.length; at++) {
    const own = new Splitter(slabs, sink, MAX_FRAME_BYTES);
    const bytes = Buffer.from(PREFACE);
    bytes[at] = (bytes[at] as number) ^ 1;
    for (let i = 0; i < at; i++) own.push(bytes, i, i + 1);
    expect(() => own.push(bytes, at, at + 1)).toThrow("the peer does not speak Sluice");
  }
});

it("gives the slab back when the sink throws", () => {
  sink.onFrame = () => {
    throw new Error("no");
  };
  splitter.push(STREAM, 0, PREFACE.length + 5);
  expect(() => splitter.push(STREAM, PREFACE.length + 5, STREAM.length)).toThrow("no");
  expect(slabs.leased).toBe(0);
});

it("numbers the frame that is under way, anew for each", () => {
  const bytes = Buffer.concat([PREFACE, frame(100), frame(100)]);
  expect(splitter.partialFrame).toBe(0);
  splitter.push(bytes, 0, 30);
  const first = splitter.partialFrame;
  expect(first).toBeGreaterThan(0);
  splitter.push(bytes, 30, 60);
  expect(splitter.partialFrame).toBe(first);
  splitter.push(bytes, 60, 140);
  expect(splitter.partialFrame).not.toBe(first);
  splitter.push(bytes, 140, bytes.length);
  expect(splitter.partialFrame).toBe(0);
});
