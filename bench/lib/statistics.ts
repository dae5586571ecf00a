// The few statistics that rounds of a benchmark need.

/** The middle value, or the mean of the two middle ones; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** How far the values lie apart: largest minus smallest, as a share of the median. 0 for a single value. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

/** What a share `p` of `sorted` does not exceed; 0 of nothing. */
export function percentile(sorted: readonly number[], p: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * p) - 1)] ?? 0;
}

/** Four significant digits, so that a file of rows can be read and compared. */
export function round(value: number): number {
  return Number(value.toPrecision(4));
}
