// How channels connect, wait, reconnect, drain and close.

import { describe, expect, it } from "vitest";
import { Code, type ConnectOptions, type Mode, type Network } from "../../src/index.js";
import { seededRandom } from "../../src/testing.js";
import type { Address, Dialing } from "../../src/transport/pipe.js";
import { EchoClient } from "../support/gen/support/v1/echo.js";
import { hello, ScriptedPeer } from "../support/peer.js";
import { ADDRESS, failure, Rig, useRig } from "../support/rig.js";

const rig = useRig();
const MODES: readonly Mode[] = ["pipelined", "pooled", "short"];

/** A network that writes down when each address was dialed. */
function recorded(
  network: Network,
  clock: { now(): number },
): Network & { readonly dials: { at: number; to: string }[] } {
  const dials: { at: number; to: string }[] = [];
  return {
    dials,
    dial(address: Address): Dialing {
      dials.push({ at: clock.now(), to: address.kind === "memory" ? address.name : "" });
      return network.dial(address);
    },
    listen: (address, onPipe) => network.listen(address, onPipe),
  };
}

describe.each(MODES)("a %s channel without a server", (mode) => {
  it("lets calls wait, and serves them once the server is there", async () => {
    const client = rig.current.client({ mode });
    const calls = [1n, 2n, 3n].map((id) => client.echo({ id }));
    await rig.current.clock.advance(500);
    await rig.current.serve();
    const replies = await rig.current.after(5_000, Promise.all(calls));
    expect(replies.map(({ id }) => id)).toEqual([1n, 2n, 3n]);
  });

  it("fails a waiting call at its deadline, as one that did not run", async () => {
    const client = rig.current.client({ mode });
    const error = await rig.current.after(100, failure(client.echo({}, { timeoutMs: 100 })));
    expect(error).toMatchObject({ code: Code.DEADLINE_EXCEEDED, retry: "safe" });
    expect(error.message).toContain("support.v1.Echo/Echo: the deadline passed while it waited for a connection");
    expect(error.message).toContain("memory:server");
    expect(error.message).toContain("connection refused");
  });

  it("fails a call at once that shall not wait", async () => {
    const client = rig.current.client({ mode });
    const error = await rig.current.now(failure(client.echo({}, { waitForReady: false })));
    expect(error).toMatchObject({ code: Code.UNAVAILABLE, retry: "safe" });
    expect(error.message).toMatch(/^support.v1.Echo\/Echo: not ready: /);
  });

  it("serves a call that shall not wait as soon as the server is there, without any other call", async () => {
    const client = rig.current.client({ mode });
    await rig.current.now(failure(client.echo({}, { waitForReady: false })));
    await rig.current.serve();
    await rig.current.clock.advance(10_000);
    expect((await rig.current.now(client.echo({ id: 1n }, { waitForReady: false }))).id).toBe(1n);
    expect((await rig.current.now(client.echo({ id: 2n }, { waitForReady: false }))).id).toBe(2n);
  });

  it("fails a call that shall not wait when the handshake fails, and lets others wait", async () => {
    const peers = await ScriptedPeer.listen(rig.current.network, ADDRESS, (peer) => peer.pipe.destroy());
    const channel = rig.current.connect({ mode });
    const client = new EchoClient(channel);
    const patient = failure(client.echo({ payload: new Uint8Array(200_000) }, { timeoutMs: 1_000 }));
    const error = await rig.current.now(failure(client.echo({}, { waitForReady: false })));
    expect(error.code).toBe(Code.UNAVAILABLE);
    expect(channel.stats().waiting).toBe(1);
    expect((await rig.current.after(1_000, patient)).code).toBe(Code.DEADLINE_EXCEEDED);
    expect(peers.length).toBeGreaterThan(1);
  });

  it("fails waiting calls at once when it is closed", async () => {
    const channel = rig.current.connect({ mode });
    const error = failure(new EchoClient(channel).echo({}));
    await rig.current.clock.advance(10);
    void channel.close();
    expect(await rig.current.now(error)).toMatchObject({ code: Code.UNAVAILABLE, message: "the channel is closed" });
  });

  it("does not dial in a loop: attempts are spaced by the backoff", async () => {
    const network = recorded(rig.current.network, rig.current.clock);
    const client = rig.current.client({ mode, network, maxConnections: 1, random: () => 0.999 });
    const calls = Array.from({ length: 20 }, () => failure(client.echo({}, { timeoutMs: 60_000 })));
    await rig.current.clock.advance(60_000);
    await Promise.all(calls);
    // 50 ms growing by 1.6 up to 5 s: ten steps to the ceiling, then one every five seconds.
    expect(network.dials.length).toBeGreaterThan(12);
    expect(network.dials.length).toBeLessThan(26);
  });
});

describe("the backoff", () => {
  it("grows by 1.6 a round from its initial value to its greatest, with full jitter", async () => {
    const draws: number[] = [];
    const seeded = seededRandom(42);
    const random = (): number => {
      draws.push(seeded());
      return draws.at(-1) as number;
    };
    const network = recorded(rig.current.network, rig.current.clock);
    rig.current.connect({ network, random, peerId: "me", initialBackoffMs: 100, maxBackoffMs: 1_000 });
    await rig.current.clock.advance(20_000);
    const gaps = network.dials.slice(1).map(({ at }, i) => at - (network.dials[i]?.at as number));
    expect(gaps.length).toBeGreaterThan(20);
    gaps.forEach((gap, i) => {
      const ceiling = Math.min(1_000, 100 * 1.6 ** (i + 1));
      expect(gap).toBeCloseTo((draws[i] as number) * ceiling, 6);
    });
  });

  it("is as long as its neighbours' for no two seeds", async () => {
    const first = await Promise.all(
      [1, 2, 3].map(async (seed) => {
        const own = new Rig();
        const network = recorded(own.network, own.clock);
        own.connect({ network, random: seededRandom(seed) });
        await own.clock.advance(1_000);
        await own.close();
        return network.dials.map(({ at }) => at).join();
      }),
    );
    expect(new Set(first).size).toBe(3);
  });

  it.each(MODES)("does not grow faster when many calls wait, in the %s mode", async (mode) => {
    const network = recorded(rig.current.network, rig.current.clock);
    const client = rig.current.client({ mode, network, random: () => 1 });
    const calls = Array.from({ length: 20 }, () => client.echo({}));
    await rig.current.clock.advance(300);
    await rig.current.serve();
    await rig.current.after(400, Promise.all(calls));
  });

  it("begins anew after a success", async () => {
    const network = recorded(rig.current.network, rig.current.clock);
    const channel = rig.current.connect({ network, random: () => 1 });
    await rig.current.clock.advance(20_000);
    const server = await rig.current.serve();
    await rig.current.after(6_000, channel.ready());
    const closed = server.close();
    await rig.current.clock.advance(0);
    const lost = rig.current.clock.now();
    await rig.current.clock.advance(200);
    await closed;
    expect(network.dials.filter(({ at }) => at >= lost && at < lost + 200).length).toBeGreaterThanOrEqual(2);
  });

  it("goes on growing while a server that is full turns the connection away", async () => {
    await rig.current.serve({}, { maxConnections: 1 });
    await rig.current.now(rig.current.client().echo({}));
    const network = recorded(rig.current.network, rig.current.clock);
    rig.current.connect({ network, random: () => 1 });
    await rig.current.clock.advance(60_000);
    expect(network.dials.length).toBeLessThan(30);
  });
});

describe("several addresses", () => {
  const ADDRESSES = ["memory:a", "memory:b", "memory:c"];

  it("are tried in turn, without a pause inside a round", async () => {
    await rig.current.serve({}, {}, "memory:c");
    const network = recorded(rig.current.network, rig.current.clock);
    const channel = rig.current.connect({ network }, ADDRESSES);
    await rig.current.now(channel.ready());
    expect(network.dials).toEqual(["a", "b", "c"].map((to) => ({ at: 0, to })));
  });

  it("begin with the one that worked last", async () => {
    const server = await rig.current.serve({}, {}, "memory:b");
    const network = recorded(rig.current.network, rig.current.clock);
    const channel = rig.current.connect({ network }, "memory:a,b,c");
    await rig.current.now(channel.ready());
    void server.close();
    await rig.current.clock.advance(0);
    await rig.current.serve({}, {}, "memory:b");
    await rig.current.after(1_000, channel.ready());
    expect(network.dials.map(({ to }) => to).slice(0, 2)).toEqual(["a", "b"]);
    expect(network.dials.map(({ to }) => to).at(-1)).toBe("b");
    expect(network.dials.map(({ to }) => to)[2]).toBe("b");
  });

  it("are refused when there is none or one that is none", () => {
    expect(() => rig.current.connect({}, [])).toThrow("connect: no address was given");
    expect(() => rig.current.connect({}, "http://x:1")).toThrow("not an address");
    expect(() => rig.current.connect({}, "tcp://x:65536")).toThrow("expected tcp://host:port");
  });
});

describe("ready and state", () => {
  it("goes from connecting over backoff to ready and closed", async () => {
    const channel = rig.current.connect();
    expect(channel.state).toBe("connecting");
    await rig.current.clock.advance(0);
    expect(channel.state).toBe("backoff");
    await rig.current.serve();
    await rig.current.after(5_000, channel.ready());
    expect(channel.state).toBe("ready");
    await rig.current.after(0, channel.close());
    expect(channel.state).toBe("closed");
  });

  it.each(["pooled", "short"] as const)("is idle until it is needed in the %s mode", async (mode) => {
    await rig.current.serve();
    const channel = rig.current.connect({ mode });
    await rig.current.clock.advance(1_000);
    expect(channel.state).toBe("idle");
    await rig.current.now(channel.ready());
  });

  it("says after its timeout why there is no connection", async () => {
    const channel = rig.current.connect();
    const error = await rig.current.after(300, failure(channel.ready({ timeoutMs: 300 })));
    expect(error.code).toBe(Code.UNAVAILABLE);
    expect(error.message).toBe("not ready within 300 ms: memory:server: connection refused: nobody listens there");
  });

  it("may be awaited by many at once without a warning, and rejects when the channel is closed", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    const channel = rig.current.connect();
    const errors = Array.from({ length: 50 }, () => failure(channel.ready()));
    await rig.current.clock.advance(10);
    void channel.close();
    for (const { message } of await rig.current.now(Promise.all(errors))) expect(message).toBe("the channel is closed");
    process.off("warning", onWarning);
    expect(warnings.map(({ message }) => message)).toEqual([]);
  });

  it("tells of connections by events, on both sides", async () => {
    const log: string[] = [];
    const server = await rig.current.serve({}, { peerId: "the-server" });
    server.on("connect", (peer) => log.push(`server: connect ${peer.id} ${peer.agent.split("/")[0]}`));
    server.on("disconnect", (peer, error) => log.push(`server: disconnect ${peer.id} ${error.code}`));
    const channel = rig.current.connect({ peerId: "the-client" });
    channel.on("connect", (peer) => log.push(`client: connect ${peer.id} ${peer.remote}`));
    channel.on("disconnect", (peer, error) => log.push(`client: disconnect ${peer.id} ${error.code}`));
    channel.on("close", () => log.push("client: close"));
    await rig.current.now(channel.ready());
    await rig.current.after(0, Promise.all([channel[Symbol.asyncDispose](), channel.close()]));
    await rig.current.clock.advance(2_000);
    expect(log.sort()).toEqual([
      "client: close",
      "client: connect the-server memory:server",
      "client: disconnect the-server 14",
      "server: connect the-client sluice",
      "server: disconnect the-client 14",
    ]);
  });
});

describe("the queue of waiting calls", () => {
  it.each(MODES)("refuses the call beyond maxWaitingCalls, in the %s mode", async (mode) => {
    const channel = rig.current.connect({ mode, maxWaitingCalls: 3 });
    const client = new EchoClient(channel);
    const waiting = [1n, 2n, 3n].map((id) => client.echo({ id }));
    const error = await rig.current.now(failure(client.echo({})));
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "safe" });
    expect(error.message).toBe("support.v1.Echo/Echo: 3 calls wait for a connection, limit 3");
    expect(channel.stats().waiting).toBe(3);
    await rig.current.serve();
    await rig.current.after(6_000, Promise.all(waiting));
  });

  it("refuses the call that would go beyond maxWaitingBytes, and admits one that just fits", async () => {
    const client = rig.current.client({ maxWaitingBytes: 204 });
    const payload = new Uint8Array(100);
    const calls = [client.echo({ payload }), client.echo({ payload })];
    const error = await rig.current.now(failure(client.echo({ id: 1n })));
    expect(error.message).toBe("support.v1.Echo/Echo: 204 bytes wait for a connection, limit 204");
    await rig.current.serve();
    await rig.current.after(6_000, Promise.all(calls));
  });

  it("frees the room of a call that has timed out or was cancelled", async () => {
    const channel = rig.current.connect({ maxWaitingCalls: 2 });
    const client = new EchoClient(channel);
    const controller = new AbortController();
    const late = failure(client.echo({}, { timeoutMs: 10 }));
    const cancelled = failure(client.echo({}, { signal: controller.signal }));
    await rig.current.clock.advance(10);
    controller.abort();
    await rig.current.now(Promise.all([late, cancelled]));
    expect(channel.stats().waiting).toBe(0);
    const calls = [client.echo({ id: 1n }), client.echo({ id: 2n })];
    await rig.current.serve();
    expect((await rig.current.after(6_000, Promise.all(calls))).map(({ id }) => id)).toEqual([1n, 2n]);
  });
});

describe("the pipelined mode", () => {
  it("uses one connection by default, however many calls there are", async () => {
    const server = await rig.current.serve();
    const client = rig.current.client();
    const calls = Array.from({ length: 10_000 }, () => client.echo({}));
    await rig.current.now(Promise.all(calls));
    expect(server.stats().connectionsOpened).toBe(1);
  });

  it("opens another connection only when the open one is full, up to maxConnections", async () => {
    const server = await rig.current.serve({}, { maxCallsPerConnection: 10 });
    const channel = rig.current.connect({ maxConnections: 3 });
    const client = new EchoClient(channel);
    await rig.current.now(channel.ready());
    const calls = Array.from({ length: 10 }, () => client.hold({}));
    await rig.current.clock.advance(0);
    expect(server.stats()).toMatchObject({ connections: 1, running: 10 });
    calls.push(client.hold({}));
    await rig.current.clock.advance(0);
    expect(server.stats()).toMatchObject({ connections: 2, running: 11 });
    for (let i = 0; i < 100; i++) calls.push(client.hold({}));
    await rig.current.clock.advance(0);
    expect(server.stats()).toMatchObject({ connections: 3, running: 30 });
    expect(channel.stats().waiting).toBe(81);
    while (rig.current.held.length > 0) {
      rig.current.releaseHeld();
      await rig.current.clock.advance(0);
    }
    await rig.current.now(Promise.all(calls));
  });

  it("does not dial in a loop for another connection that the server turns away", async () => {
    await rig.current.serve({}, { maxCallsPerConnection: 1, maxConnections: 1 });
    const network = recorded(rig.current.network, rig.current.clock);
    const channel = rig.current.connect({ network, maxConnections: 2, random: () => 0.999 });
    const client = new EchoClient(channel);
    await rig.current.now(channel.ready());
    const calls = [client.hold({}), client.hold({})];
    await rig.current.clock.advance(20_000);
    expect(network.dials.length).toBeGreaterThan(5);
    expect(network.dials.length).toBeLessThan(20);
    rig.current.releaseHeld();
    await rig.current.clock.advance(0);
    rig.current.releaseHeld();
    await rig.current.now(Promise.all(calls));
  });

  it("closes connections beyond the first that had no call for idleTimeoutMs", async () => {
    const server = await rig.current.serve({}, { maxCallsPerConnection: 1 });
    const channel = rig.current.connect({ maxConnections: 2, idleTimeoutMs: 1_000 });
    const client = new EchoClient(channel);
    await rig.current.now(channel.ready());
    const calls = [client.hold({}), client.hold({})];
    await rig.current.clock.advance(0);
    expect(server.stats().connections).toBe(2);
    rig.current.releaseHeld();
    await rig.current.now(Promise.all(calls));
    await rig.current.clock.advance(3_000);
    expect(server.stats().connections).toBe(1);
    expect(channel.state).toBe("ready");
  });

  it("reconnects by itself when it is lost, and calls wait meanwhile", async () => {
    const server = await rig.current.serve();
    const channel = rig.current.connect();
    await rig.current.now(channel.ready());
    void server.close();
    await rig.current.clock.advance(100);
    expect(channel.state).not.toBe("ready");
    const call = new EchoClient(channel).echo({ id: 4n });
    await rig.current.clock.advance(100);
    await rig.current.serve();
    expect((await rig.current.after(5_000, call)).id).toBe(4n);
  });

  it("keeps its newest connection when the idle ones beyond the first are closed and the first is draining", async () => {
    const first = await rig.current.serve();
    const channel = rig.current.connect({ maxConnections: 2, idleTimeoutMs: 1_000 });
    const client = new EchoClient(channel);
    await rig.current.now(channel.ready());
    const running = client.hold({});
    await rig.current.clock.advance(0);
    void first.close({ graceMs: 60_000 });
    const second = await rig.current.serve();
    await rig.current.after(1_000, channel.ready());
    await rig.current.clock.advance(20_000);
    expect(second.stats().connectionsOpened).toBe(1);
    rig.current.releaseHeld();
    await rig.current.now(running);
  });

  it("does not lose a call to a server that drains", async () => {
    const first = await rig.current.serve();
    const client = rig.current.client();
    await rig.current.now(client.echo({}));
    const running = client.hold({ id: 1n });
    await rig.current.clock.advance(0);
    void first.close({ graceMs: 10_000 });
    const crossing = client.echo({ id: 2n });
    expect((await rig.current.now(crossing)).id).toBe(2n);
    const later = client.echo({ id: 3n });
    await rig.current.clock.advance(100);
    await rig.current.serve();
    expect((await rig.current.after(5_000, later)).id).toBe(3n);
    rig.current.releaseHeld();
    expect((await rig.current.now(running)).id).toBe(1n);
  });
});

describe("the pooled mode", () => {
  it("gives each call a connection of its own, up to maxConnections", async () => {
    const server = await rig.current.serve();
    const channel = rig.current.connect({ mode: "pooled", maxConnections: 4 });
    const client = new EchoClient(channel);
    const calls = Array.from({ length: 12 }, () => client.hold({}));
    for (let round = 0; round < 3; round++) {
      await rig.current.clock.advance(0);
      expect(server.stats()).toMatchObject({ connections: 4, running: 4, connectionsOpened: 4 });
      expect(channel.stats()).toMatchObject({ pending: 4, waiting: 8 - 4 * round });
      rig.current.releaseHeld();
    }
    await rig.current.now(Promise.all(calls));
  });

  it("keeps at most maxIdleConnections idle, and closes them after idleTimeoutMs", async () => {
    const server = await rig.current.serve();
    const options: ConnectOptions = { mode: "pooled", maxConnections: 4, maxIdleConnections: 2, idleTimeoutMs: 1_000 };
    const client = rig.current.client(options);
    const calls = Array.from({ length: 4 }, () => client.hold({}));
    await rig.current.clock.advance(0);
    rig.current.releaseHeld();
    await rig.current.now(Promise.all(calls));
    await rig.current.clock.advance(0);
    expect(server.stats().connections).toBe(2);
    await rig.current.clock.advance(1_000);
    expect(server.stats().connections).toBe(0);
    await rig.current.now(client.echo({}));
  });

  it("does not hand out a connection that was lost while it was idle", async () => {
    const first = await rig.current.serve();
    const channel = rig.current.connect({ mode: "pooled", maxConnections: 2 });
    const client = new EchoClient(channel);
    await rig.current.now(Promise.all([client.echo({}), client.echo({})]));
    void first.close();
    await rig.current.clock.advance(0);
    await rig.current.serve();
    for (let i = 0; i < 4; i++) await rig.current.after(200, client.echo({}));
  });

  it("gives a connection back whose borrower has timed out, and uses it for the next call", async () => {
    const server = await rig.current.serve();
    const channel = rig.current.connect({ mode: "pooled", maxConnections: 1 });
    const client = new EchoClient(channel);
    const running = client.hold({});
    const late = failure(client.echo({}, { timeoutMs: 50 }));
    await rig.current.after(50, late);
    rig.current.releaseHeld();
    await rig.current.now(running);
    await rig.current.clock.advance(0);
    expect(channel.stats()).toMatchObject({ connections: 1, pending: 0, waiting: 0 });
    await rig.current.now(client.echo({}));
    expect(server.stats().connectionsOpened).toBe(1);
  });

  it("does not reuse a connection whose call was given up and not answered yet", async () => {
    const peers = await ScriptedPeer.listen(rig.current.network, ADDRESS, (peer) => peer.send(hello()));
    const client = rig.current.client({ mode: "pooled", maxConnections: 2 });
    const first = failure(client.echo({}, { timeoutMs: 50 }));
    await rig.current.after(50, first);
    const second = failure(client.echo({}, { timeoutMs: 50 }));
    await rig.current.after(50, second);
    expect(peers.map((peer) => peer.of(3).length)).toEqual([1, 1]);
  });

  it("is closed as if it had never been used, twice", async () => {
    await rig.current.serve();
    const channel = rig.current.connect({ mode: "pooled" });
    await rig.current.now(new EchoClient(channel).echo({}));
    await rig.current.after(0, Promise.all([channel.close(), channel.close()]));
  });
});

describe("the short mode", () => {
  it("opens a connection for each call and closes it behind the call", async () => {
    const server = await rig.current.serve();
    const client = rig.current.client({ mode: "short" });
    for (let i = 0; i < 5; i++) await rig.current.now(client.echo({}));
    await rig.current.clock.advance(0);
    expect(server.stats()).toMatchObject({ connectionsOpened: 5, connections: 0 });
  });

  it("opens at most maxConnections at once; other calls wait for their turn", async () => {
    const server = await rig.current.serve();
    const channel = rig.current.connect({ mode: "short", maxConnections: 3 });
    const client = new EchoClient(channel);
    const calls = Array.from({ length: 9 }, () => client.hold({}));
    await rig.current.clock.advance(0);
    expect(server.stats()).toMatchObject({ connections: 3, running: 3 });
    while (rig.current.held.length > 0) {
      rig.current.releaseHeld();
      await rig.current.clock.advance(0);
      expect(server.stats().connections).toBeLessThanOrEqual(3);
    }
    await rig.current.now(Promise.all(calls));
    expect(server.stats().connectionsOpened).toBe(9);
  });
});

describe("a server that does not do its part", () => {
  it.each(MODES)("accepts and says nothing: the dial fails within its limit, in the %s mode", async (mode) => {
    await ScriptedPeer.listen(rig.current.network, ADDRESS);
    const channel = rig.current.connect({ mode, handshakeTimeoutMs: 200 });
    const ready = failure(channel.ready({ timeoutMs: 250 }));
    await rig.current.clock.advance(250);
    expect((await ready).message).toContain("the peer has not completed the handshake within 200 ms");
    expect(channel.stats().dialsFailed).toBe(1);
  });

  it("does not answer the dial: the attempt ends within its limit", async () => {
    let cancelled = 0;
    const network: Network = {
      dial: () => {
        let giveUp: (error: Error) => void = () => {};
        const pipe = new Promise<never>((_, reject) => {
          giveUp = reject;
        });
        return {
          pipe,
          cancel() {
            cancelled++;
            giveUp(new Error("cancelled"));
          },
        };
      },
      listen: () => Promise.reject(new Error("no")),
    };
    const channel = rig.current.connect({ network, connectTimeoutMs: 300 });
    const error = await rig.current.after(
      300,
      failure(channel.ready({ timeoutMs: 300 })).catch((e) => e),
    );
    await rig.current.clock.advance(1);
    expect(cancelled).toBe(1);
    expect(channel.stats().dialsFailed).toBe(1);
    expect(error.message).toContain("not ready within 300 ms");
    const again = failure(channel.ready({ timeoutMs: 10 }));
    expect((await rig.current.after(10, again)).message).toContain("memory:server: no connection within 300 ms");
  });
});
