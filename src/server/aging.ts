// Connections grow old: one that has been open for its time is drained, so that clients spread over servers that came
// later, and ended when its grace is over too. Ages differ by 10% either way, so that a crowd does not come back at once.

import { Code, localError } from "../codec/status.js";
import type { Random } from "../transport/clock.js";
import type { Session } from "../transport/session.js";
import { CallbackTimer, type TimerWheel } from "../transport/timers.js";

/** Half of the range that ages are spread over, as a share of the age. */
const JITTER = 0.1;

/** Ends the connections of one server in time. */
export class Aging {
  private readonly wheel: TimerWheel;
  private readonly random: Random;
  private readonly maxAgeMs: number;
  private readonly graceMs: number;
  private readonly timers = new Map<Session, CallbackTimer>();

  /** A connection is drained after about `maxAgeMs`, and ended `graceMs` later; with Infinity, never. */
  constructor(wheel: TimerWheel, random: Random, maxAgeMs: number, graceMs: number) {
    this.wheel = wheel;
    this.random = random;
    this.maxAgeMs = maxAgeMs;
    this.graceMs = graceMs;
  }

  /** A connection was accepted. */
  watch(session: Session): void {
    if (this.maxAgeMs === Number.POSITIVE_INFINITY) return;
    const timer = new CallbackTimer(() => this.onOld(session));
    this.timers.set(session, timer);
    this.wheel.add(timer, session.now + this.maxAgeMs * (1 - JITTER + 2 * JITTER * this.random()));
  }

  /** A connection is gone. */
  forget(session: Session): void {
    const timer = this.timers.get(session);
    if (timer === undefined) return;
    this.wheel.remove(timer);
    this.timers.delete(session);
  }

  private onOld(session: Session): void {
    session.drain();
    const timer = new CallbackTimer(() => {
      session.incoming.cancelAll(localError(Code.UNAVAILABLE, "the connection has reached its age", "unsafe"));
      session.finish();
    });
    this.timers.set(session, timer);
    this.wheel.add(timer, this.wheel.clock.now() + this.graceMs);
  }
}
