// One process of the simulation: an event loop of its own on the shared virtual time. It differs from an ideal clock as
// a real process does: its origin is its own, its timers come up to a millisecond early or late, and it can stall.
// A stalled loop runs nothing; when it wakes it runs what became due in the order of a real loop: timers, I/O, turns.
// A callback that computes (`spend`) holds its own process's loop and no other's.

import type { VirtualClock } from "../../src/testing.js";
import type { Clock, TimerHandle } from "../../src/transport/clock.js";
import type { Dice } from "./dice.js";

/** Node measures timers in whole milliseconds from a cached time, so that they may come a little early. */
const TIMER_EARLY_MS = 0.9;
const TIMER_LATE_MS = 1.2;
/** Sums of times miss by a rounding error. */
const WAKE_ERROR_MS = 1e-6;

/** A stretch of world time in which a host ran nothing. */
export interface Stall {
  readonly fromMs: number;
  readonly untilMs: number;
}

interface HostTimer {
  readonly inner: TimerHandle;
  readonly callback: () => void;
  set: boolean;
}

/** A simulated process. */
export class Host implements Clock {
  readonly name: string;
  /** Timers set and neither fired nor cleared. */
  pendingTimers = 0;
  /** The stalls so far, the one under way included. */
  readonly stalls: Stall[] = [];
  /** The stalls, and the times for which callbacks have computed, in the order in which they began. */
  readonly holds: Stall[] = [];
  private readonly world: VirtualClock;
  private readonly dice: Dice;
  /** Its own time less the world's. */
  readonly originMs: number;
  private wakesAtMs = 0;
  /** The time at which its own computing ends; in the past unless it computes. */
  private busyUntilMs = 0;
  private stalled = false;
  private lateTimers: HostTimer[] = [];
  private lateIo: (() => void)[] = [];
  private lateTurns: (() => void)[] = [];

  constructor(name: string, world: VirtualClock, dice: Dice) {
    this.name = name;
    this.world = world;
    this.dice = dice;
    this.originMs = dice.between(0, 1e6);
  }

  now(): number {
    return Math.max(this.world.now(), this.busyUntilMs) + this.originMs;
  }

  /** How much later it is for a callback that has computed than for the world. */
  get aheadMs(): number {
    return Math.max(0, this.busyUntilMs - this.world.now());
  }

  /** The world's time. */
  get worldNow(): number {
    return this.world.now();
  }

  /** World time since which the loop runs; Infinity while it is held. */
  get awakeSinceMs(): number {
    return this.stalled ? Number.POSITIVE_INFINITY : this.wakesAtMs;
  }

  setTimer(callback: () => void, delayMs: number, keepAlive: boolean): TimerHandle {
    const shiftedMs = this.aheadMs + delayMs + this.dice.between(-TIMER_EARLY_MS, TIMER_LATE_MS);
    const inner = this.world.setTimer(() => this.onTimer(timer), Math.max(shiftedMs, 0), keepAlive);
    const timer: HostTimer = { inner, callback, set: true };
    this.pendingTimers++;
    return timer;
  }

  clearTimer(handle: TimerHandle): void {
    const timer = handle as HostTimer;
    if (!timer.set) return;
    timer.set = false;
    this.pendingTimers--;
    this.world.clearTimer(timer.inner);
  }

  endOfTick(callback: () => void): void {
    this.world.endOfTick(callback);
  }

  nextTurn(callback: () => void): void {
    this.world.nextTurn(() => (this.stalled ? this.lateTurns.push(callback) : callback()));
  }

  /** Runs `callback` as what the poll for I/O found: now, or when the loop wakes. */
  io(callback: () => void): void {
    if (this.stalled) this.lateIo.push(callback);
    else callback();
  }

  /** Blocks the loop for `ms`. */
  stall(ms: number): void {
    const now = this.world.now();
    this.hold(now + ms);
    const stall = { fromMs: now, untilMs: this.wakesAtMs };
    this.stalls.push(stall);
    this.holds.push(stall);
  }

  /** What a callback does that computes for `ms`: when it returns, its process is that much later. */
  spend(ms: number): void {
    const now = this.world.now();
    this.busyUntilMs = Math.max(now, this.busyUntilMs) + ms;
    this.holds.push({ fromMs: now, untilMs: this.busyUntilMs });
    this.hold(this.busyUntilMs);
  }

  /** Runs nothing before the world time `untilMs`. */
  private hold(untilMs: number): void {
    if (untilMs <= this.world.now() || (this.stalled && untilMs <= this.wakesAtMs)) return;
    this.stalled = true;
    this.wakesAtMs = untilMs;
    this.world.setTimer(() => this.wake(), untilMs - this.world.now(), true);
  }

  private onTimer(timer: HostTimer): void {
    if (this.stalled) this.lateTimers.push(timer);
    else this.fire(timer);
  }

  private fire(timer: HostTimer): void {
    if (!timer.set) return;
    timer.set = false;
    this.pendingTimers--;
    timer.callback();
  }

  private wake(): void {
    if (!this.stalled || this.world.now() < this.wakesAtMs - WAKE_ERROR_MS) return;
    this.stalled = false;
    for (const timer of this.lateTimers) this.world.nextTurn(() => this.onTimer(timer));
    for (const callback of this.lateIo) this.world.nextTurn(() => this.io(callback));
    for (const callback of this.lateTurns) this.nextTurn(callback);
    this.lateTimers = [];
    this.lateIo = [];
    this.lateTurns = [];
  }
}
