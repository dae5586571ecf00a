// `sluice/queue`: stores for durable queues. Only who uses one imports this; the spine knows their interface alone.

import { MemoryQueueStore } from "./flow/queue/memory-store.js";
import type { QueueOptions, QueueStore } from "./flow/queue/store.js";

export {
  type Deliver,
  type Delivery,
  DurableQueue,
  type DurableQueueHooks,
  type DurableQueueInit,
  type DurableQueueStats,
  type QueuedCall,
} from "./flow/queue/durable-queue.js";
export type {
  Death,
  QueueOptions,
  QueueStore,
  ReadLimits,
  RecordInit,
  RecordState,
  StoredCounts,
  StoredQueue,
  StoredRecord,
} from "./flow/queue/store.js";

/** What the queues of a store are allowed. */
export interface QueueStoreOptions extends QueueOptions {
  /** What differs for some queues, by name. */
  readonly queues?: Readonly<Record<string, QueueOptions>>;
}

/** A store in memory, for tests: it survives nothing. */
export function memoryQueueStore({ queues = {}, ...options }: QueueStoreOptions = {}): QueueStore {
  return new MemoryQueueStore(options, queues);
}
