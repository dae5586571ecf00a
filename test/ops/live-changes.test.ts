// A server's policy that is replaced while calls run and wait: what it changes at once, and what it must not forget.

import { expect, it } from "vitest";
import { Code, type Server } from "../../src/index.js";
import { Echo, EchoClient } from "../support/gen/support/v1/echo.js";
import { failure, useRig } from "../support/rig.js";

const rig = useRig();
const { echo, hold } = Echo.methods;

/** A server, and `count` calls to `method` that have come. */
async function start(
  method: "echo" | "hold",
  count: number,
  setUp: (server: Server) => void,
): Promise<{
  server: Server;
  calls: Promise<unknown>[];
}> {
  const server = await rig.current.serve();
  setUp(server);
  const client = rig.current.client();
  const calls = Array.from({ length: count }, () => client[method]({}, { timeoutMs: 1e6 }));
  await rig.current.clock.advance(0);
  return { server, calls };
}

it("a higher concurrency lets those that wait go at once, a lower one takes nothing from those that run", async () => {
  const set = (concurrency: number): void => server.policies.set(hold, { concurrency, queueDeadlineMs: 60_000 });
  const { server, calls } = await start("hold", 6, (made) =>
    made.policies.set(hold, { concurrency: 2, queueDeadlineMs: 60_000 }),
  );
  expect(server.policies.stats()[hold.path]).toMatchObject({ running: 2, waiting: 4, limit: 2 });
  set(5);
  await rig.current.clock.advance(0);
  expect(server.policies.stats()[hold.path]).toMatchObject({ running: 5, waiting: 1, limit: 5 });
  set(1);
  await rig.current.clock.advance(10);
  expect(server.policies.stats()[hold.path]).toMatchObject({ running: 5, waiting: 1, limit: 1 });
  rig.current.releaseHeld();
  await rig.current.clock.advance(0);
  rig.current.releaseHeld();
  await rig.current.now(Promise.all(calls));
});

it("a higher rate is that of the calls that wait, and a change of something else brings no tokens", async () => {
  const policy = { rate: 1, burst: 1, queueDeadlineMs: 60_000 };
  const { server, calls } = await start("echo", 4, (made) => made.policies.set(echo, policy));
  const started = (): number | undefined => server.policies.stats()[echo.path]?.started;
  expect(started()).toBe(1);
  server.policies.set(echo, { ...policy, queue: 50 });
  await rig.current.clock.advance(100);
  expect(started()).toBe(1);
  server.policies.set(echo, { ...policy, rate: 100 });
  await rig.current.clock.advance(30);
  expect(started()).toBe(4);
  await rig.current.now(Promise.all(calls));
});

it("an adaptive limit stays what it has become unless its own part of the policy changes", async () => {
  const policy = { limiter: "adaptive", concurrency: 500, queue: 5_000, queueDeadlineMs: 60_000 } as const;
  const { clock } = rig.current;
  const server = await rig.current.serve({
    echo: (request) => new Promise((resolve) => clock.setTimer(() => resolve(request), 10, false)),
  });
  server.policies.set(echo, policy);
  const client = new EchoClient(rig.current.connect());
  const calls = Promise.all(Array.from({ length: 3_000 }, () => client.echo({}, { timeoutMs: 1e6 })));
  await clock.advance(2_000);
  await rig.current.now(calls);
  const learned = server.policies.stats()[echo.path]?.limit as number;
  expect(learned).toBeGreaterThan(40);
  server.policies.set(echo, { ...policy, queue: 10 });
  expect(server.policies.stats()[echo.path]?.limit).toBe(learned);
  server.policies.set(echo, { ...policy, concurrency: 400 });
  expect(server.policies.stats()[echo.path]?.limit).toBe(20);
});

it("a call that no token is left for is told when there will be one", async () => {
  const { server, calls } = await start("echo", 1, (made) => made.policies.set(echo, { rate: 2, burst: 1, queue: 0 }));
  await rig.current.clock.advance(100);
  const error = await rig.current.now(failure(rig.current.client().echo({})));
  expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retryAfterMs: 400 });
  expect(error.message).toContain("the method takes 2 calls a second; retry after 400 ms");
  expect(Object.keys(server.policies.stats()[echo.path]?.rejected ?? {})).toEqual(["rate"]);
  await rig.current.now(Promise.all(calls));
});
