// What a queue's folder holds, for somebody who only looks: also beside the process that owns it, which goes on writing and
// removing files meanwhile. What is seen is what was on disk at one moment.

import { Code, localError } from "../../codec/status.js";
import type { Disk } from "./disk.js";
import { type Recovered, recover } from "./log-recovery.js";
import { folderOf, queueNames } from "./log-store.js";
import type { SegmentList } from "./segment-list.js";
import type { ReadLimits, RecordState, StoredCounts, StoredRecord } from "./store.js";

/** The folder is looked at again this often while its owner changes it. */
const ATTEMPTS = 10;

/** One queue as it was when it was looked at. */
export interface QueueView {
  readonly name: string;
  readonly counts: StoredCounts;
  /** What is damaged, for people. */
  readonly damage: readonly string[];
}

/** A queue that can be read. */
export interface ReadableQueue {
  counts(): StoredCounts;
  read(state: RecordState, after: number, limits: ReadLimits): Promise<StoredRecord[]>;
}

/** Every queue of a store, by name. Rejects if the folder is no store. */
export async function viewStore(disk: Disk, path: string): Promise<QueueView[]> {
  const views: QueueView[] = [];
  for (const name of await queueNames(disk, path)) {
    const { list, damage } = await recover(disk, `${path}/${folderOf(name)}`);
    views.push({ name, counts: list.counts(), damage });
    await closeAll(list);
  }
  return views;
}

/**
 * Calls `look` with a queue as it is on disk; again, from the start, if its owner takes away meanwhile what is being read. Rejects NOT_FOUND if
 * there is no such queue.
 */
export async function viewQueue(
  disk: Disk,
  path: string,
  name: string,
  look: (queue: ReadableQueue, damage: readonly string[]) => Promise<void>,
): Promise<void> {
  if (!(await queueNames(disk, path)).includes(name))
    throw localError(Code.NOT_FOUND, `there is no queue "${name}" in ${path}`, "never");
  for (let attempt = 1; ; attempt++) {
    const view = new View(await recover(disk, `${path}/${folderOf(name)}`));
    try {
      return await look(view, view.damage);
    } catch (error) {
      if (!(error instanceof Changed)) throw error;
      if (attempt === ATTEMPTS) throw localError(Code.UNAVAILABLE, `${path} changes too fast to be read`, "safe");
    } finally {
      await view.close();
    }
  }
}

class View implements ReadableQueue {
  private readonly recovered: Recovered;

  constructor(recovered: Recovered) {
    this.recovered = recovered;
  }

  get damage(): readonly string[] {
    return this.recovered.damage;
  }

  counts(): StoredCounts {
    return this.recovered.list.counts();
  }

  async read(state: RecordState, after: number, limits: ReadLimits): Promise<StoredRecord[]> {
    const { list, run } = this.recovered;
    const records: StoredRecord[] = [];
    for (const { segment, rows } of list.plan(state, after, limits)) {
      let isWhole = true;
      const onDamage = (): void => {
        isWhole = false;
      };
      const read = segment.read(rows, run, onDamage).catch((error: unknown) => Promise.reject(new Changed(error)));
      records.push(...(await read));
      // It was whole when the table was made.
      if (!isWhole) throw new Changed();
    }
    return records;
  }

  async close(): Promise<void> {
    await closeAll(this.recovered.list);
  }
}

async function closeAll({ segments }: SegmentList): Promise<void> {
  await Promise.all(segments.map((segment) => segment.close()));
}

/** The files are not those that were looked at. */
class Changed extends Error {
  constructor(cause?: unknown) {
    super("changed", { cause });
  }
}
