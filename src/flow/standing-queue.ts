// Tells a queue that absorbs a burst from one that stands: CoDel (Nichols and Jacobson, 2012), as folly has it for RPC. A
// queue stands if even the shortest wait of an interval was longer than the target. While it stands, fresh calls are served
// first, since old ones have little time left, and no more wait than are served within the target: the others are refused
// at once, while they can still go elsewhere.
// The shortest wait follows from the fewest calls that ever waited in the interval and from how fast they were started
// (Little's law): the wait of a call says nothing, since connections that call seldom are served at once.
// Only the callers who call most make it stand: the others may wait for as long as ever, and do not count towards its room.
// Target and interval follow from how long calls may wait, a tenth and twice that: for calls that may wait 50 ms they are
// folly's 5 ms and 100 ms.

const TARGET_SHARE = 0.1;
const INTERVAL_SHARE = 2;
/** While the queue stands a call of those who call most may wait for so many times the target. */
const STANDING_TARGETS = 1.25;
/** It stands until fewer calls are refused than this part of those that are started: so little more it absorbs in an interval. */
const PASSING_SHARE = 0.2;
/** A caller with more than this part of the calls that any other one made of late is among those who call most. */
const HEAVY_SHARE = 0.25;
/**
 * A call that may wait for longer, in milliseconds, counts as one that may wait so long: callers choose their deadlines, and
 * one of weeks must not make the intervals as long.
 */
const LONGEST_MS = 15_000;
/** How much a call changes the average of how long calls may wait. */
const SMOOTHING = 0.05;
/** What is told of how soon a queue moves while nothing is known of it, in milliseconds. */
const UNKNOWN_MS = 100;
/** How fast calls are started is known once so many were since the queue was last empty. */
const LEAST_STARTED = 16;
/** However slow a method is, so many of its calls may wait. */
const MIN_ROOM = 4;

/** The state of one queue. */
export class StandingQueue {
  private standing = false;
  private allowedMs = 0;
  private intervalStart = Number.NEGATIVE_INFINITY;
  private intervalEnd = Number.NEGATIVE_INFINITY;
  /** Since when `startedBefore` and `started` were counted. */
  private countedSince = 0;
  /** The fewest calls that waited in this interval. */
  private fewest = 0;
  private started = 0;
  private startedBefore = 0;
  private refused = 0;
  /** The most calls of one caller that began to wait in this interval, and in the one before. */
  private most = 0;
  private mostBefore = 0;
  /** The number of this interval. */
  interval = 0;
  /** Since when there has been a queue, and the calls that were started from it. */
  private busySince = 0;
  private startedBusy = 0;

  /** True while the queue stands. */
  get isStanding(): boolean {
    return this.standing;
  }

  /**
   * Calls that may wait: while the queue stands what is served within the target, before that what is served while a call may
   * wait. More could only be refused, later.
   */
  room(now: number): number {
    if (!this.standing) {
      const { startedBusy } = this;
      if (startedBusy < LEAST_STARTED) return Number.POSITIVE_INFINITY;
      return Math.max(MIN_ROOM, (startedBusy * this.allowedMs) / Math.max(1, now - this.busySince));
    }
    return Math.max(MIN_ROOM, Math.floor((this.startedBefore * TARGET_SHARE) / INTERVAL_SHARE));
  }

  /** How long a call of those who call most may wait while the queue stands, in milliseconds. */
  get patienceMs(): number {
    return this.allowedMs * TARGET_SHARE * STANDING_TARGETS;
  }

  /**
   * How long the next of `waiting` calls would wait, in milliseconds, by how many were started of late; at least 1. It is no
   * more than a call may wait: by then all that wait now have been started or refused.
   */
  estimateMs(now: number, waiting: number): number {
    if (waiting === 0) return 1;
    const started = this.startedBefore + this.started;
    const spanMs = now - this.countedSince;
    const estimate = started > 0 ? (waiting * spanMs) / started : Math.max(UNKNOWN_MS, spanMs);
    return Math.ceil(Math.max(1, Math.min(this.allowedMs, estimate)));
  }

  /** A call begins to wait beside `waiting` others; it may do so for `allowedMs`. */
  onWait(now: number, waiting: number, allowedMs: number): void {
    const countedMs = Math.min(allowedMs, LONGEST_MS);
    this.allowedMs += (countedMs - this.allowedMs) * (this.allowedMs === 0 ? 1 : SMOOTHING);
    if (waiting === 0) {
      this.busySince = now;
      this.startedBusy = 0;
    }
    this.look(now, waiting);
  }

  /** True if a caller, of whom `asked` calls began to wait in this interval or the one before, is among those who call most. */
  isHeavy(asked: number): boolean {
    if (asked > this.most) this.most = asked;
    return asked > Math.max(this.most, this.mostBefore) * HEAVY_SHARE;
  }

  /** A call that waited is started; `waiting` others go on waiting. */
  onStart(now: number, waiting: number): void {
    this.started++;
    this.startedBusy++;
    this.look(now, waiting);
  }

  /** A call was refused because there was no room, or has waited for too long. */
  onRefused(): void {
    this.refused++;
  }

  private look(now: number, waiting: number): void {
    if (now >= this.intervalEnd) this.beginInterval(now);
    if (waiting < this.fewest) this.fewest = waiting;
  }

  private beginInterval(now: number): void {
    const interval = this.allowedMs * INTERVAL_SHARE;
    const isStale = now - this.intervalEnd > interval;
    if (isStale) this.standing = false;
    else if (this.standing) this.standing = this.refused > this.started * PASSING_SHARE;
    else this.standing = this.fewest > this.started * (TARGET_SHARE / INTERVAL_SHARE);
    this.startedBefore = isStale ? 0 : this.started;
    this.started = this.refused = 0;
    this.fewest = isStale ? 0 : Number.POSITIVE_INFINITY;
    this.mostBefore = isStale ? 0 : this.most;
    this.most = 0;
    this.interval++;
    this.countedSince = isStale ? now : this.intervalStart;
    this.intervalStart = now;
    this.intervalEnd = now + interval;
  }
}
