// One timer wheel for every deadline, heartbeat and backoff of a channel or server: adding and removing are a few stores,
// and a single clock timer is set for the earliest entry. A hashed wheel (Varghese and Lauck, 1987): entries sit in the
// bucket of their expiry time; the clock timer is re-set only when an earlier entry comes or when it fires.
// When the clock timer itself comes late (the event loop stalled), expiry waits for one more poll of the sockets, so that
// a response that has arrived wins over its deadline.

import type { Clock, TimerHandle } from "./clock.js";
import { Tick } from "./tick.js";

const BUCKET_MS = 16;
const BUCKETS = 1024;
/** A clock timer that comes later than this is taken for a stalled event loop. */
const STALL_MS = 20;

/** The longest delay of the clock timer; an entry beyond it is looked at again then. */
const MAX_DELAY_MS = 3_600_000;

/** Something that expires once; linked into at most one wheel at a time. */
export abstract class Timer {
  /** When it expires, in the clock's milliseconds. */
  expiresAt = 0;
  /** Links inside a bucket; undefined while the timer is not set. Only the wheel writes them. */
  previous: Timer | undefined = undefined;
  next: Timer | undefined = undefined;

  /** Called by the wheel once, at or after `expiresAt`; the timer is no longer set then. */
  abstract expire(): void;
}

/** What knows whether it still needs its timer, and until when. */
export interface Arming {
  /** Sets the timer, or does nothing. */
  arm(): void;
}

/** A {@link Timer} that calls a function. */
export class CallbackTimer extends Timer {
  private readonly callback: () => void;

  constructor(callback: () => void) {
    super();
    this.callback = callback;
  }

  override expire(): void {
    this.callback();
  }
}

/** The head of a bucket's circular list. */
class Bucket extends Timer {
  constructor() {
    super();
    this.previous = this;
    this.next = this;
  }

  override expire(): void {}
}

/** Timers over one {@link Clock}. */
export class TimerWheel {
  readonly clock: Clock;
  /** The tick that everything on this clock shares. */
  readonly tick: Tick;
  private readonly buckets: Bucket[] = Array.from({ length: BUCKETS }, () => new Bucket());
  private readonly due = new Bucket();
  private readonly onTimer = (): void => this.fire();
  private readonly sweep = (): void => this.expireDue();
  private count = 0;
  private handle: TimerHandle | undefined = undefined;
  /** What is armed when the tick ends: `late[0, lateCount)`. The list stays as long as it ever was. */
  private readonly late: Arming[] = [];
  private lateCount = 0;
  private readonly onTickEnd = (): void => this.armLate();
  /** When the clock timer is set for; Infinity without one. */
  private armedFor = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.clock = clock;
    this.tick = new Tick(clock);
  }

  /** How many timers are set. */
  get size(): number {
    return this.count;
  }

  /** Sets `timer` to expire at `expiresAt`; Infinity is never. A timer that is set already is moved. */
  add(timer: Timer, expiresAt: number): void {
    if (timer.next !== undefined) this.remove(timer);
    timer.expiresAt = expiresAt;
    if (expiresAt === Number.POSITIVE_INFINITY) return;
    this.link(this.buckets[Math.floor(expiresAt / BUCKET_MS) & (BUCKETS - 1)] as Bucket, timer);
    if (expiresAt < this.armedFor) this.arm(expiresAt);
  }

  /** Has `timer` arm itself when this tick ends: most of what begins in a tick needs none any more then. */
  addLate(timer: Arming): void {
    if (this.lateCount === 0) this.tick.atEnd(this.onTickEnd);
    this.late[this.lateCount++] = timer;
  }

  /** Forgets `timer`; one that is not set is left alone. */
  remove(timer: Timer): void {
    const { previous, next } = timer;
    if (previous === undefined || next === undefined) return;
    previous.next = next;
    next.previous = previous;
    timer.previous = undefined;
    timer.next = undefined;
    this.count--;
  }

  /** Drops the clock timer if nothing is set. For the end of a channel or server: after each call it would cost too much. */
  disarmIfEmpty(): void {
    if (this.count === 0) this.disarm();
  }

  private armLate(): void {
    const { late, lateCount } = this;
    this.lateCount = 0;
    for (let i = 0; i < lateCount; i++) late[i]?.arm();
  }

  private arm(at: number): void {
    this.disarm();
    const delayMs = Math.max(0, Math.min(MAX_DELAY_MS, at - this.clock.now()));
    this.armedFor = Math.min(at, this.clock.now() + delayMs);
    this.handle = this.clock.setTimer(this.onTimer, delayMs, false);
  }

  private disarm(): void {
    if (this.handle !== undefined) this.clock.clearTimer(this.handle);
    this.handle = undefined;
    this.armedFor = Number.POSITIVE_INFINITY;
  }

  private fire(): void {
    const late = this.clock.now() - this.armedFor;
    this.handle = undefined;
    if (late > STALL_MS) this.clock.nextTurn(this.sweep);
    else this.expireDue();
  }

  private expireDue(): void {
    const now = this.clock.now();
    const from = Math.floor(this.armedFor / BUCKET_MS);
    const buckets = Math.min(Math.floor(now / BUCKET_MS) - from, BUCKETS - 1);
    this.armedFor = Number.POSITIVE_INFINITY;
    for (let i = 0; i <= buckets; i++) this.collectDue(this.buckets[(from + i) & (BUCKETS - 1)] as Bucket, now);
    this.expireCollected();
    this.rearm(now);
  }

  /** Moves what is due in a bucket to the list of due timers, where `remove` still finds it. */
  private collectDue(head: Bucket, now: number): void {
    for (let timer = head.next as Timer; timer !== head; ) {
      const following = timer.next as Timer;
      if (timer.expiresAt <= now) {
        this.remove(timer);
        this.link(this.due, timer);
      }
      timer = following;
    }
  }

  private expireCollected(): void {
    for (let timer = this.due.next as Timer; timer !== this.due; timer = this.due.next as Timer) {
      this.remove(timer);
      timer.expire();
    }
  }

  private link(head: Bucket, timer: Timer): void {
    const last = head.previous as Timer;
    timer.previous = last;
    timer.next = head;
    last.next = timer;
    head.previous = timer;
    this.count++;
  }

  /** Sets the clock timer for the earliest entry, looking at each bucket of the next turn of the wheel once. */
  private rearm(now: number): void {
    if (this.count === 0) return;
    const from = Math.floor(now / BUCKET_MS);
    const lapEnd = (from + BUCKETS) * BUCKET_MS;
    let earliest = lapEnd;
    for (let i = 0; i < BUCKETS && earliest === lapEnd; i++) {
      const head = this.buckets[(from + i) & (BUCKETS - 1)] as Bucket;
      for (let timer = head.next as Timer; timer !== head; timer = timer.next as Timer) {
        if (timer.expiresAt < earliest) earliest = timer.expiresAt;
      }
    }
    if (earliest < this.armedFor) this.arm(earliest);
  }
}

const wheels = new WeakMap<Clock, TimerWheel>();

/** The wheel that everything on `clock` shares. */
export function wheelOf(clock: Clock): TimerWheel {
  let wheel = wheels.get(clock);
  if (wheel === undefined) {
    wheel = new TimerWheel(clock);
    wheels.set(clock, wheel);
  }
  return wheel;
}
