// What a server does with calls: limits, errors, responses, metadata, interceptors, draining.

import { describe, expect, it } from "vitest";
import { Code, createServer, RpcError, type ServerInterceptor } from "../../src/index.js";
import { Echo, EchoClient, type EchoHandlers, Other, OtherClient } from "../support/gen/support/v1/echo.js";
import { ADDRESS, failure, useRig } from "../support/rig.js";

const rig = useRig();

describe("handlers", () => {
  it("may throw an RpcError, which travels with code, text, details and retryAfterMs", async () => {
    const details = [{ typeUrl: "type.googleapis.com/x.Y", value: new Uint8Array([1, 2]) }];
    await rig.current.serve({
      fail: () => Promise.reject(new RpcError(Code.ABORTED, "try later", { details, retryAfterMs: 1500.2 })),
    });
    const error = await rig.current.now(failure(rig.current.client().fail({})));
    expect(error).toMatchObject({ code: Code.ABORTED, message: "try later", origin: "user", retryAfterMs: 1501 });
    expect(error.details).toMatchObject(details);
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("secret");
      },
    ],
    ["rejects", () => Promise.reject(new Error("secret"))],
    [
      "throws a string",
      () => {
        throw "secret";
      },
    ],
    ["rejects with nothing", () => Promise.reject()],
  ] as [string, EchoHandlers["fail"]][])("are masked on the wire when one %s", async (_, fail) => {
    await rig.current.serve({ fail });
    const error = await rig.current.now(failure(rig.current.client().fail({})));
    expect(error).toMatchObject({ code: Code.UNKNOWN, message: "the handler failed", origin: "user", details: [] });
  });

  it.each([
    ["nothing", undefined],
    ["null", null],
    ["a field of the wrong type", { text: 7 }],
    ["a function's result of another method", { payload: "text" }],
  ])("that return %s fail INTERNAL, and the connection goes on", async (_, bad) => {
    await rig.current.serve({ echo: () => bad as never, hold: async () => bad as never });
    const client = rig.current.client();
    for (const name of ["echo", "hold"] as const) {
      const error = await rig.current.now(failure(client[name]({})));
      expect(error).toMatchObject({ code: Code.INTERNAL, origin: "remote", retry: "never" });
      expect(error.message).toContain("the response cannot be encoded: ");
    }
    await rig.current.now(failure(client.fail({})));
  });

  it.each([
    ["retryAfterMs is no number", new RpcError(Code.ABORTED, "odd", { retryAfterMs: Number.NaN })],
    ["details are no details", new RpcError(Code.ABORTED, "odd", { details: [{ typeUrl: 5 }] as never })],
    ["code is none", new RpcError(999 as never, "odd")],
    ["code is missing", new RpcError(undefined as never, "odd")],
    ["code is OK", new RpcError(Code.OK, "odd")],
    ["text is longer than a frame", new RpcError(Code.ABORTED, "x".repeat(2_000_000))],
    [
      "details are larger than a frame",
      new RpcError(Code.ABORTED, "odd", { details: [{ typeUrl: "t", value: new Uint8Array(2_000_000) }] }),
    ],
  ])("that throw an error whose %s still give the caller an error", async (_, thrown) => {
    await rig.current.serve({
      fail: () => {
        throw thrown;
      },
    });
    const client = rig.current.client();
    const error = await rig.current.now(failure(client.fail({})));
    expect(Object.values(Code)).toContain(error.code);
    expect(error.code).not.toBe(Code.OK);
    await rig.current.now(client.echo({}));
  });

  it("may return a thenable that settles twice without another call being hurt", async () => {
    let finish: ((value: object) => void)[] = [];
    // biome-ignore lint/suspicious/noThenProperty: the point of the test
    const twice = { then: (resolve: (value: object) => void) => void finish.push(resolve) };
    const server = await rig.current.serve({ echo: () => twice as never });
    const client = rig.current.client();
    const first = client.echo({ id: 1n });
    await rig.current.clock.advance(0);
    for (const resolve of finish) {
      resolve({ id: 1n });
      resolve({ id: 1n });
    }
    finish = [];
    await rig.current.now(first);
    const others = [client.hold({ id: 2n }), client.hold({ id: 3n })];
    await rig.current.clock.advance(0);
    expect(server.stats().running).toBe(2);
    rig.current.releaseHeld();
    expect((await rig.current.now(Promise.all(others))).map(({ id }) => id)).toEqual([2n, 3n]);
  });

  it("hear by their signal of the deadline, and of a caller that closes its channel", async () => {
    const reasons: RpcError[] = [];
    await rig.current.serve({
      hold: (request, ctx) =>
        new Promise((reply) => {
          ctx.signal.addEventListener("abort", () => {
            expect(ctx.isCancelled).toBe(true);
            reasons.push(ctx.signal.reason as RpcError);
            reply(request);
          });
        }),
    });
    const channel = rig.current.connect();
    const client = new EchoClient(channel);
    await rig.current.after(100, failure(client.hold({}, { timeoutMs: 100 })));
    const lost = failure(client.hold({}));
    await rig.current.clock.advance(1);
    void channel.close({ graceMs: 0 });
    await rig.current.after(10, lost);
    expect(reasons.map(({ code }) => code)).toEqual([Code.DEADLINE_EXCEEDED, Code.CANCELLED]);
  });

  it("see the remaining time, the peer and the method", async () => {
    const seen: unknown[] = [];
    await rig.current.serve({
      echo: (request, ctx) => {
        seen.push(ctx.remainingMs, ctx.peer.id, ctx.method.path, ctx.isCancelled, ctx.signal.aborted);
        return request;
      },
    });
    const client = rig.current.client({ peerId: "me" });
    await rig.current.now(client.echo({}, { timeoutMs: 1234 }));
    await rig.current.now(client.echo({}, { timeoutMs: Number.POSITIVE_INFINITY }));
    const method = "support.v1.Echo/Echo";
    expect(seen).toEqual([1234, "me", method, false, false, Number.POSITIVE_INFINITY, "me", method, false, false]);
  });

  it("that return metadata which cannot travel fail that call alone", async () => {
    await rig.current.serve({
      echo: (request, ctx) => {
        ctx.headers.set("big", "x".repeat(20_000));
        return request;
      },
      fail: (_, ctx) => {
        ctx.trailers.set("big", "x".repeat(20_000));
        throw new RpcError(Code.NOT_FOUND, "gone");
      },
    });
    const client = rig.current.client();
    const error = await rig.current.now(failure(client.echo({})));
    expect(error.message).toContain("metadata takes 20006 bytes; the peer accepts 16384");
    expect(await rig.current.now(failure(client.fail({})))).toMatchObject({ code: Code.NOT_FOUND, message: "gone" });
  });
});

describe("registration", () => {
  it("refuses a service with a missing handler, and names it", () => {
    const server = createServer();
    expect(() => server.handle(Echo, { echo: (request: object) => request } as never)).toThrow(
      "support.v1.Echo/EchoSoon: the handlers have no function named echoSoon",
    );
  });

  it("refuses to serve a method twice", async () => {
    const server = await rig.current.serve();
    server.handle(Other, { ask: (request) => request });
    expect(() => server.handle(Other, { ask: (request) => request })).toThrow("support.v1.Other/Ask is served already");
  });

  it("takes effect on connections that are open already, and for methods asked for before", async () => {
    const server = await rig.current.serve();
    const channel = rig.current.connect();
    expect((await rig.current.now(failure(new OtherClient(channel).ask({})))).code).toBe(Code.UNIMPLEMENTED);
    server.handle(Other, { ask: ({ id }) => ({ id: id + 1n }) });
    expect((await rig.current.now(new OtherClient(channel).ask({ id: 1n }))).id).toBe(2n);
  });

  it("keeps `this` of the object that the handlers are methods of", async () => {
    class Counter {
      private count = 0n;
      ask(): { id: bigint } {
        return { id: ++this.count };
      }
    }
    const server = await rig.current.serve();
    server.handle(Other, new Counter());
    const other = new OtherClient(rig.current.connect());
    await rig.current.now(other.ask({}));
    expect((await rig.current.now(other.ask({}))).id).toBe(2n);
  });

  it("composes the interceptors once for each method, the first one outermost", async () => {
    const log: string[] = [];
    let compositions = 0;
    const named = (name: string): ServerInterceptor => ({
      unary(next, method) {
        compositions++;
        return (request, ctx) => {
          log.push(`${name} ${method.name}`);
          return next(request, ctx);
        };
      },
    });
    await rig.current.serve({}, { interceptors: [named("a"), named("b")] });
    const client = rig.current.client();
    expect(compositions).toBe(2 * Object.keys(Echo.methods).length);
    for (let i = 0; i < 3; i++) await rig.current.now(client.echo({}));
    expect(compositions).toBe(2 * Object.keys(Echo.methods).length);
    expect(log).toEqual(["a Echo", "b Echo", "a Echo", "b Echo", "a Echo", "b Echo"]);
  });

  it("lets an interceptor refuse a call", async () => {
    const refuse: ServerInterceptor = {
      unary: () => () => {
        throw new RpcError(Code.PERMISSION_DENIED, "not you");
      },
    };
    await rig.current.serve({}, { interceptors: [refuse] });
    const error = await rig.current.now(failure(rig.current.client().echo({})));
    expect(error).toMatchObject({ code: Code.PERMISSION_DENIED, message: "not you" });
  });
});

describe("limits", () => {
  it("maxConnections: one more is told why and closed, and a place that becomes free is taken", async () => {
    const server = await rig.current.serve({}, { maxConnections: 2 });
    const first = rig.current.connect();
    const second = rig.current.connect();
    await rig.current.now(Promise.all([first.ready(), second.ready()]));
    const third = rig.current.connect();
    const reasons: string[] = [];
    third.on("disconnect", (_, error) => reasons.push(error.message));
    await rig.current.clock.advance(10);
    expect(server.stats().connections).toBe(2);
    expect(reasons[0]).toBe(
      `connection to ${ADDRESS} lost: the peer closed the connection: CONNECTION_LIMIT: the server has 2 connections, its limit`,
    );
    await rig.current.now(first.close());
    await rig.current.after(10_000, new EchoClient(third).echo({}));
  });

  it("maxConnections: calls that were made on a connection that is turned away are made again, and run once", async () => {
    const seen: string[] = [];
    const handlers: Partial<EchoHandlers> = { echo: ({ text }) => ({ text: seen.push(text).toString() }) };
    await rig.current.serve(handlers, { maxConnections: 1 });
    const first = rig.current.connect();
    await rig.current.now(first.ready());
    const turnedAway = rig.current.connect();
    const calls = ["a", "b", "c"].map((text) => new EchoClient(turnedAway).echo({ text }));
    await rig.current.clock.advance(10);
    expect(turnedAway.stats()).toMatchObject({ callsSent: 3, waiting: 3 });
    await rig.current.now(first.close());
    await rig.current.after(10_000, Promise.all(calls));
    expect(seen).toEqual(["a", "b", "c"]);
  });

  it("maxCallsPerConnection: calls that a client makes before it knows the limit are made again, and run once", async () => {
    const seen: string[] = [];
    await rig.current.serve(
      { echo: ({ text }) => ({ text: seen.push(text).toString() }) },
      { maxCallsPerConnection: 1 },
    );
    const client = rig.current.client();
    await rig.current.after(100, Promise.all(["a", "b", "c"].map((text) => client.echo({ text }))));
    expect(seen.sort()).toEqual(["a", "b", "c"]);
  });

  it("maxCallsPerConnection: calls beyond it wait at a client that knows the limit", async () => {
    const server = await rig.current.serve({}, { maxCallsPerConnection: 2 });
    const channel = rig.current.connect();
    const client = new EchoClient(channel);
    await rig.current.now(channel.ready());
    const calls = Array.from({ length: 5 }, () => client.hold({}));
    await rig.current.clock.advance(0);
    expect(server.stats()).toMatchObject({ running: 2, callsRefused: 0 });
    while (rig.current.held.length > 0) {
      rig.current.releaseHeld();
      await rig.current.clock.advance(0);
    }
    await rig.current.now(Promise.all(calls));
    expect(server.stats()).toMatchObject({ callsServed: 5, callsRefused: 0 });
  });

  it("maxCallsPerConnection: a client that did not know it yet is refused, may try again, and can go on", async () => {
    await rig.current.serve({}, { maxCallsPerConnection: 2 });
    const client = rig.current.client();
    await rig.current.clock.advance(0);
    const fresh = rig.current.client();
    const calls = Array.from({ length: 10 }, () => fresh.echo({}).catch((error: RpcError) => error));
    for (const outcome of await rig.current.now(Promise.all(calls))) {
      if (outcome instanceof RpcError) expect(outcome).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "safe" });
    }
    for (let i = 0; i < 20; i++) await rig.current.now(Promise.all([fresh.echo({}), fresh.echo({}), client.echo({})]));
  });

  it("maxCalls: counts the handlers of all connections, refuses beyond, and recovers", async () => {
    const server = await rig.current.serve({}, { maxCalls: 3, policy: { queue: 0 } });
    const one = rig.current.client();
    const two = rig.current.client();
    const running = [one.hold({}), one.hold({}), two.hold({})];
    await rig.current.clock.advance(0);
    const error = await rig.current.now(failure(two.echo({})));
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "safe", origin: "remote" });
    expect(error.message).toContain("no worker is free (3 handlers run, limit 3; 0 of the method, limit 3)");
    expect(server.stats()).toMatchObject({ running: 3, callsRefused: 1 });
    rig.current.releaseHeld();
    await rig.current.now(Promise.all(running));
    await rig.current.now(two.echo({}));
  });

  it("maxCalls: a handler that goes on after its caller has given up still counts", async () => {
    const server = await rig.current.serve({}, { maxCalls: 1, policy: { queue: 0 } });
    const client = rig.current.client();
    await rig.current.after(10, failure(client.hold({}, { timeoutMs: 10 })));
    expect(server.stats().running).toBe(1);
    expect((await rig.current.now(failure(client.echo({})))).code).toBe(Code.RESOURCE_EXHAUSTED);
    rig.current.releaseHeld();
    await rig.current.clock.advance(0);
    await rig.current.now(client.echo({}));
  });

  it("maxInFlightBytes: refuses the request that goes beyond, and admits again when one is answered", async () => {
    await rig.current.serve({}, { maxInFlightBytes: 1_048_576 });
    const client = rig.current.client();
    const payload = new Uint8Array(500_000);
    await rig.current.now(client.echo({}));
    const running = [client.hold({ payload }), client.hold({ payload })];
    await rig.current.clock.advance(0);
    const error = await rig.current.now(failure(client.echo({ payload })));
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "safe" });
    expect(error.message).toContain("too many request bytes: the limit is 1048576");
    await rig.current.now(client.echo({}));
    rig.current.releaseHeld();
    await rig.current.now(Promise.all(running));
    await rig.current.now(client.echo({ payload }));
  });

  it.each([
    ["maxConnections", 0, "maxConnections: 0 is not between 1 and 16777216"],
    ["maxFrameBytes", 131_071, "maxFrameBytes: 131071 is not between 131072 and 16777216"],
    ["maxCalls", Number.NaN, "maxCalls: NaN is not between 1 and 16777216"],
    ["drainOnSigtermMs", -1, "drainOnSigtermMs: -1 is not between 0 and 86400000"],
  ])("are checked when the server is made: %s", (name, value, message) => {
    expect(() => createServer({ [name]: value })).toThrow(message);
    expect(() => createServer({ [name]: value })).toThrow(RpcError);
  });
});

describe("closing", () => {
  it("finishes the calls under way, takes no new connections, and loses none of 1,000 calls", async () => {
    const server = await rig.current.serve();
    const clients = Array.from({ length: 4 }, () => rig.current.client());
    const calls = clients.flatMap((client) => Array.from({ length: 250 }, (_, i) => client.hold({ id: BigInt(i) })));
    await rig.current.clock.advance(0);
    expect(server.stats().running).toBe(1_000);
    const closed = server.close({ graceMs: 10_000 });
    await rig.current.clock.advance(2_000);
    rig.current.releaseHeld();
    const replies = await rig.current.now(Promise.all(calls));
    expect(replies).toHaveLength(1_000);
    await rig.current.now(closed);
    await expect(server.listen("memory:other")).rejects.toThrow("the server is closed");
  });

  it("cancels what has not ended when the grace period is over", async () => {
    const reasons: unknown[] = [];
    const server = await rig.current.serve({
      hold: (request, ctx) =>
        new Promise((reply) => {
          rig.current.held.push({ request, reply });
          ctx.signal.addEventListener("abort", () => reasons.push(ctx.signal.reason));
        }),
    });
    const error = failure(rig.current.client().hold({}));
    await rig.current.clock.advance(0);
    const closed = server.close({ graceMs: 500 });
    await rig.current.clock.advance(499);
    expect(reasons).toEqual([]);
    expect((await rig.current.after(1, error)).message).toContain("the server is shutting down");
    expect(reasons).toMatchObject([{ code: Code.UNAVAILABLE }]);
    await rig.current.after(1_000, closed);
  });

  it("resolves at once without connections, and any number of times", async () => {
    const server = await rig.current.serve();
    await rig.current.now(Promise.all([server.close(), server.close(), server[Symbol.asyncDispose]()]));
  });

  it("does not leave a listener behind that was being opened", async () => {
    const server = rig.current.createServer();
    const listening = server.listen(ADDRESS);
    const closed = server.close();
    await rig.current.now(Promise.allSettled([listening, closed]));
    const other = rig.current.createServer();
    await rig.current.now(other.listen(ADDRESS));
  });

  it("sends every response before it closes, to a client that reads slowly too", async () => {
    const server = await rig.current.serve();
    const client = rig.current.client();
    const payload = new Uint8Array(900_000).fill(7);
    const calls = Array.from({ length: 8 }, () => client.echo({ payload }));
    await rig.current.clock.advance(0);
    const closed = server.close();
    const replies = await rig.current.after(100, Promise.all(calls));
    expect(replies.every((reply) => reply.payload.length === payload.length)).toBe(true);
    await rig.current.after(2_000, closed);
  });
});
