// The benchmark of streams, in one process: every system carries them whole, and what is not what was sent is noticed.

import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { OpenLoad } from "../../bench/macro/open-load.js";
import { LOADS, makeBackground } from "../../bench/streams/background.js";
import { checkBulk, makeBulk } from "../../bench/streams/bulk.js";
import type { StreamClient } from "../../bench/streams/peer.js";
import { loadStreamPeer, STREAM_SYSTEMS, type StreamSystem } from "../../bench/streams/peers.js";
import { Ends, Sink, Source } from "../../bench/streams/sequence.js";
import { connectSluice, type SluiceClient, serveSluice } from "../../bench/streams/sluice.js";

const BULK_BYTES = 3_000_000;

async function withClient(
  system: StreamSystem,
  use: (client: StreamClient, served: Ends) => Promise<void>,
): Promise<void> {
  const served = new Ends();
  const peer = await loadStreamPeer(system);
  const server = await peer.serve(served);
  try {
    const client = await peer.connect(server.address);
    await use(client, served).finally(() => client.close());
  } finally {
    await server.close();
  }
}

async function withSluice(use: (client: SluiceClient, served: Ends) => Promise<void>): Promise<void> {
  const served = new Ends();
  const server = await serveSluice(served, BULK_BYTES);
  try {
    const client = await connectSluice(server.address);
    await use(client, served).finally(() => client.close());
  } finally {
    await server.close();
  }
}

describe.each(STREAM_SYSTEMS)("%s", (system) => {
  it("carries streams of the server, one after the other", async () => {
    await withClient(system, async (client) => {
      for (const count of [1, 5000]) {
        const sink = new Sink();
        await client.download(count, sink);
        expect(sink).toMatchObject({ taken: count, errors: 0 });
      }
    });
  });

  it("carries streams of the client, one after the other", async () => {
    await withClient(system, async (client, served) => {
      for (const count of [0, 1, 5000]) expect(await client.upload(new Source(count))).toBe(count);
      expect(served).toMatchObject({ taken: 5001, errors: 0 });
    });
  });

  it("carries streams that have no end until they are stopped", async () => {
    await withClient(system, async (client, served) => {
      const ends = new Ends();
      const down = client.download(0, ends.openSink());
      await sleep(50);
      served.stop();
      await down;
      const up = client.upload(ends.openSource());
      await sleep(50);
      ends.stop();
      expect(await up).toBe(ends.sent);
      expect([ends.taken, served.taken]).toEqual([served.sent, ends.sent]);
      expect(Math.min(ends.taken, served.taken)).toBeGreaterThan(0);
      expect([ends.firstError, served.firstError]).toEqual([undefined, undefined]);
    });
  });
});

describe("Sink", () => {
  const messages = (count: number) => {
    const source = new Source(count);
    return Array.from({ length: count + 1 }, () => source.next()!);
  };
  const errorsOf = (taken: ReturnType<typeof messages>): number => {
    const sink = new Sink();
    for (const message of taken) sink.take(message);
    sink.close();
    return sink.errors;
  };

  it("takes what a source gives, beyond where its messages begin again", () => {
    expect(errorsOf(messages(10_000))).toBe(0);
  });

  it.each<[string, (all: ReturnType<typeof messages>) => ReturnType<typeof messages>]>([
    ["a message left out", (all) => all.toSpliced(7, 1)],
    ["a message twice", (all) => all.toSpliced(7, 0, all[7]!)],
    ["two messages exchanged", (all) => all.with(7, all[8]!).with(8, all[7]!)],
    ["another payload", (all) => all.with(7, { ...all[7]!, payload: all[8]!.payload })],
    ["as many left out as messages there are until they begin again", (all) => all.toSpliced(100, 4096)],
    ["no end", (all) => all.slice(0, -1)],
    ["two ends", (all) => [...all, all.at(-1)!]],
  ])("notices %s", (_, spoil) => {
    expect(errorsOf(spoil(messages(5000)))).toBeGreaterThan(0);
  });
});

describe("a long message", () => {
  it.each([
    ["another id", { ...makeBulk(100_000), id: 1n }],
    ["another length", makeBulk(99_999)],
    ["another last byte", { ...makeBulk(100_000), payload: makeBulk(100_000).payload.with(99_999, 1) }],
  ])("is refused with %s", (_, message) => {
    expect(() => checkBulk(makeBulk(100_000), 0n, 100_000)).not.toThrow();
    expect(() => checkBulk(message, 0n, 100_000)).toThrow();
  });
});

describe.each(LOADS)("%s beside small calls", (load) => {
  it("goes on until it is stopped, and harms no call", async () => {
    await withSluice(async (client, served) => {
      const small = new OpenLoad(client, 100, 500);
      const background = makeBackground(load, client, BULK_BYTES, 1000);
      small.start();
      const carried = background.run();
      background.begin();
      small.begin();
      while (small.latencies.count < 100 || (load !== "nothing" && background.rate() === 0)) await sleep(20);
      await small.stop();
      background.stop();
      await carried;
      expect(small).toMatchObject({ errors: 0, firstError: undefined });
      expect(served.firstError).toBeUndefined();
    });
  });
});
