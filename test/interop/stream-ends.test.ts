// How streams end: by either side, early or in time, well or with an error, and what the other side sees of it.

import { describe, expect } from "vitest";
import { type CallContext, Code, RpcError } from "../../src/index.js";
import { BadRequest, detail, findDetail } from "../../src/standard/details.js";
import { failure } from "../support/rig.js";
import { type Handlers, onEachTransport } from "./stage.js";
import { collect, Gate, sendMany, sizesOf, untilAborted, zeros } from "./streams.js";

const DONE = { done: true, value: undefined };
/** A response of which only the size matters. */
const sized = (bytes: number) => ({ payload: { body: zeros(bytes) } });
/** The request for one response. */
const asking = (size: number) => ({ responseParameters: [{ size }] });

const violation = { field: "size", description: "is odd" };
const refusal = (): RpcError =>
  new RpcError(Code.FAILED_PRECONDITION, "not so", {
    details: [detail(BadRequest, { fieldViolations: [violation] })],
    retryAfterMs: 250,
  });

function expectRefusal(error: RpcError): void {
  expect(error).toMatchObject({ code: Code.FAILED_PRECONDITION, message: "not so", retryAfterMs: 250 });
  expect(findDetail(error, BadRequest)?.fieldViolations).toMatchObject([violation]);
}

/** What a handler has seen of the end of its call. */
interface Seen {
  ctx?: CallContext;
  /** What its requests threw. */
  error?: unknown;
  /** True once its generator was let go. */
  hasEnded: boolean;
}

/** A handler that echoes sizes until its requests end, and writes down how. */
function watched(seen: Seen): Handlers["fullDuplexCall"] {
  return async function* (requests, ctx) {
    seen.ctx = ctx;
    try {
      for await (const { responseParameters } of requests) for (const { size } of responseParameters) yield sized(size);
    } catch (error) {
      seen.error = error;
      throw error;
    } finally {
      seen.hasEnded = true;
    }
  };
}

onEachTransport((it) => {
  describe("half-close", () => {
    it("a caller that has closed goes on receiving", async (stage) => {
      const gate = new Gate();
      const { client } = await stage.start({
        handlers: {
          async *fullDuplexCall(requests) {
            const all = await collect(requests);
            yield sized(all.length);
            await gate.opened;
            yield sized(1);
          },
        },
      });
      const stream = client.fullDuplexCall();
      await sendMany(stream, {}, 3).done;
      await stream.close();
      expect(sizesOf([(await stream.next()).value ?? {}])).toEqual([3]);
      expect(await failure(stream.send({}))).toMatchObject({ code: Code.FAILED_PRECONDITION });
      gate.open();
      expect(sizesOf(await collect(stream))).toEqual([1]);
    });

    it("a handler that has ended ends the call: what the caller still sends does nothing", async (stage) => {
      const { client, server } = await stage.start({ handlers: { fullDuplexCall: () => [sized(5)] } });
      const stream = client.fullDuplexCall();
      expect(sizesOf(await collect(stream))).toEqual([5]);
      await sendMany(stream, sized(10_000), 100).done;
      await stream.close();
      await client.emptyCall({});
      expect(server.stats().running).toBe(0);
    });

    it("a handler that needs no more requests goes on sending, and its caller never waits for it to read", async (stage) => {
      const gate = new Gate();
      const { client } = await stage.start({
        handlers: {
          async *fullDuplexCall(requests) {
            for await (const _ of requests) break;
            yield sized(1);
            await gate.opened;
            yield sized(2);
          },
        },
      });
      const stream = client.fullDuplexCall();
      await sendMany(stream, sized(10_000), 100).done;
      gate.open();
      expect(sizesOf(await collect(stream))).toEqual([1, 2]);
    });

    it("a server responds before any request", async (stage) => {
      const { client } = await stage.start({
        handlers: {
          async *fullDuplexCall(requests) {
            yield sized(1);
            yield sized(2);
            yield sized((await collect(requests)).length);
          },
        },
      });
      const stream = client.fullDuplexCall();
      const first = [await stream.next(), await stream.next()].map(({ value }) => value ?? {});
      expect(sizesOf(first)).toEqual([1, 2]);
      await sendMany(stream, {}, 3).done;
      await stream.close();
      expect(sizesOf(await collect(stream))).toEqual([3]);
    });

    it("a server responds, and ends the call, before a caller that never sends", async (stage) => {
      const { client } = await stage.start({ handlers: { streamingInputCall: () => ({ aggregatedPayloadSize: 7 }) } });
      const stream = client.streamingInputCall();
      expect(await stream.response).toEqual({ aggregatedPayloadSize: 7 });
      await stream.send({});
      await stream.close();
    });
  });

  describe("a caller that leaves", () => {
    it("by break cancels: the handler's requests throw, its signal is aborted, its generator ends", async (stage) => {
      const seen: Seen = { hasEnded: false };
      const { client, server, channel } = await stage.start({ handlers: { fullDuplexCall: watched(seen) } });
      const stream = client.fullDuplexCall();
      await sendMany(stream, asking(1), 3).done;
      for await (const _ of stream) break;
      await stage.until("the handler has ended", () => server.stats().running === 0);
      expect(seen.hasEnded).toBe(true);
      expect(seen.ctx?.isCancelled).toBe(true);
      expect(seen.ctx?.signal.reason).toMatchObject({ code: Code.CANCELLED });
      expect(seen.error).toMatchObject({ code: Code.CANCELLED });
      expect(await failure(stream.send({}))).toMatchObject({ code: Code.CANCELLED });
      await stage.until("the slot is free", () => channel.stats().pending === 0);
    });

    it("by an exception in the loop cancels, and the exception goes on", async (stage) => {
      const { client, server } = await stage.start({
        handlers: {
          async *streamingOutputCall() {
            for (;;) yield sized(1_000);
          },
        },
      });
      const reading = (async () => {
        for await (const _ of client.streamingOutputCall({})) throw new RangeError("the reader's own");
      })();
      await expect(reading).rejects.toThrow("the reader's own");
      await stage.until("the handler has ended", () => server.stats().running === 0);
    });

    it("by cancel(reason) ends CANCELLED with the reason as its cause, and so does every send that waits", async (stage) => {
      const { client } = await stage.start({
        handlers: { streamingInputCall: (_, { signal }) => untilAborted(signal) },
      });
      const stream = client.streamingInputCall();
      const sending = sendMany(stream, sized(10_000), 100);
      await client.emptyCall({});
      const reason = new Error("enough");
      stream.cancel(reason);
      for (const outcome of [stream.response, sending.done, stream.close()])
        expect(await failure(outcome)).toMatchObject({ code: Code.CANCELLED, cause: reason });
    });

    it("by its signal ends CANCELLED, whichever of its streams share the signal", async (stage) => {
      const { client, server } = await stage.start();
      const controller = new AbortController();
      const streams = Array.from({ length: 20 }, () => client.fullDuplexCall({ signal: controller.signal }));
      await Promise.all(streams.map((stream) => stream.send(asking(1))));
      await Promise.all(streams.map((stream) => stream.next()));
      controller.abort(new Error("all of you"));
      for (const stream of streams) expect(await failure(stream.next())).toMatchObject({ code: Code.CANCELLED });
      await stage.until("the handlers have ended", () => server.stats().running === 0);
    });

    it("by its deadline ends DEADLINE_EXCEEDED at both ends", async (stage) => {
      const seen: Seen = { hasEnded: false };
      const { client, server } = await stage.start({ handlers: { fullDuplexCall: watched(seen) } });
      const stream = client.fullDuplexCall({ timeoutMs: 100 });
      await stream.send(asking(1));
      expect(sizesOf([(await stream.next()).value ?? {}])).toEqual([1]);
      expect(await failure(stream.next())).toMatchObject({ code: Code.DEADLINE_EXCEEDED });
      await stage.until("the handler has ended", () => server.stats().running === 0);
      expect(seen.error).toMatchObject({ code: Code.DEADLINE_EXCEEDED });
      expect(seen.ctx?.signal.reason).toMatchObject({ code: Code.DEADLINE_EXCEEDED });
    });

    it("does not read what had come before: what it gave up is not given to it any more", async (stage) => {
      const { client } = await stage.start({
        handlers: {
          async *streamingOutputCall(_, { signal }) {
            for (const size of [1, 2, 3]) yield sized(size);
            await untilAborted(signal);
          },
        },
      });
      const stream = client.streamingOutputCall({});
      await stream.next();
      stream.cancel();
      expect(await failure(stream.next())).toMatchObject({ code: Code.CANCELLED });
      expect(await stream.next()).toEqual(DONE);
    });

    it("leaves a handler that has not read everything with an error, though everything had come", async (stage) => {
      let hasCome: Promise<unknown> | undefined;
      const { client, server } = await stage.start({
        handlers: {
          async streamingInputCall(requests, { signal }) {
            await requests[Symbol.asyncIterator]().next();
            await untilAborted(signal).catch(() => {});
            hasCome = failure(collect(requests));
            return {};
          },
        },
      });
      const stream = client.streamingInputCall();
      await sendMany(stream, {}, 3).done;
      await stream.close();
      await client.emptyCall({});
      stream.cancel();
      await stage.until("the handler has ended", () => server.stats().running === 0);
      expect(await hasCome).toMatchObject({ code: Code.CANCELLED });
    });

    it("after the last response changes nothing: what has come is read to its end", async (stage) => {
      const { client } = await stage.start();
      const stream = client.streamingOutputCall({ responseParameters: [{ size: 1 }, { size: 2 }, { size: 3 }] });
      await stream.trailers;
      stream.cancel();
      expect(sizesOf(await collect(stream))).toEqual([1, 2, 3]);
    });
  });

  describe("a handler that fails", () => {
    it("before the first message: the error comes with its status, text, details and trailers", async (stage) => {
      const fail = (ctx: CallContext): never => {
        ctx.headers.set("h", "1");
        ctx.trailers.set("t", "2");
        throw refusal();
      };
      const { client } = await stage.start({
        handlers: {
          async *streamingOutputCall(_, ctx) {
            yield fail(ctx);
          },
          streamingInputCall: (_, ctx) => fail(ctx),
          fullDuplexCall: (_, ctx) => fail(ctx),
        },
      });
      const [list, upload, chat] = [
        client.streamingOutputCall({}),
        client.streamingInputCall(),
        client.fullDuplexCall(),
      ];
      expectRefusal(await failure(list.next()));
      expectRefusal(await failure(upload.response));
      expectRefusal(await failure(chat.next()));
      for (const stream of [list, upload, chat]) {
        expect((await stream.headers).get("h")).toBe("1");
        expect((await stream.trailers).get("t")).toBe("2");
      }
      expectRefusal(await failure(upload.send({})));
      expectRefusal(await failure(chat.send({})));
    });

    it("after the first message: the messages before it are read first", async (stage) => {
      const { client } = await stage.start({
        handlers: {
          async *fullDuplexCall() {
            yield sized(1);
            yield sized(2);
            throw refusal();
          },
        },
      });
      const stream = client.fullDuplexCall();
      const sizes: number[] = [];
      const reading = (async () => {
        for await (const { payload } of stream) sizes.push(payload?.body.length ?? 0);
      })();
      expectRefusal(await failure(reading));
      expect(sizes).toEqual([1, 2]);
    });

    it("with an error of its own is UNKNOWN to the caller, who does not hear its text", async (stage) => {
      const { client } = await stage.start({
        handlers: {
          async *streamingOutputCall() {
            yield sized(1);
            throw new Error("secret");
          },
          streamingInputCall: () => Promise.reject(new Error("secret")),
          fullDuplexCall() {
            throw new Error("secret");
          },
        },
      });
      const list = client.streamingOutputCall({});
      await list.next();
      for (const outcome of [list.next(), client.streamingInputCall().response, client.fullDuplexCall().next()])
        expect(await failure(outcome)).toMatchObject({ code: Code.UNKNOWN, message: "the handler failed" });
    });

    it("after it has sent its headers alone fails its call, and nothing else", async (stage) => {
      const fail = (ctx: CallContext): never => {
        ctx.headers.set("h", "1");
        ctx.sendHeaders();
        throw refusal();
      };
      const { client } = await stage.start({
        handlers: { streamingInputCall: (_, ctx) => fail(ctx), fullDuplexCall: (_, ctx) => fail(ctx) },
      });
      const [upload, chat] = [client.streamingInputCall(), client.fullDuplexCall()];
      expectRefusal(await failure(upload.response));
      expectRefusal(await failure(chat.next()));
      for (const stream of [upload, chat]) expect((await stream.headers).get("h")).toBe("1");
    });

    it("while its caller waits to send: the sends that wait fail with it", async (stage) => {
      const gate = new Gate();
      const { client } = await stage.start({
        handlers: {
          async streamingInputCall() {
            await gate.opened;
            throw refusal();
          },
        },
      });
      const stream = client.streamingInputCall();
      const sending = sendMany(stream, sized(10_000), 100);
      await client.emptyCall({});
      gate.open();
      expectRefusal(await failure(sending.done));
      expectRefusal(await failure(stream.response));
    });

    it("with what cannot be encoded ends INTERNAL, as a unary call does", async (stage) => {
      const wrong = { payload: { body: "no bytes" as unknown as Uint8Array } };
      let hasEnded = false;
      const { client } = await stage.start({
        handlers: {
          unaryCall: () => wrong,
          async *streamingOutputCall() {
            try {
              yield sized(1);
              yield wrong;
            } finally {
              hasEnded = true;
            }
          },
        },
      });
      const unary = await failure(client.unaryCall({}));
      expect(unary).toMatchObject({ code: Code.INTERNAL });
      const stream = client.streamingOutputCall({});
      expect(sizesOf([(await stream.next()).value ?? {}])).toEqual([1]);
      expect(await failure(stream.next())).toMatchObject({
        code: Code.INTERNAL,
        message: unary.message.replace("UnaryCall", "StreamingOutputCall"),
      });
      expect(hasEnded).toBe(true);
    });

    it("ends its call at once, though its generator takes its time to clean up", async (stage) => {
      const gate = new Gate();
      const wrong = { payload: { body: "no bytes" as unknown as Uint8Array } };
      const { client, server } = await stage.start({
        handlers: {
          async *streamingOutputCall() {
            try {
              yield wrong;
            } finally {
              await gate.opened;
            }
          },
        },
      });
      await failure(client.streamingOutputCall({}).next());
      expect(server.stats().running).toBe(1);
      gate.open();
      await stage.until("the handler has ended", () => server.stats().running === 0);
    });

    it("by returning what cannot be iterated is UNKNOWN to the caller", async (stage) => {
      const { client } = await stage.start({ handlers: { streamingOutputCall: () => 5 as unknown as [] } });
      expect(await failure(client.streamingOutputCall({}).next())).toMatchObject({ code: Code.UNKNOWN });
    });
  });

  describe("a caller that fails", () => {
    it("to encode a request hears it from that send; the stream goes on", async (stage) => {
      const { client } = await stage.start();
      const stream = client.streamingInputCall();
      await stream.send(sized(1));
      const wrong = stream.send({ payload: { body: "no bytes" as unknown as Uint8Array } });
      expect(await failure(wrong)).toMatchObject({ code: Code.INTERNAL });
      await stream.send(sized(2));
      await stream.close();
      expect(await stream.response).toEqual({ aggregatedPayloadSize: 3 });
    });

    it("to stay within the server's limit on messages ends its call, and not the connection", async (stage) => {
      const { client, channel } = await stage.start({ server: { maxMessageBytes: 200_000 } });
      const stream = client.streamingInputCall();
      expect(await failure(stream.send(sized(300_000)))).toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
      stream.cancel();
      await client.emptyCall({});
      expect(channel.stats().connectionsOpened).toBe(1);
    });
  });
});
