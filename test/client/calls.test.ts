// What a call does from its beginning to its end, as the caller sees it, in each of the three modes.

import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import type { ClientInterceptor, Metadata, Mode } from "../../src/index.js";
import { Code, RpcError } from "../../src/index.js";
import { EchoClient, OtherClient } from "../support/gen/support/v1/echo.js";
import { ADDRESS, failure, useRig } from "../support/rig.js";

const rig = useRig();
const MODES: readonly Mode[] = ["pipelined", "pooled", "short"];

describe.each(MODES)("in the %s mode", (mode) => {
  it("answers each of many calls with its own reply", async () => {
    await rig.current.serve();
    const client = rig.current.client({ mode });
    const calls = Array.from({ length: 500 }, (_, i) => client.echo({ id: BigInt(i), text: `call ${i}` }));
    const replies = await rig.current.now(Promise.all(calls));
    expect(replies.map(({ id, text }) => `${id} ${text}`)).toEqual(calls.map((_, i) => `${i} call ${i}`));
  });

  it("fails at its deadline, to the millisecond, while the handler runs", async () => {
    const server = await rig.current.serve();
    const client = rig.current.client({ mode });
    await rig.current.now(client.echo({}));
    const call = client.hold({}, { timeoutMs: 100 });
    const error = failure(call);
    let settled = false;
    void error.then(() => {
      settled = true;
    });
    await rig.current.clock.advance(99);
    expect(settled).toBe(false);
    const { code, message, origin, retry } = await rig.current.after(1, error);
    expect({ code, origin, retry }).toEqual({ code: Code.DEADLINE_EXCEEDED, origin: "local", retry: "unsafe" });
    expect(message).toBe(`support.v1.Echo/Hold: the deadline passed at ${ADDRESS}`);
    expect(server.stats().running).toBe(1);
  });

  it("takes the deadline from the call, else the manifest, else the channel, else 30 s", async () => {
    await rig.current.serve({
      echoSoon: (request) => new Promise((reply) => rig.current.held.push({ request, reply })),
    });
    const usual = rig.current.client({ mode });
    const short = rig.current.client({ mode, timeoutMs: 70 });
    const times = new Map<string, number>();
    const time = (name: string, call: Promise<unknown>): void => {
      void failure(call).then((error) => {
        expect(error.code).toBe(Code.DEADLINE_EXCEEDED);
        times.set(name, rig.current.clock.now());
      });
    };
    const start = rig.current.clock.now();
    time("call over manifest", usual.echoSoon({}, { timeoutMs: 40 }));
    time("manifest", usual.echoSoon({}));
    time("manifest over channel", short.echoSoon({}));
    time("channel", short.hold({}));
    time("default", usual.hold({}));
    await rig.current.clock.advance(31_000);
    expect(Object.fromEntries([...times].map(([name, at]) => [name, at - start]))).toEqual({
      "call over manifest": 40,
      manifest: 250,
      "manifest over channel": 250,
      channel: 70,
      default: 30_000,
    });
  });

  it("waits for ever when told so", async () => {
    await rig.current.serve();
    const client = rig.current.client({ mode });
    const call = client.hold({ id: 5n }, { timeoutMs: Number.POSITIVE_INFINITY });
    await rig.current.clock.advance(86_400_000);
    expect(rig.current.held).toHaveLength(1);
    rig.current.releaseHeld();
    expect((await rig.current.now(call)).id).toBe(5n);
  });

  it("refuses a timeout that is not above 0", async () => {
    const client = rig.current.client({ mode });
    const late = await failure(client.echo({}, { timeoutMs: 0 }));
    expect(late).toMatchObject({ code: Code.DEADLINE_EXCEEDED, retry: "safe" });
    expect(late.message).toBe("support.v1.Echo/Echo: the deadline had passed before the call (0 ms)");
    const nonsense = await failure(client.echo({}, { timeoutMs: Number.NaN }));
    expect(nonsense.code).toBe(Code.INVALID_ARGUMENT);
    expect(() => rig.current.connect({ timeoutMs: -1 })).toThrow("timeoutMs: -1 is not a number above 0");
  });

  it("is cancelled by its signal, and the handler hears of it", async () => {
    const reasons: unknown[] = [];
    await rig.current.serve({
      hold: (_, ctx) =>
        new Promise((_, reject) => ctx.signal.addEventListener("abort", () => reject(reasons.push(ctx.signal.reason)))),
    });
    const client = rig.current.client({ mode });
    const controller = new AbortController();
    const error = failure(client.hold({}, { signal: controller.signal }));
    await rig.current.clock.advance(10);
    controller.abort("enough");
    const { code, cause, message } = await rig.current.now(error);
    expect({ code, cause }).toEqual({ code: Code.CANCELLED, cause: "enough" });
    expect(message).toContain("support.v1.Echo/Hold: the call was cancelled");
    expect(reasons).toMatchObject([{ code: Code.CANCELLED }]);
  });

  it("does not begin with a signal that was aborted before", async () => {
    const server = await rig.current.serve();
    const client = rig.current.client({ mode });
    const error = await failure(client.echo({}, { signal: AbortSignal.abort("no") }));
    expect(error).toMatchObject({ code: Code.CANCELLED, cause: "no", retry: "safe" });
    await rig.current.clock.advance(100);
    expect(server.stats().callsServed).toBe(0);
  });

  it("shares one listener on a signal among 1,000 calls, and leaves none behind", async () => {
    await rig.current.serve();
    const client = rig.current.client({ mode, maxConnections: 4 });
    const controller = new AbortController();
    const { signal } = controller;
    const replies = Array.from({ length: 10 }, () => client.echo({}, { signal }));
    const calls = Array.from({ length: 1_000 }, () => failure(client.hold({}, { signal })));
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    await rig.current.now(Promise.all(replies));
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    controller.abort();
    const errors = await rig.current.now(Promise.all(calls));
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set([Code.CANCELLED]));
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("goes on listening to a signal while one of its calls is under way", async () => {
    await rig.current.serve();
    const client = rig.current.client({ mode });
    const controller = new AbortController();
    const { signal } = controller;
    const last = failure(client.hold({}, { signal }));
    await rig.current.now(Promise.all([client.echo({}, { signal }), client.echo({}, { signal })]));
    controller.abort();
    expect((await rig.current.now(last)).code).toBe(Code.CANCELLED);
  });

  it("leaves no listener on a signal whose calls have all succeeded", async () => {
    await rig.current.serve();
    const client = rig.current.client({ mode });
    const { signal } = new AbortController();
    await rig.current.now(Promise.all([client.echo({}, { signal }), client.echo({}, { signal })]));
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("carries metadata both ways, with the response and with an error", async () => {
    const seen: string[] = [];
    await rig.current.serve({
      echo: (request, ctx) => {
        seen.push(...[...ctx.metadata].map(([key, value]) => `${key}=${value}`));
        ctx.headers.set("h", "1");
        ctx.trailers.set("t-bin", new Uint8Array([0, 255]));
        if (request.id === 1n) throw new RpcError(Code.NOT_FOUND, "nothing there");
        return request;
      },
    });
    const client = rig.current.client({ mode });
    const received: [Metadata, Metadata][] = [];
    const onResponseMetadata = (headers: Metadata, trailers: Metadata): void => {
      received.push([headers, trailers]);
    };
    const metadata = { token: "abc", n: ["1", "2"], "raw-bin": new Uint8Array([7]) };
    await rig.current.now(client.echo({}, { metadata, onResponseMetadata }));
    expect(seen).toEqual(["token=abc", "n=1", "n=2", "raw-bin=7"]);
    const error = await rig.current.now(failure(client.echo({ id: 1n }, { onResponseMetadata })));
    expect(error).toMatchObject({ code: Code.NOT_FOUND, message: "nothing there", origin: "user" });
    expect(received).toHaveLength(2);
    for (const [headers, trailers] of received) {
      expect([...headers]).toEqual([["h", "1"]]);
      expect([...trailers]).toEqual([["t-bin", new Uint8Array([0, 255])]]);
    }
  });

  it("tells of empty metadata where the server sent none", async () => {
    await rig.current.serve();
    const client = rig.current.client({ mode });
    let empty: boolean | undefined;
    const onResponseMetadata = (headers: Metadata, trailers: Metadata): void => {
      empty = headers.isEmpty && trailers.isEmpty;
    };
    await rig.current.now(client.echo({}, { onResponseMetadata }));
    expect(empty).toBe(true);
  });

  it("fails a call whose metadata callback throws, and that call alone", async () => {
    await rig.current.serve();
    const client = rig.current.client({ mode });
    const thrown = new Error("mine");
    const onResponseMetadata = (): void => {
      throw thrown;
    };
    const bad = failure(client.echo({}, { onResponseMetadata }));
    const good = client.echo({ id: 3n });
    expect(await rig.current.now(bad)).toMatchObject({ code: Code.UNKNOWN, cause: thrown });
    expect((await rig.current.now(good)).id).toBe(3n);
  });

  it("fails at once after close", async () => {
    await rig.current.serve();
    const channel = rig.current.connect({ mode });
    const client = new EchoClient(channel);
    await rig.current.now(client.echo({}));
    void channel.close();
    const error = await failure(client.echo({}));
    expect(error).toMatchObject({ code: Code.UNAVAILABLE, message: "the channel is closed", retry: "safe" });
    expect(channel.state).toBe("closed");
  });

  it("reports an unknown method, and the connection goes on", async () => {
    await rig.current.serve();
    const channel = rig.current.connect({ mode });
    const error = await rig.current.now(failure(new OtherClient(channel).ask({})));
    expect(error).toMatchObject({ code: Code.UNIMPLEMENTED, origin: "remote", retry: "never" });
    expect(error.message).toBe(`no such method at this server (support.v1.Other/Ask at ${ADDRESS})`);
    await rig.current.now(new EchoClient(channel).echo({}));
  });

  it("refuses a request that is larger than the server accepts, and goes on", async () => {
    await rig.current.serve({}, { maxMessageBytes: 131_072 });
    const channel = rig.current.connect({ mode, maxConnections: 2 });
    const client = new EchoClient(channel);
    for (let i = 0; i < 10; i++) {
      const error = await rig.current.now(failure(client.echo({ payload: new Uint8Array(131_072) })));
      expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "never", origin: "local" });
      expect(error.message).toMatch(
        /^support.v1.Echo\/Echo: the request takes 1310\d\d bytes; the peer accepts 131072$/,
      );
    }
    const payload = new Uint8Array(131_072 - 8).fill(1);
    expect((await rig.current.now(client.echo({ payload }))).payload).toEqual(payload);
  });

  it("gets a status for a response that is larger than it accepts", async () => {
    await rig.current.serve({ echo: () => ({ payload: new Uint8Array(200_000) }) });
    const client = rig.current.client({ mode, maxMessageBytes: 131_072 });
    const error = await rig.current.now(failure(client.echo({})));
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "never" });
    expect(error.message).toContain("the response takes 200004 bytes; the caller accepts 131072");
  });

  it("fails a request that cannot be encoded, and goes on", async () => {
    await rig.current.serve();
    const client = rig.current.client({ mode, maxConnections: 1 });
    await rig.current.now(client.echo({}));
    for (let i = 0; i < 3; i++) {
      const error = await rig.current.now(failure(client.echo({ text: 5 as never })));
      expect(error.message).toContain("support.v1.Echo/Echo: the request cannot be encoded: ");
      const metadata = { "Bad Key": "x" };
      expect((await rig.current.now(failure(client.echo({}, { metadata })))).message).toContain("metadata key");
    }
    expect((await rig.current.now(client.echo({ id: 9n }))).id).toBe(9n);
  });

  it("resolves a one-way call once it is written, and its handler runs", async () => {
    const notes: bigint[] = [];
    const server = await rig.current.serve({
      note: ({ id }) => {
        notes.push(id);
        throw new Error("nobody hears this");
      },
    });
    const client = rig.current.client({ mode });
    await rig.current.now(Promise.all([client.note({ id: 1n }), client.note({ id: 2n })]));
    expect(notes.sort()).toEqual([1n, 2n]);
    await rig.current.now(client.echo({}));
    expect(server.stats()).toMatchObject({ running: 0, callsServed: 3 });
  });

  it("rejects a call whose interceptor throws", async () => {
    const refuse: ClientInterceptor = {
      unary: () => () => {
        throw new RpcError(Code.PERMISSION_DENIED, "no token");
      },
    };
    const error = await failure(rig.current.client({ mode, interceptors: [refuse] }).echo({}));
    expect(error).toMatchObject({ code: Code.PERMISSION_DENIED, message: "no token" });
  });

  it("composes the interceptors once, the first one outermost", async () => {
    await rig.current.serve();
    const log: string[] = [];
    let compositions = 0;
    const named = (name: string): ClientInterceptor => ({
      unary(next) {
        compositions++;
        return async (method, request, options) => {
          log.push(`${name} before ${method.name}`);
          const reply = await next(method, request, options);
          log.push(`${name} after`);
          return reply;
        };
      },
    });
    const client = rig.current.client({ mode, interceptors: [named("a"), {}, named("b")] });
    for (let i = 0; i < 5; i++) await rig.current.now(client.echo({}));
    expect(compositions).toBe(2);
    expect(log.slice(0, 4)).toEqual(["a before Echo", "b before Echo", "b after", "a after"]);
    expect(log).toHaveLength(20);
  });
});
