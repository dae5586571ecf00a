// Streams and the connections under them: limits, the three modes, connections that are lost, and ends that close.

import { describe, expect } from "vitest";
import { type CallContext, Code, type Mode, type RpcError } from "../../src/index.js";
import { failure } from "../support/rig.js";
import { TestServiceClient } from "./gen/grpc/testing/test.js";
import { type Handlers, onEachTransport } from "./stage.js";
import { collect, Gate, sendMany, sizesOf, standsStill, untilAborted, zeros } from "./streams.js";
import { WireTap } from "./wire-tap.js";

const MODES: readonly Mode[] = ["pipelined", "pooled", "short"];
const sized = (bytes: number) => ({ payload: { body: zeros(bytes) } });
/** The request for responses of these sizes. */
const asking = (...sizes: readonly number[]) => ({ responseParameters: sizes.map((size) => ({ size })) });

/** Handlers whose streams and unary calls wait for `gate`, or until nobody waits for them. */
function waitingFor(gate: Gate, contexts: CallContext[] = []): Partial<Handlers> {
  const wait = async (ctx: CallContext): Promise<void> => {
    contexts.push(ctx);
    await Promise.race([gate.opened, untilAborted(ctx.signal)]);
  };
  return {
    async unaryCall(_, ctx) {
      await wait(ctx);
      return {};
    },
    async *streamingOutputCall({ responseParameters }, ctx) {
      yield sized(1);
      await wait(ctx);
      for (const { size } of responseParameters) yield sized(size);
    },
    async streamingInputCall(requests, ctx) {
      await wait(ctx);
      return { aggregatedPayloadSize: sizesOf(await collect(requests)).reduce((sum, size) => sum + size, 0) };
    },
  };
}

onEachTransport((it) => {
  describe("calls above maxCallsPerConnection", () => {
    it("wait for others to end, and none of them fails", async (stage) => {
      const gate = new Gate();
      const { client, channel, server } = await stage.start({
        server: { maxCallsPerConnection: 4 },
        handlers: waitingFor(gate),
      });
      const streams = Array.from({ length: 10 }, () => client.streamingOutputCall(asking(2)));
      const calls = Array.from({ length: 10 }, () => client.unaryCall({}));
      await stage.until("four are served", () => server.stats().running === 4);
      expect(channel.stats()).toMatchObject({ pending: 4, waiting: 16 });
      gate.open();
      for (const stream of streams) expect(sizesOf(await collect(stream))).toEqual([1, 2]);
      expect(await Promise.all(calls)).toHaveLength(10);
      expect(server.stats()).toMatchObject({ callsServed: 20, callsRefused: 0 });
    });

    it("may be given up while they wait, with what they were to send", async (stage) => {
      const gate = new Gate();
      const { client, channel, server } = await stage.start({
        server: { maxCallsPerConnection: 1 },
        handlers: waitingFor(gate),
      });
      const first = client.streamingInputCall();
      const second = client.streamingInputCall();
      const sending = second.send(sized(1));
      await stage.until("the first is served", () => server.stats().running === 1);
      second.cancel();
      expect(await failure(sending)).toMatchObject({ code: Code.CANCELLED, retry: "safe" });
      expect(await failure(second.response)).toMatchObject({ code: Code.CANCELLED, retry: "safe" });
      expect(channel.stats()).toMatchObject({ pending: 1, waiting: 0 });
      gate.open();
      await first.close();
      await first.response;
      expect(server.stats().callsServed).toBe(1);
    });

    it("go to another connection where the channel may have one", async (stage) => {
      const gate = new Gate();
      const { client, channel, server } = await stage.start({
        server: { maxCallsPerConnection: 4 },
        client: { maxConnections: 2 },
        handlers: waitingFor(gate),
      });
      const streams = Array.from({ length: 8 }, () => client.streamingOutputCall({}));
      await stage.until("all are served", () => server.stats().running === 8);
      expect(channel.stats().connections).toBe(2);
      gate.open();
      for (const stream of streams) expect(sizesOf(await collect(stream))).toEqual([1]);
    });
  });

  describe.each(MODES)("in the %s mode", (mode) => {
    it("all kinds of streams carry more than their windows", async (stage) => {
      const { client } = await stage.start({ client: { mode } });
      const count = 100;
      const upload = client.streamingInputCall();
      await sendMany(upload, sized(10_000), count).done;
      await upload.close();
      expect(await upload.response).toEqual({ aggregatedPayloadSize: count * 10_000 });
      const sizes: readonly number[] = Array(count).fill(10_000);
      expect(sizesOf(await collect(client.streamingOutputCall(asking(...sizes))))).toEqual(sizes);
      const chat = client.fullDuplexCall();
      const reading = collect(chat);
      await sendMany(chat, { ...sized(10_000), ...asking(10_000) }, count).done;
      await chat.close();
      expect(sizesOf(await reading)).toEqual(sizes);
    });

    it("a connection that is lost ends its streams UNAVAILABLE at both ends, and the next ones have another", async (stage) => {
      const contexts: CallContext[] = [];
      const { client, server } = await stage.start({
        client: { mode, initialBackoffMs: 5 },
        handlers: waitingFor(new Gate(), contexts),
      });
      const list = client.streamingOutputCall({});
      const upload = client.streamingInputCall();
      const sending = sendMany(upload, sized(10_000), 100);
      await stage.until("both are served", () => contexts.length === 2);
      expect(sizesOf([(await list.next()).value ?? {}])).toEqual([1]);
      stage.tap.cut();
      for (const outcome of [list.next(), upload.response, sending.done])
        expect(await failure(outcome)).toMatchObject({ code: Code.UNAVAILABLE, retry: "unsafe", origin: "local" });
      await stage.until("the handlers have ended", () => server.stats().running === 0);
      for (const { signal } of contexts) expect(signal.reason).toMatchObject({ code: Code.UNAVAILABLE });
      const chat = client.fullDuplexCall();
      await chat.send(asking(3));
      await chat.close();
      expect(sizesOf(await collect(chat))).toEqual([3]);
    });

    it("what had come before the connection was lost is read before the error", async (stage) => {
      const { client, server } = await stage.start({
        client: { mode },
        handlers: {
          async *streamingOutputCall(_, { signal }) {
            for (let size = 1; size <= 10; size++) yield sized(size);
            await untilAborted(signal);
          },
        },
      });
      const stream = client.streamingOutputCall({});
      await stream.headers;
      await stage.until("all responses have gone", () => stage.tap.responses.messages.length === 10);
      if (mode === "pipelined") await standsStill(client, () => 0);
      expect(sizesOf([(await stream.next()).value ?? {}])).toEqual([1]);
      stage.tap.cut();
      await stage.until("the handler has ended", () => server.stats().running === 0);
      const sizes: number[] = [];
      const reading = (async () => {
        for await (const { payload } of stream) sizes.push(payload?.body.length ?? 0);
      })();
      expect(await failure(reading)).toMatchObject({ code: Code.UNAVAILABLE });
      if (mode === "pipelined") expect(sizes).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10]);
      else expect(sizes).toEqual(Array.from({ length: sizes.length }, (_, i) => i + 2));
    });

    it("a server that closes lets streams finish within its grace", async (stage) => {
      const gate = new Gate();
      const { client, server } = await stage.start({ client: { mode }, handlers: waitingFor(gate) });
      const list = client.streamingOutputCall(asking(2, 3));
      const upload = client.streamingInputCall();
      await stage.until("both are served", () => server.stats().running === 2);
      const closing = server.close({ graceMs: 10_000 });
      await upload.send(sized(4));
      gate.open();
      await upload.send(sized(5));
      await upload.close();
      expect(await upload.response).toEqual({ aggregatedPayloadSize: 9 });
      expect(sizesOf(await collect(list))).toEqual([1, 2, 3]);
      await closing;
      expect(server.stats()).toMatchObject({ connections: 0, running: 0 });
    });

    it("a server that closes cancels the streams that go on after its grace", async (stage) => {
      const contexts: CallContext[] = [];
      const { client, server } = await stage.start({ client: { mode }, handlers: waitingFor(new Gate(), contexts) });
      const list = client.streamingOutputCall({});
      const upload = client.streamingInputCall();
      const sending = sendMany(upload, sized(10_000), 100);
      await stage.until("both are served", () => contexts.length === 2);
      const startedAt = stage.clock.now();
      const closing = server.close({ graceMs: 100 });
      expect(sizesOf([(await list.next()).value ?? {}])).toEqual([1]);
      for (const outcome of [list.next(), upload.response, sending.done])
        expect(await failure(outcome)).toMatchObject({ code: Code.UNAVAILABLE });
      expect(stage.clock.now() - startedAt).toBeGreaterThanOrEqual(99);
      await closing;
      for (const { signal } of contexts) expect(signal.reason).toMatchObject({ code: Code.UNAVAILABLE });
    });

    it("a channel that closes lets streams finish within its grace, and begins none", async (stage) => {
      const gate = new Gate();
      const { client, channel, server } = await stage.start({ client: { mode }, handlers: waitingFor(gate) });
      const list = client.streamingOutputCall(asking(2));
      const upload = client.streamingInputCall();
      await stage.until("both are served", () => server.stats().running === 2);
      const closing = channel.close({ graceMs: 10_000 });
      const refused = client.fullDuplexCall();
      expect(await failure(refused.next())).toMatchObject({ code: Code.UNAVAILABLE, retry: "safe" });
      expect(await failure(refused.send({}))).toMatchObject({ code: Code.UNAVAILABLE });
      await upload.send(sized(4));
      await upload.close();
      gate.open();
      expect(await upload.response).toEqual({ aggregatedPayloadSize: 4 });
      expect(sizesOf(await collect(list))).toEqual([1, 2]);
      await closing;
    });

    it("a channel that closes ends the streams that go on after its grace", async (stage) => {
      const { client, channel, server } = await stage.start({ client: { mode }, handlers: waitingFor(new Gate()) });
      const list = client.streamingOutputCall({});
      const upload = client.streamingInputCall();
      await stage.until("both are served", () => server.stats().running === 2);
      const closing = channel.close({ graceMs: 50 });
      await list.next();
      for (const outcome of [list.next(), upload.response])
        expect(await failure(outcome)).toMatchObject({ code: Code.UNAVAILABLE });
      await closing;
      await stage.until("the handlers have ended", () => server.stats().running === 0);
    });
  });

  describe("in the pooled mode", () => {
    it("a stream has its connection for itself, and gives it back when it ends", async (stage) => {
      const { client, channel, server } = await stage.start({ client: { mode: "pooled", maxConnections: 1 } });
      const stream = client.fullDuplexCall();
      await stream.send(asking(1));
      await stream.next();
      const waiting = client.emptyCall({});
      const next = client.streamingOutputCall(asking(2));
      await stream.send(asking(3));
      expect(sizesOf([(await stream.next()).value ?? {}])).toEqual([3]);
      expect(channel.stats()).toMatchObject({ connections: 1, pending: 1, waiting: 2 });
      await stream.close();
      expect(await stream.next()).toEqual({ done: true, value: undefined });
      await waiting;
      expect(sizesOf(await collect(next))).toEqual([2]);
      expect(server.stats().connectionsOpened).toBe(1);
    });

    it("streams at once take a connection each, up to the limit, and leave all of them to later ones", async (stage) => {
      const gate = new Gate();
      const { client, channel, server } = await stage.start({
        client: { mode: "pooled", maxConnections: 4 },
        handlers: waitingFor(gate),
      });
      const streams = Array.from({ length: 6 }, () => client.streamingOutputCall(asking(2)));
      await stage.until("four are served", () => server.stats().running === 4);
      expect(channel.stats()).toMatchObject({ connections: 4, waiting: 2 });
      gate.open();
      for (const stream of streams) expect(sizesOf(await collect(stream))).toEqual([1, 2]);
      await Promise.all(Array.from({ length: 20 }, () => collect(client.streamingOutputCall({}))));
      expect(server.stats().connectionsOpened).toBe(4);
    });

    it("a stream that is cancelled costs its connection, and nobody waits for it", async (stage) => {
      const { client, server, channel } = await stage.start({
        client: { mode: "pooled", maxConnections: 1 },
        handlers: waitingFor(new Gate()),
      });
      for (let i = 1; i <= 3; i++) {
        const stream = client.streamingOutputCall({});
        await stream.next();
        stream.cancel();
        expect(await failure(stream.next())).toMatchObject({ code: Code.CANCELLED });
        await client.emptyCall({});
      }
      await stage.until("the handlers have ended", () => server.stats().running === 0);
      await stage.until("one connection is left", () => channel.stats().connections === 1);
    });
  });

  describe("in the short mode", () => {
    it("each stream has a connection of its own, which closes behind it", async (stage) => {
      const gate = new Gate();
      const { server, address } = await stage.serve(waitingFor(gate));
      const channel = stage.connect(address, { mode: "short" });
      const client = new TestServiceClient(channel);
      const streams = Array.from({ length: 5 }, () => client.streamingOutputCall(asking(2)));
      await stage.until("all are served", () => server.stats().running === 5);
      expect(channel.stats().connections).toBe(5);
      gate.open();
      for (const stream of streams) expect(sizesOf(await collect(stream))).toEqual([1, 2]);
      await stage.until("all are closed", () => channel.stats().connections === 0 && server.stats().connections === 0);
      expect(server.stats().connectionsOpened).toBe(5);
      const cancelled = client.streamingInputCall();
      await cancelled.send({});
      cancelled.cancel();
      await failure(cancelled.response);
      await stage.until("it is closed", () => channel.stats().connections === 0 && server.stats().connections === 0);
    });
  });

  it("streams that wait go on at the server that comes after the one that closed", async (stage) => {
    const gate = new Gate();
    const { client, server, channel, address } = await stage.start({
      client: { initialBackoffMs: 5, maxBackoffMs: 10 },
      server: { maxCallsPerConnection: 1 },
      handlers: waitingFor(gate),
    });
    const first = client.streamingOutputCall(asking(2));
    await first.next();
    const waiting = Array.from({ length: 5 }, () => client.streamingInputCall());
    const sends = waiting.flatMap((stream) => [stream.send(sized(3)), stream.close()]);
    expect(channel.stats()).toMatchObject({ pending: 1, waiting: 5 });
    const closing = server.close({ graceMs: 10_000 });
    gate.open();
    expect(sizesOf(await collect(first))).toEqual([2]);
    await closing;
    const second = await stage.serve({}, {}, address);
    await Promise.all(sends);
    for (const { response } of waiting) expect(await response).toEqual({ aggregatedPayloadSize: 3 });
    expect(second.server.stats().callsServed).toBe(5);
    expect(server.stats().callsServed).toBe(1);
  });

  it("a caller that is gone without a word is noticed: at once where it was to send more, else by heartbeat", async (stage) => {
    const contexts: CallContext[] = [];
    const liveness = { heartbeatIntervalMs: 600, heartbeatTimeoutMs: 100 };
    const { server, address } = await stage.serve(waitingFor(new Gate(), contexts), liveness);
    const wire = new WireTap();
    const client = new TestServiceClient(stage.connect(address, { network: wire.wrap(stage.network) }));
    const calls = [client.streamingInputCall().response, client.streamingOutputCall({}).trailers, client.unaryCall({})];
    await stage.until("all are served", () => contexts.length === 3);
    const goneAt = stage.clock.now();
    wire.cut();
    await Promise.allSettled(calls);
    const [upload, ...others] = contexts;
    await stage.until("the upload has ended", () => upload?.isCancelled === true);
    expect(stage.clock.now() - goneAt).toBeLessThan(600);
    await stage.until("the others have ended", () => others.every(({ isCancelled }) => isCancelled));
    for (const { signal } of contexts) expect(signal.reason).toMatchObject({ code: Code.UNAVAILABLE });
    await stage.until("the handlers have ended", () => server.stats().running === 0);
  });

  it("a stream whose connection breaks before anything of it has left goes on at the next one", async (stage) => {
    const { client, channel } = await stage.start({ client: { initialBackoffMs: 5 } });
    const errors: RpcError[] = [];
    channel.on("disconnect", (_, error) => errors.push(error));
    stage.tap.cut();
    const stream = client.fullDuplexCall();
    const sends = [stream.send(asking(1)), stream.close()];
    const outcome = await collect(stream).then(sizesOf, (error: RpcError) => error);
    // The client may have learnt of the end before its tick ended, or after: then the stream has left, and may have run.
    if (Array.isArray(outcome)) expect(outcome).toEqual([1]);
    else expect(outcome).toMatchObject({ code: Code.UNAVAILABLE, retry: "unsafe" });
    await Promise.allSettled(sends);
    expect(errors).toHaveLength(1);
  });
});
