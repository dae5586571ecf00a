// Who does not read makes its writer wait, and nobody else: gRPC's flow control, as users see it.

import { describe, expect } from "vitest";
import { type BidiStream, Code, LIMITS } from "../../src/index.js";
import { failure } from "../support/rig.js";
import type { StreamingOutputCallRequestInit, StreamingOutputCallResponse } from "./gen/grpc/testing/messages.js";
import { pause } from "./service.js";
import { onEachTransport, onVirtualTime } from "./stage.js";
import { collect, Gate, sendMany, sizesOf, standsStill, untilAborted, zeros } from "./streams.js";

const MESSAGE_BYTES = 10_000;
const COUNT = 200;
const TOTAL_BYTES = COUNT * MESSAGE_BYTES;
/** Windows grow with what a line carries, and here no further than this. */
const maxWindowBytes = LIMITS.connectionWindowBytes[0];
const message = { payload: { body: zeros(MESSAGE_BYTES) } };

/** A window is used up, and exceeded by one message at most. */
function expectWindowFull(messages: number, windowBytes: number = LIMITS.streamWindowBytes[0]): void {
  expect(messages).toBeGreaterThan(windowBytes / MESSAGE_BYTES - 1);
  expect(messages).toBeLessThan(windowBytes / MESSAGE_BYTES + 1);
}

onEachTransport((it) => {
  describe("pushback", () => {
    it("a caller waits for a handler that does not read, within the window, and goes on when it reads", async (stage) => {
      const gate = new Gate();
      const { client } = await stage.start({
        handlers: {
          async streamingInputCall(requests) {
            await gate.opened;
            const sizes = sizesOf(await collect(requests));
            return { aggregatedPayloadSize: sizes.reduce((sum, size) => sum + size) };
          },
        },
      });
      const stream = client.streamingInputCall();
      const sending = sendMany(stream, message, COUNT);
      expectWindowFull(await standsStill(client, () => sending.sent));
      gate.open();
      await sending.done;
      await stream.close();
      expect(await stream.response).toEqual({ aggregatedPayloadSize: TOTAL_BYTES });
    });

    it("a handler waits for a caller that does not read, within the window, and goes on when it reads", async (stage) => {
      let made = 0;
      const { client } = await stage.start({
        handlers: {
          async *streamingOutputCall() {
            for (; made < COUNT; made++) yield message;
          },
        },
      });
      const stream = client.streamingOutputCall({});
      expectWindowFull(await standsStill(client, () => made));
      expect(sizesOf(await collect(stream)).reduce((sum, size) => sum + size)).toBe(TOTAL_BYTES);
    });

    it("a window that is announced to be smaller or larger is kept to", async (stage) => {
      let made = 0;
      const { client } = await stage.start({
        server: { streamWindowBytes: 1_000_000 },
        client: { streamWindowBytes: 70_000 },
        handlers: {
          streamingInputCall: (_, { signal }) => untilAborted(signal),
          async *streamingOutputCall() {
            for (; made < COUNT; made++) yield message;
          },
        },
      });
      const upload = client.streamingInputCall();
      const sending = sendMany(upload, message, COUNT);
      expectWindowFull(await standsStill(client, () => sending.sent), 1_000_000);
      const download = client.streamingOutputCall({});
      expectWindowFull(await standsStill(client, () => made), 70_000);
      upload.cancel();
      download.cancel();
    });

    it("a reader that takes one message at a time is never sent more than a window ahead", async (stage) => {
      let made = 0;
      const { client } = await stage.start({
        client: { maxWindowBytes },
        handlers: {
          async *streamingOutputCall() {
            for (; made < COUNT; made++) yield message;
          },
        },
      });
      const stream = client.streamingOutputCall({});
      const ahead: number[] = [];
      for (let taken = 0; !(await stream.next()).done; taken++) ahead.push(made - taken);
      expect(ahead).toHaveLength(COUNT);
      expect(Math.max(...ahead)).toBeLessThan(maxWindowBytes / MESSAGE_BYTES + 3);
    });

    it("both ways at once: neither end reads, both wait, and all of it arrives when the caller reads", async (stage) => {
      const { client } = await stage.start({ client: { maxWindowBytes }, server: { maxWindowBytes } });
      const stream = client.fullDuplexCall();
      const request = { ...message, responseParameters: [{ size: MESSAGE_BYTES }] };
      const sending = sendMany(stream, request, COUNT);
      const sent = await standsStill(client, () => sending.sent);
      expect(sent).toBeGreaterThan(LIMITS.streamWindowBytes[0] / MESSAGE_BYTES);
      expect(sent).toBeLessThan((LIMITS.streamWindowBytes[0] + maxWindowBytes) / MESSAGE_BYTES + 3);
      const reading = collect(stream);
      await sending.done;
      await stream.close();
      expect(sizesOf(await reading)).toEqual(Array(COUNT).fill(MESSAGE_BYTES));
    });

    it("a message of many windows is sent and read", async (stage) => {
      const { client } = await stage.start();
      const bytes = 3_000_000;
      const stream = client.fullDuplexCall();
      await stream.send({ payload: { body: zeros(bytes) }, responseParameters: [{ size: bytes }, { size: 1 }] });
      await stream.close();
      expect(sizesOf(await collect(stream))).toEqual([bytes, 1]);
    });
  });

  describe("meanwhile", () => {
    it("streams of more than the connection's window in all wait for their readers, and other streams do not", async (stage) => {
      const gate = new Gate();
      const { client, channel } = await stage.start({
        handlers: {
          async *halfDuplexCall(requests) {
            await gate.opened;
            for await (const { payload } of requests) yield { payload };
          },
        },
      });
      const stalled = Array.from({ length: 8 }, () => client.halfDuplexCall());
      const sendings = stalled.map((stream) => sendMany(stream, message, 40));
      const sent = await standsStill(client, () => sendings.reduce((sum, each) => sum + each.sent, 0));
      expect(sent * MESSAGE_BYTES).toBeGreaterThan(LIMITS.connectionWindowBytes[0]);
      for (const sending of sendings) expectWindowFull(sending.sent);

      const stream = client.streamingInputCall();
      await sendMany(stream, message, COUNT).done;
      await stream.close();
      expect(await stream.response).toEqual({ aggregatedPayloadSize: TOTAL_BYTES });
      const responseParameters = Array.from({ length: COUNT }, () => ({ size: MESSAGE_BYTES }));
      expect(await collect(client.streamingOutputCall({ responseParameters }))).toHaveLength(COUNT);
      const large = await client.unaryCall({ responseSize: 3_000_000, payload: { body: zeros(3_000_000) } });
      expect(large.payload?.body).toHaveLength(3_000_000);
      expect(channel.stats().connectionsOpened).toBe(1);

      gate.open();
      const readings = stalled.map((each) => collect(each));
      await Promise.all(sendings.map(({ done }) => done));
      await Promise.all(stalled.map((each) => each.close()));
      for (const reading of readings) expect(await reading).toHaveLength(40);
    });

    it("streams share the connection fairly: none is two windows ahead of another", async (stage) => {
      const { client } = await stage.start({ client: { maxWindowBytes } });
      const streams = Array.from({ length: 10 }, () => client.fullDuplexCall());
      const ask = async (stream: BidiStream<StreamingOutputCallRequestInit, StreamingOutputCallResponse>) => {
        await stream.send({ responseParameters: Array.from({ length: COUNT }, () => ({ size: MESSAGE_BYTES })) });
        await stream.close();
      };
      await Promise.all(streams.map(ask));
      const read = streams.map(() => 0);
      let widest = 0;
      const reading = streams.map(async (stream, i) => {
        for await (const _ of stream) {
          read[i] = (read[i] as number) + 1;
          widest = Math.max(widest, Math.max(...read) - Math.min(...read));
        }
      });
      await Promise.all(reading);
      expect(read).toEqual(streams.map(() => COUNT));
      expect(widest * MESSAGE_BYTES).toBeLessThan(2 * maxWindowBytes);
    });
  });
});

onVirtualTime((it) => {
  it("a caller whose requests nobody takes for a minute ends RESOURCE_EXHAUSTED; other streams go on", async (stage) => {
    const { client } = await stage.start({
      handlers: { streamingInputCall: (_, { signal }) => untilAborted(signal) },
    });
    const idle = client.fullDuplexCall();
    const stream = client.streamingInputCall();
    const sending = sendMany(stream, message, COUNT);
    const startedAt = stage.clock.now();
    expect(await failure(stream.response)).toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
    expect(await failure(sending.done)).toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
    expect(stage.clock.now() - startedAt).toBeGreaterThanOrEqual(60_000);
    expect(stage.clock.now() - startedAt).toBeLessThan(70_000);
    await idle.send({ responseParameters: [{ size: 1 }] });
    expect((await idle.next()).value?.payload?.body).toHaveLength(1);
  });

  it("a handler whose responses nobody takes for a minute ends, and the caller hears of it behind them", async (stage) => {
    const { client, server } = await stage.start({
      handlers: {
        async *streamingOutputCall() {
          for (;;) yield message;
        },
      },
    });
    const stream = client.streamingOutputCall({});
    await pause(stage.clock, 70_000, new AbortController().signal);
    expect(server.stats().running).toBe(0);
    let read = 0;
    const reading = (async () => {
      for await (const _ of stream) read++;
    })();
    expect(await failure(reading)).toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
    expectWindowFull(read);
  });
});
