// VirtualClock and seededRandom: time that moves only when told to, and numbers that depend on the seed alone.

import { describe, expect, it } from "vitest";
import { seededRandom, VirtualClock } from "../../src/testing.js";

describe("VirtualClock", () => {
  it("fires timers in the order of their times, each at its own time", async () => {
    const clock = new VirtualClock();
    const fired: [string, number][] = [];
    const note = (name: string) => (): void => void fired.push([name, clock.now()]);
    clock.setTimer(note("c"), 30, false);
    clock.setTimer(note("a"), 10, false);
    clock.setTimer(note("b1"), 20.5, false);
    clock.setTimer(note("b2"), 20.5, false);
    await clock.advance(20.5);
    expect(fired).toEqual([
      ["a", 10],
      ["b1", 20.5],
      ["b2", 20.5],
    ]);
    await clock.advance(9.5);
    expect(fired.at(-1)).toEqual(["c", 30]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("keeps the order of a thousand timers with equal and different times, some of them cleared", async () => {
    const clock = new VirtualClock();
    const random = seededRandom(7);
    const expected: { at: number; id: number }[] = [];
    const fired: number[] = [];
    for (let id = 0; id < 1000; id++) {
      const at = Math.floor(random() * 100);
      const timer = clock.setTimer(() => fired.push(id), at, false);
      if (random() < 0.3) clock.clearTimer(timer);
      else expected.push({ at, id });
    }
    expect(clock.pendingTimers).toBe(expected.length);
    await clock.advance(100);
    expect(fired).toEqual(expected.sort((x, y) => x.at - y.at || x.id - y.id).map((entry) => entry.id));
  });

  it("lets a promise chain, its ticks and its turns run out before the next timer", async () => {
    const clock = new VirtualClock();
    const order: string[] = [];
    clock.setTimer(
      async () => {
        for (let step = 0; step < 20; step++) await undefined;
        await new Promise<void>((resolve) => process.nextTick(resolve));
        await new Promise<void>((resolve) => clock.endOfTick(resolve));
        await new Promise<void>((resolve) => clock.nextTurn(resolve));
        order.push(`chain at ${clock.now()}`);
      },
      10,
      false,
    );
    clock.setTimer(() => order.push(`timer at ${clock.now()}`), 10.001, false);
    await clock.advance(11);
    expect(order).toEqual(["chain at 10", "timer at 10.001"]);
  });

  it("runs endOfTick after the continuations of the turn, and nextTurn after that", async () => {
    const clock = new VirtualClock();
    const order: string[] = [];
    clock.nextTurn(() => order.push("turn"));
    clock.endOfTick(() => order.push("end of tick"));
    void Promise.resolve()
      .then(() => undefined)
      .then(() => order.push("continuation"));
    await clock.advance(0);
    expect(order).toEqual(["continuation", "end of tick", "turn"]);
  });

  it("fires a timer that a timer sets, within the same advance", async () => {
    const clock = new VirtualClock();
    const times: number[] = [];
    const again = (): void => {
      times.push(clock.now());
      clock.setTimer(again, 10, false);
    };
    clock.setTimer(again, 10, false);
    await clock.advance(35);
    expect(times).toEqual([10, 20, 30]);
    expect(clock.now()).toBe(35);
  });

  it("ignores the clearing of a timer that has fired", async () => {
    const clock = new VirtualClock();
    const timer = clock.setTimer(() => undefined, 1, false);
    await clock.advance(1);
    clock.clearTimer(timer);
    expect(clock.pendingTimers).toBe(0);
  });

  it("rejects with what a callback threw, and goes on from there", async () => {
    const clock = new VirtualClock();
    clock.setTimer(
      () => {
        throw new Error("boom");
      },
      5,
      false,
    );
    await expect(clock.advance(10)).rejects.toThrow("boom");
    expect(clock.now()).toBe(5);
    await clock.advance(5);
    expect(clock.now()).toBe(10);
  });

  it("refuses to advance twice at once", async () => {
    const clock = new VirtualClock();
    const first = clock.advance(1);
    await expect(clock.advance(1)).rejects.toThrow("the last advance has not ended");
    await first;
  });

  it("names a loop that lets no time pass", async () => {
    const clock = new VirtualClock();
    const spin = (): void => clock.nextTurn(spin);
    spin();
    await expect(clock.advance(1)).rejects.toThrow("without letting time pass");
  });

  it("refuses a delay that setTimeout would fire at once", () => {
    const clock = new VirtualClock();
    for (const delayMs of [Number.POSITIVE_INFINITY, Number.NaN, 2 ** 31]) {
      expect(() => clock.setTimer(() => undefined, delayMs, false)).toThrow(RangeError);
    }
  });
});

describe("seededRandom", () => {
  it("repeats itself for a seed and differs between seeds", () => {
    const take = (seed: number): number[] => Array.from({ length: 100 }, seededRandom(seed));
    expect(take(1)).toEqual(take(1));
    expect(take(1)).not.toEqual(take(2));
    expect(take(2 ** 40)).not.toEqual(take(2 ** 41));
  });

  it("gives numbers in [0, 1), evenly", () => {
    const random = seededRandom(42);
    const buckets = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) buckets[Math.floor(random() * 10)]!++;
    for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});
