// The timer wheel: order, removal, far deadlines, and a clock timer that comes late.

import { beforeEach, expect, it } from "vitest";
import { VirtualClock } from "../../src/testing.js";
import type { Clock } from "../../src/transport/clock.js";
import { CallbackTimer, type Timer, TimerWheel, wheelOf } from "../../src/transport/timers.js";
import { testSeed } from "../support/seed.js";

let clock: VirtualClock;
let wheel: TimerWheel;
let log: string[];

const named = (name: string, then: () => void = () => {}): CallbackTimer =>
  new CallbackTimer(() => {
    log.push(`${name}@${clock.now()}`);
    then();
  });

beforeEach(() => {
  clock = new VirtualClock();
  wheel = new TimerWheel(clock);
  log = [];
});

it("fires each timer at its own time, in the order of their times", async () => {
  for (const at of [500, 3, 17, 100, 16, 99.5, 15, 4]) wheel.add(named(""), at);
  expect(wheel.size).toBe(8);
  await clock.advance(1_000);
  expect(log).toEqual(["@3", "@4", "@15", "@16", "@17", "@99.5", "@100", "@500"]);
  expect(wheel.size).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});

it("keeps one clock timer, however many timers are set", () => {
  for (let i = 0; i < 1_000; i++) wheel.add(named(""), 1_000 + i);
  expect(clock.pendingTimers).toBe(1);
  wheel.add(named(""), 10);
  expect(clock.pendingTimers).toBe(1);
});

it("does not fire what was removed, and removing twice or what was never set does nothing", async () => {
  const removed = named("removed");
  const kept = named("kept");
  wheel.add(removed, 10);
  wheel.add(kept, 10);
  wheel.remove(removed);
  wheel.remove(removed);
  wheel.remove(named("never set"));
  expect(wheel.size).toBe(1);
  await clock.advance(100);
  expect(log).toEqual(["kept@10"]);
});

it("does not fire what is removed while timers of the same time fire", async () => {
  const second = named("second");
  wheel.add(
    named("first", () => wheel.remove(second)),
    10,
  );
  wheel.add(second, 10);
  wheel.add(named("third"), 10);
  await clock.advance(100);
  expect(log).toEqual(["first@10", "third@10"]);
});

it("moves a timer that is added again, later or earlier", async () => {
  const timer = named("moved");
  wheel.add(timer, 10);
  wheel.add(timer, 50);
  await clock.advance(40);
  expect(log).toEqual([]);
  wheel.add(timer, 45);
  await clock.advance(100);
  expect(log).toEqual(["moved@45"]);
});

it("lets a timer set itself again while it fires, for now, the past and later", async () => {
  const times = [20, 20, 5, 30];
  const timer: CallbackTimer = named("again", () => {
    const next = times.shift();
    if (next !== undefined) wheel.add(timer, next);
  });
  wheel.add(timer, 10);
  await clock.advance(100);
  expect(log).toEqual(["again@10", "again@20", "again@20", "again@20", "again@30"]);
});

it("fires at once what was due before it was set", async () => {
  await clock.advance(100);
  wheel.add(named("late"), 40);
  await clock.advance(0);
  expect(log).toEqual(["late@100"]);
});

it("never fires Infinity, and sets nothing for it", async () => {
  const timer = named("never");
  wheel.add(timer, Number.POSITIVE_INFINITY);
  expect([wheel.size, clock.pendingTimers]).toEqual([0, 0]);
  wheel.add(timer, 10);
  wheel.add(timer, Number.POSITIVE_INFINITY);
  await clock.advance(1_000);
  expect(log).toEqual([]);
});

it("keeps deadlines that are laps of the wheel and more than a clock timer's greatest delay away", async () => {
  const LAP = 16 * 1_024;
  const times = [LAP - 1, LAP, LAP + 5, 3 * LAP + 5, 4_000_000, 90_000_000];
  for (const at of times) wheel.add(named(""), at);
  await clock.advance(100_000_000);
  expect(log).toEqual(times.map((at) => `@${at}`));
});

it("agrees with a list of times, whatever is added and removed", async () => {
  const seed = testSeed();
  let state = seed;
  const random = (): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
  const fired = new Map<number, number>();
  const expected = new Map<number, number>();
  const timers = Array.from({ length: 200 }, (_, i) => new CallbackTimer(() => fired.set(i, clock.now())));
  for (let step = 0; step < 2_000; step++) {
    const i = Math.floor(random() * timers.length);
    if (random() < 0.3) {
      wheel.remove(timers[i] as Timer);
      if ((expected.get(i) ?? 0) > clock.now()) expected.delete(i);
    } else {
      const at = clock.now() + 1 + Math.floor(random() ** 4 * 100_000);
      wheel.add(timers[i] as Timer, at);
      fired.delete(i);
      expected.set(i, at);
    }
    if (random() < 0.1) await clock.advance(Math.floor(random() * 300));
  }
  await clock.advance(200_000);
  expect(fired, `seed ${seed}`).toEqual(expected);
});

it("puts expiry off for one turn when the clock timer comes late, so that what has arrived is read first", () => {
  let now = 0;
  let onTimer = (): void => {};
  const turns: (() => void)[] = [];
  const stalled: Clock = {
    now: () => now,
    setTimer(callback) {
      onTimer = callback;
      return {};
    },
    clearTimer() {},
    endOfTick() {},
    nextTurn: (callback) => void turns.push(callback),
  };
  const late = new TimerWheel(stalled);
  const fired: string[] = [];
  const deadline = new CallbackTimer(() => void fired.push("deadline"));
  late.add(deadline, 100);
  late.add(new CallbackTimer(() => void fired.push("other")), 101);
  now = 2_000;
  onTimer();
  expect(fired).toEqual([]);
  expect(turns).toHaveLength(1);
  late.remove(deadline);
  turns[0]?.();
  expect(fired).toEqual(["other"]);
  late.add(deadline, 2_010);
  now = 2_015;
  onTimer();
  expect(fired).toEqual(["other", "deadline"]);
});

it("drops its clock timer only when nothing is set", async () => {
  const timer = named("kept");
  wheel.add(timer, 10);
  wheel.disarmIfEmpty();
  expect(clock.pendingTimers).toBe(1);
  wheel.remove(timer);
  wheel.disarmIfEmpty();
  expect(clock.pendingTimers).toBe(0);
  wheel.add(timer, 20);
  await clock.advance(50);
  expect(log).toEqual(["kept@20"]);
});

it("is one for each clock", () => {
  expect(wheelOf(clock)).toBe(wheelOf(clock));
  expect(wheelOf(clock)).not.toBe(wheelOf(new VirtualClock()));
});
