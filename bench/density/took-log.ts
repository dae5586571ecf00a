// How long each of many messages took, one float each, so that the longest is known and memory does not count as theirs.

const FIRST_ROOM = 65_536;

/** Times in milliseconds, in the order in which they came. */
export class TookLog {
  private times = new Float32Array(FIRST_ROOM);
  private count = 0;

  add(ms: number): void {
    if (this.count === this.times.length) {
      const more = new Float32Array(this.count * 2);
      more.set(this.times);
      this.times = more;
    }
    this.times[this.count++] = ms;
  }

  /** A copy of all times. */
  all(): Float32Array {
    return this.times.slice(0, this.count);
  }
}
