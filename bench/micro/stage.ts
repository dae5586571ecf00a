// What the micro-benchmarks of the transport play on: a clock whose ticks and turns end when it is told so, and a pipe that takes
// everything. The time is the real one.

import { SlabPool } from "../../src/codec/slab.js";
import type { Clock, TimerHandle } from "../../src/transport/clock.js";
import type { Pipe, PipeSink } from "../../src/transport/pipe.js";

/** A clock whose ticks and turns are ended by hand. Timers are not called. */
export class StageClock implements Clock {
  private ends: (() => void)[] = [];
  private turns: (() => void)[] = [];

  now(): number {
    return performance.now();
  }

  setTimer(): TimerHandle {
    return this;
  }

  clearTimer(): void {}

  endOfTick(callback: () => void): void {
    this.ends.push(callback);
  }

  nextTurn(callback: () => void): void {
    this.turns.push(callback);
  }

  /** Ends the tick, and the turn. */
  end(): void {
    for (let callback = this.ends.pop(); callback !== undefined; callback = this.ends.pop()) callback();
    for (let callback = this.turns.pop(); callback !== undefined; callback = this.turns.pop()) callback();
    if (this.ends.length > 0) this.end();
  }
}

/** A pipe whose other end takes all that is written and says nothing. */
export class StagePipe implements Pipe {
  readonly remote = "stage";
  /** Bytes that were written. */
  written = 0;
  open(_: PipeSink): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}

  write(_: Buffer, start: number, end: number): boolean {
    this.written += end - start;
    return true;
  }
}

/** A pool of buffers that keeps none: the same code without what a pool is for. */
export function noSlabs(): SlabPool {
  return new SlabPool({ maxFreeBytes: 0, debug: false });
}
