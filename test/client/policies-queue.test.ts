// Calls that go into a durable queue: when they do, what their callers hear, and what the server gets of them later.

import { expect, it } from "vitest";
import { type Channel, Code, Method, RpcError, Service } from "../../src/index.js";
import { memoryQueueStore } from "../../src/queue.js";
import { Echo, type MessageInit } from "../support/gen/support/v1/echo.js";
import { HeldJobs, Jobs, jobs, statsOf } from "../support/jobs.js";
import { ADDRESS, failure, useRig } from "../support/rig.js";

const rig = useRig();
const OVERFLOW = { concurrency: 1, overflow: "queue", queueName: "reports" } as const;
const FAILURE = { failure: "queue", queueName: "reports" } as const;

async function start(options: Parameters<typeof rig.current.connect>[0] = {}): Promise<[Channel, HeldJobs]> {
  const held = new HeldJobs();
  (await rig.current.serve()).handle(Jobs, held.handlers);
  const channel = rig.current.connect({ queues: memoryQueueStore(), random: () => 0.5, ...options });
  await rig.current.now(channel.ready());
  return [channel, held];
}

const report = (channel: Channel, id: number, more: MessageInit = {}): Promise<unknown> =>
  channel.unary(jobs.report, { id: BigInt(id), ...more });

it("overflow: QUEUE stores what has no room, succeeds, and delivers it when there is room", async () => {
  const [channel, held] = await start();
  channel.policies.set(jobs.report, OVERFLOW);
  const first = report(channel, 1);
  for (const id of [2, 3]) expect(await rig.current.now(report(channel, id))).toEqual({});
  expect(held.ids).toEqual([1]);
  expect(statsOf(channel, jobs.report)).toMatchObject({ queued: 2, running: 1 });
  held.release();
  await rig.current.now(first);
  for (const id of [2, 3]) {
    await rig.current.clock.advance(0);
    expect(held.ids).toEqual([id]);
    expect(held.held[0]?.ctx.attempt).toBe(1);
    expect(held.held[0]?.ctx.callId).toBeDefined();
    held.release();
  }
  await rig.current.clock.advance(0);
  expect(statsOf(channel, jobs.report)).toMatchObject({ started: 3, succeeded: 3, queued: 2, running: 0, waiting: 0 });
});

it("failure: QUEUE stores what the server could not do, under the id it had, and tries it again later", async () => {
  const [channel, held] = await start();
  channel.policies.set(jobs.report, FAILURE);
  const call = channel.unary(jobs.report, { id: 7n, text: "mine" }, { metadata: { "x-tenant": "a" } });
  await rig.current.clock.advance(0);
  const { callId } = held.held[0]?.ctx ?? {};
  expect(callId).toBeDefined();
  held.held.shift()?.end(new RpcError(Code.UNAVAILABLE, "not now"));
  expect(await rig.current.now(call)).toEqual({});
  await rig.current.clock.advance(0);
  expect(held.held[0]?.ctx).toMatchObject({ callId, attempt: 2 });
  held.held.shift()?.end(new RpcError(Code.UNAVAILABLE, "not now either"));
  await rig.current.clock.advance(100);
  expect(held.held[0]?.request).toMatchObject({ id: 7n, text: "mine" });
  expect(held.held[0]?.ctx).toMatchObject({ callId, attempt: 3 });
  expect(held.held[0]?.ctx.metadata.get("x-tenant")).toBe("a");
  held.release();
  await rig.current.clock.advance(0);
  expect(statsOf(channel, jobs.report)).toMatchObject({ queued: 1, succeeded: 1, running: 0 });
});

it("failure: QUEUE stores a call whose time is over, and not one that is wrong or given up", async () => {
  const [channel, held] = await start();
  channel.policies.set(jobs.report, FAILURE);
  const late = channel.unary(jobs.report, { id: 1n }, { timeoutMs: 100 });
  expect(await rig.current.after(100, late)).toEqual({});
  held.release();
  await rig.current.clock.advance(100);
  const wrong = failure(report(channel, 2));
  const controller = new AbortController();
  const abandoned = failure(channel.unary(jobs.report, { id: 3n }, { signal: controller.signal }));
  await rig.current.clock.advance(0);
  controller.abort();
  held.held.find(({ request }) => request.id === 2n)?.end(new RpcError(Code.INVALID_ARGUMENT, "wrong"));
  expect(await rig.current.now(wrong)).toMatchObject({ code: Code.INVALID_ARGUMENT });
  expect(await rig.current.now(abandoned)).toMatchObject({ code: Code.CANCELLED });
  expect(statsOf(channel, jobs.report)).toMatchObject({ queued: 1, failed: 2 });
  held.release();
  await rig.current.clock.advance(1_000);
  held.release();
});

it("store: ALWAYS sends every call through the queue, in order by its key", async () => {
  const [channel, held] = await start();
  channel.policies.set(jobs.report, { ...FAILURE, storeAlways: true, queueKey: "text" });
  const calls = [
    report(channel, 1, { text: "a" }),
    report(channel, 2, { text: "a" }),
    report(channel, 3, { text: "b" }),
    report(channel, 4),
    report(channel, 5),
  ];
  await rig.current.now(Promise.all(calls));
  await rig.current.clock.advance(0);
  expect(held.ids).toEqual([1, 3, 4]);
  held.release();
  await rig.current.clock.advance(0);
  expect(held.ids).toEqual([2, 5]);
  held.release();
  await rig.current.clock.advance(0);
  expect(statsOf(channel, jobs.report)).toMatchObject({ queued: 5, succeeded: 5 });
});

it("keeps what the request was when the call was made", async () => {
  const [channel, held] = await start();
  channel.policies.set(jobs.report, { ...FAILURE, storeAlways: true });
  const request: MessageInit = { text: "before" };
  const call = channel.unary(jobs.report, request);
  request.text = "after";
  await rig.current.now(call);
  await rig.current.clock.advance(0);
  expect(held.held[0]?.request.text).toBe("before");
  held.release();
  await rig.current.clock.advance(0);
});

it("delivers through the gate, and does not fail there for want of room to wait", async () => {
  const [channel, held] = await start();
  channel.policies.set(jobs.report, { ...FAILURE, storeAlways: true, concurrency: 2 });
  await rig.current.now(Promise.all([1, 2, 3, 4, 5].map((id) => report(channel, id))));
  await rig.current.clock.advance(0);
  expect(held.ids).toEqual([1, 2]);
  held.release(1);
  await rig.current.clock.advance(0);
  expect(held.ids).toEqual([2, 3]);
  while (held.held.length > 0) {
    held.release();
    await rig.current.clock.advance(0);
  }
  expect(statsOf(channel, jobs.report)).toMatchObject({ queued: 5, succeeded: 5, rejected: {} });
  expect(channel.stats().queues).toMatchObject({ reports: { depth: 0, stored: 5, delivered: 5 } });
});

it("leaves what was not delivered to the next channel, which begins when it knows the method", async () => {
  const store = memoryQueueStore();
  const [channel, held] = await start({ queues: store });
  channel.policies.set(jobs.report, { ...FAILURE, storeAlways: true });
  await rig.current.now(Promise.all([1, 2].map((id) => report(channel, id))));
  await rig.current.after(2_000, channel.close({ graceMs: 0 }));
  held.release();
  const next = rig.current.connect({ queues: store, deliver: [reports], random: () => 0.5 });
  await rig.current.now(next.ready());
  await rig.current.clock.advance(0);
  expect(held.ids).toEqual([1, 2]);
  expect(held.held[0]?.ctx.attempt).toBeGreaterThan(1);
  held.release();
  await rig.current.clock.advance(0);
});

it("delivers records of methods that it has never heard of by their paths", async () => {
  const store = memoryQueueStore();
  const [channel, held] = await start({ queues: store });
  channel.policies.set(jobs.report, { ...FAILURE, storeAlways: true });
  await rig.current.now(report(channel, 1, { text: "old" }));
  await rig.current.after(2_000, channel.close({ graceMs: 0 }));
  held.release();
  const next = rig.current.connect({ queues: store, random: () => 0.5 });
  next.policies.set(jobs.run, { concurrency: 1 });
  next.policies.set(other, { ...FAILURE });
  await rig.current.now(next.ready());
  await rig.current.clock.advance(0);
  expect(held.held[0]?.request).toMatchObject({ id: 1n, text: "old" });
  held.release();
  await rig.current.clock.advance(0);
});

it("stores the calls that wait for a connection when the channel is closed", async () => {
  const store = memoryQueueStore();
  const channel = rig.current.connect({ queues: store });
  channel.policies.set(jobs.report, FAILURE);
  const call = report(channel, 1);
  await rig.current.clock.advance(10);
  const closed = channel.close({ graceMs: 0 });
  await rig.current.after(2_000, closed);
  expect(await rig.current.now(call)).toEqual({});
  expect(await store.names()).toEqual(["reports"]);
});

it("failure: QUEUE stores a call whose time is over while it waits for room, or whose channel is closed then", async () => {
  const store = memoryQueueStore();
  const [channel, held] = await start({ queues: store });
  channel.policies.set(jobs.report, { ...FAILURE, concurrency: 1 });
  const first = report(channel, 1);
  const late = channel.unary(jobs.report, { id: 2n }, { timeoutMs: 50 });
  const controller = new AbortController();
  const givenUp = failure(channel.unary(jobs.report, { id: 3n }, { signal: controller.signal }));
  const waiting = report(channel, 4);
  await rig.current.clock.advance(0);
  controller.abort();
  expect((await rig.current.now(givenUp)).code).toBe(Code.CANCELLED);
  expect(await rig.current.after(50, late)).toEqual({});
  expect(statsOf(channel, jobs.report)).toMatchObject({ queued: 1, failed: 1, waiting: 2, running: 1 });
  const closed = channel.close({ graceMs: 100 });
  expect(await rig.current.now(waiting)).toEqual({});
  expect(statsOf(channel, jobs.report)).toMatchObject({ queued: 2, waiting: 0 });
  held.release();
  await rig.current.now(first);
  await rig.current.after(2_000, closed);
  expect(await store.names()).toEqual(["reports"]);
});

it("fails a call that must be stored where there is no store, and says what to pass", async () => {
  const held = new HeldJobs();
  (await rig.current.serve()).handle(Jobs, held.handlers);
  const channel = rig.current.connect();
  channel.policies.set(jobs.report, { ...FAILURE, storeAlways: true });
  const error = await rig.current.now(failure(report(channel, 1)));
  expect(error).toMatchObject({ code: Code.FAILED_PRECONDITION, origin: "local", retry: "safe" });
  expect(error.message).toContain("connect(address, { queues })");
  expect(held.held).toHaveLength(0);
});

it("fails the call that is one more than the queue holds", async () => {
  const [channel, held] = await start({ queues: memoryQueueStore({ maxCalls: 2 }) });
  channel.policies.set(jobs.report, { ...FAILURE, storeAlways: true });
  for (const id of [1, 2]) await rig.current.now(report(channel, id));
  const error = await rig.current.now(failure(report(channel, 3)));
  expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "safe" });
  expect(error.message).toMatch(/^support\.v1\.Jobs\/Report: queue "reports"/);
  expect(statsOf(channel, jobs.report)).toMatchObject({ queued: 2, rejected: { store: 1 } });
  held.release();
  await rig.current.clock.advance(0);
});

it("tells of a queue that another channel of the process has", async () => {
  const queues = memoryQueueStore();
  const [channel, held] = await start({ queues });
  channel.policies.set(jobs.report, { ...FAILURE, storeAlways: true });
  await rig.current.now(report(channel, 1));
  const second = rig.current.connect({ queues }, ADDRESS);
  second.policies.set(jobs.report, { ...FAILURE, storeAlways: true });
  expect(await rig.current.now(failure(report(second, 2)))).toMatchObject({ code: Code.FAILED_PRECONDITION });
  held.release();
  await rig.current.clock.advance(0);
});

it("tries a queue that cannot be opened again until it can, and says in the stats what is in the way", async () => {
  const queues = memoryQueueStore();
  const [channel, held] = await start({ queues });
  channel.policies.set(jobs.report, { ...FAILURE, storeAlways: true });
  await rig.current.now(report(channel, 1));
  await rig.current.clock.advance(0);
  expect(channel.stats().queues.reports?.problem).toBeUndefined();
  const second = rig.current.connect({ queues, deliver: [reports], random: () => 0.5 }, ADDRESS);
  await rig.current.now(second.ready());
  await rig.current.clock.advance(0);
  expect(second.stats().queues.reports?.problem).toMatch(
    /^FAILED_PRECONDITION: queue "reports" .* is in use by another/,
  );
  await rig.current.after(2_000, channel.close({ graceMs: 0 }));
  // Nobody calls the method here.
  await rig.current.clock.advance(3_000);
  expect(second.stats().queues.reports).toMatchObject({ depth: 1, inFlight: 1, problem: undefined });
  held.release();
  await rig.current.clock.advance(0);
  expect(second.stats().queues.reports).toMatchObject({ depth: 0, delivered: 1 });
});

it("says in the stats why nothing is delivered, and in the log that a queue cannot be read", async () => {
  const queues = memoryQueueStore();
  const open = queues.open.bind(queues);
  let isBroken = true;
  queues.open = async (name) => {
    const stored = await open(name);
    const read = stored.read.bind(stored);
    stored.read = (...args) => (isBroken ? Promise.reject(new Error("EIO: broken")) : read(...args));
    return stored;
  };
  const before = await open("reports");
  const payload = Buffer.alloc(0);
  await before.append({
    callId: "a",
    path: jobs.report.path,
    key: undefined,
    enqueuedAt: 0,
    metadata: undefined,
    payload,
  });
  await before.close();
  const lines: unknown[] = [];
  const logger = { warn: (fields: object): unknown => lines.push(fields) };
  const [channel, held] = await start({ queues, deliver: [reports], logger });
  await rig.current.clock.advance(0);
  expect(lines).toMatchObject([{ reason: expect.stringContaining("EIO: broken") }]);
  expect(channel.stats().queues.reports?.problem).toContain("EIO: broken");
  isBroken = false;
  await rig.current.clock.advance(1_000);
  held.held.shift()?.end(new RpcError(Code.INTERNAL, "the database is down"));
  await rig.current.clock.advance(0);
  expect(channel.stats().queues.reports?.problem).toContain("INTERNAL: the database is down");
  await rig.current.clock.advance(1_000);
  held.release();
  await rig.current.clock.advance(0);
  expect(channel.stats().queues.reports).toMatchObject({ delivered: 1, problem: undefined });
});

it("what is answered while the channel closes is not delivered again", async () => {
  const store = memoryQueueStore();
  const [channel, held] = await start({ queues: store });
  channel.policies.set(jobs.report, { ...FAILURE, storeAlways: true });
  await rig.current.now(report(channel, 1));
  await rig.current.clock.advance(0);
  const closed = channel.close();
  held.release();
  await rig.current.after(6_000, closed);
  expect((await store.open("reports")).counts().depth).toBe(0);
});

const { name, localName, input, output } = jobs.report;
const spec = { name, localName, input, output };
const other = new Method("support.v1.Others", spec);
const reports = new Service("support.v1.Jobs", {
  report: new Method("support.v1.Jobs", { ...spec, client: { ...FAILURE, storeAlways: true } }),
});

it("a one-way call that was stored is delivered until it is answered", async () => {
  const order: bigint[] = [];
  let failures = 2;
  await rig.current.serve({
    note({ id }) {
      order.push(id);
      if (failures-- > 0) throw new RpcError(Code.UNAVAILABLE, "not now");
      return {};
    },
  });
  const channel = rig.current.connect({ queues: memoryQueueStore(), random: () => 0.5 });
  await rig.current.now(channel.ready());
  channel.policies.set(Echo.methods.note, { failure: "queue", storeAlways: true, queueName: "notes" });
  await rig.current.now(channel.unary(Echo.methods.note, { id: 7n }));
  await rig.current.clock.advance(1_000);
  expect(order).toEqual([7n, 7n, 7n]);
  expect(channel.stats().queues.notes).toMatchObject({ depth: 0, delivered: 1 });
});
