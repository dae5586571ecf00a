// Streams and fragments where a peer does what none of ours would: a scripted one, on virtual time. What frames mean in
// which state is in `test/wire`; here are their traces in the objects that a user has, and the ends that time brings.

import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { CloseReason, Flag, FrameType, GENERATION_STEP } from "../../src/codec/frame.js";
import {
  type CallContext,
  type Channel,
  Code,
  type RpcError,
  type Server,
  type ServerOptions,
} from "../../src/index.js";
import { EchoClient, Message } from "../support/gen/support/v1/echo.js";
import { Streams, StreamsClient, type StreamsHandlers } from "../support/gen/support/v1/streams.js";
import {
  credit,
  cut,
  type Frame,
  frame,
  hello,
  message,
  method,
  request,
  response,
  ScriptedPeer,
  status,
  typeName,
} from "../support/peer.js";
import { ADDRESS, failure, type Rig, useRig } from "../support/rig.js";

const rig = useRig();
const pass = (ms = 0): Promise<void> => rig.current.clock.advance(ms);

const [LIST, COLLECT, CHAT, ECHO, HOLD] = [1, 2, 3, 4, 5];
const METHODS = Buffer.concat([
  method(LIST, "support.v1.Streams/List"),
  method(COLLECT, "support.v1.Streams/Collect"),
  method(CHAT, "support.v1.Streams/Chat"),
  method(ECHO, "support.v1.Echo/Echo"),
  method(HOLD, "support.v1.Echo/Hold"),
]);

const HANDLERS: StreamsHandlers = {
  async *list() {},
  async collect(requests) {
    let text = "";
    for await (const each of requests) text += each.text;
    return { text };
  },
  async *chat(requests) {
    for await (const each of requests) yield each;
  },
};

/** A server of Streams and Echo, and a scripted client that has named every method. */
async function dial(
  handlers: Partial<StreamsHandlers> = {},
  options: ServerOptions = {},
  settings: Parameters<typeof hello>[0] = {},
): Promise<{ peer: ScriptedPeer; server: Server }> {
  const server = rig.current.createServer({}, options);
  server.handle(Streams, { ...HANDLERS, ...handlers });
  await server.listen(ADDRESS);
  const peer = await ScriptedPeer.dial(rig.current.network, rig.current.clock, ADDRESS);
  peer.send(hello(settings), METHODS);
  await pass();
  return { peer, server };
}

/** A client, and the scripted server that it is connected to. */
async function accept(
  options: Parameters<Rig["connect"]>[0] = {},
  settings: Parameters<typeof hello>[0] = {},
): Promise<{ peer: ScriptedPeer; streams: StreamsClient; echo: EchoClient; channel: Channel }> {
  const peers = await ScriptedPeer.listen(rig.current.network, ADDRESS, (peer) => peer.send(hello(settings)));
  const channel = rig.current.connect(options);
  await pass();
  return { peer: peers[0]!, streams: new StreamsClient(channel), echo: new EchoClient(channel), channel };
}

/** A client and a server of Streams. */
async function connect(handlers: Partial<StreamsHandlers>): Promise<StreamsClient> {
  const server = await rig.current.serve();
  server.handle(Streams, { ...HANDLERS, ...handlers });
  return new StreamsClient(rig.current.connect());
}

/** The frames of a peer that say something, by name. */
const heard = (peer: ScriptedPeer): string[] =>
  peer.frames
    .filter(({ type }) => type !== FrameType.PING && type !== FrameType.CREDIT)
    .map(({ type }) => typeName(type));
const idOf = (peer: ScriptedPeer, at = 0): number => (peer.of(FrameType.REQUEST)[at] as Frame).id;
const lastOf = (peer: ScriptedPeer, type: number): Frame => peer.of(type).at(-1) as Frame;
const LONG = { payload: new Uint8Array(1_000) };
/** Of an incomplete payload of 1 MB. */
const begin = (type: number, id: number, arg = 0): Buffer =>
  frame(type, { flags: Flag.MORE | Flag.END, arg, id, payload: Buffer.from([0x40, 0x42, 0x0f, 0, 1, 2, 3]) });

describe("headers ahead of the first message", () => {
  const early = (ctx: CallContext): void => {
    ctx.headers.set("h", "1");
    ctx.sendHeaders();
  };

  it("may come of a method that answers with one message", async () => {
    const streams = await connect({
      collect(requests, ctx) {
        early(ctx);
        return HANDLERS.collect(requests, ctx);
      },
    });
    const stream = streams.collect();
    expect((await rig.current.now(stream.headers)).get("h")).toBe("1");
    await rig.current.now(stream.send({ text: "a" }));
    await rig.current.now(stream.close());
    expect((await rig.current.now(stream.response)).text).toBe("a");
  });

  it("are not lost where the handler ends at once", async () => {
    const streams = await connect({
      list(_, ctx) {
        early(ctx);
        return [];
      },
      async collect(_, ctx) {
        early(ctx);
        return {};
      },
    });
    for (const stream of [streams.list({}), streams.collect()]) {
      await pass();
      expect((await rig.current.now(stream.headers)).get("h")).toBe("1");
    }
  });

  it.each([false, true])("are not sent if they are set behind it (trailers before it: %s)", async (setsTrailers) => {
    const streams = await connect({
      async *list(_, ctx) {
        if (setsTrailers) ctx.trailers.set("t", "1");
        yield { text: "first" };
        ctx.headers.set("h", "late");
        yield { text: "second" };
      },
    });
    const stream = streams.list({});
    const texts: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { text } of stream) texts.push(text);
    };
    await rig.current.now(read());
    expect(texts).toEqual(["first", "second"]);
    expect((await rig.current.now(stream.headers)).get("h")).toBeUndefined();
    expect((await rig.current.now(stream.trailers)).get("t")).toBe(setsTrailers ? "1" : undefined);
  });

  it("leave nobody with an error to handle when the call ends under them", async () => {
    const { peer } = await dial({
      list(_, ctx) {
        early(ctx);
        return [];
      },
    });
    peer.send(request(0, LIST), frame(FrameType.CANCEL, { arg: 1, id: 0 }));
    await pass();
    expect(heard(peer)).toEqual(["SETTINGS", "MESSAGE", "RESPONSE"]);
  });
});

describe("a payload that is cut up", () => {
  it("is one call to a handler, and one message to a reader", async () => {
    const { peer } = await dial();
    peer.send(request(0, CHAT, {}, Flag.NO_MESSAGE));
    peer.send(...cut(message(0, { text: "abc", ...LONG }), 100), ...cut(request(2, ECHO, LONG), 7));
    await pass();
    expect(heard(peer)).toEqual(["SETTINGS", "RESPONSE", "MESSAGE"]);
    expect(Message.fromBytes(lastOf(peer, FrameType.MESSAGE).payload).text).toBe("abc");
    expect(Message.fromBytes(lastOf(peer, FrameType.RESPONSE).payload).payload).toHaveLength(1_000);
  });

  it("that does not decode ends its call alone", async () => {
    const { peer } = await dial();
    const bad = frame(FrameType.REQUEST, { flags: Flag.END, arg: ECHO, id: 0, payload: Buffer.alloc(100, 0xff) });
    const worse = frame(FrameType.MESSAGE, { id: 2, payload: Buffer.alloc(100, 0xff) });
    peer.send(...cut(bad, 30), request(2, COLLECT, {}, Flag.NO_MESSAGE), ...cut(worse, 30), request(4, ECHO));
    await pass();
    expect(peer.of(FrameType.RESPONSE).map(({ id, arg }) => [id, arg])).toEqual([
      [0, Code.INVALID_ARGUMENT],
      [2, Code.INVALID_ARGUMENT],
      [4, Code.OK],
    ]);
  });

  it("may be the RESPONSE of a call that its caller gave up: its last fragment frees the slot", async () => {
    const { peer, echo, channel } = await accept();
    const given = failure(echo.echo({}, { timeoutMs: 50 }));
    await pass();
    const id = idOf(peer);
    const [first, ...rest] = cut(response(id, LONG), 600) as [Buffer, ...Buffer[]];
    peer.send(first);
    await pass(50);
    expect((await given).code).toBe(Code.DEADLINE_EXCEEDED);
    expect(channel.stats().pending).toBe(1);
    peer.send(...rest);
    await pass();
    expect(channel.stats()).toMatchObject({ pending: 0, lateResponses: 1, unknownResponses: 0 });
    const next = echo.echo({});
    await pass();
    expect(idOf(peer, 1)).toBe(id + GENERATION_STEP);
    peer.send(response(idOf(peer, 1)));
    await rig.current.now(next);
  });

  it("for an id that names no call holds nothing: the connection drains as if it had not come", async () => {
    const { peer, channel } = await accept();
    for (let id = 0; id < 20; id += 2) peer.send(cut(response(id, LONG), 500)[0]!);
    await pass();
    expect(channel.stats().unknownResponses).toBe(10);
    peer.send(status(FrameType.GOAWAY, CloseReason.DRAIN));
    await pass();
    expect(peer.ended).toBe(true);
  });

  it("takes its slot while it arrives, and while its RESPONSE leaves", async () => {
    const again = request(GENERATION_STEP, ECHO);
    const { peer } = await dial({}, {}, { maxMessageBytes: 4_000_000 });
    peer.send(begin(FrameType.REQUEST, 0, ECHO), again);
    await pass();
    expect(peer.goAway?.reason).toBe(CloseReason.PROTOCOL_ERROR);
    const other = await ScriptedPeer.dial(rig.current.network, rig.current.clock, ADDRESS);
    other.send(hello({ maxMessageBytes: 4_000_000 }), METHODS);
    other.send(...cut(request(0, ECHO, { payload: new Uint8Array(2_000_000) }), 100_000));
    await pass();
    expect(lastOf(other, FrameType.RESPONSE).flags).toBe(Flag.END | Flag.MORE);
    other.send(again);
    await pass();
    expect(other.goAway?.reason).toBe(CloseReason.PROTOCOL_ERROR);
    other.pipe.destroy();
    peer.pipe.destroy();
  });

  it("takes one lease", async () => {
    const { peer, server } = await dial({}, { leases: true });
    server.peers()[0]!.lease({ count: 2, ttlMs: 1_000 });
    for (const id of [0, 2, 4]) peer.send(...cut(request(id, ECHO, LONG), 500));
    await pass();
    expect(peer.of(FrameType.RESPONSE).map(({ id, arg }) => [id, arg])).toEqual(
      expect.arrayContaining([
        [0, Code.OK],
        [2, Code.OK],
        [4, Code.RESOURCE_EXHAUSTED],
      ]),
    );
  });
});

describe("a server whose grace is over", () => {
  it("ends calls whose REQUEST has not arrived whole, and those whose RESPONSE has not left whole", async () => {
    const { peer, server } = await dial({}, {}, { maxMessageBytes: 4_000_000 });
    peer.send(begin(FrameType.REQUEST, 0, ECHO));
    peer.send(...cut(request(2, ECHO, { payload: new Uint8Array(1_500_000) }), 100_000));
    await pass();
    const closed = server.close({ graceMs: 300 });
    await pass(300);
    peer.send(frame(FrameType.PONG), frame(FrameType.PONG));
    await rig.current.after(1_000, closed);
    const answers = peer.of(FrameType.RESPONSE).filter(({ flags }) => (flags & Flag.MORE) === 0);
    expect(answers.map(({ id, arg }) => [id, arg])).toEqual([
      [0, Code.UNAVAILABLE],
      [2, Code.UNAVAILABLE],
    ]);
  });
});

describe("a peer that does not go on", () => {
  const limits = { streamStallTimeoutMs: 2_000, pendingHeartbeatIntervalMs: 100, heartbeatTimeoutMs: 100_000 };
  /** Time in which a stall is looked for, beyond the limit. */
  const LOOK_MS = 100;

  it("with a REQUEST is answered RESOURCE_EXHAUSTED, and what still comes of it is ignored", async () => {
    const { peer } = await dial({}, limits);
    peer.send(begin(FrameType.REQUEST, 0, ECHO));
    await pass(1_000);
    peer.send(frame(FrameType.FRAGMENT, { flags: Flag.MORE, id: 0, payload: Buffer.from("xxx") }));
    await pass(2_000 - LOOK_MS);
    expect(peer.of(FrameType.RESPONSE)).toEqual([]);
    await pass(2 * LOOK_MS);
    expect(lastOf(peer, FrameType.RESPONSE)).toMatchObject({ id: 0, arg: Code.RESOURCE_EXHAUSTED });
    peer.send(frame(FrameType.FRAGMENT, { flags: Flag.MORE, id: 0, payload: Buffer.from("xxx") }), request(0, ECHO));
    await pass();
    expect(lastOf(peer, FrameType.RESPONSE).arg).toBe(Code.OK);
    peer.pipe.destroy();
  });

  it("with a MESSAGE loses its call", async () => {
    let error: unknown;
    const { peer } = await dial(
      {
        async collect(requests) {
          try {
            for await (const _ of requests);
          } catch (thrown) {
            error = thrown;
          }
          return {};
        },
      },
      limits,
    );
    peer.send(request(0, COLLECT, {}, Flag.NO_MESSAGE), begin(FrameType.MESSAGE, 0));
    await pass(2_000 + LOOK_MS);
    expect(lastOf(peer, FrameType.RESPONSE)).toMatchObject({ id: 0, arg: Code.RESOURCE_EXHAUSTED });
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
    expect((error as RpcError).message).toContain("the peer has not gone on with a message for 2000 ms");
    peer.pipe.destroy();
  });

  it("with a RESPONSE is told so: the call fails, and its slot waits", async () => {
    const { peer, echo, channel } = await accept(limits);
    const call = failure(echo.echo({}));
    await pass();
    peer.send(begin(FrameType.RESPONSE, idOf(peer)));
    await pass(2_000 + LOOK_MS);
    expect((await call).code).toBe(Code.RESOURCE_EXHAUSTED);
    expect(lastOf(peer, FrameType.CANCEL)).toMatchObject({ id: idOf(peer), arg: Code.CANCELLED });
    expect(channel.stats().pending).toBe(1);
    // The RESPONSE that replaces it frees the slot.
    peer.send(status(FrameType.RESPONSE, Code.CANCELLED, {}, idOf(peer), Flag.END));
    await pass();
    expect(channel.stats().pending).toBe(0);
  });

  it("with a message of a stream of responses is told so", async () => {
    const { peer, streams } = await accept(limits);
    const stream = streams.list({});
    await pass();
    peer.send(begin(FrameType.MESSAGE, idOf(peer)));
    const failed = failure(stream.next());
    await pass(2_000 + LOOK_MS);
    expect((await failed).code).toBe(Code.RESOURCE_EXHAUSTED);
    expect(peer.of(FrameType.CANCEL)).toHaveLength(1);
    peer.send(status(FrameType.RESPONSE, Code.CANCELLED, {}, idOf(peer), Flag.END));
    await pass();
  });

  it("taking the fragments of a RESPONSE gets another one instead", async () => {
    const { peer } = await dial({}, limits, { maxMessageBytes: 4_000_000 });
    peer.send(...cut(request(0, ECHO, { payload: new Uint8Array(2_000_000) }), 100_000));
    await pass(2_000 - LOOK_MS);
    expect(peer.of(FrameType.RESPONSE).map(({ flags }) => flags)).toEqual([Flag.END | Flag.MORE]);
    await pass(2 * LOOK_MS);
    expect(peer.of(FrameType.RESPONSE)).toHaveLength(2);
    expect(lastOf(peer, FrameType.RESPONSE)).toMatchObject({ id: 0, flags: Flag.END, arg: Code.RESOURCE_EXHAUSTED });
    const { length } = peer.of(FrameType.FRAGMENT);
    peer.send(credit(10_000_000));
    await pass();
    expect(peer.of(FrameType.FRAGMENT)).toHaveLength(length);
    peer.pipe.destroy();
  });

  it("taking the fragments of a REQUEST loses the call, which is given up", async () => {
    const { peer, echo } = await accept(limits, { maxMessageBytes: 4_000_000 });
    const call = failure(echo.echo({ payload: new Uint8Array(2_000_000) }));
    await pass(2_000 + 2 * LOOK_MS);
    expect((await call).code).toBe(Code.RESOURCE_EXHAUSTED);
    expect(lastOf(peer, FrameType.CANCEL)).toMatchObject({ id: idOf(peer) });
    const { length } = peer.of(FrameType.FRAGMENT);
    peer.send(credit(10_000_000), status(FrameType.RESPONSE, Code.CANCELLED, {}, idOf(peer), Flag.END));
    await pass();
    expect(peer.of(FrameType.FRAGMENT)).toHaveLength(length);
  });

  it("is not taken for one that is slow: each byte that moves begins the time anew", async () => {
    const { peer } = await dial({}, limits);
    const frames = cut(request(0, ECHO, LONG), 100);
    for (const each of frames) {
      peer.send(each);
      await pass(1_900);
    }
    expect(lastOf(peer, FrameType.RESPONSE).arg).toBe(Code.OK);
    peer.pipe.destroy();
  });
});

describe("what was compressed for one peer", () => {
  it("and has not left goes to another one that reads no compression as it was", async () => {
    let accepted = 0;
    const peers = await ScriptedPeer.listen(rig.current.network, ADDRESS, (peer) => {
      const isFirst = accepted++ === 0;
      if (isFirst) peer.pipe.pause();
      peer.send(hello({ maxMessageBytes: 4_000_000, ...(isFirst && { compressions: ["gzip"] }) }));
    });
    const channel = rig.current.connect({ compression: "gzip" });
    const echo = new EchoClient(channel);
    await pass();
    // These fill the pipe: random bytes do not become smaller.
    const blocking = Array.from({ length: 6 }, () =>
      echo.echo({ payload: randomBytes(100_000) }).catch(() => undefined),
    );
    await pass();
    const text = "a".repeat(5_000);
    const calls = [echo.echo({ text }, { metadata: { k: "v" } })];
    const half = Buffer.concat([randomBytes(150_000), Buffer.alloc(150_000)]);
    calls.push(echo.echo({ payload: half }));
    const stream = new StreamsClient(channel).collect();
    void stream.send({ text });
    await pass();
    peers[0]!.pipe.destroy();
    await pass(100);
    const [, peer] = peers as [ScriptedPeer, ScriptedPeer];
    const compressed = peer.frames.filter(
      ({ flags, type }) => type < FrameType.FRAGMENT && (flags & Flag.COMPRESSED) !== 0,
    );
    expect(compressed).toEqual([]);
    expect(Message.fromBytes(lastOf(peer, FrameType.MESSAGE).payload).text).toBe(text);
    const requests = peer.of(FrameType.REQUEST);
    const texts = requests
      .filter(({ flags }) => (flags & Flag.METADATA) !== 0)
      .map(({ payload }) => payload.toString());
    expect(texts).toEqual([expect.stringContaining(text)]);
    const cutUp = requests.find(({ flags }) => (flags & Flag.MORE) !== 0)!;
    expect(cutUp.payload.readUInt32LE(0)).toBeGreaterThan(300_000);
    peer.send(...requests.map(({ id }) => response(id)));
    await rig.current.now(Promise.all([...blocking, ...calls, stream.response]));
  });
});
