// A limit on concurrency that follows what a method's times say: Netflix's Gradient2. While calls take as long as they
// used to, the limit grows; when they take longer, because something behind the handler queues, it shrinks in proportion.
// L' = 0.8 L + 0.2 (L g + 4), g = clamp(1.5 long / short, 0.5, 1), where short is the time of a call and long its average; no update while less than
// half of the limit is used, since such calls say nothing about it.

/** The limit at first. */
export const INITIAL_ADAPTIVE_LIMIT = 20;
const SMOOTHING = 0.2;
/** Calls beyond the limit that may queue behind the handler. */
const HEADROOM = 4;
const MIN_GRADIENT = 0.5;
/** Calls may take this much longer than the average before the limit shrinks. */
const TOLERANCE = 1.5;
/** The long average is over so many samples. */
const LONG_WINDOW = 600;
/** While the long average is above this many times the present, it is taken back by 5% a sample, to recover from a slow time. */
const STALE_RATIO = 2;
const RECOVERY = 0.95;

/** See the head of this file. */
export class AdaptiveLimit {
  private readonly max: number;
  private estimate: number;
  private longMs = 0;
  private samples = 0;

  /** The limit stays from 1 to `max`. */
  constructor(max: number) {
    this.max = max;
    this.estimate = Math.min(max, INITIAL_ADAPTIVE_LIMIT);
  }

  /** Calls that may run at once now. */
  get limit(): number {
    return Math.floor(this.estimate);
  }

  /** A call took `tookMs`; `running` calls ran when it ended, it among them. */
  onSample(tookMs: number, running: number): void {
    this.samples = Math.min(LONG_WINDOW, this.samples + 1);
    this.longMs += (tookMs - this.longMs) / this.samples;
    if (this.longMs > tookMs * STALE_RATIO) this.longMs *= RECOVERY;
    if (running < this.estimate / 2) return;
    const gradient = tookMs > 0 ? Math.max(MIN_GRADIENT, Math.min(1, (TOLERANCE * this.longMs) / tookMs)) : 1;
    const wanted = this.estimate * gradient + HEADROOM;
    this.estimate = Math.max(1, Math.min(this.max, this.estimate * (1 - SMOOTHING) + wanted * SMOOTHING));
  }
}
