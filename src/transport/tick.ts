// The tick that everything on one clock is in: its time, read once, and what runs when it ends. However many connections
// have something to flush, the clock is asked for one end of tick.

import type { Clock } from "./clock.js";

/** One tick after the other; it begins when somebody asks for the time or the end, and ends with the clock's tick. */
export class Tick {
  private readonly clock: Clock;
  private readonly onEnd = (): void => this.end();
  private time = 0;
  private wholeTime = 0;
  private isUnderWay = false;
  private callbacks: (() => void)[] = [];
  /** The list of the tick before, used again. */
  private spare: (() => void)[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The time of this tick: the clock is read once, however often a tick asks. */
  now(): number {
    return this.isUnderWay ? this.time : this.begin();
  }

  /** The same, rounded up to whole milliseconds: once for all that ask. */
  wholeMs(): number {
    if (!this.isUnderWay) this.begin();
    return this.wholeTime;
  }

  /** The time now, which is the time of this tick from here on. */
  begin(): number {
    this.time = this.clock.now();
    this.wholeTime = Math.ceil(this.time);
    if (!this.isUnderWay) {
      this.isUnderWay = true;
      this.clock.endOfTick(this.onEnd);
    }
    return this.time;
  }

  /** Calls `callback` when this tick ends, after its promise continuations; it must not throw. */
  atEnd(callback: () => void): void {
    if (!this.isUnderWay) this.begin();
    this.callbacks.push(callback);
  }

  private end(): void {
    const { callbacks } = this;
    this.isUnderWay = false;
    this.callbacks = this.spare;
    for (const callback of callbacks) callback();
    callbacks.length = 0;
    this.spare = callbacks;
  }
}
