// Durations in logarithmic buckets, allocated once: recording one allocates nothing. Each power of two is cut into 64
// buckets, so that a percentile is off by less than 1.6%. The counters can travel between processes and be added up.

const SUB_BITS = 6;
const SUB_BUCKETS = 1 << SUB_BITS;
/** Values up to 2^31 ns, a little over two seconds, are told apart; longer ones count as that. */
const MAX_VALUE = 2 ** 31 - 1;
const BUCKETS = (32 - SUB_BITS) * SUB_BUCKETS;

/** Counts of durations in nanoseconds. */
export class Histogram {
  private readonly counts = new Uint32Array(BUCKETS);
  private recorded = 0;

  /** How many durations were recorded. */
  get count(): number {
    return this.recorded;
  }

  /** Records one duration in nanoseconds; fractions are cut off, anything above two seconds counts as two seconds. */
  record(ns: number): void {
    const bucket = bucketOf(ns < MAX_VALUE ? ns | 0 : MAX_VALUE);
    this.counts[bucket] = this.counts[bucket]! + 1;
    this.recorded++;
  }

  /** Forgets everything. */
  reset(): void {
    this.counts.fill(0);
    this.recorded = 0;
  }

  /**
   * The duration in nanoseconds that a share `p` of those recorded did not exceed (0.99 for p99): the middle of the
   * bucket that holds it. 0 when nothing was recorded.
   */
  percentile(p: number): number {
    const rank = Math.max(1, Math.ceil(this.recorded * p));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.counts[bucket]!;
      if (seen >= rank) return middleOf(bucket);
    }
    return 0;
  }
}

/** A value's own bucket below 128; from there on, its exponent and the six bits after the leading one. */
function bucketOf(ns: number): number {
  if (ns < SUB_BUCKETS) return ns;
  const shift = 31 - Math.clz32(ns) - SUB_BITS;
  return (shift << SUB_BITS) + (ns >>> shift);
}

function middleOf(bucket: number): number {
  if (bucket < SUB_BUCKETS * 2) return bucket;
  const shift = (bucket >>> SUB_BITS) - 1;
  const lowest = (bucket - (shift << SUB_BITS)) * 2 ** shift;
  return lowest + (2 ** shift - 1) / 2;
}
