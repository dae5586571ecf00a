// How a queue delivers, on virtual time and over a store in memory: attempts, order, backoff, pauses, dead letters, bounds.

import { Code, Metadata, RpcError, type RpcErrorOptions } from "sluice";
import {
  type Delivery,
  DurableQueue,
  type DurableQueueHooks,
  memoryQueueStore,
  type QueuedCall,
  type QueueOptions,
  type QueueStore,
  type StoredQueue,
} from "sluice/queue";
import { seededRandom, VirtualClock } from "sluice/testing";
import { describe, expect, test } from "vitest";
import { READ_AHEAD_BYTES, READ_AHEAD_RECORDS } from "../../src/flow/queue/delivery-loop.js";
import { MAX_NAME_BYTES, MAX_PAYLOAD_BYTES, MAX_PENDING_BYTES, recordBytes } from "../../src/flow/queue/store.js";
import { record } from "./stores.js";

/** One delivery that a test has to end. */
interface Held {
  readonly delivery: Delivery;
  succeed(): void;
  fail(error: unknown): void;
}

/** A queue whose deliveries the test ends. */
class Bench {
  readonly clock = new VirtualClock();
  readonly store: QueueStore;
  readonly queue: DurableQueue;
  /** Deliveries that have begun, in order. */
  readonly begun: Delivery[] = [];
  /** Those under way. */
  held: Held[] = [];
  readonly deliver = (delivery: Delivery): Promise<void> => {
    this.begun.push(delivery);
    return new Promise((succeed, fail) => this.held.push({ delivery, succeed, fail }));
  };

  constructor(options: QueueOptions = {}, hooks: DurableQueueHooks = {}, store = memoryQueueStore(options)) {
    this.store = store;
    const wallNow = (): number => this.clock.now();
    this.queue = new DurableQueue(store, "stats", { clock: this.clock, random: seededRandom(1), wallNow, hooks });
  }

  async started(): Promise<this> {
    await this.queue.start(this.deliver);
    return this;
  }

  async put(...calls: (string | Partial<QueuedCall>)[]): Promise<void> {
    await Promise.all(calls.map((call) => this.queue.put(callOf(call))));
    await this.clock.advance(0);
  }

  /** Ends the delivery of this call, well or with an error. */
  async end(callId: string, error?: unknown): Promise<void> {
    const held = this.held.find(({ delivery }) => delivery.callId === callId);
    if (held === undefined) throw new Error(`${callId} is not under way`);
    this.held = this.held.filter((each) => each !== held);
    if (error === undefined) held.succeed();
    else held.fail(error);
    await this.clock.advance(0);
  }

  /** The calls under way. */
  get underWay(): string[] {
    return this.held.map(({ delivery }) => delivery.callId);
  }
}

function callOf(call: string | Partial<QueuedCall>): QueuedCall {
  const init = typeof call === "string" ? { callId: call } : call;
  return { callId: "call", path: "test.v1.Test/Put", payload: Buffer.from("payload"), ...init };
}

function keyed(key: string, ...callIds: string[]): Partial<QueuedCall>[] {
  return callIds.map((callId) => ({ callId, key }));
}

function failure(code: Code, options: RpcErrorOptions = { retry: "unsafe" }): RpcError {
  return new RpcError(code, "it failed", options);
}

const refused = failure(Code.RESOURCE_EXHAUSTED, { retry: "safe" });
const unreachable = failure(Code.UNAVAILABLE, { retry: "safe" });
const failed = failure(Code.INTERNAL);

describe("delivery", () => {
  test("a call is delivered as it was put, and is gone afterwards", async () => {
    const bench = await new Bench().started();
    const metadata = new Metadata({ "x-tenant": "a" });
    await bench.put({ callId: "a", key: "k", metadata, payload: Uint8Array.of(1, 2) });
    expect(bench.begun).toMatchObject([{ callId: "a", path: "test.v1.Test/Put", key: "k", attempt: 1, enqueuedAt: 0 }]);
    expect(bench.begun[0]?.metadata?.get("x-tenant")).toBe("a");
    expect([...(bench.begun[0]?.payload ?? [])]).toEqual([1, 2]);
    await bench.end("a");
    expect(bench.queue.stats()).toMatchObject({ depth: 0, stored: 1, delivered: 1, inFlight: 0 });
  });

  test("what was put before the start comes first", async () => {
    const bench = new Bench({ concurrency: 1 });
    await bench.put("a", "b");
    await bench.started();
    await bench.put("c");
    for (const id of ["a", "b", "c"]) await bench.end(id);
  });

  test("as many are under way as it is told, and no more", async () => {
    const bench = await new Bench({ concurrency: 3 }).started();
    await bench.put("a", "b", "c", "d", "e");
    expect(bench.underWay).toEqual(["a", "b", "c"]);
    expect(bench.queue.stats().inFlight).toBe(3);
    await bench.end("b");
    expect(bench.underWay).toEqual(["a", "c", "d"]);
  });

  test("sixteen are, unless it is told", async () => {
    const bench = await new Bench().started();
    await bench.put(...Array.from({ length: 20 }, (_, i) => `${i}`));
    expect(bench.held).toHaveLength(16);
  });

  test("a queue much longer than what is read ahead is delivered in order, each once", async () => {
    const bench = new Bench({ concurrency: 1 });
    const ids = Array.from({ length: 3 * READ_AHEAD_RECORDS }, (_, i) => `${i}`);
    await bench.put(...ids);
    const seen: string[] = [];
    await bench.queue.start(async ({ callId }) => {
      seen.push(callId);
      // More comes while the rest is still being read.
      if (seen.length === 10) await bench.queue.put(callOf("late"));
    });
    await bench.clock.advance(0);
    expect(seen).toEqual([...ids, "late"]);
  });
});

describe("order by key", () => {
  test("a call waits for the earlier ones of its key, others do not", async () => {
    const bench = await new Bench().started();
    await bench.put(...keyed("k", "k1", "k2", "k3"), ...keyed("l", "l1"), "free");
    expect(bench.underWay).toEqual(["k1", "l1", "free"]);
    await bench.end("k1");
    expect(bench.underWay).toEqual(["l1", "free", "k2"]);
    await bench.end("k2");
    await bench.end("k3");
  });

  test("the empty key is a key", async () => {
    const bench = await new Bench().started();
    await bench.put(...keyed("", "a", "b"));
    expect(bench.underWay).toEqual(["a"]);
  });

  test("a call that fails keeps its place, and holds up nobody else", async () => {
    const bench = await new Bench().started();
    await bench.put(...keyed("k", "k1", "k2"), ...keyed("l", "l1"));
    await bench.end("k1", failed);
    await bench.end("l1");
    expect(bench.underWay).toEqual([]);
    await bench.clock.advance(200);
    expect(bench.underWay).toEqual(["k1"]);
    await bench.end("k1");
    expect(bench.underWay).toEqual(["k2"]);
  });

  test("a dead letter lets the next one go", async () => {
    const bench = await new Bench({ maxAttempts: 1 }).started();
    await bench.put(...keyed("k", "k1", "k2"));
    await bench.end("k1", failed);
    expect(bench.underWay).toEqual(["k2"]);
  });

  test("any number of calls behind a key that fails let other keys through", async () => {
    const bench = await new Bench().started();
    const stuck = Array.from({ length: 4 * READ_AHEAD_RECORDS }, (_, i) => `stuck ${i}`);
    await bench.put(...keyed("stuck", ...stuck));
    await bench.end("stuck 0", failed);
    await bench.put(...keyed("other", "a"));
    expect(bench.underWay).toEqual(["a"]);
    const order: string[] = [];
    while (bench.queue.stats().depth > 0) {
      await bench.clock.advance(200);
      for (const id of bench.underWay) {
        order.push(id);
        await bench.end(id);
      }
    }
    expect(order.filter((id) => id !== "a")).toEqual(stuck);
  });

  test("as many may be set aside as it is told; those behind one more wait", async () => {
    const setAside = 10;
    const bench = new Bench({ maxSetAside: setAside });
    const stuck = Array.from({ length: setAside }, (_, i) => `${i}`);
    await bench.put(...keyed("k", ...stuck), "free");
    await bench.started();
    await bench.clock.advance(0);
    expect(bench.underWay).toEqual(["0", "free"]);

    const full = new Bench({ maxSetAside: setAside });
    await full.put(...keyed("k", ...stuck, "one more"), "free");
    await full.started();
    await full.clock.advance(0);
    expect(full.underWay).toEqual(["0"]);
    await full.end("0");
    expect(full.underWay).toEqual(["1", "free"]);
  });
});

describe("failures", () => {
  test("delays double up to their limit, with a fifth of jitter either way", async () => {
    const delays: number[] = [];
    const hooks = { failed: (_: Delivery, __: RpcError, delayMs: number): unknown => delays.push(delayMs) };
    const bench = await new Bench({ maxAttempts: 20 }, hooks).started();
    await bench.put("a");
    for (let attempt = 1; attempt <= 12; attempt++) {
      expect(bench.begun.at(-1)?.attempt).toBe(attempt);
      await bench.end("a", failed);
      await bench.clock.advance((delays.at(-1) as number) - 1);
      expect(bench.underWay).toEqual([]);
      await bench.clock.advance(1);
    }
    const ratios = delays.map((delayMs, i) => delayMs / Math.min(100 * 2 ** i, 30_000));
    for (const ratio of ratios) expect(Math.abs(ratio - 1)).toBeLessThanOrEqual(0.2);
    expect(new Set(ratios).size).toBe(ratios.length);
    expect(bench.queue.stats()).toMatchObject({ failed: 12, buried: 0, depth: 1 });
  });

  test("after maxAttempts a call is a dead letter, with its last error", async () => {
    const buried: string[] = [];
    const hooks = {
      buried: ({ callId }: Delivery, error: RpcError): unknown => buried.push(`${callId}: ${error.message}`),
    };
    const bench = await new Bench({ maxAttempts: 3 }, hooks).started();
    await bench.put("a");
    for (const message of ["one", "two", "three"]) {
      await bench.end("a", new RpcError(Code.INTERNAL, message));
      await bench.clock.advance(1_000);
    }
    expect(bench.begun.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(buried).toEqual(["a: three"]);
    const death = { code: Code.INTERNAL, message: "three", at: 2_000 };
    expect(await bench.queue.peek("dead", 10)).toMatchObject([{ callId: "a", death }]);
    expect(bench.queue.stats()).toMatchObject({ depth: 0, dead: 1, failed: 3, buried: 1 });
  });

  test("sixteen attempts are made, unless it is told", async () => {
    const bench = await new Bench().started();
    await bench.put("a");
    while (bench.held.length > 0) {
      await bench.end("a", failed);
      await bench.clock.advance(36_000);
    }
    expect(bench.begun).toHaveLength(16);
  });

  test("with Infinity no number of failures is enough", async () => {
    const bench = await new Bench({ maxAttempts: Number.POSITIVE_INFINITY }).started();
    await bench.put("a");
    for (let i = 0; i < 100; i++) {
      await bench.end("a", failed);
      await bench.clock.advance(36_000);
    }
    expect(bench.queue.stats()).toMatchObject({ depth: 1, dead: 0 });
  });

  test.each([Code.INVALID_ARGUMENT, Code.ALREADY_EXISTS])(
    "what can never succeed is not tried again (%d)",
    async (code) => {
      const bench = await new Bench().started();
      await bench.put("a");
      await bench.end("a", failure(code, { retry: "never" }));
      expect(bench.queue.stats()).toMatchObject({ dead: 1, depth: 0 });
    },
  );

  test.each([Code.UNIMPLEMENTED, Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.UNKNOWN, Code.PERMISSION_DENIED])(
    "what may be mended meanwhile is tried again (%d)",
    async (code) => {
      const bench = await new Bench().started();
      await bench.put("a");
      await bench.end("a", failure(code, { retry: "never" }));
      await bench.clock.advance(120);
      expect(bench.begun.at(-1)?.attempt).toBe(2);
    },
  );

  test("an attempt that provably ran nothing does not count", async () => {
    const bench = await new Bench({ maxAttempts: 2 }).started();
    await bench.put("a");
    for (let i = 0; i < 10; i++) {
      await bench.end("a", refused);
      await bench.clock.advance(36_000);
    }
    expect(bench.begun.every(({ attempt }) => attempt === 1)).toBe(true);
    await bench.end("a", failed);
    await bench.clock.advance(36_000);
    await bench.end("a", failed);
    expect(bench.begun.at(-1)?.attempt).toBe(2);
    expect(bench.queue.stats().dead).toBe(1);
  });

  test("what the server asks to wait is waited, up to an hour", async () => {
    const bench = await new Bench().started();
    await bench.put("a");
    await bench.end("a", failure(Code.RESOURCE_EXHAUSTED, { retry: "safe", retryAfterMs: 5_000 }));
    await bench.clock.advance(4_999);
    expect(bench.underWay).toEqual([]);
    await bench.clock.advance(1);
    await bench.end("a", failure(Code.RESOURCE_EXHAUSTED, { retry: "safe", retryAfterMs: 1e9 }));
    await bench.clock.advance(3_600_000);
    expect(bench.underWay).toEqual(["a"]);
  });

  test("what is no RpcError counts, and its text is kept", async () => {
    const bench = await new Bench({ maxAttempts: 1 }).started();
    await bench.put("a");
    await bench.end("a", new TypeError("a mistake"));
    const [dead] = await bench.queue.peek("dead", 1);
    expect(dead?.death?.message).toContain("a mistake");
  });

  test("thousands that fail let a new one through", async () => {
    const bench = await new Bench({ concurrency: 4, initialBackoffMs: 60_000, maxBackoffMs: 60_000 }).started();
    await bench.put(...Array.from({ length: 5 * READ_AHEAD_RECORDS }, (_, i) => `bad ${i}`), "good");
    while (!bench.underWay.includes("good")) for (const id of bench.underWay) await bench.end(id, failed);
    await bench.end("good");
    expect(bench.clock.now()).toBe(0);
  });
});

describe("an outage", () => {
  test("pauses the queue, wears out no call, and is probed with one", async () => {
    const bench = await new Bench({ concurrency: 3, maxAttempts: 1 }).started();
    await bench.put("a", "b", "c", "d");
    for (const id of ["a", "b", "c"]) await bench.end(id, unreachable);
    expect(bench.underWay).toEqual([]);
    for (let i = 0; i < 20; i++) {
      await bench.clock.advance(36_000);
      expect(bench.held).toHaveLength(1);
      await bench.end(bench.underWay[0] as string, unreachable);
    }
    expect(bench.queue.stats()).toMatchObject({ depth: 4, dead: 0 });
    await bench.clock.advance(36_000);
    await bench.end(bench.underWay[0] as string);
    expect(bench.held).toHaveLength(3);
    expect(bench.held.every(({ delivery }) => delivery.attempt === 1)).toBe(true);
  });

  test("is not what one call says that never gets anywhere: others are tried too", async () => {
    const bench = await new Bench({ concurrency: 1 }).started();
    await bench.put("stuck", "fine");
    await bench.end("stuck", unreachable);
    await bench.clock.advance(200);
    await bench.end("stuck", unreachable);
    await bench.clock.advance(400);
    expect(bench.underWay).toEqual(["fine"]);
  });

  test("ends at once when the queue is told", async () => {
    const bench = await new Bench().started();
    await bench.put("a");
    await bench.end("a", unreachable);
    expect(bench.underWay).toEqual([]);
    bench.queue.wake();
    expect(bench.underWay).toEqual(["a"]);
  });

  test("keeps the order of a key", async () => {
    const bench = await new Bench().started();
    await bench.put(...keyed("k", "k1", "k2"));
    await bench.end("k1", unreachable);
    await bench.clock.advance(200);
    await bench.end("k1");
    await bench.end("k2");
  });
});

describe("restarts", () => {
  test("what was not delivered comes again, with the same id and a higher attempt", async () => {
    const first = await new Bench().started();
    await first.put("done", "under way", "waiting");
    await first.end("done");
    await first.end("waiting", failed);
    await first.queue.close();
    const second = await new Bench({}, {}, first.store).started();
    await second.clock.advance(0);
    expect(second.begun.map(({ callId, attempt }) => [callId, attempt])).toEqual([
      ["under way", 2],
      ["waiting", 3],
    ]);
  });

  test("restarts do not use up attempts", async () => {
    let bench = new Bench({ maxAttempts: 2 });
    await bench.put("a");
    for (let i = 0; i < 5; i++) {
      await bench.started();
      await bench.queue.close();
      bench = new Bench({ maxAttempts: 2 }, {}, bench.store);
    }
    await bench.started();
    await bench.clock.advance(0);
    await bench.end("a", failed);
    expect(bench.queue.stats().dead).toBe(0);
  });

  test("what ends after close is not noted", async () => {
    const bench = await new Bench().started();
    await bench.put("a");
    await bench.queue.close();
    await bench.end("a");
    const [left] = await (await bench.store.open("stats")).read("alive", 0, { records: 1, bytes: 1 });
    expect(left?.callId).toBe("a");
  });

  test("stop lets what is under way end, begins nothing, and can be undone", async () => {
    const bench = await new Bench({ concurrency: 1 }).started();
    await bench.put("a", "b");
    let isStopped = false;
    const stopped = bench.queue.stop().then(() => {
      isStopped = true;
    });
    await bench.clock.advance(1_000);
    expect(isStopped).toBe(false);
    await bench.end("a");
    await stopped;
    await bench.put("c");
    expect(bench.underWay).toEqual([]);
    await bench.started();
    await bench.clock.advance(0);
    await bench.end("b");
    await bench.end("c");
    expect(bench.queue.stats()).toMatchObject({ delivered: 3, depth: 0 });
  });

  test("whoever waits for the end hears of it, also when others do", async () => {
    const bench = await new Bench().started();
    await bench.put("a");
    const stopped = Promise.all([bench.queue.stop(), bench.queue.stop(), bench.queue.close()]);
    await bench.end("a");
    await stopped;
  });

  test("nothing is left on the clock", async () => {
    const bench = await new Bench().started();
    await bench.put("a", "b");
    await bench.end("a", failed);
    await bench.end("b", unreachable);
    expect(bench.clock.pendingTimers).toBe(1);
    await bench.queue.close();
    expect(bench.clock.pendingTimers).toBe(0);
  });
});

describe("bounds", () => {
  test("maxCalls: one more is refused, and says so", async () => {
    const bench = new Bench({ maxCalls: 3 });
    await bench.put("a", "b", "c");
    const error = await bench.queue.put(callOf("d")).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "safe" });
    expect(String(error)).toContain('queue "stats" at memory: 3 calls in it, limit 3');
    expect(bench.queue.stats()).toMatchObject({ depth: 3, stored: 3, refused: 1 });
  });

  test("maxCalls holds for calls that are on their way to the disk", async () => {
    const bench = new Bench({ maxCalls: 3 });
    const puts = await Promise.allSettled(["a", "b", "c", "d"].map((id) => bench.queue.put(callOf(id))));
    expect(puts.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "rejected"]);
  });

  test("maxBytes: exactly as many fit", async () => {
    const bytes = recordBytes(record("a", { payload: Buffer.from("payload") }));
    const bench = new Bench({ maxBytes: 3 * bytes });
    await bench.put("a", "b", "c");
    await expect(bench.queue.put(callOf("d"))).rejects.toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
    const tight = new Bench({ maxBytes: 3 * bytes - 1 });
    await tight.put("a", "b");
    await expect(tight.queue.put(callOf("c"))).rejects.toThrow(/bytes in it, limit/);
  });

  test("what waits for a disk that stands still is bounded", async () => {
    const store = memoryQueueStore();
    const open = store.open.bind(store);
    let pendingBytes = 0;
    store.open = async (name) => {
      const stored = await open(name);
      const counts = stored.counts.bind(stored);
      stored.counts = () => ({ ...counts(), pending: 1, pendingBytes });
      return stored;
    };
    const bench = new Bench({}, {}, store);
    pendingBytes = MAX_PENDING_BYTES - recordBytes(record("a", { payload: callOf("a").payload }));
    await bench.put("a");
    pendingBytes++;
    await expect(bench.queue.put(callOf("b"))).rejects.toThrow(/bytes wait for the disk, limit 67108864/);
  });

  test("dead letters count, and are named", async () => {
    const bench = await new Bench({ maxCalls: 2, maxAttempts: 1 }).started();
    await bench.put("a", "b");
    await bench.end("a", failed);
    await expect(bench.queue.put(callOf("c"))).rejects.toThrow("2 calls in it, 1 of them dead letters, limit 2");
    await bench.queue.purge("dead");
    await bench.put("c");
  });

  test("room comes back with each delivery", async () => {
    const bench = await new Bench({ maxCalls: 1 }).started();
    await bench.put("a");
    await bench.end("a");
    await bench.put("b");
  });

  test("ids, paths, keys and payloads have limits", async () => {
    const bench = new Bench({ maxBytes: 1e9 });
    for (const field of ["callId", "path", "key"]) {
      await bench.put({ [field]: "x".repeat(MAX_NAME_BYTES) });
      const long = bench.queue.put(callOf({ [field]: "x".repeat(MAX_NAME_BYTES + 1) }));
      await expect(long).rejects.toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "never" });
    }
    const payload = new Uint8Array(MAX_PAYLOAD_BYTES + 1);
    await expect(bench.queue.put(callOf({ payload }))).rejects.toMatchObject({ retry: "never" });
    await bench.put({ payload: payload.subarray(1) });
  });

  test.each([
    { maxCalls: 0 },
    { maxCalls: 10_000_001 },
    { concurrency: 1.5 },
    { maxAttempts: Number.NaN },
    { maxBytes: -1 },
    { initialBackoffMs: 0 },
    { maxBackoffMs: 3_600_001 },
    { maxSetAside: 0 },
  ])("options out of range are refused by name: %j", (options) => {
    expect(() => new Bench(options)).toThrow(new RegExp(`queue store: ${Object.keys(options)[0]} must be`));
    expect(() => memoryQueueStore({ queues: { stats: options } })).toThrow(/^queue "stats": /);
  });

  test("options may differ by queue", async () => {
    const store = memoryQueueStore({ maxCalls: 1, queues: { stats: { maxCalls: 2 } } });
    const bench = new Bench({}, {}, store);
    await bench.put("a", "b");
    await expect(bench.queue.put(callOf("c"))).rejects.toThrow("limit 2");
  });
});

describe("looking after it", () => {
  async function withDead(): Promise<Bench> {
    const bench = await new Bench({ maxAttempts: 1 }).started();
    await bench.put(...keyed("k", "a", "b"), "c");
    for (const id of ["a", "b", "c"]) await bench.end(id, failed);
    return bench;
  }

  test("replay brings dead letters back, all or one, as new ones", async () => {
    const bench = await withDead();
    expect(await bench.queue.replay("b")).toBe(1);
    await bench.clock.advance(0);
    expect(bench.underWay).toEqual(["b"]);
    expect(await bench.queue.replay("nobody")).toBe(0);
    expect(await bench.queue.replay()).toBe(2);
    await bench.clock.advance(0);
    expect(bench.underWay).toEqual(["b", "c"]);
    await bench.end("b");
    await bench.end("a");
    await bench.end("c");
    expect(bench.queue.stats()).toMatchObject({ depth: 0, dead: 0 });
    expect(bench.begun.at(-1)?.attempt).toBe(1);
  });

  test("what is put while dead letters come back does not hide them", async () => {
    const store = memoryQueueStore({ maxAttempts: 1 });
    let letThrough: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      letThrough = resolve;
    });
    wrap(store, (stored) => {
      const revive = stored.revive.bind(stored);
      stored.revive = async (sequence) => {
        const revived = await revive(sequence);
        await held;
        return revived;
      };
    });
    const bench = await new Bench({}, {}, store).started();
    await bench.put("a");
    await bench.end("a", failed);
    const replayed = bench.queue.replay();
    await bench.clock.advance(0);
    await bench.put("b");
    letThrough();
    expect(await replayed).toBe(1);
    await bench.clock.advance(0);
    expect(bench.underWay).toEqual(["a", "b"]);
  });

  test("a replay that fails half way delivers what it has brought back", async () => {
    const store = memoryQueueStore({ maxAttempts: 1 });
    wrap(store, (stored) => {
      const revive = stored.revive.bind(stored);
      stored.revive = (sequence) => (sequence === 5 ? Promise.reject(new Error("ENOSPC")) : revive(sequence));
    });
    const bench = await new Bench({}, {}, store).started();
    await bench.put("a", "b", "c");
    for (const id of ["a", "b", "c"]) await bench.end(id, failed);
    await expect(bench.queue.replay()).rejects.toThrow("ENOSPC");
    await bench.clock.advance(0);
    expect(bench.underWay).toEqual(["a", "c"]);
  });

  test("purge drops the dead letters, or everything", async () => {
    const bench = await withDead();
    await bench.put("alive");
    expect(await bench.queue.purge("dead")).toBe(3);
    expect(bench.queue.stats()).toMatchObject({ depth: 1, dead: 0 });
    await bench.put(...keyed("k", "k1", "k2", "k3"));
    await bench.end("alive", failed);
    expect(await bench.queue.purge("all")).toBe(4);
    expect(bench.queue.stats()).toMatchObject({ depth: 0, dead: 0 });
    await bench.end("k1");
    await bench.clock.advance(60_000);
    expect(bench.underWay).toEqual([]);
    await bench.put(...keyed("k", "k4", "k5"));
    expect(bench.underWay).toEqual(["k4"]);
    await bench.end("k4");
    await bench.end("k5");
  });

  test("peek shows the first, and takes nothing", async () => {
    const bench = new Bench();
    await bench.put("a", "b", "c");
    const ids = async (): Promise<string[]> => (await bench.queue.peek("alive", 2)).map(({ callId }) => callId);
    expect([await ids(), await ids()]).toEqual([
      ["a", "b"],
      ["a", "b"],
    ]);
  });

  test("the age is that of the first call that is to be delivered", async () => {
    const bench = new Bench();
    expect(bench.queue.stats().oldestAgeMs).toBe(0);
    await bench.clock.advance(1_000);
    await bench.put("a");
    await bench.clock.advance(500);
    await bench.put("b");
    await bench.clock.advance(500);
    expect(bench.queue.stats().oldestAgeMs).toBe(1_000);
    await bench.started();
    await bench.clock.advance(0);
    await bench.end("a");
    expect(bench.queue.stats().oldestAgeMs).toBe(500);
  });
});

/** Changes the queues of a store as they are opened. */
function wrap(store: QueueStore, change: (stored: StoredQueue) => void): void {
  const open = store.open.bind(store);
  store.open = async (name) => {
    const stored = await open(name);
    change(stored);
    return stored;
  };
}

test("calls whose time has come are read within the same bytes as others", async () => {
  const store = memoryQueueStore({ concurrency: 1 });
  let most = 0;
  wrap(store, (stored) => {
    const get = stored.get.bind(stored);
    stored.get = async (...args) => {
      const records = await get(...args);
      most = Math.max(
        most,
        records.reduce((sum, each) => sum + (each?.payload.length ?? 0), 0),
      );
      return records;
    };
  });
  const bench = await new Bench({}, {}, store).started();
  const payload = Buffer.alloc(1024 * 1024);
  const ids = Array.from({ length: 24 }, (_, i) => `${i}`);
  await bench.put(...ids.map((callId) => ({ callId, payload })));
  for (const id of ids) await bench.end(id, failed);
  // They become due while another one holds them up.
  await bench.put("slow");
  await bench.clock.advance(1_000);
  await bench.end("slow");
  for (const _ of ids) await bench.end(bench.underWay[0] as string);
  expect(bench.queue.stats()).toMatchObject({ depth: 0, delivered: 25 });
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(READ_AHEAD_BYTES);
});

describe("a store that fails", () => {
  test("a queue that cannot be opened says so at every put, until it can", async () => {
    const store = memoryQueueStore();
    const other = await store.open("stats");
    const bench = new Bench({}, {}, store);
    await expect(bench.queue.put(callOf("a"))).rejects.toMatchObject({ code: Code.FAILED_PRECONDITION });
    await expect(bench.queue.start(bench.deliver)).rejects.toMatchObject({ code: Code.FAILED_PRECONDITION });
    await other.close();
    await bench.started();
    await bench.put("a");
    expect(bench.underWay).toEqual(["a"]);
  });

  test("a store that cannot be read is read again", async () => {
    const store = memoryQueueStore();
    const problems: unknown[] = [];
    const open = store.open.bind(store);
    store.open = async (name) => {
      const stored = await open(name);
      const read = stored.read.bind(stored);
      let failures = 2;
      stored.read = (...args) => (failures-- > 0 ? Promise.reject(new Error("EIO")) : read(...args));
      return stored;
    };
    const bench = new Bench({}, { readFailed: (error) => problems.push(error) }, store);
    await bench.put("a");
    await bench.started();
    await bench.clock.advance(2_500);
    expect(problems).toHaveLength(2);
    expect(bench.underWay).toEqual(["a"]);
  });

  test("a dead letter that cannot be stored is tried once more", async () => {
    const store = memoryQueueStore({ maxAttempts: 1 });
    const open = store.open.bind(store);
    store.open = async (name) => {
      const stored = await open(name);
      const bury = stored.bury.bind(stored);
      let failures = 1;
      stored.bury = (...args) => (failures-- > 0 ? Promise.reject(new Error("ENOSPC")) : bury(...args));
      return stored;
    };
    const bench = await new Bench({}, {}, store).started();
    await bench.put("a");
    await bench.end("a", failure(Code.INVALID_ARGUMENT, { retry: "never" }));
    expect(bench.queue.stats()).toMatchObject({ depth: 1, dead: 0 });
    await bench.clock.advance(200);
    await bench.end("a", failed);
    expect(bench.queue.stats()).toMatchObject({ depth: 0, dead: 1, failed: 2, buried: 1 });
  });
});
