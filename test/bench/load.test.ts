// The closed loop of the benchmark: it notices every reply that is not what was sent.

import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Load } from "../../bench/macro/load.js";
import { loadCost } from "../../bench/macro/load-cost.js";
import { OpenLoad } from "../../bench/macro/open-load.js";
import type { EchoMessage } from "../../bench/macro/peer.js";

describe("Load", () => {
  const sabotage: [string, (message: EchoMessage) => EchoMessage][] = [
    ["another id", (message) => ({ ...message, id: message.id + 1n })],
    ["another name", (message) => ({ ...message, name: "someone" })],
    ["a shorter payload", (message) => ({ ...message, payload: message.payload.subarray(1) })],
    ["an altered payload", (message) => ({ ...message, payload: message.payload.map((byte) => byte ^ 1) })],
  ];

  it.each(sabotage)("counts a reply with %s as an error", async (_, alter) => {
    let calls = 0;
    const echo = async (message: EchoMessage): Promise<EchoMessage> =>
      ++calls === 500 ? alter(message) : await new Promise((resolve) => setImmediate(resolve, message));
    const load = new Load({ echo, close: () => {} }, 100, 8);
    load.start();
    while (calls < 600) await sleep(1);
    await load.stop();
    expect(load.errors).toBe(1);
  });

  it("counts a failed call as an error and goes on", async () => {
    let calls = 0;
    const echo = async (message: EchoMessage): Promise<EchoMessage> => {
      if (++calls === 3) throw new Error("refused");
      return await new Promise((resolve) => setImmediate(resolve, message));
    };
    const load = new Load({ echo, close: () => {} }, 10, 2);
    load.start();
    while (calls < 10) await sleep(1);
    await load.stop();
    expect(load).toMatchObject({ errors: 1, firstError: "refused" });
    expect(load.completed).toBeGreaterThan(5);
  });
});

describe("OpenLoad", () => {
  const echoLater = async (message: EchoMessage): Promise<EchoMessage> => {
    await new Promise((resolve) => setImmediate(resolve));
    return message;
  };

  it("makes calls at its rate and times every one", async () => {
    const load = new OpenLoad({ echo: echoLater, close: () => {} }, 100, 10_000);
    load.start();
    while (load.completed < 200) await sleep(1);
    await load.stop();
    expect(load.firstError).toBeUndefined();
    expect(load.latencies.count).toBe(load.completed);
    expect(load.lateness.count).toBe(load.completed);
  });

  it("counts from when a call was due, and records none that was due before it began", async () => {
    const load = new OpenLoad({ echo: async (message) => message, close: () => {} }, 100, 1000);
    load.start();
    load.begin();
    const until = performance.now() + 100;
    while (performance.now() < until);
    while (load.latencies.count < 100) await sleep(5);
    await load.stop();
    expect(load.errors).toBe(0);
    expect(load.latencies.percentile(0.5)).toBeGreaterThan(20e6);
  });

  it("goes on when calls fail, and waits for them at last", async () => {
    let calls = 0;
    const echo = async (): Promise<never> => {
      calls++;
      await sleep(30);
      throw new Error("refused");
    };
    const load = new OpenLoad({ echo, close: () => {} }, 100, 1000);
    load.start();
    while (calls < 5) await sleep(5);
    await load.stop();
    expect(load).toMatchObject({ errors: calls, firstError: "refused" });
  });

  it("holds calls back from a system that has 1024, and makes them when it answers", async () => {
    const answers: (() => void)[] = [];
    const echo = (message: EchoMessage): Promise<EchoMessage> =>
      new Promise((resolve) => answers.push(() => resolve(message)));
    const load = new OpenLoad({ echo, close: () => {} }, 10, 1e6);
    load.start();
    while (answers.length < 1024) await sleep(1);
    await sleep(5);
    expect(answers).toHaveLength(1024);
    answers.shift()!();
    while (answers.length < 1024) await sleep(1);
    const stopped = load.stop();
    for (const answer of answers) answer();
    await stopped;
    expect(load.completed).toBe(1025);
  });
});

describe("loadCost", () => {
  it("is what the load allocates for a call that costs nothing", async () => {
    const bytes = await loadCost(100, 64);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(2000);
  });
});
