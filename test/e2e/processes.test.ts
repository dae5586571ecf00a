// A server process that is killed, stopped or told to end while it works.

import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { Code, type Mode, type RpcError } from "../../src/index.js";
import { EchoClient } from "../support/gen/support/v1/echo.js";
import { failure } from "../support/rig.js";
import { until, useTracker } from "../support/tracker.js";
import { compileServer, ServerChild } from "./server-child.js";

// Hooks run last to first: the servers are killed before the channels are closed and what is left is counted.
const tracker = useTracker();
const children: ServerChild[] = [];
const MODES: readonly Mode[] = ["pipelined", "pooled", "short"];

async function start(...addresses: string[]): Promise<ServerChild> {
  const child = await ServerChild.start(...addresses);
  children.push(child);
  return child;
}

beforeAll(compileServer, 60_000);
afterEach(async () => {
  const ended = children.splice(0);
  await Promise.all(ended.map((child) => child.kill()));
  expect(ended.flatMap(({ uncaught }) => uncaught)).toEqual([]);
});

describe.each(MODES)("SIGKILL of the server, in the %s mode", (mode) => {
  it("fails written calls within a second; others wait; all is well when it is back", async () => {
    const first = await start("tcp://127.0.0.1:0");
    const { address } = first;
    const channel = tracker.current.connect(address, { mode });
    const client = new EchoClient(channel);
    await client.echo({});
    const written = Array.from({ length: mode === "pooled" ? 8 : 100 }, () => failure(client.hold({ id: 60_000n })));
    await until("all are written", () => channel.stats().pending === written.length);
    await delay(20);
    const killedAt = performance.now();
    await first.kill();
    for (const error of await Promise.all(written)) {
      expect(error).toMatchObject({ code: Code.UNAVAILABLE, retry: "unsafe", origin: "local" });
      expect(error.message).toContain(`support.v1.Echo/Hold: connection to ${address.slice(6)} lost: `);
    }
    expect(performance.now() - killedAt).toBeLessThan(1_000);
    const madeAt = performance.now();
    const hopeless = failure(client.echo({}, { timeoutMs: 300 }));
    const patient = Array.from({ length: 20 }, (_, i) => client.echo({ id: BigInt(i) }));
    const late = await hopeless;
    expect(performance.now() - madeAt).toBeGreaterThanOrEqual(299);
    expect(late).toMatchObject({ code: Code.DEADLINE_EXCEEDED, retry: "safe" });
    expect(late.message).toContain("ECONNREFUSED");
    await start(address);
    expect((await Promise.all(patient)).map(({ id }) => Number(id))).toEqual(patient.map((_, i) => i));
  });

  it("settles every call once, under load, and no reply is another call's", async () => {
    let server = await start("tcp://127.0.0.1:0");
    const { address } = server;
    const client = new EchoClient(tracker.current.connect(address, { mode, initialBackoffMs: 5 }));
    const counts = { answered: 0, lost: 0 };
    let isRunning = true;
    let next = 0n;
    const work = async (): Promise<void> => {
      while (isRunning) {
        const id = next++;
        const text = `call ${id}`;
        try {
          const reply = await client.echo({ id, text });
          expect(reply).toMatchObject({ id, text });
          counts.answered++;
        } catch (error) {
          expect((error as RpcError).code).toBe(Code.UNAVAILABLE);
          counts.lost++;
        }
      }
    };
    const workers = Array.from({ length: 32 }, work);
    for (let kill = 0; kill < 2; kill++) {
      await delay(100);
      await server.kill();
      const answered = counts.answered;
      server = await start(address);
      await until("it is back", () => counts.answered > answered, 5_000);
    }
    isRunning = false;
    await Promise.all(workers);
    expect(counts.answered + counts.lost).toBe(Number(next));
  });
});

describe("a server that stops without closing", () => {
  const HEARTBEAT = { pendingHeartbeatIntervalMs: 200, heartbeatIntervalMs: 400, heartbeatTimeoutMs: 200 };

  it("is found by heartbeat, with calls pending and idle, and used again when it goes on", async () => {
    const server = await start("tcp://127.0.0.1:0");
    const idle = tracker.current.connect(server.address, HEARTBEAT);
    const busy = tracker.current.connect(server.address, { ...HEARTBEAT, handshakeTimeoutMs: 300 });
    await Promise.all([idle.ready(), busy.ready()]);
    let idleLost = Number.POSITIVE_INFINITY;
    idle.once("disconnect", (_, error) => {
      expect(error.message).toContain("HEARTBEAT_TIMEOUT: nothing was received for ");
      idleLost = performance.now();
    });
    const client = new EchoClient(busy);
    server.signal("SIGSTOP");
    const stoppedAt = performance.now();
    const error = await failure(client.hold({}));
    expect(performance.now() - stoppedAt).toBeLessThan(900);
    expect(error).toMatchObject({ code: Code.UNAVAILABLE, retry: "unsafe" });
    expect(error.message).toContain("HEARTBEAT_TIMEOUT");
    await until("the idle channel has noticed too", () => idleLost < Number.POSITIVE_INFINITY);
    expect(idleLost - stoppedAt).toBeLessThan(1_400);
    const call = client.echo({ id: 1n }, { timeoutMs: 10_000 });
    // A call that was written to a stopped server is lost with its connection; one more is not.
    const outcome = call.catch(() => client.echo({ id: 1n }, { timeoutMs: 10_000 }));
    server.signal("SIGCONT");
    expect((await outcome).id).toBe(1n);
  });
});

describe("SIGTERM", () => {
  it("lets 1,000 calls in flight end, loses none, and ends the process", async () => {
    const server = await start("tcp://127.0.0.1:0");
    const channels = Array.from({ length: 4 }, () => tracker.current.connect(server.address));
    const calls = channels.flatMap((channel) => {
      const client = new EchoClient(channel);
      return Array.from({ length: 250 }, () => client.hold({ id: 400n }));
    });
    await Promise.all(channels.map((channel) => new EchoClient(channel).echo({})));
    server.signal("SIGTERM");
    expect(await Promise.all(calls)).toHaveLength(1_000);
    for (const channel of channels) void channel.close();
    expect(await server.ended()).toBe(0);
  });

  it("cuts nothing off when calls are made all the while, and another server takes over", async () => {
    const first = await start("tcp://127.0.0.1:0");
    const second = await start("tcp://127.0.0.1:0");
    const client = new EchoClient(tracker.current.connect([first.address, second.address]));
    let isRunning = true;
    const work = async (): Promise<number> => {
      for (let count = 0; ; count++) {
        if (!isRunning) return count;
        await client.echo({});
      }
    };
    const workers = Array.from({ length: 16 }, work);
    await delay(100);
    first.signal("SIGTERM");
    expect(await first.ended()).toBe(0);
    await delay(50);
    isRunning = false;
    for (const count of await Promise.all(workers)) expect(count).toBeGreaterThan(0);
  });
});
