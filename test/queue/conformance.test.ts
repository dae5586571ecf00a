// What every store does, whatever it keeps its records in.

import { Code, Metadata, RpcError } from "sluice";
import type { QueueStore, StoredQueue } from "sluice/queue";
import { afterEach, describe, expect, test } from "vitest";
import { recordBytes } from "../../src/flow/queue/store.js";
import { ALL, record, type Site, sites } from "./stores.js";

const death = { at: 5_000, code: Code.INVALID_ARGUMENT, message: "no such user: “ü”" };

describe.each(Object.keys(sites))("%s", (name) => {
  const cleanUps: (() => Promise<void>)[] = [];
  let site: Site;
  let store: QueueStore;

  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0)) await cleanUp();
  });

  async function openQueue(queueName = "stats"): Promise<StoredQueue> {
    site = await (sites[name] as () => Promise<Site>)();
    store = site.open();
    cleanUps.push(async () => {
      await store.close();
      await site.cleanUp();
    });
    return await store.open(queueName);
  }

  /** Closes the queue and opens it again, as a new process would. */
  async function reopen(queue: StoredQueue): Promise<StoredQueue> {
    await queue.close();
    await store.close();
    store = site.open();
    return await store.open(queue.name);
  }

  /** Before and after a restart. */
  async function twice(queue: StoredQueue, check: (queue: StoredQueue) => Promise<void> | void): Promise<void> {
    await check(queue);
    await check(await reopen(queue));
  }

  const idsOf = async (queue: StoredQueue, state: "alive" | "dead"): Promise<string[]> =>
    (await queue.read(state, 0, ALL)).map(({ callId }) => callId);

  test("a record comes out as it went in, before and after a restart", async () => {
    const metadata = new Metadata({ "x-tenant": ["a", "b"], "trace-bin": Uint8Array.of(0, 255) });
    const full = record("full", {
      key: "user 42 ü",
      metadata,
      enqueuedAt: 1_234_567_890_123,
      payload: Buffer.alloc(9_000, 7),
    });
    const bare = record("", { path: "", key: "", payload: new Uint8Array() });
    const queue = await openQueue();
    await Promise.all([queue.append(full), queue.append(bare)]);
    await twice(queue, async (each) => {
      const [first, second] = await each.read("alive", 0, ALL);
      expect(first).toMatchObject({
        callId: "full",
        key: "user 42 ü",
        enqueuedAt: 1_234_567_890_123,
        death: undefined,
      });
      expect([...(first?.metadata ?? [])]).toEqual([...metadata]);
      expect(Buffer.from(first?.payload ?? []).equals(Buffer.alloc(9_000, 7))).toBe(true);
      expect(second).toMatchObject({ callId: "", path: "", key: "", metadata: undefined });
      expect(second?.payload.length).toBe(0);
    });
  });

  test("records keep their order, and sequences rise for ever", async () => {
    const queue = await openQueue();
    const first = await Promise.all(["a", "b", "c"].map((id) => queue.append(record(id))));
    expect(first).toEqual([...first].sort((one, other) => one - other));
    expect(await idsOf(queue, "alive")).toEqual(["a", "b", "c"]);
    for (const sequence of first) queue.remove(sequence);
    const again = await reopen(queue);
    expect(await again.append(record("d"))).toBeGreaterThan(first[2] as number);
    expect(again.counts().lastSequence).toBeGreaterThan(first[2] as number);
  });

  test("reading stops at its limits and goes on where it stopped", async () => {
    const queue = await openQueue();
    const sequences = await Promise.all(Array.from({ length: 50 }, (_, i) => queue.append(record(`id ${i + 10}`))));
    const bytes = recordBytes(record("id 10"));
    const read = async (records: number, most: number, after = 0): Promise<number[]> =>
      (await queue.read("alive", after, { records, bytes: most })).map(({ sequence }) => sequence);
    expect(await read(3, 1e9)).toEqual(sequences.slice(0, 3));
    expect(await read(3, 1e9, sequences[2])).toEqual(sequences.slice(3, 6));
    expect(await read(50, 1e9, sequences[30])).toEqual(sequences.slice(31));
    expect(await read(50, 1e9, sequences[49])).toEqual([]);
    expect(await read(50, 4 * bytes)).toEqual(sequences.slice(0, 4));
    expect(await read(50, 4 * bytes - 1)).toEqual(sequences.slice(0, 3));
    expect(await read(50, 1)).toEqual(sequences.slice(0, 1));
  });

  test("records by their sequences stop at the bytes that they may take", async () => {
    const queue = await openQueue();
    const records = ["a", "b", "c"].map((id) => record(id));
    const sequences = await Promise.all(records.map((each) => queue.append(each)));
    const bytes = recordBytes(records[0]!);
    const idsWithin = async (limit?: number): Promise<(string | undefined)[]> =>
      (await queue.get(sequences, limit)).map((each) => each?.callId);
    expect(await idsWithin(2 * bytes - 1)).toEqual(["a"]);
    expect(await idsWithin(2 * bytes)).toEqual(["a", "b"]);
    expect(await idsWithin(0)).toEqual(["a"]);
    expect(await idsWithin()).toEqual(["a", "b", "c"]);
  });

  test("what is removed is gone, also after a restart", async () => {
    const queue = await openQueue();
    const [a, b] = await Promise.all(["a", "b", "c"].map((id) => queue.append(record(id))));
    for (const sequence of [a, a, 999]) queue.remove(sequence as number);
    expect(await idsOf(queue, "alive")).toEqual(["b", "c"]);
    expect((await queue.get([b as number, a as number])).map((each) => each?.callId)).toEqual(["b", undefined]);
    const again = await reopen(queue);
    expect(await idsOf(again, "alive")).toEqual(["b", "c"]);
    expect(again.counts().depth).toBe(2);
  });

  test("failures and restarts are counted", async () => {
    const queue = await openQueue();
    const sequence = await queue.append(record("a"));
    queue.fail(sequence);
    queue.fail(sequence);
    queue.fail(999);
    expect(await queue.get([sequence])).toMatchObject([{ failures: 2, restarts: 0 }]);
    const again = await reopen(queue);
    again.fail(sequence);
    expect(await again.get([sequence])).toMatchObject([{ failures: 3, restarts: 1 }]);
    expect(await (await reopen(again)).get([sequence])).toMatchObject([{ failures: 3, restarts: 2 }]);
  });

  test("dead letters are apart, in the order in which they died, with the reason", async () => {
    const queue = await openQueue();
    for (const id of ["a", "b", "c"]) await queue.append(record(id, { key: "k" }));
    const [a, , c] = await queue.read("alive", 0, ALL);
    await queue.bury(c!, death);
    await queue.bury(a!, death);
    await queue.bury(a!, death);
    await twice(queue, async (each) => {
      expect(await idsOf(each, "alive")).toEqual(["b"]);
      expect(await idsOf(each, "dead")).toEqual(["c", "a"]);
      expect(await each.read("dead", 0, ALL)).toMatchObject([{ key: "k", death }, { death }]);
      expect(each.counts()).toMatchObject({ depth: 1, dead: 2 });
    });
  });

  test("a dead letter comes back to the end of the queue, without failures", async () => {
    const queue = await openQueue();
    for (const id of ["a", "b", "c"]) await queue.append(record(id));
    const [a, b] = await queue.read("alive", 0, ALL);
    queue.fail(a!.sequence);
    await queue.bury((await queue.get([a!.sequence]))[0]!, death);
    const [dead] = await queue.read("dead", 0, ALL);
    expect(await queue.revive(dead!.sequence)).toMatchObject({ callId: "a", failures: 0, death: undefined });
    expect(await queue.revive(dead!.sequence)).toBeUndefined();
    expect(await queue.revive(b!.sequence)).toBeUndefined();
    await twice(queue, async (each) => {
      expect(await idsOf(each, "alive")).toEqual(["b", "c", "a"]);
      expect((await each.read("alive", 0, ALL)).at(-1)).toMatchObject({ failures: 0, death: undefined });
      expect(each.counts().dead).toBe(0);
    });
  });

  test("counts are those of what is there", async () => {
    const queue = await openQueue();
    const metadata = new Metadata({ "x-tenant": "a" });
    const records = [
      record("a", { enqueuedAt: 100, key: "k" }),
      record("bb", { enqueuedAt: 200, metadata }),
      record("c", { enqueuedAt: 300 }),
    ];
    for (const each of records) await queue.append(each);
    const bytes = records.map(recordBytes);
    const [a, b] = await queue.read("alive", 0, ALL);
    expect(queue.counts()).toMatchObject({ depth: 3, bytes: bytes.reduce((x, y) => x + y), dead: 0, oldestAt: 100 });
    queue.remove(a!.sequence);
    await queue.bury(b!, death);
    await twice(queue, (each) => {
      expect(each.counts()).toMatchObject({ depth: 1, bytes: bytes[2], dead: 1, deadBytes: bytes[1], oldestAt: 300 });
    });
  });

  test("an empty queue has no oldest record", async () => {
    const queue = await openQueue();
    const none = { depth: 0, bytes: 0, dead: 0, deadBytes: 0, pending: 0, pendingBytes: 0 };
    expect(queue.counts()).toEqual({ ...none, oldestAt: undefined, lastSequence: 0 });
    expect(await queue.read("alive", 0, ALL)).toEqual([]);
  });

  test("what is given out shares no memory with what is kept", async () => {
    const queue = await openQueue();
    await queue.append(record("a", { payload: Buffer.from([1, 2, 3]) }));
    const [first] = await queue.read("alive", 0, ALL);
    first!.payload[0] = 9;
    expect([...(await queue.read("alive", 0, ALL))[0]!.payload]).toEqual([1, 2, 3]);
  });

  test("queues are apart, whatever case their names have", async () => {
    const stats = await openQueue();
    const others = await Promise.all(["Stats", "sTats", "push.v1.Register"].map((each) => store.open(each)));
    await others[0]!.append(record("a"));
    expect(stats.counts().depth).toBe(0);
    expect(others[1]!.counts().depth).toBe(0);
    expect(await store.names()).toEqual(["Stats", "push.v1.Register", "sTats", "stats"]);
  });

  test("names that are none are refused", async () => {
    await openQueue();
    for (const bad of ["", ".", "..", ".a", "-a", "a/b", "a b", "ü", "a".repeat(101)])
      await expect(store.open(bad)).rejects.toThrow(RangeError);
    expect((await store.open("a".repeat(100))).name).toHaveLength(100);
  });

  test("a queue is open once", async () => {
    const queue = await openQueue();
    const error = await store.open("stats").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RpcError);
    expect(error).toMatchObject({ code: Code.FAILED_PRECONDITION });
    expect(String(error)).toContain('queue "stats"');
    await queue.close();
    await store.open("stats");
  });

  test("a closed queue takes nothing", async () => {
    const queue = await openQueue();
    const sequence = await queue.append(record("a"));
    await queue.close();
    await expect(queue.append(record("b"))).rejects.toMatchObject({ code: Code.UNAVAILABLE, retry: "safe" });
    queue.remove(sequence);
    expect(await idsOf(await reopen(queue), "alive")).toEqual(["a"]);
  });
});
