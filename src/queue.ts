// `sluice/queue`: stores for durable queues. Only who uses one imports this; the spine knows their interface alone.

import { resolve } from "node:path";
import { checkQueueOptions } from "./flow/queue/durable-queue.js";
import { LogQueueStore } from "./flow/queue/log-store.js";
import { MemoryQueueStore } from "./flow/queue/memory-store.js";
import { nodeDisk } from "./flow/queue/node-disk.js";
import { checkQueueName, type QueueOptions, type QueueStore } from "./flow/queue/store.js";
import { systemClock } from "./transport/clock.js";

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

/** How a store on disk is set up. */
export interface DiskStoreOptions extends QueueStoreOptions {
  /** Bytes after which a new file is begun, 4,096 to 1 GiB. Default 16 MiB. Space is given back by files. */
  readonly segmentBytes?: number;
  /** Told of every place on disk that is not as it was written. Default: a warning of the process. */
  readonly onDamage?: (text: string) => void;
}

const DEFAULT_SEGMENT_BYTES = 16 * 1024 * 1024;
const MIN_SEGMENT_BYTES = 4_096;
const MAX_SEGMENT_BYTES = 1024 * 1024 * 1024;

/**
 * A store in this folder, which is made if it is not there, and belongs to one process at a time. It is opened at the first use: what
 * stands in the way (another owner, no permission) rejects that. Throws `RangeError` for options that are out of range.
 *
 *     const queues = openQueueStore("/var/lib/push/queues", { queues: { stats: { maxCalls: 1_000_000 } } });
 *     const channel = connect(address, { queues });
 */
export function openQueueStore(path: string, options: DiskStoreOptions = {}): QueueStore {
  const { queues = {}, segmentBytes = DEFAULT_SEGMENT_BYTES, onDamage = warn, ...rest } = options;
  if (!(segmentBytes >= MIN_SEGMENT_BYTES && segmentBytes <= MAX_SEGMENT_BYTES))
    throw new RangeError(`segmentBytes must be ${MIN_SEGMENT_BYTES} to ${MAX_SEGMENT_BYTES}, not ${segmentBytes}`);
  checkOptions(rest, queues);
  return new LogQueueStore({
    disk: nodeDisk,
    clock: systemClock,
    path: resolve(path),
    segmentBytes,
    options: rest,
    byName: queues,
    onDamage,
    locks: true,
  });
}

/** A store in memory, for tests: it survives nothing. */
export function memoryQueueStore({ queues = {}, ...options }: QueueStoreOptions = {}): QueueStore {
  checkOptions(options, queues);
  return new MemoryQueueStore(options, queues);
}

/** A mistake is heard where it is made, not when the queue is first used. */
function checkOptions(options: QueueOptions, queues: Readonly<Record<string, QueueOptions>>): void {
  checkQueueOptions("queue store", options);
  for (const [name, own] of Object.entries(queues)) checkQueueOptions(`queue "${checkQueueName(name)}"`, own);
}

function warn(text: string): void {
  process.emitWarning(text, "SluiceQueueWarning");
}
