// Tells somebody who waits for a long run how far it is: a line on standard error now and then.

/** At most one line in this time, in milliseconds; a shorter run is silent. */
const EVERY_MS = 10_000;
const MINUTE_MS = 60_000;

/** The progress of a run over `count` seeds. */
export class Progress {
  private readonly count: number;
  private readonly startMs: number = performance.now();
  private shownMs: number = this.startMs;

  constructor(count: number) {
    this.count = count;
  }

  /** `runs` seeds have been run, of which `failed` have failed. */
  onRuns(runs: number, failed: number): void {
    const now = performance.now();
    if (runs === 0 || now - this.shownMs < EVERY_MS) return;
    this.shownMs = now;
    const leftMs = ((now - this.startMs) / runs) * (this.count - runs);
    const seeds = `${runs.toLocaleString("en")} of ${this.count.toLocaleString("en")} seeds`;
    process.stderr.write(`${seeds}, ${failed} failed, ${durationText(leftMs)} left\n`);
  }
}

function durationText(ms: number): string {
  return ms < 2 * MINUTE_MS ? `${Math.ceil(ms / 1000)} s` : `${Math.round(ms / MINUTE_MS)} min`;
}
