// Who listens to the server, and what waits for each of them. A subscriber takes updates as fast as its connection lets it;
// those that it has not taken wait here, in order.

import type { Update } from "../gen/bench/v1/density.js";

type Result = IteratorResult<Update, undefined>;

/** What is pushed to one subscriber, as a handler gives it. */
export class Feed implements AsyncIterable<Update>, AsyncIterator<Update, undefined> {
  /** Updates that were given. */
  count = 0;
  private readonly waiting: Update[] = [];
  private readonly onEnd: (feed: Feed) => void;
  private take: ((result: Result) => void) | undefined = undefined;
  private isOver = false;

  /** `onEnd` is told when nobody listens any more. */
  constructor(onEnd: (feed: Feed) => void) {
    this.onEnd = onEnd;
  }

  /** Updates that have not been taken. */
  get backlog(): number {
    return this.waiting.length;
  }

  /** Gives an update. */
  push(update: Update): void {
    this.count++;
    const { take } = this;
    this.take = undefined;
    if (take === undefined) this.waiting.push(update);
    else take({ done: false, value: update });
  }

  next(): Promise<Result> {
    const update = this.waiting.shift();
    if (update !== undefined) return Promise.resolve({ done: false, value: update });
    if (this.isOver) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.take = resolve;
    });
  }

  return(): Promise<Result> {
    const end: Result = { done: true, value: undefined };
    if (!this.isOver) this.onEnd(this);
    this.isOver = true;
    this.waiting.length = 0;
    this.take?.(end);
    return Promise.resolve(end);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** All who listen. */
export class Subscribers {
  /** In the order in which they came. */
  readonly feeds: Feed[] = [];

  /** One more listens. */
  open(): Feed {
    const feed = new Feed((ended) => this.feeds.splice(this.feeds.indexOf(ended), 1));
    this.feeds.push(feed);
    return feed;
  }
}
