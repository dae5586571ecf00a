// What a person does with a stored queue: bring dead letters back, drop records. It reads in pieces, so that a queue of any
// size can be gone through.

import type { RecordState, StoredQueue, StoredRecord } from "./store.js";

const PIECE = { records: 1_000, bytes: 16 * 1024 * 1024 };

/** All records of a queue in one state, in order. */
export async function* recordsOf(queue: StoredQueue, state: RecordState): AsyncGenerator<StoredRecord, void, void> {
  let after = 0;
  for (;;) {
    const records = await queue.read(state, after, PIECE);
    yield* records;
    const last = records.at(-1);
    if (last === undefined) return;
    after = last.sequence;
  }
}

/** Brings dead letters back, all or those of one call id; resolves with their number once that is on disk. */
export async function replay(
  queue: StoredQueue,
  callId: string | undefined,
  onRevived: (record: StoredRecord) => void = () => {},
): Promise<number> {
  const revivals: Promise<boolean>[] = [];
  for await (const record of recordsOf(queue, "dead")) {
    if (callId !== undefined && record.callId !== callId) continue;
    revivals.push(reviveOne(queue, record, onRevived));
  }
  return (await Promise.all(revivals)).filter((isRevived) => isRevived).length;
}

async function reviveOne(
  queue: StoredQueue,
  record: StoredRecord,
  onRevived: (record: StoredRecord) => void,
): Promise<boolean> {
  const isRevived = await queue.revive(record.sequence);
  if (isRevived) onRevived(record);
  return isRevived;
}

/** Drops the dead letters, or everything; resolves with the number of records once that is on disk. */
export async function purge(queue: StoredQueue, which: "dead" | "all"): Promise<number> {
  const { lastSequence } = queue.counts();
  let count = 0;
  for (const state of which === "all" ? (["dead", "alive"] as const) : (["dead"] as const)) {
    for await (const { sequence } of recordsOf(queue, state)) {
      // What has come since is not meant.
      if (sequence > lastSequence) break;
      queue.remove(sequence);
      count++;
    }
  }
  await queue.flush();
  return count;
}
