// The outbox: what it gives to the pipe and when, in which order, and that every slab comes back.

import fc from "fast-check";
import { beforeEach, expect, it } from "vitest";
import { HEADER_BYTES, readUint32, writeUint32 } from "../../src/codec/frame.js";
import { SlabPool } from "../../src/codec/slab.js";
import { VirtualClock } from "../../src/testing.js";
import { MAX_WRITE_BYTES, OUTBOX_SLAB_BYTES, Outbox } from "../../src/transport/outbox.js";
import type { Pipe } from "../../src/transport/pipe.js";
import { Tick } from "../../src/transport/tick.js";

/** A pipe that takes each write at once, or keeps it until it is told to go on. */
class FakePipe implements Pipe {
  readonly remote = "fake";
  readonly writes: Buffer[] = [];
  blocks = false;
  ended = false;
  private kept: { buf: Buffer; start: number; end: number } | undefined;

  open(): void {}
  pause(): void {}
  resume(): void {}
  destroy(): void {}
  end(): void {
    this.ended = true;
  }

  write(buf: Buffer, start: number, end: number): boolean {
    if (this.kept !== undefined) throw new Error("write before drain");
    if (this.ended) throw new Error("write after end");
    if (!this.blocks) {
      this.writes.push(Buffer.from(buf.subarray(start, end)));
      return true;
    }
    this.kept = { buf, start, end };
    return false;
  }

  /** Takes what it has kept, which must not have changed in between. */
  drain(outbox: Outbox): void {
    if (this.kept === undefined) throw new Error("nothing is kept");
    const { buf, start, end } = this.kept;
    this.writes.push(Buffer.from(buf.subarray(start, end)));
    this.kept = undefined;
    outbox.onDrain();
  }

  get isHolding(): boolean {
    return this.kept !== undefined;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.writes);
  }
}

let clock: VirtualClock;
let slabs: SlabPool;
let pipe: FakePipe;
let outbox: Outbox;

beforeEach(() => {
  clock = new VirtualClock();
  slabs = new SlabPool({ debug: true });
  pipe = new FakePipe();
  outbox = new Outbox(pipe, slabs, new Tick(clock));
});

/** A frame of `bytes` bytes in all, each of its payload bytes `fill`. */
function frame(bytes: number, fill: number): Buffer {
  const buf = Buffer.alloc(bytes, fill);
  writeUint32(buf, 0, bytes - HEADER_BYTES);
  return buf;
}

const frameBytes = (slab: Buffer, at: number): number => HEADER_BYTES + readUint32(slab, at);

it("writes once a tick, however many frames were made in it", async () => {
  const frames = Array.from({ length: 100 }, (_, i) => frame(20 + i, i));
  for (const each of frames) outbox.append(each);
  expect(pipe.writes).toHaveLength(0);
  await clock.advance(0);
  expect(pipe.writes).toHaveLength(1);
  expect(pipe.bytes).toEqual(Buffer.concat(frames));
  expect(slabs.leased).toBe(0);
});

it("gives the pipe a first half before a tick ends that writes much, and at least 2 KiB", async () => {
  const writeAll = async (count: number): Promise<number[]> => {
    const before = pipe.writes.length;
    for (let i = 0; i < count; i++) {
      outbox.flushEarly();
      outbox.append(frame(128, i));
    }
    await clock.advance(0);
    return pipe.writes.slice(before).map(({ length }) => length);
  };
  expect(await writeAll(16)).toEqual([2048]);
  expect(await writeAll(17)).toEqual([2048, 128]);
  // What nobody could foresee leaves in small parts, and the next time in two.
  expect((await writeAll(100)).length).toBeGreaterThan(2);
  expect(await writeAll(100)).toEqual([6400, 6400]);
  expect(await writeAll(20)).toEqual([2560]);
  expect(await writeAll(1)).toEqual([128]);
  expect(slabs.leased).toBe(0);
});

it("holds no slab while it is idle", async () => {
  expect(slabs.leased).toBe(0);
  outbox.append(frame(20, 1));
  expect(slabs.leased).toBe(1);
  await clock.advance(0);
  expect(slabs.leased).toBe(0);
  outbox.schedule();
  await clock.advance(0);
  expect(pipe.writes).toHaveLength(1);
});

it("gives a blocked pipe nothing more until it drains, and then everything in order", async () => {
  pipe.blocks = true;
  outbox.append(frame(20, 1));
  await clock.advance(0);
  expect(outbox.isBlocked).toBe(true);
  const rest = Array.from({ length: 50 }, (_, i) => frame(10_000, i));
  for (const each of rest) {
    outbox.append(each);
    await clock.advance(0);
  }
  expect(outbox.unsentBytes).toBe(20 + 50 * 10_000);
  pipe.blocks = false;
  pipe.drain(outbox);
  expect(outbox.isBlocked).toBe(false);
  expect(outbox.unsentBytes).toBe(0);
  expect(pipe.bytes).toEqual(Buffer.concat([frame(20, 1), ...rest]));
  expect(slabs.leased).toBe(0);
});

it("cuts a long backlog into writes of bounded length", async () => {
  const large = frame(3 * MAX_WRITE_BYTES + 17, 7);
  outbox.append(large);
  outbox.append(frame(30, 8));
  await clock.advance(0);
  expect(Math.max(...pipe.writes.map(({ length }) => length))).toBeLessThanOrEqual(MAX_WRITE_BYTES);
  expect(pipe.bytes).toEqual(Buffer.concat([large, frame(30, 8)]));
  expect(slabs.leased).toBe(0);
});

it("moves the frame being written when it outgrows its slab, and keeps what was written of it", async () => {
  outbox.append(frame(OUTBOX_SLAB_BYTES - 100, 1));
  outbox.reserve(50);
  outbox.buf.fill(2, outbox.pos, outbox.pos + 50);
  outbox.pos += 50;
  outbox.reserve(200_000);
  outbox.buf.fill(3, outbox.pos, outbox.pos + 200_000);
  outbox.pos += 200_000;
  outbox.start = outbox.pos;
  outbox.schedule();
  await clock.advance(0);
  const expected = Buffer.concat([frame(OUTBOX_SLAB_BYTES - 100, 1), Buffer.alloc(50, 2), Buffer.alloc(200_000, 3)]);
  expect(pipe.bytes).toEqual(expected);
  expect(slabs.leased).toBe(0);
});

it("forgets an abandoned frame, and only that", async () => {
  outbox.append(frame(30, 1));
  outbox.reserve(500);
  outbox.pos += 500;
  outbox.abandonFrame();
  outbox.append(frame(40, 2));
  await clock.advance(0);
  expect(pipe.bytes).toEqual(Buffer.concat([frame(30, 1), frame(40, 2)]));
});

it("ends the pipe only when everything before has been taken, and writes nothing after", async () => {
  pipe.blocks = true;
  outbox.append(frame(20, 1));
  await clock.advance(0);
  const rest = frame(2 * MAX_WRITE_BYTES, 2);
  outbox.append(rest);
  outbox.end();
  for (let writes = 1; writes <= 2; writes++) {
    expect(pipe.ended).toBe(false);
    pipe.drain(outbox);
  }
  expect(pipe.ended).toBe(false);
  pipe.blocks = false;
  pipe.drain(outbox);
  expect(pipe.ended).toBe(true);
  outbox.append(frame(40, 3));
  await clock.advance(0);
  expect(pipe.bytes).toEqual(Buffer.concat([frame(20, 1), rest]));
  outbox.close();
  expect(slabs.leased).toBe(0);
});

it("writes nothing once it is stopped, and gives its slabs back when it is closed", async () => {
  pipe.blocks = true;
  for (let i = 0; i < 20; i++) {
    outbox.append(frame(30_000, i));
    await clock.advance(0);
  }
  outbox.stop();
  pipe.blocks = false;
  pipe.drain(outbox);
  expect(pipe.writes).toHaveLength(1);
  expect(slabs.leased).toBeGreaterThan(0);
  outbox.close();
  expect(slabs.leased).toBe(0);
});

it("copies every frame that was not handed over, whatever was written, blocked and drained before", async () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ write: fc.integer({ min: HEADER_BYTES, max: 150_000 }) }) },
    { weight: 2, arbitrary: fc.constant("tick" as const) },
    { weight: 1, arbitrary: fc.constant("block" as const) },
    { weight: 2, arbitrary: fc.constant("drain" as const) },
    { weight: 1, arbitrary: fc.constant("abandon" as const) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const ownSlabs = new SlabPool({ debug: true });
      const ownPipe = new FakePipe();
      const box = new Outbox(ownPipe, ownSlabs, new Tick(clock));
      const written: { position: number; bytes: Buffer }[] = [];
      for (const each of steps) {
        if (typeof each === "object") {
          const bytes = frame(each.write, written.length & 0xff);
          written.push({ position: box.framePosition, bytes });
          box.append(bytes);
        } else if (each === "tick") await clock.advance(0);
        else if (each === "block") ownPipe.blocks = true;
        else if (each === "abandon") {
          box.reserve(70_000);
          box.pos += 70_000;
          box.abandonFrame();
        } else if (ownPipe.isHolding) {
          ownPipe.blocks = false;
          ownPipe.drain(box);
        }
        for (const { position, bytes } of written) {
          if (position < box.handedPosition) continue;
          expect(box.copyFrame(position, frameBytes).equals(bytes)).toBe(true);
        }
      }
      ownPipe.blocks = false;
      await clock.advance(0);
      while (ownPipe.isHolding) ownPipe.drain(box);
      expect(ownPipe.bytes.equals(Buffer.concat(written.map(({ bytes }) => bytes)))).toBe(true);
      expect(box.unsentBytes).toBe(0);
      expect(ownSlabs.leased).toBe(0);
    }),
    { numRuns: 60 },
  );
});
