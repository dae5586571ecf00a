// What a person does with a stored queue: look, bring dead letters back, drop records. It reads in pieces, so that a queue of any
// size can be gone through, and leaves out what comes meanwhile.

import type { RecordState, StoredQueue, StoredRecord } from "./store.js";

/** What is needed to look. */
type Readable = Pick<StoredQueue, "counts" | "read">;

const PIECE = { records: 1_000, bytes: 16 * 1024 * 1024 };

/** The records of a queue in one state, in order. */
export async function* recordsOf(queue: Readable, state: RecordState): AsyncGenerator<StoredRecord, void, void> {
  for await (const records of piecesOf(queue, state)) yield* records;
}

async function* piecesOf(queue: Readable, state: RecordState): AsyncGenerator<StoredRecord[], void, void> {
  const { lastSequence } = queue.counts();
  for (let after = 0; after < lastSequence; ) {
    const records = await queue.read(state, after, PIECE);
    yield records.filter(({ sequence }) => sequence <= lastSequence);
    after = records.at(-1)?.sequence ?? lastSequence;
  }
}

/**
 * Brings dead letters back, all or those of one call id; resolves with their number once that is on disk. `onRevived` is called when some
 * of them are.
 */
export async function replay(
  queue: StoredQueue,
  callId: string | undefined,
  onRevived: () => void = () => {},
): Promise<number> {
  let count = 0;
  for await (const records of piecesOf(queue, "dead")) {
    const wanted = records.filter((record) => callId === undefined || record.callId === callId);
    // Together: they share a sync.
    const revived = await Promise.allSettled(wanted.map(({ sequence }) => queue.revive(sequence)));
    onRevived();
    for (const each of revived) {
      if (each.status === "rejected") throw each.reason;
      if (each.value !== undefined) count++;
    }
  }
  return count;
}

/** Drops the dead letters, or everything, of one call id or of all; resolves with the number of records once that is on disk. */
export async function purge(queue: StoredQueue, which: "dead" | "all", callId?: string): Promise<number> {
  let count = 0;
  for (const state of which === "all" ? (["dead", "alive"] as const) : (["dead"] as const)) {
    for await (const records of piecesOf(queue, state)) {
      const wanted = records.filter((record) => callId === undefined || record.callId === callId);
      for (const { sequence } of wanted) queue.remove(sequence);
      count += wanted.length;
    }
  }
  await queue.flush();
  return count;
}
