// A token bucket: a call takes a token, tokens come at a steady rate, and a pause saves up a burst of them. It reads no
// clock and sets no timer: whoever asks says what time it is. What must not wait may borrow, and those behind it pay.

/** What has been added up in fractions may miss a whole token by a rounding error. */
const ALMOST_ONE = 1 - 1e-9;

/** Tokens at `rate` a second, at most `burst` of them saved. */
export class TokenBucket {
  private perMs: number;
  private burst: number;
  /** Below 0 while something is borrowed. */
  private tokens: number;
  private filledAt: number;

  /** `now` is in milliseconds, here and below. It begins full. */
  constructor(rate: number, burst: number, now: number) {
    this.perMs = rate / 1_000;
    this.burst = burst;
    this.tokens = burst;
    this.filledAt = now;
  }

  /** Takes a token; false if there is none. */
  take(now: number): boolean {
    this.fill(now);
    if (this.tokens < ALMOST_ONE) return false;
    this.tokens--;
    return true;
  }

  /** Takes a token that may not have come yet. */
  borrow(now: number): void {
    this.fill(now);
    this.tokens--;
  }

  /** Milliseconds until there is a token; 0 if there is one. */
  waitMs(now: number): number {
    this.fill(now);
    return this.tokens < ALMOST_ONE ? (1 - this.tokens) / this.perMs : 0;
  }

  /** Tokens that there are. */
  count(now: number): number {
    this.fill(now);
    return Math.max(0, Math.floor(this.tokens + 1 - ALMOST_ONE));
  }

  /** Goes on at another rate, with the tokens that it has and `burst` allows. */
  change(rate: number, burst: number, now: number): void {
    this.fill(now);
    this.perMs = rate / 1_000;
    this.burst = burst;
    this.tokens = Math.min(this.tokens, burst);
  }

  private fill(now: number): void {
    if (now <= this.filledAt) return;
    this.tokens = Math.min(this.burst, this.tokens + (now - this.filledAt) * this.perMs);
    this.filledAt = now;
  }
}
