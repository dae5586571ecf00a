// How long to wait after failures, and which records wait: numbers in a heap, the earliest due on top, with one timer for
// all of them.

import type { Clock, Random } from "../../transport/clock.js";
import { CallbackTimer, type TimerWheel, wheelOf } from "../../transport/timers.js";

/** How delays grow. */
export interface Backoff {
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
}

/** Doubling beyond this changes nothing that a double can hold. */
const MAX_DOUBLINGS = 60;

/** The delay after `failures` in a row (1 or more): min(initial * 2^(failures - 1), max) * U(0.8, 1.2), as gRPC's A6 has it. */
export function backoffMs({ initialBackoffMs, maxBackoffMs }: Backoff, failures: number, random: Random): number {
  const doubled = initialBackoffMs * 2 ** Math.min(failures - 1, MAX_DOUBLINGS);
  return Math.min(doubled, maxBackoffMs) * (0.8 + 0.4 * random());
}

/** A record that is set aside: a number to read it by, and what is not in the store. */
export interface Waiting {
  readonly sequence: number;
  readonly key: string | undefined;
  /** Failures in a row so far, those that do not count among them. */
  readonly failures: number;
}

/** A record that waits for its next attempt. */
export interface Delayed extends Waiting {
  /** In the clock's milliseconds. */
  readonly dueAt: number;
}

/** Records that wait for a time. */
export class Delays {
  private readonly heap: Delayed[] = [];
  private readonly wheel: TimerWheel;
  private readonly clock: Clock;
  private readonly timer: CallbackTimer;

  /** `onDue` is called when the first one is due; it takes them with {@link takeDue}. */
  constructor(clock: Clock, onDue: () => void) {
    this.clock = clock;
    this.wheel = wheelOf(clock);
    this.timer = new CallbackTimer(onDue);
  }

  get size(): number {
    return this.heap.length;
  }

  add(delayed: Delayed): void {
    this.heap.push(delayed);
    this.siftUp(this.heap.length - 1);
    this.arm();
  }

  /** Takes out at most `count` that are due. */
  takeDue(count: number): Delayed[] {
    const due: Delayed[] = [];
    while (due.length < count && this.heap.length > 0 && this.top.dueAt <= this.clock.now()) due.push(this.takeTop());
    this.arm();
    return due;
  }

  /** Forgets all of them; the timer too. */
  clear(): void {
    this.heap.length = 0;
    this.disarm();
  }

  /** Keeps the records, forgets the timer until {@link arm}. */
  disarm(): void {
    this.wheel.remove(this.timer);
    this.wheel.disarmIfEmpty();
  }

  /** Sets the timer for the earliest, unless that is due already: who has not taken it does not want it yet. */
  arm(): void {
    const isAhead = this.heap.length > 0 && this.top.dueAt > this.clock.now();
    if (isAhead) this.wheel.add(this.timer, this.top.dueAt);
    else this.disarm();
  }

  private get top(): Delayed {
    return this.heap[0] as Delayed;
  }

  private takeTop(): Delayed {
    const { top } = this;
    const last = this.heap.pop() as Delayed;
    if (this.heap.length > 0) {
      this.heap[0] = last;
      this.siftDown(0);
    }
    return top;
  }

  private siftUp(from: number): void {
    for (let index = from; index > 0; ) {
      const parent = (index - 1) >> 1;
      if (!this.isBefore(index, parent)) return;
      this.swap(index, parent);
      index = parent;
    }
  }

  private siftDown(from: number): void {
    for (let index = from; ; ) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2])
        if (child < this.heap.length && this.isBefore(child, least)) least = child;
      if (least === index) return;
      this.swap(index, least);
      index = least;
    }
  }

  private isBefore(a: number, b: number): boolean {
    return (this.heap[a] as Delayed).dueAt < (this.heap[b] as Delayed).dueAt;
  }

  private swap(a: number, b: number): void {
    const held = this.heap[a] as Delayed;
    this.heap[a] = this.heap[b] as Delayed;
    this.heap[b] = held;
  }
}
