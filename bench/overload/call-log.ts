// What became of every call of an open loop: when it was due, how long it took from then, and how it ended. Columns of
// numbers, so that a hundred thousand calls cost little and travel between processes. Times are milliseconds since the load
// began; a call's place is taken when it is made, in the order in which calls were due.

/** How a call ended. */
export const Outcome = {
  /** It has not. */
  OPEN: 0,
  /** With the right reply, in time or not. */
  ANSWERED: 1,
  /** The server refused it. */
  REFUSED: 2,
  /** The client did not let it go, or not in time. */
  HELD_BACK: 3,
  /** Its deadline passed. */
  EXPIRED: 4,
  /** In any other way, wrong replies among them. */
  FAILED: 5,
} as const;
/** How a call ended. */
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** The columns of a log, as they travel. */
export interface Columns {
  readonly dueMs: Float64Array;
  readonly tookMs: Float64Array;
  readonly outcome: Uint8Array;
}

const FIRST_CAPACITY = 4096;

/** The calls of one open loop. */
export class CallLog {
  /** How many calls there are. */
  count = 0;
  private due: Float64Array = new Float64Array(FIRST_CAPACITY);
  private took: Float64Array = new Float64Array(FIRST_CAPACITY);
  private how: Uint8Array = new Uint8Array(FIRST_CAPACITY);

  /** A log of what `columns` hold. */
  static of({ dueMs, tookMs, outcome }: Columns): CallLog {
    const log = new CallLog();
    log.count = dueMs.length;
    log.due = dueMs;
    log.took = tookMs;
    log.how = outcome;
    return log;
  }

  /** A call that was due at `dueMs` is made; returns its place. */
  open(dueMs: number): number {
    if (this.count === this.due.length) this.grow();
    this.due[this.count] = dueMs;
    return this.count++;
  }

  /** The call at `place` has ended, `tookMs` after it was due. */
  settle(place: number, tookMs: number, outcome: Outcome): void {
    this.took[place] = tookMs;
    this.how[place] = outcome;
  }

  dueMs(place: number): number {
    return this.due[place]!;
  }

  tookMs(place: number): number {
    return this.took[place]!;
  }

  outcome(place: number): Outcome {
    return this.how[place] as Outcome;
  }

  /** The place of the first call that was due at `ms` or later. */
  placeAt(ms: number): number {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.due[middle]! < ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** What the log holds, in no more room than that takes. */
  columns(): Columns {
    const { count } = this;
    return { dueMs: this.due.slice(0, count), tookMs: this.took.slice(0, count), outcome: this.how.slice(0, count) };
  }

  private grow(): void {
    const grown = <T extends Float64Array | Uint8Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    const capacity = this.due.length * 2;
    this.due = grown(this.due, new Float64Array(capacity));
    this.took = grown(this.took, new Float64Array(capacity));
    this.how = grown(this.how, new Uint8Array(capacity));
  }
}
