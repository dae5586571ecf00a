// The limits of streams, fragments and compression: what is at a limit passes, and one more does what the limit is for.

import { describe, expect, it } from "vitest";
import { CloseReason, Flag, FrameType, HEADER_BYTES } from "../../src/codec/frame.js";
import {
  type CallContext,
  type Channel,
  Code,
  type RpcError,
  type Server,
  type ServerOptions,
} from "../../src/index.js";
import { MemoryNetwork } from "../../src/testing.js";
import { FRAGMENT_BYTES, MAX_WAITING_SENDS } from "../../src/transport/message-sender.js";
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
} from "../support/peer.js";
import { ADDRESS, failure, type Rig, useRig } from "../support/rig.js";

const rig = useRig();
const pass = (ms = 0): Promise<void> => rig.current.clock.advance(ms);

const [LIST, COLLECT, ECHO, HOLD] = [1, 2, 3, 4];
const METHODS = Buffer.concat([
  method(LIST, "support.v1.Streams/List"),
  method(COLLECT, "support.v1.Streams/Collect"),
  method(ECHO, "support.v1.Echo/Echo"),
  method(HOLD, "support.v1.Echo/Hold"),
]);
const MIB = 1_048_576;
/** The least that a peer may announce, and so what a scripted one means unless it says otherwise. */
const MAX_FRAME = 131_072;
const STREAM_WINDOW = 65_536;

/** A message whose encoding has `bytes`. */
function ofBytes(bytes: number): { readonly payload: Uint8Array } {
  let length = bytes;
  while (length > 0 && Message.toBytes({ payload: new Uint8Array(length) }).length > bytes) length--;
  const made = { payload: new Uint8Array(length) };
  expect(Message.toBytes(made)).toHaveLength(bytes);
  return made;
}

/** A server of Echo and Streams, and a scripted client that has named the methods. */
async function dial(
  options: ServerOptions = {},
  settings: Parameters<typeof hello>[0] = {},
  handlers: Partial<StreamsHandlers> = {},
): Promise<{ peer: ScriptedPeer; server: Server }> {
  const server = rig.current.createServer({}, options);
  server.handle(Streams, { list: () => [], collect: unread, chat: () => [], ...handlers });
  await server.listen(ADDRESS);
  const peer = await ScriptedPeer.dial(rig.current.network, rig.current.clock, ADDRESS);
  peer.send(hello(settings), METHODS);
  await pass();
  return { peer, server };
}

/** A handler that reads nothing, until its call ends. */
function unread(_: unknown, { signal }: CallContext): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
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

const answers = (peer: ScriptedPeer): [number, number, number][] =>
  peer.of(FrameType.RESPONSE).map(({ id, arg, flags }) => [id, arg, flags]);
const isCut = ({ flags }: Frame): boolean => (flags & Flag.MORE) !== 0;
/** The first frame of a payload of `bytes`, with none of them. */
const announce = (type: number, bytes: number, id: number, arg = 0, flags: number = Flag.END): Buffer => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32LE(bytes);
  return frame(type, { flags: flags | Flag.MORE, arg, id, payload });
};

describe("FRAGMENT_BYTES", () => {
  it("is the longest payload of a MESSAGE that travels in one frame, and what a frame of a longer one carries", async () => {
    const { peer, streams } = await accept();
    const stream = streams.collect();
    void stream.send(ofBytes(FRAGMENT_BYTES));
    await pass();
    expect(peer.of(FrameType.MESSAGE).map((each) => [isCut(each), each.payload.length])).toEqual([
      [false, FRAGMENT_BYTES],
    ]);
    void stream.send(ofBytes(FRAGMENT_BYTES + 1));
    await pass();
    expect(
      peer
        .of(FrameType.MESSAGE)
        .slice(1)
        .map((each) => [isCut(each), each.payload.length]),
    ).toEqual([[true, 4 + FRAGMENT_BYTES]]);
    expect(peer.of(FrameType.FRAGMENT).map((each) => [isCut(each), each.payload.length])).toEqual([[false, 1]]);
    stream.cancel();
    await pass();
    peer.pipe.destroy();
  });
});

describe("the peer's maxFrameBytes", () => {
  it.each([
    [0, false],
    [1, true],
  ])("and %i bytes more: a REQUEST that is cut up is %s", async (more, wanted) => {
    const { peer, echo } = await accept({}, { maxMessageBytes: MIB });
    // The deadline takes 4 bytes.
    const call = echo.echo(ofBytes(MAX_FRAME + more - 4));
    await pass();
    expect(peer.of(FrameType.REQUEST).map(isCut)).toEqual([wanted]);
    peer.send(response(peer.of(FrameType.REQUEST)[0]!.id));
    await rig.current.now(call);
  });

  it.each([
    [0, false],
    [1, true],
  ])("and %i bytes more: a RESPONSE that is cut up is %s", async (more, wanted) => {
    const { peer } = await dial({}, { maxMessageBytes: MIB });
    peer.send(request(0, ECHO, ofBytes(MAX_FRAME + more)));
    await pass();
    expect(peer.of(FrameType.RESPONSE).map(isCut)).toEqual([wanted]);
  });

  it("is all that a one-way call may take", async () => {
    const { peer, echo } = await accept({}, { maxMessageBytes: MIB });
    await rig.current.now(echo.note(ofBytes(MAX_FRAME), { timeoutMs: Number.POSITIVE_INFINITY }));
    expect(peer.of(FrameType.REQUEST).map(isCut)).toEqual([false]);
    const call = echo.note(ofBytes(MAX_FRAME + 1), { timeoutMs: Number.POSITIVE_INFINITY });
    const error = await rig.current.now(failure(call));
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "never" });
    expect(error.message).toContain(`the peer accepts ${MAX_FRAME} of a one-way call`);
  });
});

describe("the peer's maxMessageBytes", () => {
  const settings = { maxMessageBytes: 200_000 };
  const forever = { timeoutMs: Number.POSITIVE_INFINITY };

  it("bounds a request: one byte more fails the call, and nothing of it is sent", async () => {
    const { peer, echo } = await accept({}, settings);
    const call = echo.echo(ofBytes(200_000), forever);
    await pass();
    expect(peer.of(FrameType.FRAGMENT).at(-1)?.flags).toBe(0);
    const error = await rig.current.now(failure(echo.echo(ofBytes(200_001), forever)));
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "never" });
    expect(error.message).toContain("the request takes 200001 bytes; the peer accepts 200000");
    expect(peer.of(FrameType.REQUEST)).toHaveLength(1);
    peer.send(response(peer.of(FrameType.REQUEST)[0]!.id));
    await rig.current.now(call);
  });

  it("bounds a response: one byte more ends the call RESOURCE_EXHAUSTED", async () => {
    const { peer } = await dial({}, settings);
    peer.send(request(0, ECHO, ofBytes(200_000)), request(2, ECHO, ofBytes(200_001)));
    await pass();
    expect(answers(peer)).toEqual(
      expect.arrayContaining([
        [0, Code.OK, Flag.END | Flag.MORE],
        [2, Code.RESOURCE_EXHAUSTED, Flag.END],
      ]),
    );
  });

  it("bounds a message that is sent: one byte more fails the send alone", async () => {
    const { peer, streams } = await accept({}, settings);
    const stream = streams.collect();
    const sent = stream.send(ofBytes(200_000));
    await rig.current.now(sent);
    const error = await rig.current.now(failure(stream.send(ofBytes(200_001))));
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "never" });
    expect(error.message).toContain("a message of 200001 bytes; the peer accepts 200000");
    peer.send(response(peer.of(FrameType.REQUEST)[0]!.id, { text: "fine" }));
    expect((await rig.current.now(stream.response)).text).toBe("fine");
  });

  it("bounds a message that a handler gives: one byte more ends the call", async () => {
    const sizes = [200_000, 200_001];
    const handlers = { list: () => [ofBytes(sizes.shift() as number)] };
    const { peer } = await dial({}, { ...settings, streamWindowBytes: MIB }, handlers);
    peer.send(request(0, LIST), request(2, LIST));
    await pass();
    expect(peer.of(FrameType.MESSAGE).map(({ id }) => id)).toEqual([0]);
    expect(answers(peer)).toEqual(
      expect.arrayContaining([
        [0, Code.OK, Flag.END | Flag.NO_MESSAGE],
        [2, Code.RESOURCE_EXHAUSTED, Flag.END],
      ]),
    );
  });

  it("without more than its maxFrameBytes: nothing is cut up", async () => {
    const { peer, echo } = await accept();
    const call = echo.echo(ofBytes(MAX_FRAME), forever);
    await pass();
    expect(peer.of(FrameType.REQUEST).map(isCut)).toEqual([false]);
    const error = await rig.current.now(failure(echo.echo(ofBytes(MAX_FRAME + 1), forever)));
    expect(error.code).toBe(Code.RESOURCE_EXHAUSTED);
    peer.send(response(peer.of(FrameType.REQUEST)[0]!.id));
    await rig.current.now(call);
  });
});

describe("maxMessageBytes", () => {
  const options = { maxMessageBytes: 200_000 };

  it("is what a REQUEST may announce; one byte more is refused by the first frame", async () => {
    const { peer } = await dial(options);
    peer.send(announce(FrameType.REQUEST, 200_000, 0, ECHO), announce(FrameType.REQUEST, 200_001, 2, ECHO));
    await pass();
    expect(answers(peer)).toEqual([[2, Code.RESOURCE_EXHAUSTED, Flag.END]]);
    peer.pipe.destroy();
  });

  it("is what a MESSAGE may announce; one byte more ends its call", async () => {
    const { peer } = await dial(options);
    for (const id of [0, 2]) peer.send(request(id, COLLECT, {}, Flag.NO_MESSAGE));
    peer.send(announce(FrameType.MESSAGE, 200_000, 0), announce(FrameType.MESSAGE, 200_001, 2));
    await pass();
    expect(answers(peer)).toEqual([[2, Code.RESOURCE_EXHAUSTED, Flag.END]]);
    peer.pipe.destroy();
  });

  it("is what a RESPONSE may announce; one byte more fails its call", async () => {
    const { peer, echo } = await accept(options);
    const calls = [echo.echo({}), failure(echo.echo({}))] as const;
    await pass();
    const [a, b] = peer.of(FrameType.REQUEST).map(({ id }) => id) as [number, number];
    peer.send(...cut(response(a, ofBytes(200_000)), 100_000), announce(FrameType.RESPONSE, 200_001, b));
    expect((await rig.current.now(calls[0])).payload.length).toBeGreaterThan(199_000);
    expect((await rig.current.now(calls[1])).message).toContain("a message of 200001 bytes; the limit is 200000");
    expect(peer.of(FrameType.CANCEL).map(({ id }) => id)).toEqual([b]);
    peer.pipe.destroy();
  });

  it.each([
    [0, Code.OK],
    [1, Code.RESOURCE_EXHAUSTED],
  ])("and %i bytes more, decompressed: a request ends with %i", async (more, code) => {
    const server = await rig.current.serve({}, options);
    const client = rig.current.client({ compression: "br" });
    await pass();
    const outcome = client.echo(ofBytes(200_000 + more)).then(
      () => Code.OK,
      (error: RpcError) => error.code,
    );
    expect(await rig.current.now(outcome)).toBe(code);
    expect(server.stats().connections).toBe(1);
  });
});

describe("maxInFlightBytes", () => {
  const options = { maxInFlightBytes: MIB, maxMessageBytes: 2 * MIB, maxFrameBytes: 2 * MIB };

  it("bounds the requests that are being served; a call beyond it is REFUSED", async () => {
    const { peer } = await dial(options);
    // The header counts.
    peer.send(request(0, HOLD, ofBytes(MIB - 2 * HEADER_BYTES)), request(2, HOLD), request(4, HOLD));
    await pass();
    expect(answers(peer)).toEqual([[4, Code.RESOURCE_EXHAUSTED, Flag.END | Flag.REFUSED]]);
    peer.pipe.destroy();
  });

  it("bounds what is announced and incomplete; a REQUEST beyond it is REFUSED", async () => {
    const { peer } = await dial(options);
    peer.send(announce(FrameType.REQUEST, MIB - 100, 0, ECHO));
    peer.send(announce(FrameType.REQUEST, 100 - HEADER_BYTES, 2, ECHO), announce(FrameType.REQUEST, 1, 4, ECHO));
    await pass();
    expect(answers(peer)).toEqual([[4, Code.RESOURCE_EXHAUSTED, Flag.END | Flag.REFUSED]]);
    // What has ended makes room.
    peer.send(frame(FrameType.CANCEL, { arg: 1, id: 0 }), announce(FrameType.REQUEST, MIB - 200, 4, ECHO));
    await pass();
    expect(answers(peer).slice(1)).toEqual([[0, Code.CANCELLED, Flag.END]]);
    peer.pipe.destroy();
  });

  it("bounds it for messages of streams, and for responses, too", async () => {
    const { peer } = await dial(options);
    for (const id of [0, 2]) peer.send(request(id, COLLECT, {}, Flag.NO_MESSAGE));
    peer.send(announce(FrameType.MESSAGE, MIB, 0), announce(FrameType.MESSAGE, 1, 2));
    await pass();
    expect(answers(peer)).toEqual([[2, Code.RESOURCE_EXHAUSTED, Flag.END]]);
    peer.pipe.destroy();
  });

  it("bounds the fragments of responses that wait; a response beyond it ends its call", async () => {
    const first = 1_900_000;
    // 33 frames of 32,768 bytes leave: the first one, and what the credit of the connection covers.
    const room = MIB - (first - 33 * FRAGMENT_BYTES);
    const sizes = [first, room + 1, room];
    const handlers = { collect: () => ofBytes(sizes.shift() as number) };
    const { peer } = await dial(options, { maxMessageBytes: 2 * MIB }, handlers);
    for (const id of [0, 2, 4]) {
      peer.send(request(id, COLLECT));
      await pass();
    }
    expect(answers(peer)).toEqual([
      [0, Code.OK, Flag.END | Flag.MORE],
      [2, Code.RESOURCE_EXHAUSTED, Flag.END],
      [4, Code.OK, Flag.END | Flag.MORE],
    ]);
    peer.pipe.destroy();
  });

  it("makes calls wait while so much of requests does", async () => {
    const { peer, echo, channel } = await accept(options, { maxMessageBytes: 4 * MIB });
    const long = failure(echo.echo(ofBytes(34 * FRAGMENT_BYTES + MIB - 4), { timeoutMs: 1_000 }));
    await pass();
    // A frame less than the limit would wait if one more of them had left: 1 MiB and one frame do.
    const short = echo.echo({});
    await pass();
    expect(channel.stats().waiting).toBe(1);
    peer.send(credit(FRAGMENT_BYTES + HEADER_BYTES));
    await pass();
    expect(channel.stats().waiting).toBe(1);
    peer.send(credit(FRAGMENT_BYTES + HEADER_BYTES));
    await pass();
    expect(channel.stats().waiting).toBe(0);
    peer.send(response(peer.of(FrameType.REQUEST)[1]!.id));
    await rig.current.now(short);
    peer.pipe.destroy();
    await pass();
    await long;
  });
});

describe("a stream that is not awaited", () => {
  it("has at most MAX_WAITING_SENDS waiting; one more fails, and closing it does not", async () => {
    const { peer, streams } = await accept();
    const stream = streams.collect();
    await pass();
    // The credit ends with this one; it does not wait.
    await rig.current.now(stream.send(ofBytes(STREAM_WINDOW)));
    const sends = Array.from({ length: MAX_WAITING_SENDS }, (_, i) => stream.send({ id: BigInt(i) }));
    const error = await rig.current.now(failure(stream.send({})));
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retry: "never" });
    expect(error.message).toContain(`${MAX_WAITING_SENDS} messages`);
    const closed = stream.close();
    const { id } = peer.of(FrameType.REQUEST)[0]!;
    peer.send(credit(MIB, id));
    await rig.current.now(Promise.all([...sends, closed]));
    expect(peer.of(FrameType.MESSAGE).at(-1)?.flags).toBe(Flag.END | Flag.NO_MESSAGE);
    expect(peer.of(FrameType.MESSAGE)).toHaveLength(1 + MAX_WAITING_SENDS + 1);
    peer.send(response(id));
    await rig.current.now(stream.response);
  });

  it("has at most maxUnsentBytes waiting, but for one message", async () => {
    const { peer, streams } = await accept({ maxUnsentBytes: STREAM_WINDOW }, { maxMessageBytes: MIB });
    const stream = streams.collect();
    await pass();
    await rig.current.now(stream.send(ofBytes(STREAM_WINDOW)));
    const sends = [stream.send(ofBytes(STREAM_WINDOW - 100)), stream.send(ofBytes(100))];
    expect((await rig.current.now(failure(stream.send({ id: 1n })))).code).toBe(Code.RESOURCE_EXHAUSTED);
    const { id } = peer.of(FrameType.REQUEST)[0]!;
    peer.send(credit(MIB, id));
    await rig.current.now(Promise.all(sends));
    peer.send(response(id));
    await rig.current.now(stream.response);
  });

  it("may have one message of any length waiting", async () => {
    const { peer, streams } = await accept({ maxUnsentBytes: STREAM_WINDOW }, { maxMessageBytes: MIB });
    const stream = streams.collect();
    await pass();
    await rig.current.now(stream.send(ofBytes(STREAM_WINDOW)));
    const sends = [stream.send(ofBytes(MIB))];
    expect((await rig.current.now(failure(stream.send({})))).code).toBe(Code.RESOURCE_EXHAUSTED);
    const { id } = peer.of(FrameType.REQUEST)[0]!;
    peer.send(credit(MIB, id), credit(2 * MIB));
    await rig.current.now(Promise.all(sends));
    peer.send(response(id));
    await rig.current.now(stream.response);
  });
});

describe("windows", () => {
  it("are announced as the options say, and held to", async () => {
    const { peer } = await dial({ streamWindowBytes: 100_000, connectionWindowBytes: 2 * MIB });
    peer.send(request(0, COLLECT, {}, Flag.NO_MESSAGE));
    // 1 byte is left, so one more may begin; the third may not.
    const first = message(0, ofBytes(100_000 - HEADER_BYTES - 1));
    peer.send(first, message(0, ofBytes(50_000)));
    await pass();
    expect(peer.goAway).toBeUndefined();
    peer.send(message(0));
    await pass();
    expect(peer.goAway).toEqual({
      reason: CloseReason.PROTOCOL_ERROR,
      message: expect.stringContaining("MESSAGE for call 0 without credit"),
    });
  });

  it("of the connection is given back as frames arrive, once half of it is owed", async () => {
    const { peer } = await dial({ streamWindowBytes: 4 * MIB, connectionWindowBytes: 2 * MIB });
    peer.send(request(0, COLLECT, {}, Flag.NO_MESSAGE));
    peer.send(message(0, ofBytes(MIB - 1_000 - 1 - 2 * HEADER_BYTES)), message(0, ofBytes(1_000)));
    await pass();
    expect(peer.of(FrameType.CREDIT)).toEqual([]);
    // A MESSAGE without one costs nothing, a fragment of nothing 12 bytes.
    peer.send(frame(FrameType.MESSAGE, { flags: Flag.NO_MESSAGE, id: 0 }));
    await pass();
    expect(peer.of(FrameType.CREDIT)).toEqual([]);
    peer.send(frame(FrameType.FRAGMENT, { flags: Flag.MORE, id: 100 }));
    await pass();
    expect(peer.of(FrameType.CREDIT).map(({ arg, payload }) => [arg, payload.readUInt32LE(0)])).toEqual([
      [1, MIB - 1 + HEADER_BYTES],
    ]);
    peer.pipe.destroy();
  });
});

describe("maxStreamBufferBytes", () => {
  const options = { maxStreamBufferBytes: MIB, streamWindowBytes: 8 * MIB, maxFrameBytes: 8 * MIB };

  /** What the connection was given back. */
  const given = (peer: ScriptedPeer): number[] =>
    peer
      .of(FrameType.CREDIT)
      .filter(({ arg }) => arg === 1)
      .map(({ payload }) => payload.readUInt32LE(0));

  it.each([0, 1])("and %i bytes more wait for their readers: these are not given back", async (more) => {
    const { peer } = await dial(options);
    const held = MIB + more;
    peer.send(request(0, COLLECT, {}, Flag.NO_MESSAGE), message(0, ofBytes(held - HEADER_BYTES)));
    await pass();
    // What has come already when it begins to wait is.
    expect(given(peer)).toEqual([held]);
    const stray = frame(FrameType.FRAGMENT, { flags: Flag.MORE, id: 100, payload: Buffer.alloc(600_000) });
    peer.send(stray);
    await pass();
    expect(given(peer)).toEqual([held, stray.length - more]);
    peer.pipe.destroy();
  });

  it("withholds credit until readers take what waits; a frame beyond the credit ends the connection", async () => {
    let take = (): void => {};
    const reading = {
      async collect(requests: AsyncIterable<Message>, { signal }: CallContext) {
        const messages = requests[Symbol.asyncIterator]();
        while (!signal.aborted) {
          await new Promise<void>((resolve) => {
            take = resolve;
            signal.addEventListener("abort", () => resolve());
          });
          if (!signal.aborted) await messages.next();
        }
        return {};
      },
    };
    const { peer } = await dial(options, {}, reading);
    const two = message(0, ofBytes(2 * MIB));
    peer.send(request(0, COLLECT, {}, Flag.NO_MESSAGE), message(0, ofBytes(3 * MIB)), two);
    await pass();
    const first = 3 * MIB + HEADER_BYTES;
    expect(given(peer)).toEqual([first]);
    take();
    await pass();
    expect(given(peer)).toEqual([first, MIB]);
    take();
    await pass();
    expect(given(peer)).toEqual([first, MIB, MIB + HEADER_BYTES]);
    peer.send(message(0, ofBytes(2 * MIB)), two);
    await pass();
    expect(peer.goAway).toBeUndefined();
    peer.send(frame(FrameType.FRAGMENT, { flags: Flag.MORE, id: 100 }));
    await pass();
    expect(peer.goAway).toEqual({
      reason: CloseReason.PROTOCOL_ERROR,
      message: expect.stringContaining("without credit of the connection"),
    });
  });
});

describe("minCompressBytes", () => {
  it("is the length of the shortest message that is compressed", async () => {
    const options = { compression: "gzip", minCompressBytes: 500 } as const;
    const { peer, echo, streams } = await accept(options, { compressions: ["gzip"] });
    const stream = streams.collect();
    const calls = [499, 500].map((bytes) => echo.echo(ofBytes(bytes)));
    for (const bytes of [499, 500]) void stream.send(ofBytes(bytes));
    await pass();
    const isCompressed = ({ flags }: Frame): boolean => (flags & Flag.COMPRESSED) !== 0;
    const [opened, ...requests] = peer.of(FrameType.REQUEST) as [Frame, ...Frame[]];
    expect(requests.map(isCompressed)).toEqual([false, true]);
    expect(peer.of(FrameType.MESSAGE).map(isCompressed)).toEqual([false, true]);
    for (const { id } of [opened, ...requests]) peer.send(response(id));
    await rig.current.now(Promise.all([...calls, stream.response]));
  });
});

describe("maxUnsentBytes, with a peer that reads nothing", () => {
  const options = { maxUnsentBytes: STREAM_WINDOW, slowReaderTimeoutMs: 100_000 };
  const bound = 2 * STREAM_WINDOW + MAX_FRAME;

  /** A peer that has stopped reading, and a server that has called it. */
  async function stopped(): Promise<{ peer: ScriptedPeer; server: Server; call: Promise<RpcError> }> {
    const { peer, server } = await dial(options);
    const call = failure(new EchoClient(server.peers()[0]!).echo({}, { timeoutMs: Number.POSITIVE_INFINITY }));
    await pass();
    expect(peer.of(FrameType.REQUEST)).toHaveLength(1);
    peer.pipe.pause();
    return { peer, server, call };
  }

  it("and a call of this side pending: calls are REFUSED from 2 * maxUnsentBytes and a frame on", async () => {
    const { peer, server, call } = await stopped();
    // Each response is 30,000 bytes and its header.
    const size = 30_000 - HEADER_BYTES;
    let id = 0;
    const send = async (): Promise<void> => {
      peer.send(request(id, ECHO, ofBytes(size)));
      id += 2;
      await pass();
    };
    while (server.stats().callsRefused === 0 && id < 200) await send();
    const { callsServed } = server.stats();
    // What the pipe holds has been taken by it; the rest is what the bound is about.
    const unsent = callsServed * 30_000;
    expect(unsent).toBeGreaterThan(bound);
    await send();
    expect(server.stats()).toMatchObject({ callsServed, callsRefused: 2 });
    peer.pipe.resume();
    await pass();
    expect(answers(peer).filter(([, code]) => code === Code.OK)).toHaveLength(callsServed);
    await send();
    expect(server.stats().callsServed).toBe(callsServed + 1);
    peer.pipe.destroy();
    await pass();
    await call;
  });

  it("and no call pending: what came with the last bytes that were read is served up to 2 * maxUnsentBytes", async () => {
    const { clock } = rig.current;
    const pipeBytes = 4_096;
    const network = new MemoryNetwork(clock, pipeBytes);
    const reply = ofBytes(10_000 - HEADER_BYTES);
    const server = rig.current.createServer({ echo: () => reply }, { ...options, network });
    await server.listen(ADDRESS);
    const peer = await ScriptedPeer.dial(network, clock, ADDRESS);
    peer.send(hello(), METHODS);
    await pass();
    peer.pipe.pause();
    peer.send(...Array.from({ length: 60 }, (_, i) => request(2 * i, ECHO, {})));
    await pass();
    const { callsServed, callsRefused } = server.stats();
    expect(callsServed + callsRefused).toBe(60);
    const unsent = callsServed * 10_000;
    expect(unsent).toBeGreaterThan(2 * STREAM_WINDOW);
    expect(unsent).toBeLessThanOrEqual(2 * STREAM_WINDOW + pipeBytes + 20_000);
    peer.pipe.resume();
    await pass();
    expect(answers(peer)).toHaveLength(60);
    peer.pipe.destroy();
    await pass();
  });

  it("and no call pending: nothing is read beyond maxUnsentBytes", async () => {
    const { peer, server } = await dial(options);
    peer.pipe.pause();
    for (let id = 0; id < 100; id += 2) {
      peer.send(request(id, ECHO, ofBytes(30_000 - HEADER_BYTES)));
      await pass();
    }
    const { callsServed, callsRefused } = server.stats();
    expect(callsServed).toBeGreaterThan(2);
    // Those that were read together with the last one that was served.
    expect(callsRefused).toBeLessThan(10);
    expect(callsServed + callsRefused).toBeLessThan(30);
    peer.pipe.resume();
    await pass();
    expect(answers(peer)).toHaveLength(50);
    peer.pipe.destroy();
  });
});
