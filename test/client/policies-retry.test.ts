// Calls that are made again: when, how often, how soon, and when not; and what the server sees of it.

import { describe, expect, it } from "vitest";
import { type CallContext, type Channel, Code, createContext, type Metadata, RpcError } from "../../src/index.js";
import { seededRandom } from "../../src/testing.js";
import type { Message, MessageInit } from "../support/gen/support/v1/echo.js";
import { HeldJobs, Jobs, type JobsHandlers, jobs, statsOf } from "../support/jobs.js";
import { failure, useRig } from "../support/rig.js";
import { testSeed } from "../support/seed.js";

const rig = useRig();
const unavailable = (): RpcError => new RpcError(Code.UNAVAILABLE, "not now");

/** What a server has seen of a call. */
interface Seen {
  readonly at: number;
  readonly attempt: number;
  readonly callId: string | undefined;
  readonly text: string;
}

/** Serves with `handle`, and notes what comes. */
async function serve(
  handle: (request: Message, ctx: CallContext, attempts: number) => MessageInit | Promise<MessageInit>,
): Promise<Seen[]> {
  const seen: Seen[] = [];
  const noted = (request: Message, ctx: CallContext): MessageInit | Promise<MessageInit> => {
    const { attempt, callId } = ctx;
    seen.push({ at: rig.current.clock.now(), attempt, callId, text: request.text });
    return handle(request, ctx, seen.length);
  };
  const report: JobsHandlers["report"] = async (request, ctx) => {
    await noted(request, ctx);
    return {};
  };
  (await rig.current.serve()).handle(Jobs, { run: noted, repeat: noted, report, list: () => [] });
  return seen;
}

/** A channel whose jitter is none: a random number of 0.5 is a factor of 1. */
async function connect(options: Parameters<typeof rig.current.connect>[0] = {}): Promise<Channel> {
  const channel = rig.current.connect({ random: () => 0.5, ...options });
  await rig.current.now(channel.ready());
  return channel;
}

const RETRY = { failure: "retry", retry: { maxAttempts: 4, initialBackoffMs: 10, maxBackoffMs: 30 } } as const;

describe("RETRY", () => {
  it("makes an idempotent call again after growing pauses, up to the last attempt", async () => {
    const seen = await serve(() => {
      throw unavailable();
    });
    const channel = await connect();
    channel.policies.set(jobs.repeat, RETRY);
    const error = await rig.current.after(70, failure(channel.unary(jobs.repeat, {})));
    expect(error).toMatchObject({ code: Code.UNAVAILABLE, message: "not now", origin: "user" });
    expect(seen.map(({ at, attempt }) => [at, attempt])).toEqual([
      [0, 1],
      [10, 2],
      [30, 3],
      [60, 4],
    ]);
    expect(statsOf(channel, jobs.repeat)).toMatchObject({ started: 1, failed: 1, retried: 3, running: 0 });
  });

  it("spreads the pauses from 0.8 to 1.2", async () => {
    for (const [random, pauseMs] of [
      [0, 8],
      [0.999_999, 12],
    ] as const) {
      const seen = await serveElsewhere(`memory:${pauseMs}`);
      const channel = rig.current.connect({ random: () => random }, `memory:${pauseMs}`);
      await rig.current.now(channel.ready());
      channel.policies.set(jobs.repeat, { ...RETRY, retry: { ...RETRY.retry, maxAttempts: 2 } });
      await rig.current.after(20, failure(channel.unary(jobs.repeat, {})));
      expect((seen[1] as number) - (seen[0] as number)).toBeCloseTo(pauseMs, 3);
    }
  });

  it("sends the same bytes and the same id each time, whatever becomes of the request object", async () => {
    const seen = await serve((request, _, attempts) => {
      if (attempts < 3) throw unavailable();
      return request;
    });
    const channel = await connect();
    channel.policies.set(jobs.repeat, RETRY);
    const request: MessageInit = { text: "before" };
    const call = channel.unary(jobs.repeat, request, { metadata: { "x-mine": "1" } });
    request.text = "after";
    expect((await rig.current.after(100, call)).text).toBe("before");
    expect(seen.map(({ text }) => text)).toEqual(["before", "before", "before"]);
    expect(new Set(seen.map(({ callId }) => callId)).size).toBe(1);
    expect(seen[0]?.callId).toMatch(/^[0-9a-z]+-0$/);
  });

  it("does not repeat what may have run, unless it may run twice", async () => {
    const seen = await serve(() => {
      throw unavailable();
    });
    const channel = await connect();
    channel.policies.set(jobs.run, RETRY);
    expect(await rig.current.now(failure(channel.unary(jobs.run, {})))).toMatchObject({ retry: "unsafe" });
    expect(seen).toHaveLength(1);
  });

  it("repeats what provably did not run, idempotent or not", async () => {
    const server = rig.current.createServer({}, { maxCalls: 1 });
    const held = new HeldJobs();
    server.handle(Jobs, held.handlers);
    await server.listen("memory:small");
    server.policies.set(jobs.run, { concurrency: 1, queue: 0 });
    const channel = rig.current.connect({ random: () => 0.5 }, "memory:small");
    await rig.current.now(channel.ready());
    channel.policies.set(jobs.run, { failure: "retry", retry: { initialBackoffMs: 40 } });
    const first = channel.unary(jobs.run, { id: 1n });
    const second = channel.unary(jobs.run, { id: 2n });
    await rig.current.clock.advance(20);
    expect(held.ids).toEqual([1]);
    held.release();
    await rig.current.now(first);
    await rig.current.clock.advance(1_500);
    expect(held.ids).toEqual([2]);
    held.release();
    expect((await rig.current.now(second)).id).toBe(2n);
    expect(statsOf(channel, jobs.run)).toMatchObject({ started: 2, succeeded: 2, retried: 1 });
  });

  it("repeats only what its codes name", async () => {
    const codes = [Code.ABORTED, Code.UNAVAILABLE] as const;
    const seen = await serve((_, __, attempts) => {
      throw new RpcError(codes[attempts - 1] as Code, "no");
    });
    const channel = await connect();
    channel.policies.set(jobs.repeat, { failure: "retry", retry: { codes: [Code.ABORTED] } });
    expect(await rig.current.after(50, failure(channel.unary(jobs.repeat, {})))).toMatchObject({
      code: Code.UNAVAILABLE,
    });
    expect(seen).toHaveLength(2);
  });

  it("waits as long as the server says", async () => {
    const seen = await serve((request, _, attempts) => {
      if (attempts === 1) throw new RpcError(Code.RESOURCE_EXHAUSTED, "later", { retryAfterMs: 250 });
      return request;
    });
    const channel = await connect();
    channel.policies.set(jobs.repeat, RETRY);
    await rig.current.after(300, channel.unary(jobs.repeat, {}));
    expect(seen.map(({ at }) => at)).toEqual([0, 250]);
  });

  it("fails at once with the last error if the pause would end after the deadline", async () => {
    await serve(() => {
      throw new RpcError(Code.UNAVAILABLE, "later", { retryAfterMs: 100 });
    });
    const channel = await connect();
    channel.policies.set(jobs.repeat, RETRY);
    const atDeadline = failure(channel.unary(jobs.repeat, {}, { timeoutMs: 100 }));
    expect(await rig.current.now(atDeadline)).toMatchObject({ message: "later" });
    expect(statsOf(channel, jobs.repeat)).toMatchObject({ retried: 0, failed: 1 });
  });

  it("has one deadline for all attempts", async () => {
    const seen = await serve((_, ctx, attempts) => {
      if (attempts === 1) throw unavailable();
      return new Promise((_resolve, reject) => ctx.signal.addEventListener("abort", () => reject(ctx.error)));
    });
    const channel = await connect();
    channel.policies.set(jobs.repeat, RETRY);
    const call = failure(channel.unary(jobs.repeat, {}, { timeoutMs: 100 }));
    await rig.current.clock.advance(99);
    expect(seen).toHaveLength(2);
    expect(await rig.current.after(1, call)).toMatchObject({ code: Code.DEADLINE_EXCEEDED, retry: "unsafe" });
  });

  it("ends with its signal and its parent, during an attempt and during a pause", async () => {
    const held = new HeldJobs();
    const seen = await serve((request, ctx, attempts) => {
      if (attempts % 2 === 1) throw unavailable();
      return held.handle(request, ctx);
    });
    const channel = await connect();
    channel.policies.set(jobs.repeat, RETRY);
    for (const waitMs of [5, 15]) {
      const controller = new AbortController();
      const parent = createContext({ clock: rig.current.clock });
      const calls = [
        failure(channel.unary(jobs.repeat, {}, { signal: controller.signal })),
        failure(channel.unary(jobs.repeat, {}, { parent })),
      ];
      await rig.current.clock.advance(waitMs);
      controller.abort("enough");
      parent.cancel();
      for (const error of await rig.current.now(Promise.all(calls)))
        expect(error).toMatchObject({ code: Code.CANCELLED, retry: "unsafe" });
      held.release();
      await rig.current.clock.advance(100);
    }
    expect(seen.length).toBeLessThanOrEqual(8);
    expect(statsOf(channel, jobs.repeat)).toMatchObject({ failed: 4, running: 0 });
  });

  it("gives the pause up when the channel is closed", async () => {
    await serve(() => {
      throw unavailable();
    });
    const channel = await connect();
    channel.policies.set(jobs.repeat, { failure: "retry", retry: { initialBackoffMs: 500 } });
    const call = failure(channel.unary(jobs.repeat, {}));
    await rig.current.clock.advance(10);
    const closed = channel.close();
    expect(await rig.current.now(call)).toMatchObject({ message: "not now" });
    await rig.current.now(closed);
  });

  it("does not repeat a call that was made for a repeated one, near or far", async () => {
    const inner = await serve(() => {
      throw unavailable();
    });
    const channel = await connect();
    channel.policies.set(jobs.repeat, RETRY);
    const outerChannel = await chain(channel);
    const error = failure(outerChannel.unary(jobs.repeat, { id: 1n }));
    await rig.current.after(2_000, error);
    // The first attempt of the outer call makes four of the inner one; its second makes one.
    expect(inner.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 1]);
  });

  it("tells the caller the metadata of the last attempt only", async () => {
    await serve((request, ctx, attempts) => {
      ctx.trailers.set("n", String(attempts));
      if (attempts < 3) throw unavailable();
      return request;
    });
    const channel = await connect();
    channel.policies.set(jobs.repeat, RETRY);
    const told: unknown[] = [];
    const onResponseMetadata = (_: Metadata, trailers: Metadata): void => {
      told.push(trailers.get("n"));
    };
    await rig.current.after(100, channel.unary(jobs.repeat, {}, { onResponseMetadata }));
    expect(told).toEqual(["3"]);
  });

  it("makes at most a fifth more attempts than calls, and ten a second, in an outage", async () => {
    const seed = testSeed();
    console.log(`seed ${seed}`);
    let attempts = 0;
    await serve(() => {
      attempts++;
      throw unavailable();
    });
    const channel = rig.current.connect({ random: seededRandom(seed) });
    await rig.current.now(channel.ready());
    channel.policies.set(jobs.repeat, { failure: "retry", retry: { maxAttempts: 5 } });
    let calls = 0;
    const errors: Promise<RpcError>[] = [];
    for (let ms = 0; ms < 10_000; ms += 10) {
      for (let i = 0; i < 5; i++) {
        errors.push(failure(channel.unary(jobs.repeat, {})));
        calls++;
      }
      await rig.current.clock.advance(10);
    }
    await rig.current.after(5_000, Promise.all(errors));
    expect(calls).toBe(5_000);
    expect(attempts).toBeLessThanOrEqual(1.2 * calls + 10 * 10);
    expect(attempts).toBeGreaterThan(1.15 * calls);
  }, 30_000);

  it("lets a quiet channel retry a hundred times in ten seconds, not once more", async () => {
    const seen = await serve(() => {
      throw unavailable();
    });
    const channel = await connect();
    channel.policies.set(jobs.repeat, {
      failure: "retry",
      retry: { maxAttempts: 5, initialBackoffMs: 1, maxBackoffMs: 1 },
    });
    // 30 calls want 120 retries, and have a budget of 100 + 30 / 5.
    const errors = Array.from({ length: 30 }, () => failure(channel.unary(jobs.repeat, {})));
    await rig.current.after(100, Promise.all(errors));
    expect(seen).toHaveLength(30 + 106);
    await rig.current.clock.advance(11_000);
    const later = failure(channel.unary(jobs.repeat, {}));
    await rig.current.after(100, later);
    expect(seen).toHaveLength(30 + 106 + 5);
  });

  it("shares the budget among the channels of a process that lead to the same place", async () => {
    const seen = await serve(() => {
      throw unavailable();
    });
    const channels = [await connect(), await connect(), await connect()];
    const errors = channels.flatMap((channel) => {
      const retry = { maxAttempts: 5, initialBackoffMs: 1, maxBackoffMs: 1 };
      channel.policies.set(jobs.repeat, { failure: "retry", retry });
      return Array.from({ length: 30 }, () => failure(channel.unary(jobs.repeat, {})));
    });
    await rig.current.after(100, Promise.all(errors));
    expect(seen).toHaveLength(90 + 100 + 90 / 5);
  });

  it("outlives a server that is replaced by another", async () => {
    const held = new HeldJobs();
    const first = (await rig.current.serve()).handle(Jobs, held.handlers);
    const channel = await connect();
    channel.policies.set(jobs.repeat, { failure: "retry", retry: { maxAttempts: 3, initialBackoffMs: 100 } });
    channel.policies.set(jobs.run, { failure: "retry", retry: { maxAttempts: 3, initialBackoffMs: 100 } });
    const repeated = channel.unary(jobs.repeat, { id: 1n });
    const once = failure(channel.unary(jobs.run, { id: 2n }));
    await rig.current.clock.advance(0);
    expect(held.ids).toEqual([1, 2]);
    const closed = first.close({ graceMs: 0 });
    expect(await rig.current.after(1_000, once)).toMatchObject({ code: Code.UNAVAILABLE, retry: "unsafe" });
    held.release();
    await closed;
    const seen = await serve((request) => request);
    expect((await rig.current.after(10_000, repeated)).id).toBe(1n);
    expect(seen.map(({ attempt }) => attempt)).toEqual([2]);
    expect(statsOf(channel, jobs.run)).toMatchObject({ failed: 1, retried: 0 });
  });

  it("repeats a call that does not wait for a connection", async () => {
    const channel = rig.current.connect({ random: () => 0.5, waitForReady: false });
    channel.policies.set(jobs.run, { failure: "retry", retry: { maxAttempts: 5, initialBackoffMs: 200 } });
    const call = channel.unary(jobs.run, { id: 3n });
    await rig.current.clock.advance(100);
    const seen = await serve((request) => request);
    expect((await rig.current.after(5_000, call)).id).toBe(3n);
    expect(seen).toHaveLength(1);
    expect(seen[0]?.attempt).toBeGreaterThan(1);
  });

  it("counts attempts for the rate, without making them wait", async () => {
    const seen = await serve((request, _, attempts) => {
      if (attempts <= 2) throw unavailable();
      return request;
    });
    const channel = await connect();
    channel.policies.set(jobs.repeat, { ...RETRY, rate: 10, burst: 1 });
    const calls = [channel.unary(jobs.repeat, { text: "a" }), channel.unary(jobs.repeat, { text: "b" })];
    await rig.current.after(1_000, Promise.all(calls));
    expect(seen.map(({ at, text }) => [at, text])).toEqual([
      [0, "a"],
      [10, "a"],
      [30, "a"],
      [300, "b"],
    ]);
  });
});

describe("HEDGE", () => {
  it("makes a second attempt after the delay, takes the first answer and cancels the other", async () => {
    const held = new HeldJobs();
    const seen = await serve((request, ctx) => held.handle(request, ctx));
    const channel = await connect();
    channel.policies.set(jobs.repeat, { failure: "hedge", hedge: { delayMs: 20 } });
    await warmUp(channel, held, 9);
    seen.length = 0;
    const call = channel.unary(jobs.repeat, { text: "hedged" });
    await rig.current.clock.advance(19);
    expect(seen).toHaveLength(1);
    await rig.current.clock.advance(1);
    expect(seen.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(seen[0]?.callId).toBe(seen[1]?.callId);
    held.held[1]?.end();
    expect((await rig.current.now(call)).text).toBe("hedged");
    await rig.current.clock.advance(0);
    expect(held.held[0]?.ctx.isCancelled).toBe(true);
    held.release();
    expect(statsOf(channel, jobs.repeat)).toMatchObject({ started: 10, succeeded: 10, hedged: 1, running: 0 });
  });

  it("hedges a tenth of the calls, and not one more", async () => {
    const held = new HeldJobs();
    const seen = await serve((request, ctx) => held.handle(request, ctx));
    const channel = await connect();
    channel.policies.set(jobs.repeat, { failure: "hedge", hedge: { delayMs: 20 } });
    const calls = Array.from({ length: 39 }, () => channel.unary(jobs.repeat, {}));
    await rig.current.clock.advance(100);
    expect(seen).toHaveLength(39 + 3);
    held.release();
    await rig.current.now(Promise.all(calls));
  });

  it("waits for as long as 95% of the calls take, once it has seen enough of them", async () => {
    const held = new HeldJobs();
    const seen = await serve((request, ctx) => held.handle(request, ctx));
    const channel = await connect();
    channel.policies.set(jobs.repeat, { failure: "hedge" });
    const slow = channel.unary(jobs.repeat, {});
    await rig.current.clock.advance(10_000);
    expect(seen).toHaveLength(1);
    held.release();
    await rig.current.now(slow);
    for (let i = 0; i < 120; i++) {
      const call = channel.unary(jobs.repeat, {});
      await rig.current.clock.advance(i % 30 === 0 ? 400 : 40);
      held.release();
      await rig.current.now(call);
    }
    seen.length = 0;
    const call = channel.unary(jobs.repeat, {});
    await rig.current.clock.advance(39);
    expect(seen).toHaveLength(1);
    await rig.current.clock.advance(6);
    expect(seen).toHaveLength(2);
    held.release();
    await rig.current.now(call);
  });

  it("ends with a failure that another attempt would meet, too", async () => {
    const held = new HeldJobs();
    const seen = await serve((request, ctx) => held.handle(request, ctx));
    const channel = await connect();
    channel.policies.set(jobs.repeat, { failure: "hedge", hedge: { delayMs: 20 } });
    await warmUp(channel, held, 9);
    const call = failure(channel.unary(jobs.repeat, {}));
    await rig.current.clock.advance(20);
    expect(held.held).toHaveLength(2);
    held.held[0]?.end(new RpcError(Code.INVALID_ARGUMENT, "wrong"));
    expect(await rig.current.now(call)).toMatchObject({ code: Code.INVALID_ARGUMENT });
    await rig.current.clock.advance(0);
    expect(held.held[1]?.ctx.isCancelled).toBe(true);
    held.release();
    expect(seen).toHaveLength(11);
  });

  it("goes on with the other attempt, or makes it at once, after a failure that may pass", async () => {
    const held = new HeldJobs();
    const seen = await serve((request, ctx) => held.handle(request, ctx));
    const channel = await connect();
    channel.policies.set(jobs.repeat, { failure: "hedge", hedge: { delayMs: 20 } });
    await warmUp(channel, held, 18);
    const late = channel.unary(jobs.repeat, {});
    await rig.current.clock.advance(20);
    held.held[0]?.end(unavailable());
    await rig.current.clock.advance(0);
    held.held[1]?.end();
    await rig.current.now(late);
    held.held.length = 0;
    const fast = channel.unary(jobs.repeat, { text: "fast" });
    await rig.current.clock.advance(1);
    held.release(0);
    held.held.shift()?.end(unavailable());
    await rig.current.clock.advance(0);
    expect(held.held).toHaveLength(1);
    held.release();
    expect((await rig.current.now(fast)).text).toBe("fast");
    expect(seen).toHaveLength(18 + 2 + 2);
  });

  it("ends with its signal, and both attempts with it", async () => {
    const held = new HeldJobs();
    await serve((request, ctx) => held.handle(request, ctx));
    const channel = await connect();
    channel.policies.set(jobs.repeat, { failure: "hedge", hedge: { delayMs: 20 } });
    await warmUp(channel, held, 9);
    const controller = new AbortController();
    const call = failure(channel.unary(jobs.repeat, {}, { signal: controller.signal }));
    await rig.current.clock.advance(20);
    controller.abort();
    expect((await rig.current.now(call)).code).toBe(Code.CANCELLED);
    await rig.current.clock.advance(0);
    expect(held.held.map(({ ctx }) => ctx.isCancelled)).toEqual([true, true]);
    held.release();
  });
});

it("a call that is made once has no id, and is the first attempt", async () => {
  const seen = await serve((request) => request);
  const channel = await connect();
  await rig.current.now(channel.unary(jobs.repeat, {}));
  const forged = { "sluice-attempt": "many", "sluice-call-id": "x".repeat(129) };
  await rig.current.now(channel.unary(jobs.repeat, {}, { metadata: forged }));
  expect(seen.map(({ attempt, callId }) => [attempt, callId])).toEqual([
    [1, undefined],
    [1, undefined],
  ]);
});

/** Makes calls that are answered at once. */
async function warmUp(channel: Channel, held: HeldJobs, calls: number): Promise<void> {
  for (let i = 0; i < calls; i++) {
    const call = channel.unary(jobs.repeat, {});
    await rig.current.clock.advance(0);
    held.release();
    await rig.current.now(call);
  }
}

/** When calls came to a server at `address` that refuses them all. */
async function serveElsewhere(address: string): Promise<number[]> {
  const times: number[] = [];
  const refuse = (): never => {
    times.push(rig.current.clock.now());
    throw unavailable();
  };
  (await rig.current.serve({}, {}, address)).handle(Jobs, {
    run: refuse,
    repeat: refuse,
    report: refuse,
    list: () => [],
  });
  return times;
}

/** A channel to a server that calls a server without a policy, whose handler makes its calls on `inner`. */
async function chain(inner: Channel): Promise<Channel> {
  const hop = await pass("memory:hop", inner);
  const outer = await pass("memory:outer", hop);
  outer.policies.set(jobs.repeat, { failure: "retry", retry: { maxAttempts: 2 } });
  return outer;
}

/** A channel to a server whose handler makes its calls on `next`. */
async function pass(address: string, next: Channel): Promise<Channel> {
  const repeat: JobsHandlers["repeat"] = (request, ctx) => next.unary(jobs.repeat, request, { parent: ctx });
  const server = await rig.current.serve({}, {}, address);
  server.handle(Jobs, { run: repeat, repeat, report: () => ({}), list: () => [] });
  const channel = rig.current.connect({ random: () => 0.5 }, address);
  await rig.current.now(channel.ready());
  return channel;
}
