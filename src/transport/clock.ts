// Time, as the rest of the library is given it. The protocol core never reads a clock of its own, so that tests and the
// simulation can run it on virtual time.

/** A timer that has been set; opaque. */
export type TimerHandle = object;

/** Where time and the turns of the event loop come from. */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary origin, with fractions. */
  now(): number;
  /** Calls `callback` once, `delayMs` from now. With `keepAlive` the process stays up for it. */
  setTimer(callback: () => void, delayMs: number, keepAlive: boolean): TimerHandle;
  /** Forgets a timer; one that has fired already is ignored. */
  clearTimer(timer: TimerHandle): void;
  /** Calls `callback` once the promise continuations of this turn have run. */
  endOfTick(callback: () => void): void;
  /** Calls `callback` in a later turn, after the event loop has polled for I/O. */
  nextTurn(callback: () => void): void;
}

/** Numbers in [0, 1), as `Math.random` gives; jitter comes from here so that a simulation can replay it. */
export type Random = () => number;

/** The clock of the running process. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer(callback, delayMs, keepAlive) {
    const timer = setTimeout(callback, Math.ceil(delayMs));
    if (!keepAlive) timer.unref();
    return timer;
  },
  clearTimer(timer) {
    clearTimeout(timer as NodeJS.Timeout);
  },
  // A tick scheduled straight from a read callback would run before the continuations of the promises it settled, and
  // so split the batch; a tick scheduled from a microtask runs after all of them.
  endOfTick(callback) {
    queueMicrotask(() => process.nextTick(callback));
  },
  nextTurn(callback) {
    setImmediate(callback);
  },
};
