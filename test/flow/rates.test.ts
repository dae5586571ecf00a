// The small parts of flow control, each at its limit and beyond it: tokens, windows, budgets, the throttle, times.

import { describe, expect, it } from "vitest";
import { LatencyEstimate, MIN_SAMPLES } from "../../src/flow/latency.js";
import { HEDGE_LIMITS, RETRY_LIMITS, RetryBudget } from "../../src/flow/retry-budget.js";
import { MAX_THROTTLE, Throttle } from "../../src/flow/throttle.js";
import { TokenBucket } from "../../src/flow/token-bucket.js";
import { WindowCount } from "../../src/flow/window-count.js";
import { VirtualClock } from "../../src/testing.js";

describe("TokenBucket", () => {
  const taken = (bucket: TokenBucket, now: number): number => {
    let count = 0;
    while (bucket.take(now)) count++;
    return count;
  };

  it("gives its burst, then its rate, and saves no more than its burst", () => {
    const bucket = new TokenBucket(100, 5, 0);
    expect(taken(bucket, 0)).toBe(5);
    expect(bucket.waitMs(0)).toBe(10);
    expect(taken(bucket, 9.9)).toBe(0);
    expect(taken(bucket, 10)).toBe(1);
    expect(taken(bucket, 3_600_000)).toBe(5);
  });

  it("gives exactly its rate over a long time, however oddly it is asked", () => {
    const bucket = new TokenBucket(300, 1, 0);
    let count = 0;
    for (let now = 0; now < 10_000; now += 1 / 3) if (bucket.take(now)) count++;
    expect(count).toBeGreaterThanOrEqual(3_000);
    expect(count).toBeLessThanOrEqual(3_001);
  });

  it("has those pay who come behind what was borrowed", () => {
    const bucket = new TokenBucket(100, 1, 0);
    bucket.borrow(0);
    bucket.borrow(0);
    expect(bucket.waitMs(0)).toBe(20);
    expect(bucket.take(19.9)).toBe(false);
    expect(bucket.take(20)).toBe(true);
  });

  it("keeps what it has, within its burst, when its rate changes", () => {
    const bucket = new TokenBucket(100, 10, 0);
    bucket.change(1_000, 3, 0);
    expect(taken(bucket, 0)).toBe(3);
    expect(bucket.waitMs(0)).toBe(1);
  });
});

describe("WindowCount", () => {
  it("counts what came within its window, and forgets it at most a twentieth later", () => {
    const count = new WindowCount(1_000);
    for (let now = 0; now < 100; now++) count.add(now);
    expect(count.total(999)).toBe(100);
    expect(count.total(1_049)).toBe(100);
    expect(count.total(1_099)).toBe(50);
    expect(count.total(1_150)).toBe(0);
  });

  it("is empty after a pause of any length", () => {
    const count = new WindowCount(1_000);
    count.add(5);
    expect(count.total(86_400_000)).toBe(0);
    count.add(86_400_000);
    expect(count.total(86_400_001)).toBe(1);
  });
});

describe("RetryBudget", () => {
  it("allows a fifth of the calls and ten a second, and not one more", async () => {
    const clock = new VirtualClock();
    const budget = new RetryBudget(clock, RETRY_LIMITS);
    for (let i = 0; i < 50; i++) budget.onCall();
    for (let i = 0; i < 110; i++) expect(budget.spend()).toBe(true);
    expect(budget.spend()).toBe(false);
    expect(budget.refused).toBe(1);
    await clock.advance(10_000);
    expect(budget.spend()).toBe(false);
    await clock.advance(501);
    for (let i = 0; i < 100; i++) expect(budget.spend()).toBe(true);
    expect(budget.spend()).toBe(false);
  });

  it("allows a tenth of the calls for hedging", () => {
    const budget = new RetryBudget(new VirtualClock(), HEDGE_LIMITS);
    for (let i = 0; i < 19; i++) budget.onCall();
    expect(budget.spend()).toBe(true);
    expect(budget.spend()).toBe(false);
    budget.onCall();
    expect(budget.spend()).toBe(true);
  });
});

describe("Throttle", () => {
  it("rejects nothing while half of the calls are accepted, then (requests - 2 accepts) / (requests + 1)", () => {
    const throttle = new Throttle(new VirtualClock(), () => 0);
    for (let i = 0; i < 10; i++) {
      expect(throttle.admits()).toBe(true);
      throttle.observe(i % 2 === 0);
    }
    expect(throttle.probability).toBe(0);
    expect(throttle.admits()).toBe(true);
    throttle.observe(false);
    expect(throttle.probability).toBeCloseTo(1 / 12, 10);
    expect(throttle.admits()).toBe(false);
  });

  it("lets a quarter through when nothing is accepted, and everything after two quiet minutes", async () => {
    const clock = new VirtualClock();
    const throttle = new Throttle(clock, () => MAX_THROTTLE);
    for (let i = 0; i < 1_000; i++) {
      expect(throttle.admits()).toBe(true);
      throttle.observe(false);
    }
    expect(throttle.probability).toBe(MAX_THROTTLE);
    await clock.advance(126_001);
    expect(throttle.probability).toBe(0);
  });
});

describe("LatencyEstimate", () => {
  it("says nothing before it has seen enough, then what is at most 9% too long", () => {
    const estimate = new LatencyEstimate();
    for (let i = 1; i < MIN_SAMPLES; i++) estimate.record(i);
    expect(estimate.percentile(0.95)).toBeUndefined();
    estimate.record(MIN_SAMPLES);
    for (const p of [0.5, 0.95, 0.99]) {
      const found = estimate.percentile(p) as number;
      expect(found).toBeGreaterThanOrEqual(p * 100 - 1);
      expect(found).toBeLessThanOrEqual(p * 100 * 1.1);
    }
  });

  it("follows times that change, and takes any number", () => {
    const estimate = new LatencyEstimate();
    for (let i = 0; i < 5_000; i++) estimate.record(10);
    for (let i = 0; i < 8_000; i++) estimate.record(100);
    expect(estimate.percentile(0.5)).toBeGreaterThanOrEqual(100);
    for (const ms of [0, 1e-9, 1e12]) estimate.record(ms);
    expect(estimate.percentile(0.5)).toBeLessThan(110);
  });
});
