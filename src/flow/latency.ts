// An estimate of how long a method's calls take: counts in buckets whose widths grow with the time, 9% each, halved
// every so often so that the past fades. Memory is fixed; recording is a logarithm and an addition.

/** No estimate before this many calls. */
export const MIN_SAMPLES = 100;
/** The counts are halved when they add up to this many. */
const FADE_AT = 2_000;
/** From this on, in milliseconds; what is shorter counts as this. */
const SHORTEST_MS = 0.1;
const STEPS_PER_OCTAVE = 8;
/** 0.1 ms to almost two hours. */
const BUCKETS = 26 * STEPS_PER_OCTAVE;

/** The times of recent calls. */
export class LatencyEstimate {
  private readonly counts = new Float64Array(BUCKETS);
  private total = 0;

  /** A call has taken `ms`. */
  record(ms: number): void {
    const steps = Math.ceil(Math.log2(Math.max(ms, SHORTEST_MS) / SHORTEST_MS) * STEPS_PER_OCTAVE);
    const at = Math.min(BUCKETS - 1, steps);
    this.counts[at] = (this.counts[at] as number) + 1;
    this.total++;
    if (this.total >= FADE_AT) this.fade();
  }

  /**
   * The time, in milliseconds, within which a share `p` of the calls was done; up to 9% too long, never too short.
   * Undefined before {@link MIN_SAMPLES} calls.
   */
  percentile(p: number): number | undefined {
    if (this.total < MIN_SAMPLES) return undefined;
    let left = p * this.total;
    let at = 0;
    for (; at < BUCKETS - 1; at++) {
      left -= this.counts[at] as number;
      if (left <= 0) break;
    }
    return SHORTEST_MS * 2 ** (at / STEPS_PER_OCTAVE);
  }

  private fade(): void {
    for (let i = 0; i < BUCKETS; i++) this.counts[i] = (this.counts[i] as number) / 2;
    this.total /= 2;
  }
}
