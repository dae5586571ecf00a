// The durable queues of a channel: each is opened, and delivered, from the moment that a method which names it becomes
// known. A queue belongs to one channel at a time, so what it holds goes out here, also for methods that this process has
// not called yet: a record has the path and the bytes, and that is all a call needs.

import { MessageType } from "../codec/message.js";
import { type AnyMethod, Method } from "../codec/method.js";
import { cut, LineLimit } from "../flow/log-lines.js";
import type { Logger } from "../flow/logger.js";
import { backoffMs } from "../flow/queue/backoff.js";
import { type Deliver, DurableQueue, type DurableQueueStats } from "../flow/queue/durable-queue.js";
import { problemOf, type QueueStore } from "../flow/queue/store.js";
import type { Clock, Random } from "../transport/clock.js";
import { CallbackTimer, wheelOf } from "../transport/timers.js";

/** A queue that cannot be opened is tried again after a second, then less often: it may be another process that is about to end. */
const REOPENING = { initialBackoffMs: 1_000, maxBackoffMs: 15_000 };

/** What queues need of their channel. */
export interface QueueSite {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger | undefined;
  readonly deliver: Deliver;
}

/** See the head of this file. */
export class ChannelQueues {
  private readonly store: QueueStore;
  private readonly site: QueueSite;
  private readonly queues = new Map<string, DurableQueue>();
  /** What tries again to open the queues that could not be. */
  private readonly retries = new Set<CallbackTimer>();
  private readonly lines: LineLimit;
  private isStopped = false;

  constructor(store: QueueStore, site: QueueSite) {
    this.store = store;
    this.site = site;
    this.lines = new LineLimit(site.clock);
  }

  /** The queue of this name, which is delivered from now on. Throws `RangeError` for a name that no queue can have. */
  get(name: string): DurableQueue {
    let queue = this.queues.get(name);
    if (queue === undefined) {
      const { clock, random } = this.site;
      const hooks = {
        buried: (): void => this.warn(`a call in queue "${name}" has become a dead letter`),
        readFailed: (error: unknown): void => this.warn(`queue "${name}" cannot be read: ${problemOf(error)}`),
      };
      queue = new DurableQueue(this.store, name, { clock, random, hooks });
      this.queues.set(name, queue);
      this.start(name, queue, 1);
    }
    return queue;
  }

  /** A connection is open: queues that have paused go on. */
  wake(): void {
    for (const queue of this.queues.values()) queue.wake();
  }

  /** Begins no more deliveries. */
  stop(): void {
    this.isStopped = true;
    for (const timer of this.retries) this.wheel.remove(timer);
    this.retries.clear();
    for (const queue of this.queues.values()) void queue.stop().catch(() => {});
  }

  /** Lets the queues go, once every delivery under way has ended, which is noted; what was not delivered stays in them. */
  async close(): Promise<void> {
    this.stop();
    await Promise.all([...this.queues].map(([name, queue]) => this.closeOne(name, queue)));
  }

  /** What each queue holds and has counted, by name. */
  stats(): { readonly [name: string]: DurableQueueStats } {
    return Object.fromEntries([...this.queues].map(([name, queue]) => [name, queue.stats()]));
  }

  private start(name: string, queue: DurableQueue, attempt: number): void {
    if (this.isStopped) return;
    queue.start(this.site.deliver).catch((error: unknown) => {
      if (this.isStopped) return;
      this.warn(`queue "${name}" is not delivered: ${problemOf(error)}`);
      const timer = new CallbackTimer(() => {
        this.retries.delete(timer);
        this.start(name, queue, attempt + 1);
      });
      this.retries.add(timer);
      this.wheel.add(timer, this.site.clock.now() + backoffMs(REOPENING, attempt, this.site.random));
    });
  }

  private async closeOne(name: string, queue: DurableQueue): Promise<void> {
    try {
      await queue.stop();
      await queue.close();
    } catch (error) {
      this.warn(`queue "${name}" could not be closed: ${problemOf(error)}`);
    }
  }

  private get wheel(): ReturnType<typeof wheelOf> {
    return wheelOf(this.site.clock);
  }

  private warn(reason: string): void {
    const suppressed = this.site.logger === undefined ? undefined : this.lines.pass();
    if (suppressed !== undefined) this.site.logger?.warn({ reason: cut(reason), suppressed }, "durable queue");
  }
}

const OPAQUE = new MessageType<undefined>(
  "sluice.Opaque",
  () => {},
  () => undefined,
);

/** A method of which only the path is known: enough for a request that is bytes already, and a reply that nobody reads. */
export function opaqueMethod(path: string): AnyMethod {
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  return new Method(path.slice(0, slash), { name, localName: name, input: OPAQUE, output: OPAQUE }) as AnyMethod;
}
