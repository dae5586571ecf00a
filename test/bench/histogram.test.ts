// The benchmark's histogram: what it keeps of a duration, and how far its percentiles may be off.

import { describe, expect, it } from "vitest";
import { Histogram } from "../../bench/lib/histogram.js";

const RELATIVE_ERROR = 1 / 64;

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

describe("Histogram", () => {
  it("keeps values below 128 exactly", () => {
    for (let ns = 0; ns < 128; ns++) expect(histogramOf([ns]).percentile(0.5)).toBe(ns);
  });

  it("keeps every larger value within a 64th of itself", () => {
    for (let ns = 128; ns < 2 ** 31; ns = Math.ceil(ns * 1.003)) {
      const kept = histogramOf([ns]).percentile(0.5);
      expect(Math.abs(kept - ns) / ns).toBeLessThanOrEqual(RELATIVE_ERROR);
    }
  });

  it("finds percentiles of a uniform distribution", () => {
    const histogram = histogramOf(Array.from({ length: 100_000 }, (_, n) => (n + 1) * 10));
    for (const p of [0.01, 0.5, 0.9, 0.99, 1]) {
      const exact = p * 1_000_000;
      expect(Math.abs(histogram.percentile(p) - exact) / exact).toBeLessThanOrEqual(RELATIVE_ERROR);
    }
  });

  it("counts what is longer than two seconds as two seconds", () => {
    expect(histogramOf([1e12, Number.POSITIVE_INFINITY]).percentile(1)).toBeGreaterThan(2.1e9);
  });

  it("says 0 when nothing was recorded, and after a reset", () => {
    const histogram = histogramOf([5, 6]);
    expect(histogram.count).toBe(2);
    histogram.reset();
    expect(histogram.count).toBe(0);
    expect(histogram.percentile(0.99)).toBe(0);
  });
});
