// The stores that the tests run over, and records to put into them.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  memoryQueueStore,
  openQueueStore,
  type QueueOptions,
  type QueueStore,
  type ReadLimits,
  type RecordInit,
} from "sluice/queue";
import { LogQueueStore } from "../../src/flow/queue/log-store.js";
import { systemClock } from "../../src/transport/clock.js";
import { FaultyDisk } from "./faulty-disk.js";

/** A place for a store, over which one may be opened again and again. */
export interface Site {
  open(): QueueStore;
  cleanUp(): Promise<void>;
}

/** Store by name. The segments are small, so that there are many. */
export const sites: Readonly<Record<string, () => Promise<Site>>> = {
  async memory() {
    const store = memoryQueueStore();
    return { open: () => store, cleanUp: async () => {} };
  },

  async disk() {
    const path = await mkdtemp(join(tmpdir(), "sluice-queue-"));
    return {
      open: () => openQueueStore(path, { segmentBytes: 4_096 }),
      cleanUp: () => rm(path, { recursive: true, force: true }),
    };
  },

  async "simulated disk"() {
    const disk = new FaultyDisk();
    return { open: () => storeOn(disk), cleanUp: async () => {} };
  },
};

/** A store over a disk of the tests. */
export function storeOn(
  disk: FaultyDisk,
  segmentBytes = 1_000,
  options: QueueOptions = {},
  damage: string[] = [],
): QueueStore {
  const onDamage = (text: string): void => {
    damage.push(text);
  };
  const path = "/queues";
  return new LogQueueStore({
    disk,
    clock: systemClock,
    path,
    segmentBytes,
    options,
    byName: {},
    onDamage,
    locks: false,
  });
}

/** A record with this call id. */
export function record(callId: string, init: Partial<RecordInit> = {}): RecordInit {
  const payload = Buffer.from(`payload of ${callId}`);
  return { callId, path: "test.v1.Test/Put", key: undefined, enqueuedAt: 1_000, metadata: undefined, payload, ...init };
}

/** No limit on what is read. */
export const ALL: ReadLimits = { records: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };
