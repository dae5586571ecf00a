// The log on disk beyond what every store does: who owns a folder, how much space it takes, and what damage does to it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { lutimes, mkdtemp, readdir, readlink, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "sluice";
import {
  openQueueStore,
  type QueueStore,
  type QueueStoreOptions,
  type StoredQueue,
  type StoredRecord,
} from "sluice/queue";
import { seededRandom } from "sluice/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LOST_AFTER_MS } from "../../src/flow/queue/lock.js";
import { encodeNote, encodeRecord, Kind, sealEntry } from "../../src/flow/queue/log-format.js";
import { viewStore } from "../../src/flow/queue/log-view.js";
import { MAX_LATE_NOTES } from "../../src/flow/queue/log-writer.js";
import { FaultyDisk } from "./faulty-disk.js";
import { ALL, record, storeOn } from "./stores.js";

const death = { at: 1, code: Code.INTERNAL, message: "no" };

describe("the owner of a folder", () => {
  let path: string;
  const stores: QueueStore[] = [];

  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), "sluice-owner-"));
  });

  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    await rm(path, { recursive: true, force: true });
  });

  function open(): Promise<unknown> {
    const store = openQueueStore(path);
    stores.push(store);
    return store.open("stats");
  }

  /** Makes the folder a store that is owned like this, as seen `agoMs` ago. */
  async function ownedBy(target: string, agoMs = 0): Promise<void> {
    await writeFile(join(path, "sluice-queues-1"), "");
    await symlink(target, join(path, "owner"));
    const then = new Date(Date.now() - agoMs);
    await lutimes(join(path, "owner"), then, then);
  }

  /** What the link says of this process: pid, start, machine, token, host. */
  async function ownFields(): Promise<string[]> {
    await open();
    const target = await readlink(join(path, "owner"));
    await stores.pop()?.close();
    await rm(path, { recursive: true });
    path = await mkdtemp(join(tmpdir(), "sluice-owner-"));
    return target.split(",");
  }

  test("is one store at a time, and lets go when it closes", async () => {
    await open();
    await expect(open()).rejects.toMatchObject({ code: Code.FAILED_PRECONDITION });
    await expect(open()).rejects.toThrow(`queue store ${path}: this process has it open already; one process owns`);
    await stores[0]?.close();
    await open();
    expect((await readdir(path)).sort()).toEqual(["owner", "q.stats", "sluice-queues-1"]);
  });

  test("is named by process and host while it lives, and out once it does not", async () => {
    const [, , where, , host] = await ownFields();
    const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)"]);
    await once(child, "spawn");
    const { readFile } = await import("node:fs/promises");
    const since = (await readFile(`/proc/${child.pid}/stat`, "utf8").catch(() => "")).split(" ")[21] ?? "";
    await ownedBy(`${child.pid},${since},${where},0a,${host}`);
    await expect(open()).rejects.toThrow(`process ${child.pid} on ${hostname().slice(0, 16)} has it`);
    child.kill("SIGKILL");
    await once(child, "exit");
    await open();
  });

  test("that had our process id before us is gone", async () => {
    const [pid, , where, , host] = await ownFields();
    await ownedBy(`${pid},12345,${where},0a,${host}`);
    await open();
  });

  test("elsewhere lives as long as it gives signs", async () => {
    await ownedBy("1,2,elsewhere,0a,faraway", LOST_AFTER_MS - 5_000);
    await expect(open()).rejects.toThrow("process 1 on faraway has it");
    await unlink(join(path, "owner"));
    await ownedBy("1,2,elsewhere,0a,faraway", LOST_AFTER_MS + 1);
    await open();
  });

  test("is not thrown out by many who want in: one gets in", async () => {
    const [pid, , where, , host] = await ownFields();
    await ownedBy(`${pid},12345,${where},0a,${host}`);
    const results = await Promise.allSettled(Array.from({ length: 8 }, open));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("is one of two that make the store at the same moment", async () => {
    for (let attempt = 0; attempt < 10; attempt++) {
      const results = await Promise.allSettled([open(), open()]);
      const refused = results.flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []));
      expect(refused).toMatchObject([{ code: Code.FAILED_PRECONDITION }]);
      for (const store of stores.splice(0)) await store.close();
      await rm(path, { recursive: true });
    }
  });

  test("owns no folder with other things in it", async () => {
    await writeFile(join(path, "notes.txt"), "");
    await expect(open()).rejects.toThrow(`${path} is no queue store`);
    expect(await readdir(path)).toEqual(["notes.txt"]);
  });
});

describe("space", () => {
  const SEGMENT_BYTES = 1_000;

  test("is given back as calls come and go", async () => {
    const disk = new FaultyDisk();
    const queue = await storeOn(disk, SEGMENT_BYTES).open("q");
    for (let i = 0; i < 300; i++) queue.remove(await queue.append(record(`${i}`)));
    await queue.flush();
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(disk.usedBytes).toBeLessThan(3 * SEGMENT_BYTES);
  });

  test("is given back although something old stays", async () => {
    const disk = new FaultyDisk();
    const store = storeOn(disk, SEGMENT_BYTES);
    const queue = await store.open("q");
    await queue.append(record("stuck"));
    await queue.append(record("dead"));
    await queue.bury((await queue.read("alive", 1, ALL))[0]!, death);
    let most = 0;
    for (let i = 0; i < 500; i++) {
      const sequences = await Promise.all(["a", "b"].map((id) => queue.append(record(`${id}${i}`))));
      for (const sequence of sequences) queue.remove(sequence);
      if (i % 10 === 0) for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      most = Math.max(most, disk.usedBytes);
    }
    expect(most).toBeLessThan(8 * SEGMENT_BYTES);
    expect((await queue.read("alive", 0, ALL)).map(({ callId }) => callId)).toEqual(["stuck"]);
    expect((await queue.read("dead", 0, ALL)).map(({ callId }) => callId)).toEqual(["dead"]);
    await store.close();
    expect(disk.handles).toBe(0);
  });

  test("restarts leave nothing behind", async () => {
    const disk = new FaultyDisk();
    for (let restart = 0; restart < 50; restart++) {
      const store = storeOn(disk, SEGMENT_BYTES);
      const queue = await store.open("q");
      if (restart === 0) await queue.append(record("stays"));
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      expect((await queue.read("alive", 0, ALL))[0]?.restarts).toBe(restart);
      await store.close();
    }
    expect(disk.usedBytes).toBeLessThan(SEGMENT_BYTES);
  });
});

describe("damage", () => {
  const file = "/queues/q.q/000000000001.log";

  async function filled(): Promise<FaultyDisk> {
    const disk = new FaultyDisk();
    const store = storeOn(disk, 1_000_000);
    const queue = await store.open("q");
    for (const id of ["a", "b", "c", "d"]) await queue.append(record(id));
    await store.close();
    return disk;
  }

  test("costs the record that it hits, and is told", async () => {
    const intact = await filled();
    const bytes = (await (await intact.open(file)).bytes()) - 1;
    for (let position = 0; position <= bytes; position++) {
      const disk = await filled();
      disk.damage(file, position);
      const damage: string[] = [];
      const queue = await storeOn(disk, 1_000_000, {}, damage).open("q");
      const ids = (await queue.read("alive", 0, ALL)).map(({ callId }) => callId);
      expect(ids.length, `after damage at ${position}`).toBeGreaterThanOrEqual(3);
      // The last entry cannot be told from a write that was cut off.
      if (ids.at(-1) === "d") expect(damage.length, `after damage at ${position}`).toBe(1);
    }
  });

  test("that comes later costs the record when it is read", async () => {
    const disk = await filled();
    const damage: string[] = [];
    const queue = await storeOn(disk, 1_000_000, {}, damage).open("q");
    disk.damage(file, 120);
    const ids = (await queue.read("alive", 0, ALL)).map(({ callId }) => callId);
    expect(ids).toHaveLength(3);
    expect(damage).toEqual([expect.stringMatching(/record \d is damaged and lost$/)]);
    expect(queue.counts().depth).toBe(3);
    // Reading on is not held up where all of a piece is damaged.
    const again = await storeOn(disk.afterCrash(), 1_000_000).open("q");
    expect(await again.read("alive", 0, { records: 1, bytes: 1 })).toHaveLength(1);
  });

  test("of a header takes nothing from the number of an attempt", async () => {
    const disk = new FaultyDisk();
    const reopened = async (): Promise<StoredQueue> => {
      const store = storeOn(disk, 1_000_000);
      stores.push(store);
      return await store.open("q");
    };
    const stores: QueueStore[] = [];
    for (let restart = 0; restart < 3; restart++) {
      const queue = await reopened();
      if (restart === 2) await queue.append(record("e"));
      else if (restart === 0) await queue.append(record("a"));
      await stores.pop()?.close();
    }
    for (const name of disk.names("/queues/q.q")) disk.damage(`/queues/q.q/${name}`, 24);
    const records = await (await reopened()).read("alive", 0, ALL);
    expect(records.map(({ callId, restarts }) => [callId, restarts])).toEqual([
      ["a", 3],
      ["e", 1],
    ]);
  });

  test("does not let out what was put into a call", async () => {
    const disk = new FaultyDisk();
    const queue = await storeOn(disk, 1_000_000).open("q");
    const removed = await queue.append(record("a"));
    const place = { sequence: 99, replaces: 0, run: 1, failures: 0, death: undefined };
    const entries = [encodeNote(Kind.REMOVE, removed), encodeRecord(record("forged"), place)];
    for (const entry of entries) sealEntry(entry, 1);
    await queue.append(record("evil", { payload: Buffer.concat([...entries, Buffer.alloc(9)]) }));
    const whole = await disk.open(file);
    await whole.truncate((await whole.bytes()) - 1);
    const left = await (await storeOn(disk, 1_000_000).open("q")).read("alive", 0, ALL);
    expect(left.map(({ callId }) => callId)).toEqual(["a"]);
  });

  test("of a large call that was cut off is gone over in a moment, whatever is in it", async () => {
    const intact = new FaultyDisk();
    const queue = await storeOn(intact, 64 * 1024 * 1024).open("q");
    const random = seededRandom(1);
    const numbers = Uint32Array.from({ length: 4 * 1024 * 1024 }, () => random() * 0x1_0000_0000);
    const payload = Buffer.from(numbers.buffer);
    await queue.append(record("a"));
    await queue.append(record("large", { payload }));
    const whole = await intact.open(file);
    await whole.truncate((await whole.bytes()) - 1);
    const left = await (await storeOn(intact, 64 * 1024 * 1024).open("q")).read("alive", 0, ALL);
    expect(left.map(({ callId }) => callId)).toEqual(["a"]);
  });
});

describe("failures that come together", () => {
  test("a removal is not forgotten with a file that could not be put in order", async () => {
    for (const second of ["truncate", "sync"]) {
      const disk = new FaultyDisk();
      const queue = await storeOn(disk, 1_000_000).open("q");
      const [a] = await Promise.all(["a", "b"].map((id) => queue.append(record(id))));
      await queue.remove(a as number);
      disk.fateOf = (_, kind) => (kind === "write" || kind === second ? "EIO" : "well");
      await expect(queue.append(record("c"))).rejects.toMatchObject({ retry: "unsafe" });
      disk.fateOf = () => "well";
      await queue.append(record("d"));
      await queue.flush();
      const left = await (await storeOn(disk.afterCrash()).open("q")).read("alive", 0, ALL);
      expect(left.map(({ callId }) => callId)).toEqual(["b", "d"]);
    }
  });

  test("what is put by whoever heard of one first is written", async () => {
    const disk = new FaultyDisk();
    const queue = await storeOn(disk).open("q");
    await queue.append(record("a"));
    disk.fateOf = (_, kind) => (kind === "sync" ? "EIO" : "well");
    const flushed = queue.flush();
    await flushed.catch(() => {
      disk.fateOf = () => "well";
      return queue.append(record("b"));
    });
    expect(queue.counts().depth).toBe(2);
  });
});

test("what failed calls leave to be noted is bounded while nothing can be written", async () => {
  const disk = new FaultyDisk();
  const queue = await storeOn(disk, 64 * 1024 * 1024).open("q");
  const sequence = await queue.append(record("a"));
  await queue.flush();
  disk.capacity = disk.usedBytes;
  for (let i = 0; i < 2 * MAX_LATE_NOTES; i++) queue.fail(sequence);
  await expect(queue.flush()).rejects.toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
  disk.capacity = Number.POSITIVE_INFINITY;
  await queue.flush();
  expect(disk.usedBytes).toBeLessThan(20 * MAX_LATE_NOTES);
  // Removals are kept all the same.
  disk.capacity = disk.usedBytes;
  await queue.remove(sequence);
  disk.capacity = Number.POSITIVE_INFINITY;
  await queue.flush();
  expect((await storeOn(disk.afterCrash()).open("q")).counts().depth).toBe(0);
});

describe("two at once", () => {
  test("bring a dead letter back once", async () => {
    const queue = await storeOn(new FaultyDisk()).open("q");
    await queue.append(record("a"));
    await queue.bury((await queue.read("alive", 0, ALL))[0]!, death);
    const [{ sequence }] = (await queue.read("dead", 0, ALL)) as [StoredRecord];
    const revived = await Promise.all([queue.revive(sequence), queue.revive(sequence)]);
    expect(revived.filter((each) => each !== undefined)).toHaveLength(1);
    expect(queue.counts()).toMatchObject({ depth: 1, dead: 0 });
  });

  test("may close a store and its queue: either waits for both", async () => {
    const disk = new FaultyDisk();
    const store = storeOn(disk);
    const queue = await store.open("q");
    const appended = queue.append(record("a"));
    const closed = queue.close();
    await store.close();
    expect(disk.handles).toBe(0);
    await Promise.all([appended, closed]);
  });

  test("may open a queue and close the store: it is closed afterwards", async () => {
    for (let hops = 0; hops < 12; hops++) {
      const disk = new FaultyDisk();
      const store = storeOn(disk);
      await (await store.open("other")).append(record("a"));
      const opened = store.open("q").then(
        (queue) => queue.append(record("b")),
        (error: unknown) => error,
      );
      for (let hop = 0; hop < hops; hop++) await undefined;
      await store.close();
      await opened.catch(() => {});
      expect(disk.handles, `after ${hops} hops`).toBe(0);
    }
  });
});

test("looking at a store leaves no file open", async () => {
  const disk = new FaultyDisk();
  const store = storeOn(disk);
  await (await store.open("q")).append(record("a"));
  await store.close();
  expect(await viewStore(disk, "/queues")).toMatchObject([{ name: "q", counts: { depth: 1 } }]);
  expect(disk.handles).toBe(0);
});

test("options that no queue can have are refused when the store is made", () => {
  const open = (options: QueueStoreOptions) => (): unknown => openQueueStore("nowhere", options);
  expect(open({ maxCalls: 0 })).toThrow("queue store: maxCalls must be a whole number from 1");
  expect(open({ queues: { stats: { concurrency: 0.5 } } })).toThrow('queue "stats": concurrency must be');
  expect(open({ queues: { "../x": {} } })).toThrow('queue name "../x"');
});
