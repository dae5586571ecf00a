// What a server does with calls for which no worker is free: the task pool and the gates of its methods.

import { describe, expect, it } from "vitest";
import { type CallContext, Code, Method, RpcError, type ServerPolicy, Service } from "../../src/index.js";
import { Empty } from "../../src/runtime.js";
import { seededRandom } from "../../src/testing.js";
import { Echo, type EchoClient, Message } from "../support/gen/support/v1/echo.js";
import { failure, useRig } from "../support/rig.js";

const rig = useRig();

/** Calls `echo` with the ids 0 to `count` - 1, and what they come to. */
function echoes(client: EchoClient, count: number, timeoutMs = 10_000): Promise<(bigint | RpcError)[]> {
  const calls = Array.from({ length: count }, (_, i) =>
    client.echo({ id: BigInt(i) }, { timeoutMs }).then(
      ({ id }) => id,
      (error: RpcError) => error,
    ),
  );
  return Promise.all(calls);
}

/** A server with one worker, which `hold` takes; `order` has what `echo` has run since, by its text and id. */
async function serveHeld(policy: ServerPolicy = {}, maxCalls = 1): Promise<{ order: string[]; client: EchoClient }> {
  const order: string[] = [];
  await rig.current.serve(
    {
      echo(request) {
        order.push(`${request.text}${request.id}`);
        return request;
      },
    },
    { maxCalls, policy },
  );
  const client = rig.current.client();
  for (let i = 0; i < maxCalls; i++) void client.hold({}, { timeoutMs: 1e6 });
  await rig.current.clock.advance(0);
  return { order, client };
}

describe("a call for which no worker is free", () => {
  it("waits undecoded, runs when one is, and keeps its place", async () => {
    const { order, client } = await serveHeld();
    const calls = echoes(client, 5);
    await rig.current.clock.advance(100);
    expect(order).toEqual([]);
    rig.current.releaseHeld();
    expect(await rig.current.now(calls)).toEqual([0n, 1n, 2n, 3n, 4n]);
    expect(order).toEqual(["0", "1", "2", "3", "4"]);
  });

  it("is refused before it is decoded when the queue is full, at limit and limit + 1", async () => {
    const { client } = await serveHeld({ queue: 3 });
    const calls = echoes(client, 4);
    await rig.current.clock.advance(0);
    rig.current.releaseHeld();
    const outcomes = await rig.current.now(calls);
    expect(outcomes.slice(0, 3)).toEqual([0n, 1n, 2n]);
    expect(outcomes[3]).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "safe", origin: "remote" });
    const { message, retryAfterMs } = outcomes[3] as RpcError;
    expect(message).toContain("server queue full (3 waiting, limit 3)");
    expect(retryAfterMs).toBeGreaterThanOrEqual(1);
  });

  it("waits for queueDeadlineMs and no longer", async () => {
    const { order, client } = await serveHeld({ queueDeadlineMs: 50 });
    const call = failure(client.echo({}));
    await rig.current.clock.advance(49);
    expect(rig.current.held).toHaveLength(1);
    const error = await rig.current.after(1, call);
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "safe" });
    expect(error.message).toContain("waited 50 ms for a worker");
    rig.current.releaseHeld();
    await rig.current.clock.advance(0);
    expect(order).toEqual([]);
  });

  it("waits for half of its time where the policy says nothing", async () => {
    const { client } = await serveHeld();
    const call = failure(client.echo({}, { timeoutMs: 1_000 }));
    await rig.current.clock.advance(499);
    const error = await rig.current.after(1, call);
    expect(error.message).toContain("waited 500 ms for a worker");
  });

  it("ends with its deadline, and never starts", async () => {
    const { order, client } = await serveHeld({ queueDeadlineMs: 1_000 });
    const error = await rig.current.after(30, failure(client.echo({}, { timeoutMs: 30 })));
    expect(error.code).toBe(Code.DEADLINE_EXCEEDED);
    rig.current.releaseHeld();
    await rig.current.clock.advance(0);
    expect(order).toEqual([]);
  });

  it("leaves when its deadline comes if it is one-way, too", async () => {
    const server = await rig.current.serve({}, { maxCalls: 1, policy: { queueDeadlineMs: 1_000 } });
    const client = rig.current.client();
    void client.hold({}, { timeoutMs: 1e6 });
    await rig.current.now(client.note({}, { timeoutMs: 30 }));
    expect(server.stats().waiting).toBe(1);
    await rig.current.clock.advance(30);
    expect(server.stats().waiting).toBe(0);
    rig.current.releaseHeld();
  });

  it("is let go for good when it is refused in the tick in which it came, its deadline too", async () => {
    const spec = { name: "Pour", localName: "pour", input: Message, output: Message };
    const pour = new Method("support.v1.Sink", { ...spec, kind: "client-streaming" });
    const server = rig.current.createServer({}, { maxCalls: 1, policy: { queueDeadlineMs: 20 } });
    server.handle(new Service("support.v1.Sink", { pour }) as Service<object>, { pour: async () => ({}) });
    await server.listen("memory:server");
    void rig.current.client().hold({}, { timeoutMs: 1e6 });
    const channel = rig.current.connect();
    const refused: string[] = [];
    const pourOnce = (): void => {
      const { response } = channel.clientStream(pour, { timeoutMs: 100 });
      response.catch(({ message }: RpcError) => refused.push(message));
    };
    // The queue comes to stand: then those that come push others out.
    for (let at = 0; at < 150; at += 5) {
      pourOnce();
      pourOnce();
      await rig.current.clock.advance(5);
    }
    for (let i = 0; i < 20; i++) pourOnce();
    await rig.current.clock.advance(1_000);
    expect(refused.filter((text) => text.includes("overloaded")).length).toBeGreaterThan(5);
    rig.current.releaseHeld();
  });

  it("makes room when it is cancelled", async () => {
    const { order, client } = await serveHeld({ queue: 1 });
    const controller = new AbortController();
    const cancelled = failure(client.echo({ id: 1n }, { signal: controller.signal }));
    await rig.current.clock.advance(0);
    controller.abort();
    expect((await rig.current.now(cancelled)).code).toBe(Code.CANCELLED);
    const call = client.echo({ id: 2n });
    await rig.current.clock.advance(0);
    rig.current.releaseHeld();
    await rig.current.now(call);
    expect(order).toEqual(["2"]);
  });

  it("does not run when its connection is lost; a one-way call does", async () => {
    const { order, client } = await serveHeld();
    const noted: bigint[] = [];
    const server = await rig.current.serve(
      {
        note({ id }) {
          noted.push(id);
          return {};
        },
      },
      { maxCalls: 1 },
      "memory:other",
    );
    const channel = rig.current.connect({}, "memory:other");
    const other = new (await import("../support/gen/support/v1/echo.js")).EchoClient(channel);
    void other.hold({}).catch(() => {});
    await rig.current.clock.advance(0);
    void other.echo({}).catch(() => {});
    await rig.current.now(other.note({ id: 7n }));
    expect(server.stats()).toMatchObject({ running: 1, waiting: 2 });
    const closing = channel.close({ graceMs: 0 });
    await rig.current.clock.advance(2_000);
    await closing;
    expect(server.stats()).toMatchObject({ connections: 0, running: 1, waiting: 1 });
    rig.current.releaseHeld();
    await rig.current.clock.advance(0);
    expect(noted).toEqual([7n]);
    expect(order).toEqual([]);
    void client;
  });

  it("is still served when the server drains", async () => {
    const server = await rig.current.serve({}, { maxCalls: 1 });
    const client = rig.current.client();
    void client.hold({});
    const calls = echoes(client, 3);
    await rig.current.clock.advance(0);
    const closed = server.close({ graceMs: 1_000 });
    await rig.current.clock.advance(100);
    rig.current.releaseHeld();
    expect(await rig.current.now(calls)).toEqual([0n, 1n, 2n]);
    await rig.current.after(2_000, closed);
  });

  it("that is one-way is served before the server's connection closes, which does not wait for longer", async () => {
    const noted: bigint[] = [];
    const server = await rig.current.serve(
      {
        note({ id }) {
          noted.push(id);
          return {};
        },
      },
      { maxCalls: 1 },
    );
    const client = rig.current.client();
    const held = client.hold({});
    await rig.current.now(client.note({ id: 7n }));
    const closed = server.close({ graceMs: 60_000 });
    await rig.current.clock.advance(1_000);
    rig.current.releaseHeld();
    await rig.current.now(held);
    await rig.current.after(2_000, closed);
    expect(noted).toEqual([7n]);
  });

  it("that comes compressed is served as it was sent", async () => {
    await rig.current.serve({}, { maxCalls: 1 });
    const client = rig.current.client({ compression: "gzip", minCompressBytes: 64 });
    await rig.current.now(client.echo({}));
    void client.hold({});
    await rig.current.clock.advance(0);
    const text = "again and ".repeat(500);
    const call = client.echo({ text });
    await rig.current.clock.advance(0);
    rig.current.releaseHeld();
    expect((await rig.current.now(call)).text).toBe(text);
  });
});

describe("a method's policy", () => {
  it("concurrency: so many handlers of the method run, whatever else is free", async () => {
    const running: (() => void)[] = [];
    const server = await rig.current.serve(
      { echo: (request) => new Promise((resolve) => running.push(() => resolve(request))) },
      { policy: { concurrency: 2 } },
    );
    const client = rig.current.client();
    const calls = echoes(client, 5);
    await rig.current.clock.advance(0);
    expect(running).toHaveLength(2);
    expect(server.stats()).toMatchObject({ running: 2, waiting: 3 });
    await rig.current.now(client.echoSoon({}));
    while (running.length > 0) {
      running.shift()?.();
      await rig.current.clock.advance(0);
      expect(running.length).toBeLessThanOrEqual(2);
    }
    expect(await rig.current.now(calls)).toEqual([0n, 1n, 2n, 3n, 4n]);
  });

  it("rate: so many calls start a second, and a burst after a pause", async () => {
    const started: number[] = [];
    await rig.current.serve(
      {
        echo(request) {
          started.push(rig.current.clock.now());
          return request;
        },
      },
      { policy: { rate: 100, burst: 3, queueDeadlineMs: 10_000 } },
    );
    const calls = echoes(rig.current.client(), 6);
    await rig.current.clock.advance(100);
    expect(await rig.current.now(calls)).toHaveLength(6);
    expect(started.map(Math.round)).toEqual([0, 0, 0, 10, 20, 30]);
  });

  it("limiter: the limit grows while calls take as long as ever, and shrinks when they take longer", async () => {
    let tookMs = 10;
    let running = 0;
    let most = 0;
    const { clock } = rig.current;
    await rig.current.serve(
      {
        async echo(request) {
          most = Math.max(most, ++running);
          await new Promise<void>((resolve) => clock.setTimer(resolve, tookMs, false));
          running--;
          return request;
        },
      },
      { policy: { limiter: "adaptive", concurrency: 200, queue: 5_000, queueDeadlineMs: 100_000 } },
    );
    const client = rig.current.client();
    const fast = echoes(client, 3_000, 100_000);
    await clock.advance(2_000);
    await rig.current.now(fast);
    expect(most).toBeGreaterThan(40);
    tookMs = 1_000;
    const slow = echoes(client, 400, 1e6);
    await clock.advance(8_000);
    most = 0;
    await clock.advance(4_000);
    expect(most).toBeLessThan(30);
    await rig.current.after(300_000, slow);
  });

  it("overflow LOG: what finds no room is answered as if it had run", async () => {
    const spec = { name: "Tell", localName: "tell", input: Message, output: Empty };
    const tell = new Method("support.v1.Teller", { ...spec, server: { concurrency: 1, queue: 0, overflow: "log" } });
    const Teller = new Service<{ tell(request: Message): unknown }>("support.v1.Teller", { tell } as never);
    let ran = 0;
    const server = rig.current.createServer().handle(Teller, {
      tell() {
        ran++;
        return new Promise((resolve) => rig.current.held.push({ request: {} as Message, reply: () => resolve({}) }));
      },
    });
    await server.listen("memory:teller");
    const channel = rig.current.connect({}, "memory:teller");
    const first = channel.unary(tell, {});
    await rig.current.clock.advance(0);
    expect(await rig.current.now(channel.unary(tell, {}))).toEqual({});
    expect(ran).toBe(1);
    expect(server.stats().callsRefused).toBe(1);
    rig.current.releaseHeld();
    await rig.current.now(first);
  });
});

describe("fairness", () => {
  it("a flood of one connection delays another one's rare call by a call or two", async () => {
    const { order, client } = await serveHeld();
    const flood = echoes(client, 500);
    await rig.current.clock.advance(0);
    const rare = rig.current.client().echo({ text: "rare" });
    await rig.current.clock.advance(0);
    rig.current.releaseHeld();
    await rig.current.now(Promise.all([flood, rare]));
    expect(order.indexOf("rare0")).toBeLessThanOrEqual(2);
  });

  it("connections that all flood take turns", async () => {
    const { order, client } = await serveHeld();
    const calls = ["b", "c"].map((text) => {
      const other = rig.current.client();
      return Promise.all(Array.from({ length: 20 }, () => other.echo({ text })));
    });
    const flood = echoes(client, 200);
    await rig.current.clock.advance(0);
    rig.current.releaseHeld();
    await rig.current.now(Promise.all([flood, ...calls]));
    expect(order.lastIndexOf("b0")).toBeLessThan(65);
    expect(order.lastIndexOf("c0")).toBeLessThan(65);
  });

  it("when the queue is full the longest backlog gives way, not the one that comes", async () => {
    const { client } = await serveHeld({ queue: 10 });
    const flood = echoes(client, 10);
    await rig.current.clock.advance(0);
    const rare = rig.current.client().echo({ id: 77n });
    await rig.current.clock.advance(0);
    rig.current.releaseHeld();
    expect((await rig.current.now(rare)).id).toBe(77n);
    const outcomes = await rig.current.now(flood);
    expect(outcomes.filter((outcome) => outcome instanceof RpcError)).toHaveLength(1);
    expect(outcomes[9]).toBeInstanceOf(RpcError);
  });

  it("another backlog gives way when the one that was the longest has gone", async () => {
    const server = await rig.current.serve({}, { maxCalls: 1, policy: { queue: 50 } });
    const client = rig.current.client();
    void client.hold({}, { timeoutMs: 1e6 });
    await rig.current.clock.advance(0);
    const controller = new AbortController();
    const gone = Array.from({ length: 30 }, () => failure(client.echo({}, { signal: controller.signal })));
    await rig.current.clock.advance(0);
    const flood = echoes(rig.current.client(), 20);
    await rig.current.clock.advance(0);
    controller.abort();
    await rig.current.now(Promise.all(gone));
    server.policies.set(Echo.methods.echo, { queue: 20 });
    const rare = rig.current.client().echo({ id: 77n });
    await rig.current.clock.advance(0);
    rig.current.releaseHeld();
    expect((await rig.current.now(rare)).id).toBe(77n);
    expect((await rig.current.now(flood)).filter((outcome) => outcome instanceof RpcError)).toHaveLength(1);
  });

  it("methods take turns", async () => {
    const order: string[] = [];
    const handler = (name: string) => (request: Message) => {
      order.push(name);
      return request;
    };
    await rig.current.serve({ echo: handler("echo"), echoSoon: handler("soon") }, { maxCalls: 1 });
    const client = rig.current.client();
    void client.hold({});
    const flood = echoes(client, 300);
    const rare = client.echoSoon({});
    await rig.current.clock.advance(0);
    rig.current.releaseHeld();
    await rig.current.now(Promise.all([flood, rare]));
    expect(order.indexOf("soon")).toBeLessThanOrEqual(2);
  });
});

/** A service with a method of each priority, whose handlers note what runs. */
function urgency(order: string[]): {
  service: Service;
  methods: Record<"high" | "normal" | "low", Method<Message, Message>>;
} {
  const methods = Object.fromEntries(
    (["high", "normal", "low"] as const).map((priority) => [
      priority,
      new Method("support.v1.Urgency", {
        name: priority,
        localName: priority,
        input: Message,
        output: Message,
        priority,
      }),
    ]),
  ) as never as Record<"high" | "normal" | "low", Method<Message, Message>>;
  const service = new Service("support.v1.Urgency", methods as never);
  const run = (name: string) => (request: Message) => {
    order.push(name);
    return request;
  };
  const handlers = { high: run("high"), normal: run("normal"), low: run("low") };
  (service as unknown as { given: object }).given = handlers;
  return { service, methods };
}

describe("priority", () => {
  it("urgent calls go first, and the others still come", async () => {
    const order: string[] = [];
    const { service, methods } = urgency(order);
    const server = rig.current.createServer({}, { maxCalls: 1 });
    server.handle(service as Service<object>, (service as unknown as { given: object }).given);
    await server.listen("memory:urgency");
    const channel = rig.current.connect({}, "memory:urgency");
    void channel.unary(Echo.methods.hold, {});
    await rig.current.clock.advance(0);
    const empty = { id: 0n, text: "", payload: new Uint8Array() };
    const calls = [
      ...Array.from({ length: 100 }, () => channel.unary(methods.low, empty)),
      ...Array.from({ length: 100 }, () => channel.unary(methods.normal, empty)),
      ...Array.from({ length: 100 }, () => channel.unary(methods.high, empty)),
    ];
    await rig.current.clock.advance(0);
    rig.current.releaseHeld();
    await rig.current.now(Promise.all(calls));
    const firstHundred = order.slice(0, 100);
    expect(firstHundred.filter((name) => name === "high").length).toBeGreaterThanOrEqual(93);
    expect(firstHundred).toContain("normal");
    expect(firstHundred).toContain("low");
  });
});

describe("handlers that compute", () => {
  /** Each `echo` computes for 1 ms of virtual time. */
  async function serveBusy(policy: ServerPolicy = {}): Promise<void> {
    await rig.current.serve(
      {
        echo(request) {
          rig.current.clock.spend(1);
          return request;
        },
      },
      { policy },
    );
  }

  it("hold the loop for about 2 ms a turn: sockets are read between", async () => {
    let turnsBetween = 0;
    const order: bigint[] = [];
    await rig.current.serve({
      echo(request) {
        rig.current.clock.spend(1);
        order.push(request.id);
        if (request.id === 0n)
          rig.current.clock.nextTurn(function count() {
            if (order.length < 20) {
              turnsBetween++;
              rig.current.clock.nextTurn(count);
            }
          });
        return request;
      },
    });
    await rig.current.now(echoes(rig.current.client(), 20));
    expect(order).toHaveLength(20);
    expect(turnsBetween).toBeGreaterThanOrEqual(8);
  });

  it("a standing queue: fresh calls are served, old ones refused at once, and it passes with the load", async () => {
    await serveBusy();
    const { clock } = rig.current;
    const client = rig.current.client();
    const waits: number[] = [];
    const refusals: number[] = [];
    let late = 0;
    const call = (): void => {
      const begun = clock.now();
      client.echo({}, { timeoutMs: 100 }).then(
        () => waits.push(clock.now() - begun),
        (error: RpcError) => {
          if (error.code === Code.DEADLINE_EXCEEDED) late++;
          refusals.push(clock.now() - begun);
        },
      );
    };
    // Five calls a millisecond, where one can be served; they come on time, however busy the server is.
    const offer = async (ms: number, perMs: number): Promise<void> => {
      for (let at = 0; at < ms; at++) {
        const callAll = (): void => {
          for (let i = 0; i < perMs; i++) call();
        };
        clock.setTimer(callAll, at, false);
      }
      await clock.advance(ms);
    };
    await offer(1_000, 5);
    waits.length = refusals.length = late = 0;
    await offer(1_000, 5);
    const served = waits.length;
    expect(served).toBeGreaterThan(300);
    expect(late).toBe(0);
    const sorted = waits.toSorted((a, b) => a - b);
    expect(sorted[Math.floor(served / 2)]).toBeLessThanOrEqual(20);
    expect(refusals.length).toBeGreaterThan(served);
    await clock.advance(1_000);
    waits.length = refusals.length = 0;
    for (let i = 0; i < 100; i++) {
      call();
      await clock.advance(10);
    }
    expect(waits).toHaveLength(100);
    expect(refusals).toHaveLength(0);
  });
});

describe("a flood that makes the queue stand", () => {
  /** Every 250th call of those who call seldom holds the loop for long. */
  const pauses = (_atMs: number, call: number): number => (call % 250 === 249 ? 30 : 1);
  /** While code is compiled that has never run the machine is half as fast, again and again. */
  const compiles = (atMs: number): number => (atMs % 400 >= 250 ? 2 : 1);
  it.each([
    ["a pause of the machine", 1, pauses],
    ["a pause of the machine", 10, pauses],
    ["a while at half its speed", 1, compiles],
  ] as const)(
    "costs those that call seldom nothing, not even after %s (connections: %i)",
    async (_, floods, costMs) => {
      const { clock } = rig.current;
      const random = seededRandom(7);
      const startMs = clock.now();
      await rig.current.serve({
        echo(request) {
          clock.spend(costMs(clock.now() - startMs, request.text === "seldom" ? Number(request.id) : 0));
          return request;
        },
      });
      const flood = Array.from({ length: floods }, () => rig.current.client());
      const others = Array.from({ length: 50 }, () => rig.current.client());
      const failed: RpcError[] = [];
      let refused = 0;
      let called = 0;
      let served = 0;
      // The flood is ten calls a millisecond; each of the others makes ten a second, by chance, which takes half of the server.
      for (let at = 0; at < 2_000; at++) {
        const callAll = (): void => {
          for (let i = 0; i < 10; i++) {
            const client = flood[i % floods] as EchoClient;
            void client.echo({}, { timeoutMs: 100 }).catch(() => refused++);
          }
          if (random() < 0.5) {
            const client = others[Math.floor(random() * others.length)] as EchoClient;
            client.echo({ text: "seldom", id: BigInt(called++) }, { timeoutMs: 100 }).then(
              () => served++,
              (error: RpcError) => failed.push(error),
            );
          }
        };
        clock.setTimer(callAll, at, false);
      }
      await clock.advance(3_000);
      expect(failed.map(String)).toEqual([]);
      expect(served).toBe(called);
      expect(refused).toBeGreaterThan(10_000);
    },
  );
});

describe("server.policies", () => {
  it("reads and replaces a method's policy while calls wait", async () => {
    const contexts: CallContext[] = [];
    const release: (() => void)[] = [];
    const server = await rig.current.serve(
      {
        echo: (request, ctx) =>
          new Promise((resolve) => {
            contexts.push(ctx);
            release.push(() => resolve(request));
          }),
      },
      { policy: { concurrency: 1 } },
    );
    expect(server.policies.get(Echo.methods.echo)).toEqual({ concurrency: 1 });
    const calls = echoes(rig.current.client(), 4);
    await rig.current.clock.advance(0);
    expect(contexts).toHaveLength(1);
    server.policies.set("support.v1.Echo/Echo", { concurrency: 3 });
    await rig.current.clock.advance(0);
    expect(contexts).toHaveLength(3);
    expect(() => server.policies.set(Echo.methods.echo, { concurrency: 0 })).toThrow(/concurrency/);
    expect(server.policies.get(Echo.methods.echo)).toEqual({ concurrency: 3 });
    for (const end of release.splice(0)) end();
    await rig.current.clock.advance(0);
    for (const end of release.splice(0)) end();
    await rig.current.now(calls);
    expect(server.policies.stats()["support.v1.Echo/Echo"]).toMatchObject({ started: 4, succeeded: 4, waiting: 0 });
    expect(server.policies.list().map(({ path }) => path)).toContain("support.v1.Echo/Hold");
    expect(server.policies.get("no.such/Method")).toBeUndefined();
  });
});
