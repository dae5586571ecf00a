// What ten thousand streams leave behind when they end early: nothing. Slabs, pipes and timers are counted once more by the
// stage when everything is closed.

import { getEventListeners } from "node:events";
import { describe, expect } from "vitest";
import { Code, LIMITS, type RpcError } from "../../src/index.js";
import { wheelOf } from "../../src/transport/timers.js";
import type { TestServiceClient } from "./gen/grpc/testing/test.js";
import { onVirtualTime, type Stage, type StartOptions } from "./stage.js";
import { collect, sendMany, untilAborted, zeros } from "./streams.js";

const STREAMS = 10_000;
const BATCH = 1_000;
/** Closing takes no longer than this when nothing is under way, whatever the grace, in milliseconds. */
const CLOSING_MS = 1_500;

const sized = (bytes: number) => ({ payload: { body: zeros(bytes) } });
const asking = (...sizes: readonly number[]) => ({ responseParameters: sizes.map((size) => ({ size })) });

/** A stream that has begun: how it is left, and the call's end. */
interface Begun {
  leave(): unknown;
  readonly ended: Promise<unknown>;
}

interface Way {
  readonly name: string;
  begin(client: TestServiceClient): Begun;
}

const WAYS: readonly Way[] = [
  {
    name: "cancelled before any message",
    begin(client) {
      const stream = client.fullDuplexCall();
      return { leave: () => stream.cancel(), ended: stream.trailers };
    },
  },
  {
    name: "cancelled with messages under way both ways, read and not read, and a deadline",
    begin(client) {
      const stream = client.fullDuplexCall({ timeoutMs: 60_000 });
      for (const size of [1, 100, 2_000]) void stream.send(asking(size, size));
      return { leave: () => stream.next().then(() => stream.cancel()), ended: stream.trailers };
    },
  },
  {
    name: "cancelled while requests wait for credit",
    begin(client) {
      const stream = client.streamingInputCall();
      for (const size of [66_000, 1, 2, 3]) void stream.send(sized(size));
      return { leave: () => stream.cancel(), ended: stream.trailers };
    },
  },
  {
    name: "cancelled in the middle of long messages",
    begin(client) {
      const stream = client.fullDuplexCall();
      void stream.send({ ...sized(40_000), ...asking(40_000) });
      return { leave: () => stream.cancel(), ended: stream.trailers };
    },
  },
  {
    name: "left by break",
    begin(client) {
      const stream = client.streamingOutputCall({});
      const leave = async (): Promise<void> => {
        for await (const _ of stream) break;
      };
      return { leave, ended: stream.trailers };
    },
  },
  {
    name: "ended by their deadlines",
    begin(client) {
      const stream = client.fullDuplexCall({ timeoutMs: 5 });
      void stream.send(asking(1, 2));
      return { leave: () => {}, ended: stream.trailers };
    },
  },
  {
    name: "whose handlers fail",
    begin(client) {
      const stream = client.fullDuplexCall();
      void stream.send({ responseStatus: { code: Code.ABORTED, message: "no" } });
      void stream.send(sized(10));
      return { leave: () => {}, ended: stream.trailers };
    },
  },
];

/** The least there may be: what is lost would soon be missing. */
const limits = {
  streamWindowBytes: 65_536,
  maxWindowBytes: 65_536,
  maxStreamBufferBytes: LIMITS.maxStreamBufferBytes[1],
};
const OPTIONS: StartOptions = {
  server: limits,
  client: limits,
  handlers: {
    streamingInputCall: (_, { signal }) => untilAborted(signal),
    async *streamingOutputCall() {
      for (;;) yield sized(1_000);
    },
  },
};

/** Runs `body` between two counts of what is there, and closes everything as if it could take an hour. */
async function leavesNothing(stage: Stage, body: (client: TestServiceClient) => Promise<void>): Promise<void> {
  const { client, channel, server } = await stage.start(OPTIONS);
  await client.emptyCall({});
  const wheel = wheelOf(stage.clock);
  const timers = wheel.size;
  await body(client);
  await stage.until("every call is answered", () => channel.stats().pending === 0);
  await stage.until("every handler has ended", () => server.stats().running === 0);
  expect(channel.stats()).toMatchObject({ connections: 1, waiting: 0, unknownResponses: 0 });
  // A connection keeps one timer for all the deadlines of its calls, and does not take it back when they end.
  expect(wheel.size).toBeLessThanOrEqual(timers + 1);
  await carriesMuch(client);
  const startedAt = stage.clock.now();
  await Promise.all([channel.close({ graceMs: 3_600_000 }), server.close({ graceMs: 3_600_000 })]);
  expect(stage.clock.now() - startedAt).toBeLessThan(CLOSING_MS);
}

/** Credit that was lost with a stream would be missing now: this is far more than the connection's window, both ways. */
async function carriesMuch(client: TestServiceClient): Promise<void> {
  const stream = client.fullDuplexCall();
  const reading = collect(stream);
  await sendMany(stream, { ...sized(50_000), ...asking(50_000) }, 60).done;
  await stream.close();
  expect(await reading).toHaveLength(60);
}

onVirtualTime((it) => {
  describe(`${STREAMS.toLocaleString("en")} streams leave no call, handler, timer or slab behind`, () => {
    for (const { name, begin } of WAYS) {
      it(name, async (stage) => {
        await leavesNothing(stage, async (client) => {
          for (let done = 0; done < STREAMS; done += BATCH) {
            const begun = Array.from({ length: BATCH }, () => begin(client));
            // Each batch has come a little further when it is left.
            for (let turn = 0; turn < done / BATCH; turn++) await client.emptyCall({});
            await Promise.all(begun.map(({ leave }) => leave()));
            await Promise.all(begun.map(({ ended }) => ended));
          }
        });
      });
    }

    it("begun at once, more than the connection takes, and cancelled at once", async (stage) => {
      await leavesNothing(stage, async (client) => {
        const streams = Array.from({ length: STREAMS }, () => client.fullDuplexCall({ timeoutMs: 60_000 }));
        const sends = streams.map((stream) => stream.send(asking(1)).catch((error: RpcError) => error.code));
        await streams[0]?.next();
        for (const stream of streams) stream.cancel();
        const outcomes = await Promise.all(sends);
        expect(outcomes.filter((code) => code !== undefined && code !== Code.CANCELLED)).toEqual([]);
      });
    });
  });

  describe(`${STREAMS.toLocaleString("en")} streams that share a signal`, () => {
    it("listen to it once in all, and no more when they have ended by themselves", async (stage) => {
      const { signal } = new AbortController();
      await leavesNothing(stage, async (client) => {
        const streams = Array.from({ length: STREAMS }, () => client.fullDuplexCall({ signal }));
        expect(getEventListeners(signal, "abort")).toHaveLength(1);
        for (const [i, stream] of streams.entries()) {
          if (i % 2 === 0) stream.cancel();
          else void stream.close();
        }
        await Promise.all(streams.map((stream) => stream.trailers));
        expect(getEventListeners(signal, "abort")).toHaveLength(0);
      });
    });

    it("all end when it is aborted, those that wait too", async (stage) => {
      const controller = new AbortController();
      await leavesNothing(stage, async (client) => {
        const { signal } = controller;
        const streams = Array.from({ length: STREAMS }, () => client.fullDuplexCall({ signal }));
        await stage.until("some are served, and others wait", () => stage.tap.requests.bytes > 10_000);
        controller.abort();
        const codes = await Promise.all(streams.map((stream) => stream.next().catch((error: RpcError) => error.code)));
        expect(codes).toEqual(Array(STREAMS).fill(Code.CANCELLED));
        expect(getEventListeners(signal, "abort")).toHaveLength(0);
      });
    });
  });
});
