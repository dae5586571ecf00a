// The virtual time that all processes of a simulated world share: a clock that takes little of the real event loop.

import { VirtualClock } from "../../src/testing.js";

/** Immediates that are set at once. */
const BATCH = 64;
const SETTLED: Promise<void> = Promise.resolve();

/** The time of a simulated world. */
export class World extends VirtualClock {
  private immediates = 0;
  private waiting: (() => void) | undefined;
  /** Called after each event, when all that it has left behind has run out. */
  onEvent: () => void = () => undefined;

  override endOfTick(callback: () => void): void {
    void SETTLED.then(() => process.nextTick(callback));
  }

  /**
   * Calls `callback` in the next immediate: Node lets continuations and ticks run out between two of them, but it polls
   * the system, which costs more, only after the last of those that were set together.
   */
  protected override afterRunOut(callback: () => void): void {
    this.waiting = callback;
    if (this.immediates === 0) for (; this.immediates < BATCH; this.immediates++) setImmediate(this.onImmediate);
  }

  private readonly onImmediate = (): void => {
    const { waiting } = this;
    this.immediates--;
    this.waiting = undefined;
    if (waiting === undefined) return;
    this.onEvent();
    waiting();
  };
}
