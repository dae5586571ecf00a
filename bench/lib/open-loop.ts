// The open loop: calls are made when they are due, whatever becomes of those before. Calls that are due are made in every
// turn of the event loop, which never sleeps unless it is told to, and each is to be timed from the moment at which it was due,
// so that nothing that holds up the generator, the wire or the server is left out.

import { Histogram } from "./histogram.js";

/** When calls are due, in milliseconds since the load began. */
export interface Schedule {
  /** When the next call is due; Infinity after the last. */
  readonly nextMs: number;
  /** Goes on to the next call. */
  advance(): void;
}

/** Calls of one kind. */
export interface Source {
  readonly schedule: Schedule;
  /** Makes the call that is due at `dueMs`; resolves when it has ended, however it has. Never rejects. */
  readonly make: (dueMs: number) => Promise<void>;
}

/** Calls every so many milliseconds, until {@link Steady.end}. */
export class Steady implements Schedule {
  nextMs = 0;
  private readonly intervalMs: number;

  constructor(perSecond: number) {
    this.intervalMs = 1000 / perSecond;
  }

  advance(): void {
    this.nextMs += this.intervalMs;
  }

  /** No more calls are due. */
  end(): void {
    this.nextMs = Number.POSITIVE_INFINITY;
  }
}

/** Makes the calls of some sources. */
export class OpenLoop {
  /** How late calls were made, in nanoseconds: what of their times is the generator's own. */
  readonly lateness: Histogram = new Histogram();
  private readonly sources: readonly Source[];
  private readonly mostPending: number;
  private readonly restMs: number | undefined;
  private readonly onTurn = (): void => this.turn();
  private readonly onEnd = (): void => {
    this.pending--;
  };
  private startedAt = 0;
  private pending = 0;
  private onDone: () => void = () => {};

  /**
   * While `mostPending` calls have not ended, those that are due wait here, and are still timed from when they were due:
   * a system that is far behind is not buried deeper. With `restMs` it looks what is due only that often, and sleeps in
   * between, where a process has other things to do.
   */
  constructor(sources: readonly Source[], mostPending: number = Number.POSITIVE_INFINITY, restMs?: number) {
    this.sources = sources;
    this.mostPending = mostPending;
    this.restMs = restMs;
  }

  /** Milliseconds since {@link OpenLoop.run}. */
  get elapsedMs(): number {
    return performance.now() - this.startedAt;
  }

  /** Makes the calls; resolves when the last has ended. */
  run(): Promise<void> {
    this.startedAt = performance.now();
    this.schedule();
    return new Promise((resolve) => {
      this.onDone = resolve;
    });
  }

  private turn(): void {
    const nowMs = this.elapsedMs;
    let isOver = true;
    for (const { schedule, make } of this.sources) {
      for (; schedule.nextMs <= nowMs && this.pending < this.mostPending; schedule.advance()) {
        this.lateness.record((this.elapsedMs - schedule.nextMs) * 1e6);
        this.pending++;
        void make(schedule.nextMs).then(this.onEnd);
      }
      isOver &&= schedule.nextMs === Number.POSITIVE_INFINITY;
    }
    if (isOver && this.pending === 0) this.onDone();
    else this.schedule();
  }

  private schedule(): void {
    if (this.restMs === undefined) setImmediate(this.onTurn);
    else setTimeout(this.onTurn, this.restMs);
  }
}
