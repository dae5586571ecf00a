// What users do with streams beside reading and writing them in turn: iterate twice, ask ahead, send without waiting, begin
// before there is a connection, and wrap them.

import { describe, expect } from "vitest";
import {
  type AnyStream,
  type ClientInterceptor,
  Code,
  type RequestStream,
  RpcError,
  type ServerInterceptor,
} from "../../src/index.js";
import { MAX_WAITING_SENDS } from "../../src/transport/message-sender.js";
import { failure } from "../support/rig.js";
import { type StreamingInputCallRequestInit, StreamingOutputCallRequest } from "./gen/grpc/testing/messages.js";
import { TestServiceClient } from "./gen/grpc/testing/test.js";
import { onEachTransport, type Stage } from "./stage.js";
import { collect, Gate, sizesOf, standsStill, untilAborted, zeros } from "./streams.js";

const DONE = { done: true, value: undefined };
const sized = (bytes: number) => ({ payload: { body: zeros(bytes) } });
/** The request for responses of these sizes. */
const asking = (...sizes: readonly number[]) => ({ responseParameters: sizes.map((size) => ({ size })) });
/** Enough to use up every window there is, by default. */
const WINDOW_FILL = 300_000;

/** An address that nobody listens on yet. */
async function unusedAddress(stage: Stage): Promise<string> {
  const { server, address } = await stage.serve();
  await server.close();
  return address;
}

/** A stream that has no credit left: whatever is sent on it waits until `gate` is opened. */
async function startBlocked(stage: Stage): Promise<{
  client: TestServiceClient;
  stream: RequestStream<StreamingInputCallRequestInit> & { readonly response: Promise<unknown> };
  gate: Gate;
  sizes: number[];
}> {
  const gate = new Gate();
  const sizes: number[] = [];
  const { client } = await stage.start({
    handlers: {
      async streamingInputCall(requests, { signal }) {
        await Promise.race([gate.opened, untilAborted(signal)]);
        for await (const { payload } of requests) sizes.push(payload?.body.length ?? 0);
        return {};
      },
    },
  });
  const stream = client.streamingInputCall();
  await stream.send(sized(WINDOW_FILL));
  return { client, stream, gate, sizes };
}

onEachTransport((it) => {
  describe("reading", () => {
    it("a second loop finds nothing, since messages are given once", async (stage) => {
      const { client } = await stage.start();
      const stream = client.streamingOutputCall(asking(1, 2, 3));
      expect(sizesOf(await collect(stream))).toEqual([1, 2, 3]);
      expect(await collect(stream)).toEqual([]);
      expect(await stream.next()).toEqual(DONE);
    });

    it("a second loop goes on where the first one was left without closing it", async (stage) => {
      const { client } = await stage.start();
      const stream = client.streamingOutputCall(asking(1, 2, 3));
      expect(sizesOf([(await stream.next()).value ?? {}])).toEqual([1]);
      expect(sizesOf(await collect(stream))).toEqual([2, 3]);
    });

    it("two loops at once share the messages: each one is given to one of them", async (stage) => {
      const { client } = await stage.start();
      const sizes = Array.from({ length: 100 }, (_, i) => i);
      const stream = client.streamingOutputCall(asking(...sizes));
      const [a, b] = await Promise.all([collect(stream), collect(stream)]);
      expect(a.length).toBeGreaterThan(0);
      expect(b.length).toBeGreaterThan(0);
      expect(sizesOf([...a, ...b]).sort((x, y) => x - y)).toEqual(sizes);
    });

    it("many next() at once are answered in order, and those beyond the end are done", async (stage) => {
      const { client } = await stage.start();
      const stream = client.streamingOutputCall(asking(...Array.from({ length: 50 }, (_, i) => i)));
      const results = await Promise.all(Array.from({ length: 60 }, () => stream.next()));
      expect(results.slice(0, 50).map(({ value }) => value?.payload?.body.length)).toEqual(
        Array.from({ length: 50 }, (_, i) => i),
      );
      expect(results.slice(50)).toEqual(Array(10).fill(DONE));
    });

    it("of many next() at once the first without a message hears of an error, and the others are done", async (stage) => {
      const { client } = await stage.start({
        handlers: {
          async *streamingOutputCall() {
            yield sized(1);
            throw new RpcError(Code.ABORTED, "no more");
          },
        },
      });
      const stream = client.streamingOutputCall({});
      const [first, second, third] = [stream.next(), stream.next(), stream.next()];
      expect(sizesOf([(await first).value ?? {}])).toEqual([1]);
      expect(await failure(second)).toMatchObject({ code: Code.ABORTED });
      expect(await third).toEqual(DONE);
    });

    it("next() that waits is done when another one leaves the loop", async (stage) => {
      const { client } = await stage.start();
      const stream = client.fullDuplexCall();
      const waiting = stream.next();
      await stream.return?.();
      expect(await waiting).toEqual(DONE);
    });

    it("a handler's requests can be asked for ahead, too", async (stage) => {
      const { client } = await stage.start({
        handlers: {
          async streamingInputCall(requests) {
            const iterator = requests[Symbol.asyncIterator]();
            const results = await Promise.all(Array.from({ length: 5 }, () => iterator.next()));
            return { aggregatedPayloadSize: results.filter(({ done }) => done !== true).length };
          },
        },
      });
      const stream = client.streamingInputCall();
      await Promise.all([stream.send({}), stream.send({}), stream.send({}), stream.close()]);
      expect(await stream.response).toEqual({ aggregatedPayloadSize: 3 });
    });
  });

  describe("sending without waiting", () => {
    it("sends arrive in order, and the end behind them", async (stage) => {
      const { client } = await stage.start();
      const stream = client.fullDuplexCall();
      const sizes = Array.from({ length: 500 }, (_, i) => i);
      for (const size of sizes) void stream.send(asking(size));
      void stream.close();
      expect(sizesOf(await collect(stream))).toEqual(sizes);
    });

    it("what is sent may be changed at once: it was encoded", async (stage) => {
      const { stream, gate, sizes } = await startBlocked(stage);
      const body = { body: zeros(1) };
      const sending = stream.send({ payload: body });
      body.body = zeros(2);
      gate.open();
      await sending;
      await stream.close();
      await stream.response;
      expect(sizes).toEqual([WINDOW_FILL, 1]);
    });

    it(`as many as ${MAX_WAITING_SENDS} wait; the next is refused, those that wait arrive, and the stream can be closed`, async (stage) => {
      const { stream, gate, sizes } = await startBlocked(stage);
      const sends = Array.from({ length: MAX_WAITING_SENDS }, () => stream.send(sized(1)));
      for (let i = 0; i < 3; i++) {
        const refused = await failure(stream.send(sized(2)));
        expect(refused).toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
        expect(refused.message).toContain("await each send");
      }
      const closing = stream.close();
      gate.open();
      await Promise.all([...sends, closing]);
      await stream.response;
      expect(sizes).toEqual([WINDOW_FILL, ...Array(MAX_WAITING_SENDS).fill(1)]);
    });

    it("as many bytes as maxUnsentBytes wait, and one message in any case; then the stream can still be closed", async (stage) => {
      const { stream, gate, sizes } = await startBlocked(stage);
      const large = stream.send(sized(5_000_000));
      expect(await failure(stream.send(sized(1)))).toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
      const closing = stream.close();
      gate.open();
      await Promise.all([large, closing]);
      await stream.response;
      expect(sizes).toEqual([WINDOW_FILL, 5_000_000]);
    });

    it("sends that nobody looks at and that end with their call are no unhandled rejections", async (stage) => {
      const unhandled: unknown[] = [];
      const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
      process.on("unhandledRejection", onUnhandled);
      const { client, stream } = await startBlocked(stage);
      for (let i = 0; i < 10; i++) void stream.send(sized(1));
      await standsStill(client, () => 0);
      (stream as unknown as AnyStream).cancel();
      await failure(stream.response);
      void stream.send(sized(1));
      await standsStill(client, () => 0);
      process.off("unhandledRejection", onUnhandled);
      expect(unhandled).toEqual([]);
    });
  });

  describe("before the connection is up", () => {
    it("a stream begins, its sends wait, and all of it goes when the server is there", async (stage) => {
      const address = await unusedAddress(stage);
      const channel = stage.connect(address, { initialBackoffMs: 5, maxBackoffMs: 10 });
      const stream = new TestServiceClient(channel).fullDuplexCall();
      let sent = 0;
      const sends = [1, 2, 3].map(async (size) => {
        await stream.send(asking(size));
        sent++;
      });
      const closing = stream.close();
      await stage.until("an attempt has failed", () => channel.stats().dialsFailed > 1);
      expect(sent).toBe(0);
      expect(channel.stats()).toMatchObject({ waiting: 1 });
      await stage.serve({}, {}, address);
      expect(sizesOf(await collect(stream))).toEqual([1, 2, 3]);
      await Promise.all([...sends, closing]);
    });

    it("streams of all kinds may begin, and end, in the tick of connect()", async (stage) => {
      const { address } = await stage.serve();
      const client = new TestServiceClient(stage.connect(address));
      const [list, upload, chat] = [
        client.streamingOutputCall(asking(1, 2)),
        client.streamingInputCall(),
        client.fullDuplexCall(),
      ];
      void upload.send(sized(3));
      void upload.close();
      void chat.send(asking(4));
      void chat.close();
      expect(sizesOf(await collect(list))).toEqual([1, 2]);
      expect(await upload.response).toEqual({ aggregatedPayloadSize: 3 });
      expect(sizesOf(await collect(chat))).toEqual([4]);
    });

    it(`no more than ${MAX_WAITING_SENDS} sends wait, and all of those arrive`, async (stage) => {
      const { address } = await stage.serve();
      const stream = new TestServiceClient(stage.connect(address)).streamingInputCall();
      const sends = Array.from({ length: MAX_WAITING_SENDS }, () => stream.send(sized(1)));
      expect(await failure(stream.send(sized(1)))).toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
      await Promise.all([...sends, stream.close()]);
      expect(await stream.response).toEqual({ aggregatedPayloadSize: MAX_WAITING_SENDS });
    });

    it("a stream that is given up there ends, with its sends, and was never begun at a server", async (stage) => {
      const address = await unusedAddress(stage);
      const channel = stage.connect(address, { initialBackoffMs: 5, maxBackoffMs: 10 });
      const client = new TestServiceClient(channel);
      const [cancelled, late] = [client.fullDuplexCall(), client.streamingInputCall({ timeoutMs: 30 })];
      const sends = [cancelled.send({}), late.send({})];
      cancelled.cancel();
      for (const outcome of [cancelled.next(), sends[0] as Promise<void>])
        expect(await failure(outcome)).toMatchObject({ code: Code.CANCELLED, retry: "safe" });
      for (const outcome of [late.response, sends[1] as Promise<void>])
        expect(await failure(outcome)).toMatchObject({ code: Code.DEADLINE_EXCEEDED, retry: "safe" });
      const { server } = await stage.serve({}, {}, address);
      await client.emptyCall({});
      expect(server.stats().callsServed).toBe(1);
    });

    it("waitForReady: false fails a stream at once", async (stage) => {
      const channel = stage.connect(await unusedAddress(stage));
      const stream = new TestServiceClient(channel).fullDuplexCall({ waitForReady: false });
      expect(await failure(stream.next())).toMatchObject({ code: Code.UNAVAILABLE, retry: "safe" });
      expect(await failure(stream.send({}))).toMatchObject({ code: Code.UNAVAILABLE });
    });

    it("many streams with much to send may begin there, with windows that are not known yet, and all finish", async (stage) => {
      const windows = { connectionWindowBytes: 8_000_000, streamWindowBytes: 1_000_000 };
      const { address } = await stage.serve({}, windows);
      const client = new TestServiceClient(stage.connect(address));
      const uploads = Array.from({ length: 40 }, () => client.streamingInputCall());
      for (const upload of uploads) {
        for (let i = 0; i < 6; i++) void upload.send(sized(10_000));
        void upload.close();
      }
      for (const { response } of uploads) expect(await response).toEqual({ aggregatedPayloadSize: 60_000 });
    });
  });

  describe("interceptors", () => {
    it("of a channel see every streamed call: its method, its options, its messages both ways, and its end", async (stage) => {
      const log: string[] = [];
      const { client } = await stage.start({ client: { interceptors: [tracing(log)] } });
      const stream = client.fullDuplexCall();
      await stream.send(asking(5));
      await stream.close();
      expect(sizesOf(await collect(stream))).toEqual([5]);
      expect(log).toEqual(["begin FullDuplexCall", "send", "close", "next", "next", "done"]);
    });

    it("of a channel may change what a streamed call sends beside its messages", async (stage) => {
      const tenant: ClientInterceptor = {
        stream: (next) => (method, request, options) =>
          next(method, request, { ...options, metadata: { "x-grpc-test-echo-initial": "from afar" } }),
      };
      const { client } = await stage.start({ client: { interceptors: [tenant] } });
      const stream = client.streamingOutputCall(asking(1));
      await collect(stream);
      expect((await stream.headers).get("x-grpc-test-echo-initial")).toBe("from afar");
    });

    it("of a channel that throw fail the call, of whatever kind: nothing is thrown where it begins", async (stage) => {
      const refusal = new RpcError(Code.FAILED_PRECONDITION, "not today");
      const refuse = (): never => {
        throw refusal;
      };
      const { client } = await stage.start({
        client: { interceptors: [{ unary: () => refuse, stream: () => refuse }] },
      });
      const [list, upload, chat] = [
        client.streamingOutputCall({}),
        client.streamingInputCall(),
        client.fullDuplexCall(),
      ];
      const outcomes = [client.emptyCall({}), list.next(), upload.response, upload.send({}), chat.next(), chat.close()];
      for (const outcome of outcomes) expect(await failure(outcome)).toBe(refusal);
      expect([...(await chat.trailers)]).toEqual([]);
    });

    it("run in their order, the first outermost, on both sides; those of unary calls see no stream", async (stage) => {
      const log: string[] = [];
      const client = (name: string): ClientInterceptor => ({
        unary: (next) => (method, request, options) => {
          log.push(`unary ${name}`);
          return next(method, request, options);
        },
        stream: (next) => (method, request, options) => {
          log.push(name);
          return next(method, request, options);
        },
      });
      const server = (name: string): ServerInterceptor => ({
        unary: (next) => (request, ctx) => {
          log.push(`unary ${name}`);
          return next(request, ctx);
        },
        stream:
          (next, { name: method }) =>
          (input, ctx) => {
            log.push(`${name} ${method}`);
            return next(input, ctx);
          },
      });
      const started = await stage.start({
        client: { interceptors: [client("a"), client("b")] },
        server: { interceptors: [server("c"), server("d")] },
      });
      await collect(started.client.streamingOutputCall({}));
      expect(log.splice(0)).toEqual(["a", "b", "c StreamingOutputCall", "d StreamingOutputCall"]);
      await started.client.emptyCall({});
      expect(log).toEqual(["unary a", "unary b", "unary c", "unary d"]);
    });

    it("of a server see each message of each direction, and may change it", async (stage) => {
      const seen: string[] = [];
      const doubling: ServerInterceptor = {
        stream: (next) =>
          async function* (input, ctx) {
            const requests = watch(input as AsyncIterable<StreamingOutputCallRequest>);
            for await (const response of next(requests, ctx) as AsyncIterable<unknown>) {
              seen.push("response");
              yield response;
              yield response;
            }
          },
      };
      async function* watch(requests: AsyncIterable<StreamingOutputCallRequest>) {
        for await (const request of requests) {
          seen.push("request");
          yield StreamingOutputCallRequest.create({ responseParameters: [...request.responseParameters, { size: 9 }] });
        }
      }
      const { client } = await stage.start({ server: { interceptors: [doubling] } });
      const stream = client.fullDuplexCall();
      await stream.send(asking(1));
      await stream.close();
      expect(sizesOf(await collect(stream))).toEqual([1, 1, 9, 9]);
      expect(seen).toEqual(["request", "response", "response"]);
    });

    it("of a server may refuse a stream, at once or later, before its handler is called", async (stage) => {
      let calls = 0;
      const denied = (): RpcError => new RpcError(Code.UNAUTHENTICATED, "who are you?");
      const gates: ServerInterceptor[] = [
        {
          stream: (next) => (input, ctx) => {
            if (ctx.metadata.get("who") === undefined) throw denied();
            return next(input, ctx);
          },
        },
        {
          stream: (next) => async (input, ctx) => {
            await Promise.resolve();
            if (ctx.metadata.get("who") !== "me") throw denied();
            return next(input, ctx);
          },
        },
      ];
      const { client } = await stage.start({
        server: { interceptors: gates },
        handlers: {
          streamingInputCall: () => ({ aggregatedPayloadSize: ++calls }),
          async *fullDuplexCall() {
            yield sized(++calls);
          },
        },
      });
      for (const metadata of [{}, { who: "you" }]) {
        expect(await failure(client.streamingInputCall({ metadata }).response)).toMatchObject({
          code: Code.UNAUTHENTICATED,
          message: "who are you?",
        });
        expect(await failure(client.fullDuplexCall({ metadata }).next())).toMatchObject({ code: Code.UNAUTHENTICATED });
      }
      expect(calls).toBe(0);
      const metadata = { who: "me" };
      expect(await client.streamingInputCall({ metadata }).response).toEqual({ aggregatedPayloadSize: 1 });
      expect(sizesOf(await collect(client.fullDuplexCall({ metadata })))).toEqual([2]);
    });

    it("of a server that still wait when their stream is cancelled begin no handler's iteration", async (stage) => {
      const gate = new Gate();
      let begun = 0;
      const waiting: ServerInterceptor = {
        stream: (next) => async (input, ctx) => {
          await gate.opened;
          return next(input, ctx);
        },
      };
      const { client, server } = await stage.start({
        server: { interceptors: [waiting] },
        handlers: {
          async *streamingOutputCall() {
            begun++;
            yield sized(1);
          },
        },
      });
      const stream = client.streamingOutputCall({});
      await client.emptyCall({});
      stream.cancel();
      await failure(stream.next());
      await client.emptyCall({});
      gate.open();
      await stage.until("the handler has ended", () => server.stats().running === 0);
      expect(begun).toBe(0);
    });
  });
});

/** Writes down what happens to the streams of a channel. */
function tracing(log: string[]): ClientInterceptor {
  return {
    stream: (next) => (method, request, options) => {
      log.push(`begin ${method.name}`);
      return traced(next(method, request, options), log);
    },
  };
}

function traced(stream: AnyStream, log: string[]): AnyStream {
  return {
    get headers() {
      return stream.headers;
    },
    get trailers() {
      return stream.trailers;
    },
    get response() {
      return stream.response;
    },
    cancel: (reason) => stream.cancel(reason),
    send(message) {
      log.push("send");
      return stream.send(message);
    },
    close() {
      log.push("close");
      return stream.close();
    },
    async next() {
      log.push("next");
      const result = await stream.next();
      if (result.done === true) log.push("done");
      return result;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
