// A store on disk: a folder with a folder for each queue, and one process that owns it. It is opened at the first use, so that
// making one needs no waiting; a reader beside the owner sees what is on disk and changes nothing.

import { Code, localError } from "../../codec/status.js";
import type { Clock } from "../../transport/clock.js";
import { type Disk, systemCode } from "./disk.js";
import { type FolderLock, lockFolder } from "./lock.js";
import { openLogQueue } from "./log-queue.js";
import { alreadyOpen, checkQueueName, type QueueOptions, type QueueStore, type StoredQueue } from "./store.js";

/** A folder with this file in it is a store; the number is that of the format. */
const MARK = "sluice-queues-1";

/** What a store on disk is made with. */
export interface LogStoreInit {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly path: string;
  readonly segmentBytes: number;
  readonly options: QueueOptions;
  readonly byName: Readonly<Record<string, QueueOptions>>;
  readonly onDamage: (text: string) => void;
  /** False: whoever made it sees to it that nobody else uses the folder. */
  readonly locks: boolean;
}

/** Queues in a folder. */
export class LogQueueStore implements QueueStore {
  readonly place: string;
  private readonly init: LogStoreInit;
  private readonly queues = new Map<string, Promise<StoredQueue>>();
  private opening: Promise<FolderLock | undefined> | undefined = undefined;
  private isClosed = false;

  constructor(init: LogStoreInit) {
    this.init = init;
    this.place = init.path;
  }

  async open(name: string): Promise<StoredQueue> {
    const folder = `${this.place}/${folderOf(checkQueueName(name))}`;
    await this.own();
    if (this.queues.has(name)) throw alreadyOpen(name, this.place);
    const { disk, clock, segmentBytes, onDamage } = this.init;
    const onClose = (): void => {
      this.queues.delete(name);
    };
    const queue = openLogQueue(name, { disk, clock, place: this.place, folder, segmentBytes, onDamage, onClose });
    this.queues.set(name, queue);
    queue.catch(onClose);
    return await queue;
  }

  async names(): Promise<string[]> {
    await this.own();
    return await queueNames(this.init.disk, this.place);
  }

  optionsOf(name: string): QueueOptions {
    const { options, byName } = this.init;
    return { ...options, ...(Object.hasOwn(byName, name) ? byName[name] : undefined) };
  }

  async close(): Promise<void> {
    this.isClosed = true;
    const lock = await this.opening?.catch(() => undefined);
    const queues = await Promise.allSettled(this.queues.values());
    for (const queue of queues) if (queue.status === "fulfilled") await queue.value.close();
    await lock?.release();
  }

  /** Makes the folder and takes it, once; again after a failure. */
  private async own(): Promise<void> {
    if (this.isClosed) throw localError(Code.UNAVAILABLE, `queue store ${this.place} is closed`, "safe");
    this.opening ??= this.take();
    try {
      await this.opening;
    } catch (error) {
      this.opening = undefined;
      throw error;
    }
  }

  private async take(): Promise<FolderLock | undefined> {
    const { disk, locks } = this.init;
    await disk.makeFolder(this.place);
    const names = await disk.list(this.place);
    if (!names.includes(MARK)) await this.mark(names);
    // Always: whoever made the mark may not have come so far.
    await disk.syncFolder(this.place);
    return locks ? await lockFolder(this.place) : undefined;
  }

  private async mark(names: readonly string[]): Promise<void> {
    const { disk } = this.init;
    if (names.length > 0) throw notAStore(this.place);
    try {
      const file = await disk.create(`${this.place}/${MARK}`);
      await file.close();
    } catch (error) {
      // Somebody else makes the same store at this moment; who owns it is decided next.
      if (systemCode(error) !== "EEXIST") throw error;
    }
  }
}

/** The names of the queues in a store's folder, sorted. Rejects if it is none. */
export async function queueNames(disk: Disk, path: string): Promise<string[]> {
  const names = await disk.list(path);
  if (!names.includes(MARK)) throw notAStore(path);
  return names.flatMap((name) => nameOf(name) ?? []).sort();
}

function notAStore(path: string): Error {
  return localError(Code.FAILED_PRECONDITION, `${path} is no queue store: it has no file ${MARK}`, "safe");
}

/** Where a queue's folder is. File systems differ in whether case counts, so capitals are written as `+a`. */
export function folderOf(name: string): string {
  return `q.${name.replace(/[A-Z]/g, (letter) => `+${letter.toLowerCase()}`)}`;
}

function nameOf(folder: string): string | undefined {
  if (!folder.startsWith("q.")) return undefined;
  return folder.slice(2).replace(/\+([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
