// How many events the last while has seen: a ring of buckets, so that counting is an addition and memory is fixed.
// The window is never shorter than asked for, and longer by at most one bucket. It reads no clock of its own.

const BUCKETS = 20;

/** Counts events in a sliding window. */
export class WindowCount {
  private readonly bucketMs: number;
  /** One more than the window has: the newest is not complete. */
  private readonly counts = new Float64Array(BUCKETS + 1);
  private newest = Number.NEGATIVE_INFINITY;
  private sum = 0;

  constructor(windowMs: number) {
    this.bucketMs = windowMs / BUCKETS;
  }

  /** An event at `now`, in milliseconds that never go back. */
  add(now: number): void {
    this.turn(now);
    const at = this.newest % this.counts.length;
    this.counts[at] = (this.counts[at] as number) + 1;
    this.sum++;
  }

  /** The events of the window that ends at `now`. */
  total(now: number): number {
    this.turn(now);
    return this.sum;
  }

  /** Empties the buckets that lie between the newest one and that of `now`. */
  private turn(now: number): void {
    const bucket = Math.floor(now / this.bucketMs);
    if (bucket === this.newest) return;
    const { counts } = this;
    const passed = Math.min(bucket - this.newest, counts.length);
    for (let i = 0; i < passed; i++) {
      const at = (((bucket - i) % counts.length) + counts.length) % counts.length;
      this.sum -= counts[at] as number;
      counts[at] = 0;
    }
    this.newest = bucket;
  }
}
