// Streams as users have them, over memory and on virtual time.

import { describe, expect, it } from "vitest";
import { type CallContext, Code, RpcError, type Server } from "../../src/index.js";
import type { Message, MessageInit } from "../support/gen/support/v1/echo.js";
import { Streams, StreamsClient, type StreamsHandlers } from "../support/gen/support/v1/streams.js";
import { failure, useRig } from "../support/rig.js";

const rig = useRig();

/** A server of `handlers` and a client of it. */
async function start(handlers: Partial<StreamsHandlers>): Promise<{ client: StreamsClient; server: Server }> {
  const server = await rig.current.serve();
  server.handle(Streams, { list: missing, collect: missing, chat: missing, ...handlers });
  return { client: new StreamsClient(rig.current.connect()), server };
}

function missing(): never {
  throw new RpcError(Code.UNIMPLEMENTED, "not in this test");
}

async function collect<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

const texts = (messages: readonly { readonly text: string }[]): string[] => messages.map(({ text }) => text);

describe("a stream of responses", () => {
  it("gives what an async generator yields, in order, and ends", async () => {
    const { client } = await start({
      async *list({ id }) {
        for (let i = 0n; i < id; i++) yield { id: i, text: `m${i}` };
      },
    });
    const all = await rig.current.now(collect(client.list({ id: 3n })));
    expect(texts(all)).toEqual(["m0", "m1", "m2"]);
  });

  it("gives what an array holds", async () => {
    const { client } = await start({ list: () => [{ text: "a" }, { text: "b" }] });
    expect(texts(await rig.current.now(collect(client.list({}))))).toEqual(["a", "b"]);
  });

  it("carries far more than its window", async () => {
    const { client } = await start({
      async *list() {
        for (let i = 0n; i < 3_000n; i++) yield { id: i, payload: new Uint8Array(1_000) };
      },
    });
    const all = await rig.current.now(collect(client.list({})));
    expect(all.map(({ id }) => Number(id))).toEqual(Array.from({ length: 3_000 }, (_, i) => i));
  });

  it("carries messages longer than a frame", async () => {
    const sizes = [0, 32_000, 33_000, 1_048_576, 3_000_000];
    const { client } = await start({
      *list() {
        for (const size of sizes) yield { payload: new Uint8Array(size).fill(size % 251) };
      },
    });
    const all = await rig.current.now(collect(client.list({})));
    expect(all.map(({ payload }) => payload.length)).toEqual(sizes);
    expect(all[4]?.payload.every((byte) => byte === 3_000_000 % 251)).toBe(true);
  });

  it("ends with the handler's error behind the messages before it", async () => {
    const { client } = await start({
      async *list() {
        yield { text: "a" };
        throw new RpcError(Code.NOT_FOUND, "no more");
      },
    });
    const stream = client.list({});
    await rig.current.clock.advance(0);
    expect((await rig.current.now(stream.next())).value).toMatchObject({ text: "a" });
    expect(await rig.current.now(failure(stream.next()))).toMatchObject({ code: Code.NOT_FOUND, message: "no more" });
    expect(await rig.current.now(stream.next())).toEqual({ done: true, value: undefined });
  });

  it("suspends a generator whose reader does not read, and cancels it when the reader leaves", async () => {
    let made = 0;
    let ended = false;
    let ctx: CallContext | undefined;
    const { client, server } = await start({
      async *list(_, context) {
        ctx = context;
        try {
          for (;;) {
            made++;
            yield { payload: new Uint8Array(10_000) };
          }
        } finally {
          ended = true;
        }
      },
    });
    const stream = client.list({});
    await rig.current.clock.advance(5_000);
    expect(made).toBeGreaterThan(20);
    expect(made).toBeLessThan(40);
    const leaving = (async () => {
      for await (const message of stream) return message.payload.length;
      return 0;
    })();
    expect(await rig.current.now(leaving)).toBe(10_000);
    expect(ended).toBe(true);
    expect(ctx?.signal.aborted).toBe(true);
    expect(server.stats().running).toBe(0);
  });

  it("that waits for nothing lets others have their turns", async () => {
    let made = 0;
    let madeInOneTurn = 0;
    const server = await rig.current.serve({}, {});
    server.handle(Streams, {
      collect: missing,
      chat: missing,
      async *list() {
        rig.current.clock.nextTurn(() => {
          madeInOneTurn = made;
        });
        for (; made < 2_000; made++) yield { payload: new Uint8Array(10_000) };
      },
    });
    const windows = { streamWindowBytes: 33_554_432, connectionWindowBytes: 33_554_432 };
    const client = new StreamsClient(rig.current.connect(windows));
    const all = await rig.current.now(collect(client.list({})));
    expect(all.length).toBe(2_000);
    expect(madeInOneTurn).toBeGreaterThan(10);
    expect(madeInOneTurn).toBeLessThan(30);
  });

  it("ends at its deadline", async () => {
    const { client } = await start({
      async *list(_, { signal }) {
        await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
    });
    const stream = client.list({}, { timeoutMs: 100 });
    expect(await rig.current.after(100, failure(stream.next()))).toMatchObject({ code: Code.DEADLINE_EXCEEDED });
  });

  it("has headers, which may come ahead of the first message, and trailers", async () => {
    let go = (): void => {};
    const { client } = await start({
      async *list(_, context) {
        context.headers.set("h", "1");
        context.sendHeaders();
        await new Promise<void>((resolve) => {
          go = resolve;
        });
        yield { text: "a" };
        context.trailers.set("t", "2");
      },
    });
    const stream = client.list({});
    expect((await rig.current.now(stream.headers)).get("h")).toBe("1");
    go();
    await rig.current.now(collect(stream));
    expect((await rig.current.now(stream.trailers)).get("t")).toBe("2");
  });
});

describe("a stream of requests", () => {
  it("reaches the handler in order, and is answered once", async () => {
    const { client } = await start({
      async collect(requests) {
        return { text: texts(await collect(requests)).join("") };
      },
    });
    const stream = client.collect();
    for (const text of ["a", "b", "c"]) await rig.current.now(stream.send({ text }));
    await rig.current.now(stream.close());
    expect(await rig.current.now(stream.response)).toMatchObject({ text: "abc" });
  });

  it("makes the sender wait for a handler that is slow", async () => {
    let read: (() => Promise<IteratorResult<Message>>) | undefined;
    const { client } = await start({
      collect(requests, { signal }) {
        const iterator = requests[Symbol.asyncIterator]();
        read = () => iterator.next();
        return new Promise<MessageInit>((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        });
      },
    });
    const stream = client.collect();
    let sent = 0;
    const sending = (async () => {
      for (; sent < 100; sent++) await stream.send({ payload: new Uint8Array(10_000) });
    })();
    await rig.current.clock.advance(1_000);
    expect(sent).toBeGreaterThan(20);
    expect(sent).toBeLessThan(40);
    for (let i = 0; i < 100; i++) await rig.current.now(read?.() ?? Promise.reject(new Error("not served")));
    await rig.current.now(sending);
    stream.cancel();
    expect(await rig.current.now(failure(stream.response))).toMatchObject({ code: Code.CANCELLED });
  });

  it("is answered early where the handler needs no more, and drops what is still sent", async () => {
    const { client } = await start({
      async collect(requests) {
        for await (const request of requests) return { text: `first was ${request.text}` };
        return {};
      },
    });
    const stream = client.collect();
    await rig.current.now(stream.send({ text: "a" }));
    expect(await rig.current.now(stream.response)).toMatchObject({ text: "first was a" });
    await rig.current.now(stream.send({ text: "b" }));
  });

  it("fails its sends once the handler has failed", async () => {
    const { client } = await start({
      async collect() {
        throw new RpcError(Code.PERMISSION_DENIED, "no");
      },
    });
    const stream = client.collect();
    await rig.current.clock.advance(0);
    expect(await rig.current.now(failure(stream.send({})))).toMatchObject({ code: Code.PERMISSION_DENIED });
    expect(await rig.current.now(failure(stream.response))).toMatchObject({ code: Code.PERMISSION_DENIED });
  });
});

describe("streams both ways", () => {
  it("are independent of each other", async () => {
    const { client } = await start({
      async *chat(requests) {
        yield { text: "hello" };
        for await (const { text } of requests) yield { text: text.toUpperCase() };
        yield { text: "bye" };
      },
    });
    const stream = client.chat();
    expect((await rig.current.now(stream.next())).value).toMatchObject({ text: "hello" });
    await rig.current.now(stream.send({ text: "a" }));
    expect((await rig.current.now(stream.next())).value).toMatchObject({ text: "A" });
    await rig.current.now(stream.send({ text: "b" }));
    await rig.current.now(stream.close());
    expect(texts(await rig.current.now(collect(stream)))).toEqual(["B", "bye"]);
  });
});

describe("a unary message longer than a frame", () => {
  it("travels in fragments both ways", async () => {
    await rig.current.serve();
    const client = rig.current.client();
    const payload = Buffer.alloc(5_000_000, 7);
    const reply = await rig.current.now(client.echo({ payload }));
    expect(reply.payload.length).toBe(5_000_000);
    expect(Buffer.compare(Buffer.from(reply.payload), payload)).toBe(0);
  });
});
