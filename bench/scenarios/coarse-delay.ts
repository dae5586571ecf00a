// Holds answers back with one coarse timer for all of them: what is due in the same millisecond shares a promise, so that
// waiting costs next to nothing however many wait.

/** See the head of this file. */
export class CoarseDelay {
  private readonly due = new Map<number, { readonly promise: Promise<void>; readonly resolve: () => void }>();
  private pausedUntil = 0;
  private last = Math.floor(performance.now());

  constructor() {
    setInterval(() => this.tick(), 1).unref();
  }

  /** Resolves about `ms` from now. */
  after(ms: number): Promise<void> {
    const at = Math.floor(performance.now()) + ms;
    let bucket = this.due.get(at);
    if (bucket === undefined) {
      let resolve: () => void = () => {};
      const promise = new Promise<void>((resolveIt) => {
        resolve = resolveIt;
      });
      bucket = { promise, resolve };
      this.due.set(at, bucket);
    }
    return bucket.promise;
  }

  /** Nothing resolves for `ms`; then everything that is due does. */
  pause(ms: number): void {
    this.pausedUntil = performance.now() + ms;
  }

  private tick(): void {
    const now = Math.floor(performance.now());
    if (now < this.pausedUntil) return;
    for (; this.last <= now; this.last++) {
      this.due.get(this.last)?.resolve();
      this.due.delete(this.last);
    }
  }
}
