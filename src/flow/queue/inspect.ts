// What a person does with a stored queue: bring dead letters back, drop records. It reads in pieces, so that a queue of any
// size can be gone through.

import type { RecordState, StoredQueue, StoredRecord } from "./store.js";

const PIECE = { records: 1_000, bytes: 16 * 1024 * 1024 };

/** The records of a queue in one state, in order, a piece at a time; what comes meanwhile is left out. */
async function* piecesOf(queue: StoredQueue, state: RecordState): AsyncGenerator<StoredRecord[], void, void> {
  const { lastSequence } = queue.counts();
  for (let after = 0; after < lastSequence; ) {
    const records = await queue.read(state, after, PIECE);
    yield records.filter(({ sequence }) => sequence <= lastSequence);
    after = records.at(-1)?.sequence ?? lastSequence;
  }
}

/** Brings dead letters back, all or those of one call id; resolves with their number once that is on disk. */
export async function replay(
  queue: StoredQueue,
  callId: string | undefined,
  onRevived: (record: StoredRecord) => void = () => {},
): Promise<number> {
  let count = 0;
  for await (const records of piecesOf(queue, "dead")) {
    const wanted = records.filter((record) => callId === undefined || record.callId === callId);
    // Together: they share a sync.
    const revived = await Promise.all(wanted.map(({ sequence }) => queue.revive(sequence)));
    for (const record of revived) {
      if (record === undefined) continue;
      onRevived(record);
      count++;
    }
  }
  return count;
}

/** Drops the dead letters, or everything; resolves with the number of records once that is on disk. */
export async function purge(queue: StoredQueue, which: "dead" | "all"): Promise<number> {
  let count = 0;
  for (const state of which === "all" ? (["dead", "alive"] as const) : (["dead"] as const)) {
    for await (const records of piecesOf(queue, state)) {
      for (const { sequence } of records) queue.remove(sequence);
      count += records.length;
    }
  }
  await queue.flush();
  return count;
}
