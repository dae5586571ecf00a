// Calls from the server to its clients, on the clients' own connections, and contexts as a tree.

import { describe, expect, it } from "vitest";
import { Code, ContextKey, createContext, type Peer, RpcError } from "../../src/index.js";
import { Echo, EchoClient, type EchoHandlers, type MessageInit } from "../support/gen/support/v1/echo.js";
import { Streams, StreamsClient } from "../support/gen/support/v1/streams.js";
import { ADDRESS, failure, Rig, useRig } from "../support/rig.js";

const rig = useRig();

const echo: EchoHandlers = {
  echo: (request) => request,
  echoSoon: (request) => request,
  hold: (_, { signal }) =>
    new Promise<MessageInit>((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  fail: () => {
    throw new RpcError(Code.NOT_FOUND, "no");
  },
  note: () => ({}),
};

describe("a server's peers", () => {
  it("are the clients that are connected, by the names they give themselves", async () => {
    const server = await rig.current.serve();
    const channel = rig.current.connect({ peerId: "a" });
    rig.current.connect({ peerId: "b" });
    await rig.current.clock.advance(0);
    expect(server.peers().map(({ id }) => id)).toEqual(["a", "b"]);
    await rig.current.after(2_000, channel.close());
    expect(server.peers().map(({ id }) => id)).toEqual(["b"]);
  });

  it("are called with the generated clients, and serve with the generated handlers", async () => {
    const server = await rig.current.serve();
    const channel = rig.current.connect().handle(Echo, echo);
    channel.handle(Streams, {
      list: () => [{ text: "a" }, { text: "b" }],
      collect: () => ({}),
      chat: (requests) => requests,
    });
    await rig.current.clock.advance(0);
    const [peer] = server.peers();
    expect((await rig.current.now(new EchoClient(peer!).echo({ text: "hi" }))).text).toBe("hi");
    expect(await rig.current.now(failure(new EchoClient(peer!).fail({})))).toMatchObject({ code: Code.NOT_FOUND });
    const all: string[] = [];
    const reading = (async () => {
      for await (const { text } of new StreamsClient(peer!).list({})) all.push(text);
    })();
    await rig.current.now(reading);
    expect(all).toEqual(["a", "b"]);
  });

  it("keep their data while they are connected, and are the same object in events and contexts", async () => {
    const seen: Peer[] = [];
    const server = rig.current.createServer({
      echo: (request, { peer }) => {
        peer.data.set("calls", ((peer.data.get("calls") as number | undefined) ?? 0) + 1);
        return { id: BigInt(peer.data.get("calls") as number), text: request.text };
      },
    });
    server.on("connect", (peer) => seen.push(peer));
    await server.listen(ADDRESS);
    const client = rig.current.client();
    await rig.current.now(client.echo({}));
    expect((await rig.current.now(client.echo({}))).id).toBe(2n);
    expect(seen).toEqual(server.peers());
    expect(seen[0]?.data.get("calls")).toBe(2);
  });

  it("fail calls UNAVAILABLE once they are gone", async () => {
    const server = await rig.current.serve();
    const channel = rig.current.connect({ peerId: "a" });
    await rig.current.clock.advance(0);
    const [peer] = server.peers();
    await rig.current.after(2_000, channel.close());
    expect(peer?.isConnected).toBe(false);
    const error = await rig.current.now(failure(new EchoClient(peer!).echo({})));
    expect(error).toMatchObject({ code: Code.UNAVAILABLE, retry: "safe" });
    expect(error.message).toContain("the peer a at ");
  });

  it("are given no more calls than they take at once; the others wait, and fail with the connection", async () => {
    const server = await rig.current.serve();
    const channel = rig.current.connect({ maxCallsPerConnection: 2 }).handle(Echo, echo);
    await rig.current.clock.advance(0);
    const client = new EchoClient(server.peers()[0]!);
    const calls = Array.from({ length: 5 }, () => failure(client.hold({}, { timeoutMs: 1_000 })));
    const quick = client.echo({ text: "x" }, { timeoutMs: 5_000 });
    await rig.current.clock.advance(1_000);
    for (const call of calls) expect((await rig.current.now(call)).code).toBe(Code.DEADLINE_EXCEEDED);
    expect((await rig.current.now(quick)).text).toBe("x");
    expect(channel.stats().callsServed).toBeLessThanOrEqual(6);
  });

  it("of which there are many are all pushed to, and all acknowledge", async () => {
    const server = await rig.current.serve();
    const got: bigint[] = [];
    for (let i = 0; i < 300; i++) {
      rig.current.connect({ peerId: `p${i}` }).handle(Echo, {
        ...echo,
        echo: ({ id }) => {
          got.push(id);
          return { id };
        },
      });
    }
    await rig.current.clock.advance(0);
    const pushes = server.peers().map((peer, i) => new EchoClient(peer).echo({ id: BigInt(i) }));
    const replies = await rig.current.now(Promise.all(pushes));
    expect(replies.map(({ id }) => Number(id))).toEqual(Array.from({ length: 300 }, (_, i) => i));
    expect(got.length).toBe(300);
  });

  it("and their servers may fill both directions at once", async () => {
    const big = new Uint8Array(100_000);
    const wide = new Rig(65_536);
    const server = await wide.serve({ echo: () => ({ payload: big }) });
    const channel = wide.connect().handle(Echo, { ...echo, echo: () => ({ payload: big }) });
    await wide.clock.advance(0);
    const there = Array.from({ length: 300 }, () => new EchoClient(channel).echo({ payload: big }));
    const back = Array.from({ length: 300 }, () => new EchoClient(server.peers()[0]!).echo({ payload: big }));
    const all = await wide.after(5_000, Promise.allSettled([...there, ...back]));
    // Some may be refused while too much waits; none may hang, or fail with the connection.
    for (const result of all) {
      if (result.status === "rejected")
        expect(result.reason).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "safe" });
    }
    expect(all.filter(({ status }) => status === "fulfilled").length).toBeGreaterThan(100);
    expect(server.stats().connectionsClosed).toBe(0);
    await wide.close();
  });
});

describe("a context as a parent", () => {
  it("bounds the deadline of a call, cancels it, and sends on the trace", async () => {
    const backend = new EchoClient(rig.current.connect({}, "memory:backend"));
    const remaining: number[] = [];
    const traces: unknown[] = [];
    const aborted: string[] = [];
    await rig.current.serve(
      {
        hold: (_, ctx) => {
          remaining.push(Math.round(ctx.remainingMs));
          traces.push(ctx.metadata.get("traceparent"), ctx.metadata.get("secret"));
          ctx.signal.addEventListener("abort", () => aborted.push((ctx.signal.reason as RpcError).message));
          return new Promise((_resolve, reject) =>
            ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason)),
          );
        },
      },
      {},
      "memory:backend",
    );
    await rig.current.serve({ echo: (request, ctx) => backend.hold(request, { parent: ctx, timeoutMs: 10_000 }) });
    const client = rig.current.client();
    await rig.current.clock.advance(0);
    const abort = new AbortController();
    const metadata = { traceparent: "00-1", secret: "s" };
    const call = failure(client.echo({}, { timeoutMs: 500, metadata, signal: abort.signal }));
    await rig.current.clock.advance(100);
    abort.abort();
    expect((await rig.current.now(call)).code).toBe(Code.CANCELLED);
    await rig.current.clock.advance(0);
    expect(remaining).toEqual([500]);
    expect(traces).toEqual(["00-1", undefined]);
    expect(aborted.length).toBe(1);
  });

  it("refuses calls once it has ended", async () => {
    await rig.current.serve();
    const client = rig.current.client();
    const { clock } = rig.current;
    const context = createContext({ timeoutMs: 50, clock });
    await rig.current.now(client.echo({}, { parent: context }));
    await clock.advance(60);
    expect(context.signal.aborted).toBe(true);
    expect(await rig.current.now(failure(client.echo({}, { parent: context })))).toMatchObject({
      code: Code.DEADLINE_EXCEEDED,
      retry: "safe",
    });
  });

  it("gives its values to its children, and its end", () => {
    const { clock } = rig.current;
    const user = new ContextKey<string>("user");
    const root = createContext({ clock });
    const child = createContext({ parent: root });
    root.set(user, "ann");
    expect(child.get(user)).toBe("ann");
    child.set(user, "bob");
    expect([root.get(user), child.get(user)]).toEqual(["ann", "bob"]);
    root.cancel();
    expect(child.isCancelled).toBe(true);
    expect((child.signal.reason as RpcError).code).toBe(Code.CANCELLED);
  });
});
