// The closed loop of the benchmark: it notices every reply that is not what was sent.

import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Load } from "../../bench/macro/load.js";
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
