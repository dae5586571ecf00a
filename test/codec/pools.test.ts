// The slab pool and the free list: leases, size classes, bounds, and what the debug mode finds.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FreeList } from "../../src/codec/free-list.js";
import { DEFAULT_MAX_FREE_BYTES, MAX_POOLED_SLAB_BYTES, MIN_SLAB_BYTES, SlabPool } from "../../src/codec/slab.js";

describe("a slab pool", () => {
  it.each([
    [0, MIN_SLAB_BYTES],
    [1, MIN_SLAB_BYTES],
    [MIN_SLAB_BYTES, MIN_SLAB_BYTES],
    [MIN_SLAB_BYTES + 1, 2 * MIN_SLAB_BYTES],
    [65_536, 65_536],
    [65_537, 131_072],
    [MAX_POOLED_SLAB_BYTES, MAX_POOLED_SLAB_BYTES],
    [MAX_POOLED_SLAB_BYTES + 1, MAX_POOLED_SLAB_BYTES + 1],
    [16_777_228, 16_777_228],
  ])("leases for %i bytes a slab of %i", (asked, given) => {
    const pool = new SlabPool();
    const slab = pool.lease(asked, "test");
    expect(slab.length).toBe(given);
    expect(slab.byteOffset).toBe(0);
    pool.release(slab);
  });

  it("leases the same slab again, to one holder at a time", () => {
    const pool = new SlabPool();
    const first = pool.lease(2_000, "a");
    const second = pool.lease(2_000, "b");
    expect(second).not.toBe(first);
    pool.release(first);
    expect(pool.lease(1_500, "c")).toBe(first);
    expect(pool.lease(1_500, "d")).not.toBe(first);
    expect(pool.leased).toBe(3);
  });

  it("does not lease a slab of another size class", () => {
    const pool = new SlabPool();
    const large = pool.lease(65_536, "large");
    pool.release(large);
    expect(pool.lease(1_000, "small")).not.toBe(large);
  });

  it("does not keep a slab above the greatest size class", () => {
    const pool = new SlabPool();
    const huge = pool.lease(MAX_POOLED_SLAB_BYTES + 1, "huge");
    pool.release(huge);
    expect(pool.lease(MAX_POOLED_SLAB_BYTES + 1, "huge")).not.toBe(huge);
  });

  it("keeps at most maxFreeBytes, and counts what it leases again", () => {
    const pool = new SlabPool({ maxFreeBytes: 3_000 });
    const slabs = [1, 2, 3].map(() => pool.lease(1_024, "test"));
    for (const slab of slabs) pool.release(slab);
    const again = [1, 2, 3].map(() => pool.lease(1_024, "test"));
    expect(again.filter((slab) => slabs.includes(slab))).toHaveLength(2);
    for (const slab of again) pool.release(slab);
    expect([1, 2, 3].map(() => pool.lease(1_024, "test")).filter((slab) => again.includes(slab))).toHaveLength(2);
    expect(DEFAULT_MAX_FREE_BYTES).toBe(16 * 1_024 * 1_024);
  });

  it("never leases one slab twice at a time, whatever is leased and released", () => {
    const step = fc.oneof(fc.record({ lease: fc.integer({ min: 0, max: 200_000 }) }), fc.record({ release: fc.nat() }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const pool = new SlabPool({ debug: true, maxFreeBytes: 500_000 });
        const held: Buffer[] = [];
        for (const each of steps) {
          if ("lease" in each) {
            const slab = pool.lease(each.lease, "test");
            expect(slab.length).toBeGreaterThanOrEqual(each.lease);
            expect(held.includes(slab)).toBe(false);
            held.push(slab);
          } else if (held.length > 0) {
            pool.release(held.splice(each.release % held.length, 1)[0] as Buffer);
          }
          expect(pool.leased).toBe(held.length);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("a slab pool in debug mode", () => {
  it("names the owners of what was not released", () => {
    const pool = new SlabPool({ debug: true });
    const slab = pool.lease(10, "outbox");
    pool.lease(10, "splitter");
    expect(pool.leaks()).toEqual(["outbox", "splitter"]);
    pool.release(slab);
    expect(pool.leaks()).toEqual(["splitter"]);
  });

  it("refuses a second release, and a slab that is not its own", () => {
    const pool = new SlabPool({ debug: true });
    const slab = pool.lease(10, "test");
    pool.release(slab);
    expect(() => pool.release(slab)).toThrow("slab of 1024 bytes released twice or never leased");
    expect(() => pool.release(Buffer.alloc(2_048))).toThrow("slab of 2048 bytes released twice or never leased");
  });

  it("poisons what is released, so that a late reader sees it", () => {
    const pool = new SlabPool({ debug: true });
    const slab = pool.lease(10, "test");
    slab.fill(1);
    pool.release(slab);
    expect(slab.every((byte) => byte === 0xdb)).toBe(true);
  });

  it("is off by default: nothing is named and nothing is overwritten", () => {
    const pool = new SlabPool({ debug: false });
    const slab = pool.lease(10, "test");
    slab.fill(1);
    expect(pool.leaks()).toEqual([]);
    pool.release(slab);
    expect(slab[0]).toBe(1);
  });
});

describe("a free list", () => {
  it("hands out what was given back, and keeps at most maxFree", () => {
    let made = 0;
    const list = new FreeList(() => ({ name: made++ }), 2);
    const objects = [list.take(), list.take(), list.take()];
    expect(made).toBe(3);
    for (const object of objects) list.give(object);
    expect(list.size).toBe(2);
    expect([list.take(), list.take(), list.take()].filter((object) => objects.includes(object))).toHaveLength(2);
    expect(made).toBe(4);
  });
});
