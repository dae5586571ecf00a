// Random calls under random policies that change while they run, against a server that fails, stalls and refuses: whatever
// happens, every call ends once and in time, limits hold, counts add up, and nothing is left.

import { expect, it } from "vitest";
import {
  type CallContext,
  type Channel,
  type ClientPolicy,
  Code,
  Method,
  type MethodStats,
  RpcError,
} from "../../src/index.js";
import { memoryQueueStore } from "../../src/queue.js";
import { seededRandom } from "../../src/testing.js";
import type { Message, MessageInit } from "../support/gen/support/v1/echo.js";
import { Jobs, jobs } from "../support/jobs.js";
import { useRig } from "../support/rig.js";
import { testSeed } from "../support/seed.js";

const rig = useRig();
const SEEDS = 40;
const STEPS = 300;
const TIMEOUT_MS = 400;

/** A method with an empty reply that may run twice, which any policy is for. */
const { name, localName, input, output } = jobs.report;
const twice = new Method("support.v1.Jobs", { name, localName, input, output, idempotency: "idempotent" });

/** What all seeds together have met, by the names of counters. */
const met = new Map<string, number>();

type Dice = <T>(choices: readonly T[]) => T;

/** A policy for a method with an empty reply that may run twice. */
function drawPolicy(pick: Dice): ClientPolicy {
  const overflow = pick(["block", "reject", "log", "queue"] as const);
  const failure = pick(["fail", "retry", "hedge", "log", "queue"] as const);
  const concurrency = pick([undefined, 1, 3, 10]);
  const rate = pick([undefined, 20, 500]);
  const isLimited = concurrency !== undefined || rate !== undefined;
  return {
    overflow,
    failure,
    throttle: pick([false, false, true]),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(rate === undefined ? {} : { rate, burst: pick([1, 5]) }),
    ...(overflow === "block" && isLimited ? { queue: pick([1, 8, 100]) } : {}),
    ...(failure === "retry" ? { retry: { maxAttempts: pick([2, 3, 5]), initialBackoffMs: pick([1, 20]) } } : {}),
    ...(failure === "hedge" ? { hedge: { delayMs: pick([1, 10, 60]) } } : {}),
    ...(overflow === "queue" || failure === "queue" ? { queueName: "work" } : {}),
  };
}

/** What becomes of a call at the server. */
async function serveRandomly(pick: Dice, ctx: CallContext): Promise<void> {
  const delayMs = pick([0, 0, 1, 5, 50, 1_000]);
  if (delayMs > 0)
    await new Promise((resolve) => {
      const timer = rig.current.clock.setTimer(() => resolve(undefined), delayMs, false);
      ctx.signal.addEventListener("abort", () => {
        rig.current.clock.clearTimer(timer);
        resolve(undefined);
      });
    });
  const code = pick([Code.OK, Code.OK, Code.OK, Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.NOT_FOUND]);
  if (code !== Code.OK) throw new RpcError(code, "drawn", { retryAfterMs: pick([undefined, 3, 300]) });
}

function checkCounts(stats: MethodStats | undefined, made: number): void {
  if (stats === undefined) return;
  const { succeeded, failed, logged, queued, rejected, started, waiting, running } = stats;
  expect({ waiting, running }).toEqual({ waiting: 0, running: 0 });
  const refused = Object.values(rejected).reduce((sum, count) => sum + count, 0);
  const ended = succeeded + failed + logged + queued + refused;
  // Deliveries from the queue count as calls, too, and there are at least none of them.
  expect(ended).toBeGreaterThanOrEqual(made);
  if (queued === 0) expect(ended).toBe(made);
  expect(started).toBeLessThanOrEqual(ended);
}

/** Nobody waits while there is room. */
function checkRoom(channel: Channel): void {
  const { concurrency = Number.POSITIVE_INFINITY, rate } = channel.policies.get(twice) ?? {};
  const stats = channel.policies.stats()[twice.path];
  if (stats !== undefined && stats.waiting > 0 && rate === undefined)
    expect(stats.running).toBeGreaterThanOrEqual(concurrency);
}

async function play(channel: Channel, pick: Dice, random: () => number): Promise<void> {
  const { clock } = rig.current;
  let made = 0;
  let open = 0;
  let worst = 0;
  const controllers: AbortController[] = [];
  for (let step = 0; step < STEPS; step++) {
    if (random() < 0.03) channel.policies.set(twice, drawPolicy(pick));
    const calls = pick([0, 0, 1, 1, 2, 20]);
    for (let i = 0; i < calls; i++) {
      const controller = new AbortController();
      const begun = clock.now();
      const timeoutMs = pick([5, 50, TIMEOUT_MS]);
      made++;
      open++;
      const end = (): void => {
        open--;
        worst = Math.max(worst, clock.now() - begun - timeoutMs);
      };
      channel.unary(twice, { id: BigInt(made) }, { timeoutMs, signal: controller.signal }).then(end, end);
      if (random() < 0.1) controllers.push(controller);
    }
    if (random() < 0.1) controllers.shift()?.abort();
    await clock.advance(pick([0, 0, 1, 1, 7, 30]));
    checkRoom(channel);
  }
  channel.policies.set(twice, {});
  await clock.advance(60_000);
  expect(open).toBe(0);
  // Deadlines are kept to the millisecond; what is stored is stored at once by a store in memory.
  expect(worst).toBeLessThanOrEqual(1);
  // What is stored and fails is delivered again for a while yet.
  const read = (): MethodStats | undefined => channel.policies.stats()[twice.path];
  for (let minutes = 0; minutes < 10 && (read()?.running ?? 0) > 0; minutes++) await clock.advance(60_000);
  const stats = read();
  checkCounts(stats, made);
  for (const [name, count] of Object.entries({ ...stats, ...stats?.rejected }))
    if (typeof count === "number") met.set(name, (met.get(name) ?? 0) + count);
}

it.each(Array.from({ length: SEEDS }, (_, i) => testSeed() + i))("holds with seed %i", async (seed) => {
  const random = seededRandom(seed);
  const pick: Dice = (choices) => choices[Math.floor(random() * choices.length)] as never;
  const server = await rig.current.serve({}, { maxCalls: 8 });
  const echo = async (request: Message, ctx: CallContext): Promise<MessageInit> => {
    await serveRandomly(pick, ctx);
    return request;
  };
  server.handle(Jobs, {
    run: echo,
    repeat: echo,
    report: async (_, ctx) => {
      await serveRandomly(pick, ctx);
      return {};
    },
    list: () => [],
  });
  const channel = rig.current.connect({ queues: memoryQueueStore(), random });
  channel.policies.set(twice, drawPolicy(pick));
  await play(channel, pick, random);
});

it("has met every outcome", () => {
  const never = [
    ...["succeeded", "failed", "retried", "hedged", "logged", "queued"],
    ...["concurrency", "queue", "rate", "throttle"],
  ].filter((name) => (met.get(name) ?? 0) < 20);
  expect(never, [...met].join(" ")).toEqual([]);
});
