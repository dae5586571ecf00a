// Calls that wait to be served together, in the order they came, and when they go. What a call is, and what serves a
// batch, is the user's.
//
//     add -> [ first ... last ] -> serve(batch), `parallel` of them at once -> ended
//
// They go when there is room for one more batch, and enough of them wait (`maxSize` calls or `maxBytes` bytes), or the
// first has waited for `maxDelayMs`. The time that a call waits for room counts: while batches run the next one gathers,
// and it goes when one of them ends. With a delay of 0 a method that has nothing to do therefore serves what has come in
// one turn of the event loop at once, and a busy one makes its batches of what comes while it is busy.

import type { ServerPolicy } from "../codec/policy.js";
import { CallbackTimer, type TimerWheel } from "../transport/timers.js";

const DEFAULT_MAX_SIZE = 64;
const DEFAULT_MAX_DELAY_MS = 0;
const DEFAULT_MAX_BYTES = 1_048_576;

/** When the calls of a method go. */
export interface BatchLimits {
  /** Calls in a batch, at most. */
  readonly maxSize: number;
  /** How long the first call of a batch waits for others, in milliseconds. */
  readonly maxDelayMs: number;
  /** Bytes of requests in a batch, at most; a request that is longer goes alone. */
  readonly maxBytes: number;
  /** Batches that run at once. */
  readonly parallel: number;
}

/**
 * The limits of a policy that has a `batch`. As many batches run at once as fit into `concurrency`, which counts calls:
 * `concurrency / maxSize`, at least one; without `concurrency`, one.
 */
export function batchLimits({ batch = {}, concurrency = 0 }: ServerPolicy): BatchLimits {
  const { maxSize = DEFAULT_MAX_SIZE, maxDelayMs = DEFAULT_MAX_DELAY_MS, maxBytes = DEFAULT_MAX_BYTES } = batch;
  return { maxSize, maxDelayMs, maxBytes, parallel: Math.max(1, Math.floor(concurrency / maxSize)) };
}

/**
 * Calls of the method that run or gather at once, in a policy that has a `batch` and does not say: one batch. The others
 * wait undecoded, and make the next batch full when this one ends.
 */
export function batchConcurrency(policy: ServerPolicy): number {
  return policy.concurrency ?? batchLimits(policy).maxSize;
}

/** What waits; linked into at most one {@link BatchQueue}, which alone writes the links. */
export class BatchItem {
  /** Bytes of the request. */
  readonly bytes: number;
  /** Since when it waits, in the clock's milliseconds. */
  waitsSince = 0;
  previous: BatchItem | undefined = undefined;
  next: BatchItem | undefined = undefined;

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** False once it has gone with a batch or was removed. */
  get isWaiting(): boolean {
    return this.next !== undefined;
  }
}

/** How large the batches of a method were. */
export interface BatchStats {
  /** Calls of the handler. */
  readonly batches: number;
  /** The calls that these served. */
  readonly calls: number;
  /** How many batches had 1 call, 2, up to 4, up to 8, and so on. */
  readonly bySize: readonly number[];
}

/** Counts {@link BatchStats}. */
export class BatchSizes {
  private batches = 0;
  private calls = 0;
  private readonly bySize: number[] = [];

  /** Counts a batch of `size` calls. */
  count(size: number): void {
    const power = 32 - Math.clz32(size - 1);
    this.batches++;
    this.calls += size;
    while (this.bySize.length <= power) this.bySize.push(0);
    (this.bySize[power] as number)++;
  }

  /** A copy, as of now. */
  read(): BatchStats {
    return { batches: this.batches, calls: this.calls, bySize: [...this.bySize] };
  }
}

/** The calls of one method that wait for their batch. */
export class BatchQueue<Item extends BatchItem> {
  private limits: BatchLimits;
  private readonly wheel: TimerWheel;
  private readonly serve: (items: Item[]) => void;
  /** The head of the circular list of those that wait. */
  private readonly head = new BatchItem(0);
  private count = 0;
  private bytes = 0;
  private running = 0;
  private isHurried = false;
  private isTurnAsked = false;
  private isSending = false;
  private readonly timer = new CallbackTimer(() => this.sendAllDue());
  private readonly onTurn = (): void => {
    this.isTurnAsked = false;
    this.sendAllDue();
  };

  /** `serve` is given each batch; {@link ended} is called when it is done with. It does not throw. */
  constructor(limits: BatchLimits, wheel: TimerWheel, serve: (items: Item[]) => void) {
    this.limits = limits;
    this.wheel = wheel;
    this.serve = serve;
    this.head.previous = this.head.next = this.head;
  }

  /** Calls that wait. */
  get waiting(): number {
    return this.count;
  }

  /** Batches that run. */
  get batchesRunning(): number {
    return this.running;
  }

  /** Other limits hold from now on. */
  setLimits(limits: BatchLimits): void {
    this.limits = limits;
    this.sendAllFull();
  }

  /** `item` waits from now on, behind the others. */
  add(item: Item): void {
    item.waitsSince = this.wheel.tick.now();
    this.link(item);
    if (this.count === 1 || this.isFull) this.sendAllFull();
  }

  /** `item` waits no more. One that does not wait is left alone. */
  remove(item: Item): void {
    if (!item.isWaiting) return;
    this.unlink(item);
    if (this.count === 0) this.wheel.remove(this.timer);
  }

  /** A batch that was given to `serve` is done. */
  ended(): void {
    this.running--;
    this.sendAllFull();
  }

  /** From now on nothing waits for more to come. */
  hurry(): void {
    this.isHurried = true;
    this.sendAllFull();
  }

  private get hasRoom(): boolean {
    return this.count > 0 && this.running < this.limits.parallel;
  }

  private get isFull(): boolean {
    return this.count >= this.limits.maxSize || this.bytes >= this.limits.maxBytes;
  }

  /** When the first one has waited long enough. */
  private get dueAt(): number {
    return this.isHurried ? 0 : (this.head.next as BatchItem).waitsSince + this.limits.maxDelayMs;
  }

  /** What is due but not full has this turn to grow: what else has arrived is read first. */
  private sendAllFull(): void {
    // Serving a batch at once may end it at once, and bring calls: whoever is sending goes on with them.
    if (this.isSending) return;
    this.isSending = true;
    while (this.hasRoom && this.isFull) this.send();
    this.isSending = false;
    this.watch();
  }

  private sendAllDue(): void {
    const now = this.wheel.clock.now();
    this.isSending = true;
    while (this.hasRoom && (this.isFull || this.dueAt <= now)) this.send();
    this.isSending = false;
    this.watch();
  }

  /** Makes sure that those that wait are looked at again, unless they wait for room: `ended` does so then. */
  private watch(): void {
    const { wheel } = this;
    if (!this.hasRoom) {
      wheel.remove(this.timer);
    } else if (this.dueAt <= wheel.tick.now()) {
      if (!this.isTurnAsked) wheel.clock.nextTurn(this.onTurn);
      this.isTurnAsked = true;
    } else {
      wheel.add(this.timer, this.dueAt);
    }
  }

  private send(): void {
    const items = this.takeBatch();
    this.running++;
    this.serve(items);
  }

  private takeBatch(): Item[] {
    const { maxSize, maxBytes } = this.limits;
    const items: Item[] = [];
    let bytes = 0;
    while (this.count > 0 && items.length < maxSize) {
      const item = this.head.next as Item;
      bytes += item.bytes;
      if (bytes > maxBytes && items.length > 0) break;
      this.unlink(item);
      items.push(item);
    }
    return items;
  }

  private link(item: Item): void {
    const last = this.head.previous as BatchItem;
    item.previous = last;
    item.next = this.head;
    last.next = item;
    this.head.previous = item;
    this.count++;
    this.bytes += item.bytes;
  }

  private unlink(item: Item): void {
    (item.previous as BatchItem).next = item.next;
    (item.next as BatchItem).previous = item.previous;
    item.previous = item.next = undefined;
    this.count--;
    this.bytes -= item.bytes;
  }
}
