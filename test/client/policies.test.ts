// Policies of a client's calls: how many are under way, how many wait, how many begin a second, and what becomes of the others.

import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { type Channel, Code, Method, RpcError } from "../../src/index.js";
import type { MessageInit } from "../support/gen/support/v1/echo.js";
import { HeldJobs, Jobs, jobs, statsOf } from "../support/jobs.js";
import { failure, useRig } from "../support/rig.js";

const rig = useRig();

async function start(options: Parameters<typeof rig.current.connect>[0] = {}): Promise<[Channel, HeldJobs]> {
  const held = new HeldJobs();
  (await rig.current.serve()).handle(Jobs, held.handlers);
  const channel = rig.current.connect(options);
  await rig.current.now(channel.ready());
  return [channel, held];
}

const settle = (): Promise<void> => rig.current.clock.advance(0);

/** The ids of the calls that have succeeded so far, in the order in which they did. */
function watch(calls: readonly Promise<{ readonly id: bigint }>[]): number[] {
  const done: number[] = [];
  for (const call of calls)
    call.then(
      ({ id }) => done.push(Number(id)),
      () => {},
    );
  return done;
}

describe("BLOCK", () => {
  it("has no more calls under way than its concurrency, and lets the others go in order", async () => {
    const [channel, held] = await start();
    channel.policies.set(jobs.run, { concurrency: 2, overflow: "block" });
    const calls = [1n, 2n, 3n, 4n].map((id) => channel.unary(jobs.run, { id }));
    const done = watch(calls);
    await settle();
    expect(held.ids).toEqual([1, 2]);
    expect(statsOf(channel, jobs.run)).toMatchObject({ running: 2, waiting: 2, started: 2 });
    held.release(1);
    await settle();
    expect(held.ids).toEqual([2, 3]);
    held.release();
    await settle();
    held.release();
    await settle();
    expect(done).toEqual([1, 2, 3, 4]);
    expect(statsOf(channel, jobs.run)).toMatchObject({ running: 0, waiting: 0, started: 4, succeeded: 4, failed: 0 });
    expect(statsOf(channel, jobs.run)).toMatchObject({ limit: 2, waited: 2, measured: 1 });
  });

  it("counts how long calls have waited, and how long some of them took", async () => {
    const [channel, held] = await start();
    channel.policies.set(jobs.run, { concurrency: 1 });
    const calls = Array.from({ length: 18 }, () => channel.unary(jobs.run, {}));
    for (let i = 0; i < calls.length; i++) {
      await rig.current.clock.advance(10);
      held.release();
      await settle();
    }
    await rig.current.now(Promise.all(calls));
    // 10 + 20 + ... + 170 ms; the first call and the 17th are measured.
    const times = { waited: 17, waitedMs: 1_530, measured: 2, measuredMs: 20 };
    expect(statsOf(channel, jobs.run)).toMatchObject(times);
  });

  it("fails the call that is one more than may wait, and says how many do", async () => {
    const [channel, held] = await start();
    channel.policies.set(jobs.run, { concurrency: 1, queue: 3 });
    const calls = [1n, 2n, 3n, 4n].map((id) => channel.unary(jobs.run, { id }));
    const error = await failure(channel.unary(jobs.run, { id: 5n }));
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, origin: "local", retry: "safe" });
    expect(error.message).toBe("support.v1.Jobs/Run: 3 calls wait for room here, limit 3");
    expect(statsOf(channel, jobs.run)).toMatchObject({ rejected: { queue: 1 }, waiting: 3, running: 1, failed: 0 });
    for (let i = 0; i < calls.length; i++) {
      await settle();
      held.release();
    }
    expect((await rig.current.now(Promise.all(calls))).map(({ id }) => Number(id))).toEqual([1, 2, 3, 4]);
  });

  it("forgets a waiting call at its deadline and at its abort, at once", async () => {
    const [channel, held] = await start();
    channel.policies.set(jobs.run, { concurrency: 1, queue: 2 });
    const controller = new AbortController();
    const first = channel.unary(jobs.run, { id: 1n });
    const late = failure(channel.unary(jobs.run, { id: 2n }, { timeoutMs: 50 }));
    const aborted = failure(channel.unary(jobs.run, { id: 3n }, { signal: controller.signal }));
    await rig.current.clock.advance(49);
    expect(statsOf(channel, jobs.run)).toMatchObject({ waiting: 2 });
    const { code, message, retry } = await rig.current.after(1, late);
    expect({ code, retry }).toEqual({ code: Code.DEADLINE_EXCEEDED, retry: "safe" });
    expect(message).toBe(
      "support.v1.Jobs/Run: the deadline passed while it waited for room (1 calls are under way, limit 1)",
    );
    controller.abort("no more");
    expect(statsOf(channel, jobs.run)).toMatchObject({ waiting: 0 });
    expect(await rig.current.now(aborted)).toMatchObject({ code: Code.CANCELLED, cause: "no more", retry: "safe" });
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
    held.release();
    await rig.current.now(first);
    await settle();
    expect(held.ids).toEqual([]);
    expect(statsOf(channel, jobs.run)).toMatchObject({ started: 1, succeeded: 1, failed: 2 });
  });

  it("sends what the request was when the call was made", async () => {
    const [channel, held] = await start();
    channel.policies.set(jobs.run, { concurrency: 1 });
    const first = channel.unary(jobs.run, { id: 1n });
    const request: MessageInit = { id: 2n, text: "before" };
    const second = channel.unary(jobs.run, request);
    request.text = "after";
    await settle();
    held.release();
    await settle();
    held.release();
    expect((await rig.current.now(second)).text).toBe("before");
    await first;
  });

  it("holds no more bytes than may wait for a connection", async () => {
    const [channel, held] = await start({ maxWaitingBytes: 5_000 });
    channel.policies.set(jobs.run, { concurrency: 1 });
    const call = (id: bigint): Promise<unknown> => channel.unary(jobs.run, { id, payload: new Uint8Array(2_000) });
    const calls = [call(1n), call(2n), call(3n)];
    const error = await failure(call(4n));
    expect(error.message).toMatch(/^support\.v1\.Jobs\/Run: \d+ bytes wait for room here, limit 5000$/);
    for (let i = 0; i < calls.length; i++) {
      await settle();
      held.release();
    }
    await rig.current.now(Promise.all(calls));
  });

  it("fails those that wait when the channel is closed", async () => {
    const [channel, held] = await start();
    channel.policies.set(jobs.run, { concurrency: 1 });
    const first = channel.unary(jobs.run, { id: 1n });
    const waiting = failure(channel.unary(jobs.run, { id: 2n }));
    await settle();
    const closed = channel.close({ graceMs: 100 });
    expect(await rig.current.now(waiting)).toMatchObject({ code: Code.UNAVAILABLE, retry: "safe" });
    held.release();
    await rig.current.after(1_000, Promise.all([first, closed]));
  });

  it("holds streams back, too", async () => {
    const [channel, held] = await start();
    channel.policies.set(jobs.list, { concurrency: 1, overflow: "block", queue: 1 });
    channel.policies.set(jobs.run, { concurrency: 1 });
    const first = channel.serverStream(jobs.list, { id: 1n });
    const second = channel.serverStream(jobs.list, { id: 2n });
    const third = channel.serverStream(jobs.list, { id: 3n });
    const error = await failure(third.next());
    expect(error.message).toBe("support.v1.Jobs/List: 1 calls wait for room here, limit 1");
    expect(statsOf(channel, jobs.list)).toMatchObject({ running: 1, waiting: 1 });
    expect(await rig.current.now(first.next())).toEqual({ done: true, value: undefined });
    expect(await rig.current.now(second.next())).toEqual({ done: true, value: undefined });
    expect(statsOf(channel, jobs.list)).toMatchObject({ running: 0, waiting: 0, succeeded: 2, rejected: { queue: 1 } });
    expect(held.held).toHaveLength(0);
  });
});

describe("rate", () => {
  it("begins a burst at once, then a call a token, in order and to the millisecond", async () => {
    const [channel, held] = await start();
    const begun: [number, number][] = [];
    const from = rig.current.clock.now();
    channel.policies.set(jobs.run, { rate: 100, burst: 3 });
    const calls = Array.from({ length: 6 }, (_, i) =>
      channel.unary(jobs.run, { id: BigInt(i) }, { timeoutMs: 10_000 }),
    );
    let seen = 0;
    for (let ms = 0; ms <= 35; ms++) {
      await rig.current.clock.advance(ms === 0 ? 0 : 1);
      const { started } = channel.policies.stats()[jobs.run.path] as { started: number };
      for (; seen < started; seen++) begun.push([seen, rig.current.clock.now() - from]);
    }
    expect(begun).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
      [3, 10],
      [4, 20],
      [5, 30],
    ]);
    held.release();
    await rig.current.now(Promise.all(calls));
  });

  it("with REJECT says when there will be a token", async () => {
    const [channel, held] = await start();
    channel.policies.set(jobs.run, { rate: 50, burst: 2, overflow: "reject" });
    const calls = [channel.unary(jobs.run, {}), channel.unary(jobs.run, {})];
    await rig.current.clock.advance(5);
    const error = await failure(channel.unary(jobs.run, {}));
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "safe", retryAfterMs: 15 });
    expect(error.message).toBe("support.v1.Jobs/Run: 50 calls a second may begin; retry after 15 ms");
    await rig.current.clock.advance(15);
    calls.push(channel.unary(jobs.run, {}));
    await settle();
    held.release();
    await rig.current.now(Promise.all(calls));
    expect(statsOf(channel, jobs.run)).toMatchObject({ started: 3, rejected: { rate: 1 } });
  });

  it("leaves no timer when the last waiting call gives up", async () => {
    const [channel, held] = await start();
    channel.policies.set(jobs.run, { rate: 1, burst: 1 });
    const first = channel.unary(jobs.run, {});
    await settle();
    held.release();
    await rig.current.now(first);
    const before = rig.current.clock.pendingTimers;
    const controller = new AbortController();
    const call = failure(
      channel.unary(jobs.run, {}, { signal: controller.signal, timeoutMs: Number.POSITIVE_INFINITY }),
    );
    controller.abort();
    await rig.current.now(call);
    await rig.current.clock.advance(5_000);
    expect(rig.current.clock.pendingTimers).toBeLessThanOrEqual(before);
    expect(held.held).toHaveLength(0);
  });
});

describe("REJECT and LOG", () => {
  it("REJECT fails the call beyond the limit at once", async () => {
    const [channel, held] = await start();
    channel.policies.set(jobs.run, { concurrency: 2, overflow: "reject" });
    const calls = [channel.unary(jobs.run, {}), channel.unary(jobs.run, {})];
    const error = await failure(channel.unary(jobs.run, {}));
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, origin: "local", retry: "safe" });
    expect(error.message).toBe("support.v1.Jobs/Run: 2 calls are under way, limit 2");
    expect(error.retryAfterMs).toBeUndefined();
    await settle();
    held.release();
    await rig.current.now(Promise.all(calls));
    expect(statsOf(channel, jobs.run)).toMatchObject({ succeeded: 2, rejected: { concurrency: 1 } });
  });

  it("LOG drops what has no room, and writes a line a second", async () => {
    const lines: object[] = [];
    const [channel, held] = await start({ logger: { warn: (fields, text) => lines.push({ ...fields, text }) } });
    channel.policies.set(jobs.report, { concurrency: 1, overflow: "log" });
    const first = channel.unary(jobs.report, {});
    for (let i = 0; i < 5; i++) expect(await rig.current.now(channel.unary(jobs.report, {}))).toEqual({});
    await rig.current.clock.advance(1_000);
    await rig.current.now(channel.unary(jobs.report, {}));
    const line = { path: "support.v1.Jobs/Report", text: "call dropped" };
    const reason = "support.v1.Jobs/Report: 1 calls are under way, limit 1";
    expect(lines).toEqual([
      { ...line, reason, suppressed: 0 },
      { ...line, reason, suppressed: 4 },
    ]);
    expect(held.held).toHaveLength(1);
    held.release();
    await rig.current.now(first);
    expect(statsOf(channel, jobs.report)).toMatchObject({ started: 1, succeeded: 1, logged: 6, rejected: {} });
  });

  it("failure: LOG succeeds for calls that fail, and not for those that are given up", async () => {
    const lines: object[] = [];
    const [channel, held] = await start({ logger: { warn: (fields) => lines.push(fields) } });
    channel.policies.set(jobs.report, { failure: "log" });
    const call = channel.unary(jobs.report, {}, { timeoutMs: 100 });
    expect(await rig.current.after(100, call)).toEqual({});
    const controller = new AbortController();
    const aborted = failure(channel.unary(jobs.report, {}, { signal: controller.signal }));
    controller.abort();
    expect((await rig.current.now(aborted)).code).toBe(Code.CANCELLED);
    expect(lines).toMatchObject([{ reason: expect.stringContaining("the deadline passed"), suppressed: 0 }]);
    expect(statsOf(channel, jobs.report)).toMatchObject({ started: 2, logged: 1, failed: 1, running: 0 });
    held.release();
  });
});

describe("a policy that changes", () => {
  it("lets those that wait go on under the new limits, and keeps those under way", async () => {
    const [channel, held] = await start();
    channel.policies.set(jobs.run, { concurrency: 1 });
    const calls = [1n, 2n, 3n, 4n].map((id) => channel.unary(jobs.run, { id }));
    await settle();
    expect(held.ids).toEqual([1]);
    channel.policies.set(jobs.run, { concurrency: 3, overflow: "reject" });
    await settle();
    expect(held.ids).toEqual([1, 2, 3]);
    expect((await failure(channel.unary(jobs.run, {}))).message).toContain("3 calls are under way, limit 3");
    channel.policies.set(jobs.run, { concurrency: 1 });
    held.release(2);
    await settle();
    expect(held.ids).toEqual([3]);
    held.release();
    await settle();
    held.release();
    await rig.current.now(Promise.all(calls));
  });

  it("ends every limit when it is empty", async () => {
    const [channel, held] = await start();
    channel.policies.set(jobs.run, { rate: 1, burst: 1, concurrency: 1 });
    const calls = [1n, 2n, 3n].map((id) => channel.unary(jobs.run, { id }));
    channel.policies.set(jobs.run, {});
    await settle();
    expect(held.ids).toEqual([1, 2, 3]);
    held.release();
    await rig.current.now(Promise.all(calls));
  });

  it("is refused if it makes no sense, and nothing changes", async () => {
    const [channel] = await start();
    channel.policies.set(jobs.run, { concurrency: 5 });
    const set = (policy: object): void => channel.policies.set(jobs.run, policy);
    expect(() => set({ concurrency: 0 })).toThrow(/^support\.v1\.Jobs\/Run: client\.concurrency: /);
    expect(() => set({ overflow: "log" })).toThrow(/google\.protobuf\.Empty/);
    expect(() => set({ failure: "hedge" })).toThrow(/not idempotent/);
    expect(channel.policies.get(jobs.run)).toEqual({ concurrency: 5 });
    expect(channel.policies.get("support.v1.Jobs/Run")).toEqual({ concurrency: 5 });
    expect(() => channel.policies.set("support.v1.Jobs/Walk", {})).toThrow(/pass the method itself/);
  });

  it("is listed, and may be named by its path once it is known", async () => {
    const [channel] = await start();
    expect(channel.policies.list()).toEqual([]);
    expect(channel.policies.get(jobs.run)).toEqual({});
    channel.policies.set(jobs.run, { concurrency: 5 });
    channel.policies.set(jobs.run.path, { concurrency: 6 });
    expect(channel.policies.list()).toEqual([{ path: "support.v1.Jobs/Run", policy: { concurrency: 6 } }]);
  });
});

describe("throttle", () => {
  it("rejects calls while the server refuses most of them, and lets enough through to notice that it does not", async () => {
    const refusing = { is: true };
    const server = await rig.current.serve();
    let served = 0;
    const run = (): MessageInit => {
      served++;
      if (refusing.is) throw new RpcError(Code.RESOURCE_EXHAUSTED, "full");
      return {};
    };
    server.handle(Jobs, { run, repeat: run, report: run, list: () => [] });
    const channel = rig.current.connect();
    channel.policies.set(jobs.run, { throttle: true });
    const call = (): Promise<RpcError | undefined> =>
      rig.current.now(
        channel.unary(jobs.run, {}).then(
          () => undefined,
          (error: RpcError) => error,
        ),
      );
    let local = 0;
    for (let i = 0; i < 400; i++) {
      const error = await call();
      if (error?.origin === "local") {
        local++;
        expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "safe" });
        expect(error.message).toMatch(/^support\.v1\.Jobs\/Run: the server refuses too many calls; \d+% of them/);
      }
    }
    // At most three quarters, with the dice of seed 1.
    expect(local).toBeGreaterThan(250);
    expect(local).toBeLessThan(320);
    expect(served).toBe(400 - local);
    expect(statsOf(channel, jobs.run)).toMatchObject({ rejected: { throttle: local } });
    refusing.is = false;
    await rig.current.clock.advance(130_000);
    for (let i = 0; i < 50; i++) expect(await call()).toBeUndefined();
  });

  it("begins at the call after which more than half were refused", async () => {
    const server = await rig.current.serve();
    const run = ({ id }: { readonly id: bigint }): MessageInit => {
      if (id === 1n) throw new RpcError(Code.RESOURCE_EXHAUSTED, "full");
      return {};
    };
    server.handle(Jobs, { run, repeat: run, report: run, list: () => [] });
    const channel = rig.current.connect({ random: () => 0 });
    channel.policies.set(jobs.run, { throttle: true });
    for (let i = 0; i < 5; i++) await rig.current.now(channel.unary(jobs.run, {}));
    // 10 requests, 5 accepts: not more than half. 11 requests: (11 - 10) / 12.
    for (let i = 0; i < 6; i++)
      expect(await rig.current.now(failure(channel.unary(jobs.run, { id: 1n })))).toMatchObject({ origin: "user" });
    expect(await rig.current.now(failure(channel.unary(jobs.run, {})))).toMatchObject({ origin: "local" });
  });
});

describe("throttle looks at what the server has answered, not", () => {
  it("at calls that are under way", async () => {
    const [channel, held] = await start({ random: () => 0 });
    channel.policies.set(jobs.run, { throttle: true });
    const calls = Array.from({ length: 50 }, () => channel.unary(jobs.run, {}));
    await settle();
    held.release();
    expect(await rig.current.now(Promise.all(calls))).toHaveLength(50);
    expect(statsOf(channel, jobs.run)).toMatchObject({ succeeded: 50, rejected: {} });
  });

  it("at calls that found no room here", async () => {
    const [channel, held] = await start({ random: () => 0 });
    channel.policies.set(jobs.run, { throttle: true, concurrency: 1, overflow: "reject" });
    const first = channel.unary(jobs.run, {});
    for (let i = 0; i < 20; i++)
      expect((await rig.current.now(failure(channel.unary(jobs.run, {})))).message).toContain("limit 1");
    held.release();
    await rig.current.now(first);
    const next = channel.unary(jobs.run, {});
    await settle();
    held.release();
    await rig.current.now(next);
    expect(statsOf(channel, jobs.run)).toMatchObject({ succeeded: 2, rejected: { concurrency: 20 } });
  });

  it("at calls that were given up while they waited here", async () => {
    const [channel, held] = await start({ random: () => 0 });
    channel.policies.set(jobs.run, { throttle: true, concurrency: 1 });
    const first = channel.unary(jobs.run, {}, { timeoutMs: 1_000 });
    const late = Array.from({ length: 20 }, () => failure(channel.unary(jobs.run, {}, { timeoutMs: 10 })));
    await rig.current.after(10, Promise.all(late));
    held.release();
    await rig.current.now(first);
    const next = channel.unary(jobs.run, {});
    await settle();
    held.release();
    await rig.current.now(next);
  });
});

it("a peer's calls are under policies of their own", async () => {
  const server = await rig.current.serve();
  const held = new HeldJobs();
  const channel = rig.current.connect();
  channel.handle(Jobs, held.handlers);
  await rig.current.now(channel.ready());
  const [peer] = server.peers();
  peer?.policies.set(jobs.run, { concurrency: 1, queue: 1 });
  const first = peer?.unary(jobs.run, { id: 1n });
  const second = failure(peer?.unary(jobs.run, { id: 2n }) as Promise<unknown>);
  const third = await failure(peer?.unary(jobs.run, { id: 3n }) as Promise<unknown>);
  expect(third.message).toBe("support.v1.Jobs/Run: 1 calls wait for room here, limit 1");
  await settle();
  expect(held.ids).toEqual([1]);
  held.release();
  await rig.current.now(first as Promise<unknown>);
  await settle();
  expect(held.ids).toEqual([2]);
  const waiting = failure(peer?.unary(jobs.run, { id: 4n }) as Promise<unknown>);
  await rig.current.after(2_000, channel.close({ graceMs: 0 }));
  expect((await rig.current.now(waiting)).code).toBe(Code.UNAVAILABLE);
  expect((await rig.current.now(second)).code).toBe(Code.UNAVAILABLE);
  held.release();
});

it.each(["pooled", "short"] as const)("policies hold in the %s mode, too", async (mode) => {
  const held = new HeldJobs();
  let refusals = 1;
  const repeat = (request: MessageInit): MessageInit => {
    if (refusals-- > 0) throw new RpcError(Code.UNAVAILABLE, "not now");
    return request;
  };
  (await rig.current.serve()).handle(Jobs, { ...held.handlers, repeat });
  const channel = rig.current.connect({ mode, maxConnections: 4 });
  channel.policies.set(jobs.run, { concurrency: 2, queue: 1 });
  channel.policies.set(jobs.repeat, { failure: "retry" });
  const calls = [1n, 2n, 3n].map((id) => channel.unary(jobs.run, { id }));
  expect((await failure(channel.unary(jobs.run, {}))).code).toBe(Code.RESOURCE_EXHAUSTED);
  await rig.current.clock.advance(10);
  expect(held.ids).toEqual([1, 2]);
  held.release();
  await rig.current.clock.advance(10);
  expect(held.ids).toEqual([3]);
  held.release();
  await rig.current.after(10, Promise.all(calls));
  expect((await rig.current.after(50, channel.unary(jobs.repeat, { id: 9n }))).id).toBe(9n);
  expect(statsOf(channel, jobs.repeat)).toMatchObject({ retried: 1, succeeded: 1 });
});

it("the manifest's policy holds from the first call on", async () => {
  const [channel, held] = await start();
  const limited = new Method("support.v1.Jobs", { ...spec(), client: { concurrency: 1, overflow: "reject" } });
  expect(channel.policies.get(limited)).toEqual({ concurrency: 1, overflow: "reject" });
  const first = channel.unary(limited, {});
  expect((await failure(channel.unary(limited, {}))).code).toBe(Code.RESOURCE_EXHAUSTED);
  await settle();
  held.release();
  await rig.current.now(first);
});

function spec(): { name: string; localName: string; input: typeof jobs.run.input; output: typeof jobs.run.output } {
  const { name, localName, input, output } = jobs.run;
  return { name, localName, input, output };
}
