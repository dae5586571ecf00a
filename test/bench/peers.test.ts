// Every system of the benchmark echoes, in one process: messages of all sizes, also those that span many reads, come
// back as they were sent.

import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Load } from "../../bench/macro/load.js";
import { type EchoCaller, VARIANTS, type Variant } from "../../bench/macro/peer.js";
import { isAvailable, loadPeer, SYSTEMS, type System } from "../../bench/macro/peers.js";
import { callsIntercepted } from "../../bench/macro/sluice.js";

async function withClient(
  system: System,
  use: (client: EchoCaller) => Promise<void>,
  variant: Variant = "default",
): Promise<void> {
  const peer = await loadPeer(system);
  const server = await peer.serve(variant);
  try {
    const client = await peer.connect(server.address, "pipelined", variant);
    await use(client).finally(() => client.close());
  } finally {
    await server.close();
  }
}

// What is not installed, as after `npm ci` alone, is left to those who run the suite.
describe.each(SYSTEMS.filter(isAvailable))("%s", (system) => {
  it("returns names and payloads of every length, in any company", async () => {
    const lengths = [0, 1, 7, 12, 13, 100, 255, 256, 257, 4096, 4097, 65_536, 300_000];
    const messages = lengths.map((length, at) => ({
      id: 2n ** 64n - 1n - BigInt(at),
      name: at % 3 === 0 ? "größer" : "n".repeat(Math.min(length, 50)),
      payload: Uint8Array.from({ length }, (_, n) => n * 7 + at),
    }));
    await withClient(system, async (client) => {
      const replies = await Promise.all(messages.map((message) => client.echo(message)));
      replies.forEach(({ id, name, payload }, at) => {
        expect(id).toBe(messages[at]!.id);
        expect(name).toBe(messages[at]!.name);
        expect(Buffer.from(payload).equals(messages[at]!.payload)).toBe(true);
      });
    });
  });

  it("answers a load without a wrong reply", async () => {
    await withClient(system, async (client) => {
      const load = new Load(client, 1000, 64);
      load.start();
      await sleep(200);
      await load.stop();
      expect(load.firstError).toBeUndefined();
      expect(load.completed).toBeGreaterThanOrEqual(64);
      expect(load.latencies.percentile(0.5)).toBeGreaterThan(0);
    });
  });
});

describe("Sluice's variants", () => {
  it.each(VARIANTS)("echo: %s", async (variant) => {
    const message = { id: 7n, name: "seven", payload: new Uint8Array(3) };
    await withClient("sluice", async (client) => expect((await client.echo(message)).id).toBe(7n), variant);
  });

  it("pass an interceptor on each side where they are loaded, which finds the metadata", async () => {
    const before = callsIntercepted();
    const message = { id: 7n, name: "seven", payload: new Uint8Array(3) };
    await withClient("sluice", async (client) => void (await client.echo(message)), "loaded");
    expect(callsIntercepted() - before).toBe(2);
  });
});
