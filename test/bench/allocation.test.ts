// Counting allocations: what the heap grew by between collections, and what things that are kept take.

import { describe, expect, it } from "vitest";
import { AllocationCount, allocatedBytes, retainedBytes } from "../../bench/lib/allocation.js";

const collection = (before: number, after: number): Parameters<typeof allocatedBytes>[1][number] => ({
  beforeGC: { heapStatistics: { usedHeapSize: before } },
  afterGC: { heapStatistics: { usedHeapSize: after } },
});

describe("allocatedBytes", () => {
  it("is the growth where nothing was collected", () => {
    expect(allocatedBytes(100, [], 250)).toBe(150);
  });

  it("is the growth before, between and after collections, whatever those freed", () => {
    expect(allocatedBytes(100, [collection(200, 50), collection(90, 80)], 85)).toBe(100 + 40 + 5);
  });
});

describe("AllocationCount", () => {
  it("counts what becomes garbage at once", () => {
    const count = new AllocationCount();
    const startedAt = performance.now();
    let last: number[] = [];
    for (let i = 0; i < 100_000; i++) last = new Array<number>(125).fill(last.length);
    const elapsedUs = (performance.now() - startedAt) * 1000;
    expect(count.stop() * elapsedUs).toBeGreaterThan(50e6);
  });
});

describe("retainedBytes", () => {
  it("is what each thing takes", async () => {
    const bytes = await retainedBytes(async () => Array.from({ length: 10_000 }, (_, n) => [n, n, n, n, n, n, n, n]));
    expect(bytes).toBeGreaterThan(60);
    expect(bytes).toBeLessThan(200);
  });

  it("is nothing of nothing", async () => {
    expect(await retainedBytes(async () => [])).toBe(0);
  });
});
