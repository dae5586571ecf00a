// What a queue's folder holds, for somebody who only looks: also beside the process that owns it, which goes on writing and
// removing files meanwhile. What is seen is what was on disk at one moment.

import { Code, localError } from "../../codec/status.js";
import type { Disk } from "./disk.js";
import { type Recovered, recover } from "./log-recovery.js";
import { folderOf, queueNames } from "./log-store.js";
import { checkQueueName, type ReadLimits, type RecordState, type StoredCounts, type StoredRecord } from "./store.js";

/** The folder is read again this often while its owner changes it. */
const ATTEMPTS = 5;

/** One queue as it was when it was looked at. */
export interface QueueView {
  readonly name: string;
  readonly counts: StoredCounts;
  /** What is damaged, for people. */
  readonly damage: readonly string[];
}

/** Every queue of a store, by name. Rejects if the folder is no store. */
export async function viewStore(disk: Disk, path: string): Promise<QueueView[]> {
  const views: QueueView[] = [];
  for (const name of await queueNames(disk, path)) {
    const { list, damage } = await recover(disk, `${path}/${folderOf(name)}`);
    views.push({ name, counts: list.counts(), damage });
  }
  return views;
}

/** The first records of a queue in one state. Rejects if there is no such queue. */
export async function viewRecords(
  disk: Disk,
  path: string,
  name: string,
  state: RecordState,
  limits: ReadLimits,
): Promise<StoredRecord[]> {
  if (!(await queueNames(disk, path)).includes(checkQueueName(name)))
    throw localError(Code.NOT_FOUND, `there is no queue "${name}" in ${path}`, "never");
  for (let attempt = 1; ; attempt++) {
    const records = await tryView(await recover(disk, `${path}/${folderOf(name)}`), state, limits);
    if (records !== undefined) return records;
    if (attempt === ATTEMPTS) throw localError(Code.UNAVAILABLE, `${path}: changes too fast to be read`, "safe");
  }
}

/** Undefined: files were replaced while they were read. */
async function tryView(
  { list, run }: Recovered,
  state: RecordState,
  limits: ReadLimits,
): Promise<StoredRecord[] | undefined> {
  let isWhole = true;
  const records: StoredRecord[] = [];
  try {
    for (const { segment, rows } of list.plan(state, 0, limits)) {
      const read = await segment.read(rows, run, () => {
        isWhole = false;
      });
      records.push(...read);
    }
  } catch {
    return undefined;
  } finally {
    await Promise.all(list.segments.map((segment) => segment.close()));
  }
  return isWhole ? records : undefined;
}
