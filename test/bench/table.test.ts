import { describe, expect, it } from "vitest";
import { formatCount, formatDigits, formatMicroseconds, formatRatio } from "../../bench/lib/table.js";

describe("numbers for people", () => {
  it("keep their digits and their units where rounding takes one more place", () => {
    expect([0.0419, 9.96, 99.49].map((us) => formatMicroseconds(us))).toEqual(["0.042 us", "10 us", "99 us"]);
    expect([99.5, 99.97, 100.4].map((us) => formatMicroseconds(us))).toEqual(["99.5 us", "100 us", "100 us"]);
    expect([999.4, 999.6, 9996].map((us) => formatMicroseconds(us))).toEqual(["999 us", "1.00 ms", "10.0 ms"]);
    expect([999_499, 999_500].map((us) => formatMicroseconds(us))).toEqual(["999 ms", "1.00 s"]);
    expect([0, 999, 999.6, 99_960].map((count) => formatCount(count))).toEqual(["0", "999", "1.00 k", "100 k"]);
    expect([999_499, 999_500].map((count) => formatCount(count))).toEqual(["999 k", "1.00 M"]);
    expect([0.871, 0.996, 53.16, 349.2].map((ratio) => formatRatio(ratio))).toEqual([
      "0.87x",
      "0.996x",
      "53.2x",
      "349x",
    ]);
    expect([Number.NaN, Number.POSITIVE_INFINITY].map((ratio) => formatRatio(ratio))).toEqual(["-", "-"]);
  });

  it("never have an exponent", () => {
    for (let value = 1e-3; value < 1e10; value *= 1.001) {
      const texts = [formatMicroseconds(value), formatCount(value), formatRatio(value), formatDigits(value, 3)];
      expect(texts.join(" ")).not.toContain("e");
    }
  });
});
