// What is copied out of received bytes is what was received, whatever becomes of the buffer and of the other copies.

import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { aside, beginRead, copyAside, copyOut, endRead } from "../../src/codec/copies.js";
import { testSeed } from "../support/seed.js";

const bytesOf = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff));

afterEach(endRead);

describe("what one read has brought", () => {
  const seed = testSeed();
  const otherBuf = bytesOf(1000);

  it.each([
    ["close together", 200, 30],
    ["far apart", 40, 400],
    ["long and short", 3000, 3000],
  ])(`is copied value by value, %s (SEED=${seed})`, (_, longest, widest) => {
    const pieces = fc.array(fc.record({ gap: fc.nat(widest), length: fc.nat(longest), other: fc.nat(1000) }), {
      minLength: 10,
      maxLength: 300,
    });
    const property = fc.property(pieces, (values) => {
      const buf = bytesOf(65_536);
      const sent = Buffer.from(buf);
      const copies: { readonly copy: Uint8Array; readonly start: number; readonly length: number }[] = [];
      beginRead(buf, 0, buf.length);
      let end = 0;
      for (const { gap, length, other } of values) {
        const start = end + gap;
        end = start + length;
        if (end > buf.length) break;
        copies.push({ copy: copyOut(buf, start, length), start, length });
        // What handlers decode meanwhile, for instance.
        if (other > 0) copyOut(otherBuf, 0, other);
      }
      endRead();
      buf.fill(0);
      for (const { copy, start, length } of copies) {
        expect(sent.compare(copy, 0, length, start, start + length)).toBe(0);
        copy.fill(0xff);
      }
      for (const { copy } of copies) expect(copy.every((byte) => byte === 0xff)).toBe(true);
    });
    fc.assert(property, { seed, numRuns: 100 });
  });

  it("is copied again for a value that was read before", () => {
    const buf = bytesOf(1000);
    beginRead(buf, 0, buf.length);
    const [first, second] = [copyOut(buf, 10, 100), copyOut(buf, 10, 100)];
    const [inside, behind] = [copyOut(buf, 50, 100), copyOut(buf, 150, 100)];
    first.fill(0);
    expect(Buffer.compare(second, buf.subarray(10, 110))).toBe(0);
    expect(Buffer.compare(inside, buf.subarray(50, 150))).toBe(0);
    expect(Buffer.compare(behind, buf.subarray(150, 250))).toBe(0);
  });

  it("does not concern other buffers, nor the same one after the read", () => {
    const [buf, other] = [bytesOf(1000), bytesOf(1000).fill(1)];
    beginRead(buf, 0, buf.length);
    copyOut(buf, 10, 100);
    expect(Buffer.compare(copyOut(other, 110, 100), other.subarray(110, 210))).toBe(0);
    endRead();
    buf.fill(2);
    expect(Buffer.compare(copyOut(buf, 110, 100), buf.subarray(110, 210))).toBe(0);
  });

  it("is not copied beyond what has arrived", () => {
    const buf = bytesOf(1000).fill(0xee, 200);
    beginRead(buf, 0, 200);
    const copy = copyOut(buf, 10, 100);
    const next = copyOut(buf, 110, 90);
    expect(next.byteOffset - copy.byteOffset).toBe(100);
    expect(new Uint8Array(next.buffer, next.byteOffset + 90, 10)).not.toEqual(new Uint8Array(buf.subarray(200, 210)));
  });

  it("takes little memory where little of it is wanted", () => {
    const buf = bytesOf(65_536);
    const memory = new Set<ArrayBufferLike>();
    beginRead(buf, 0, buf.length);
    for (let at = 1000; at < buf.length; at += 1000) memory.add(copyOut(buf, at, 10).buffer);
    expect(memory.size).toBeLessThanOrEqual(2);
  });
});

it.each([0, 10, 2048, 2049])("copies %i bytes aside", (length) => {
  const buf = bytesOf(5000);
  const bytes = copyAside(buf, 7, length);
  const { at } = aside;
  const sent = Buffer.from(buf);
  buf.fill(0);
  expect(Buffer.compare(bytes.subarray(at, at + length), sent.subarray(7, 7 + length))).toBe(0);
});
