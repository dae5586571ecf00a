// A connection, seen from a scripted peer on the other end: the handshake, what every frame means in every state, ids,
// responses that nobody asked for, draining, and peers that are slow, silent or greedy.

import { describe, expect, it } from "vitest";
import { CloseReason, Flag, FrameType, GENERATION_STEP, PREFACE } from "../../src/codec/frame.js";
import { Code, type RpcError } from "../../src/index.js";
import { EchoClient, Message } from "../support/gen/support/v1/echo.js";
import {
  cut,
  type Frame,
  frame,
  hello,
  method,
  request,
  response,
  ScriptedPeer,
  settings,
  status,
  typeName,
} from "../support/peer.js";
import { ADDRESS, failure, type Rig, useRig } from "../support/rig.js";

const rig = useRig();
const ECHO = method(1, "support.v1.Echo/Echo");
const HOLD = method(2, "support.v1.Echo/Hold");
const NOTE = method(3, "support.v1.Echo/Note");
const METHODS = Buffer.concat([ECHO, HOLD, NOTE]);

/** A scripted client of a server. */
const dial = (): Promise<ScriptedPeer> => ScriptedPeer.dial(rig.current.network, rig.current.clock, ADDRESS);
const pass = (ms = 0): Promise<void> => rig.current.clock.advance(ms);

/** A scripted server; resolves when a client has connected to it. */
async function accept(
  options: Parameters<Rig["connect"]>[0] = {},
): Promise<{ client: EchoClient; peer: ScriptedPeer; channel: ReturnType<Rig["connect"]> }> {
  const peers = await ScriptedPeer.listen(rig.current.network, ADDRESS, (peer) => peer.send(hello()));
  const channel = rig.current.connect(options);
  await pass();
  return { client: new EchoClient(channel), peer: peers[0] as ScriptedPeer, channel };
}

const idOf = (each: Frame | undefined): number => (each as Frame).id;

describe("the handshake", () => {
  it("greets at once, and serves calls that came before its own greeting was read", async () => {
    await rig.current.serve();
    const peer = await dial();
    peer.send(hello({ peerId: "scripted" }), ECHO, request(0, 1, { id: 7n }));
    await pass();
    expect(peer.frames.map(({ type }) => typeName(type))).toEqual(["SETTINGS", "RESPONSE"]);
    expect(Message.fromBytes(peer.frames[1]?.payload as Buffer).id).toBe(7n);
    peer.pipe.destroy();
  });

  it.each([
    ["another preface", Buffer.from("GET / HTTP/1.1\r\n\r\n"), CloseReason.PROTOCOL_ERROR],
    [
      "a preface that goes wrong at its last byte",
      Buffer.concat([PREFACE.subarray(0, 7), Buffer.from("x")]),
      CloseReason.PROTOCOL_ERROR,
    ],
    ["a frame before SETTINGS", Buffer.concat([PREFACE, ECHO]), CloseReason.PROTOCOL_ERROR],
    ["SETTINGS twice", Buffer.concat([hello(), settings()]), CloseReason.PROTOCOL_ERROR],
    [
      "SETTINGS that do not decode",
      Buffer.concat([PREFACE, frame(FrameType.SETTINGS, { payload: Buffer.from([0xff]) })]),
      CloseReason.PROTOCOL_ERROR,
    ],
    ["another version", hello({ minVersion: 2, maxVersion: 2 }), CloseReason.UNSUPPORTED_VERSION],
    [
      "a frame that is too long",
      Buffer.concat([hello(), Buffer.from("ffffffff0300000000000000", "hex")]),
      CloseReason.LIMIT_EXCEEDED,
    ],
  ])("ends with a named reason on %s", async (_, bytes, reason) => {
    const server = await rig.current.serve();
    const peer = await dial();
    peer.send(bytes);
    await pass();
    expect(peer.goAway?.reason).toBe(reason);
    expect(peer.goAway?.message).not.toBe("");
    expect(peer.ended).toBe(true);
    await pass(1_000);
    expect(peer.closed).toBe(true);
    expect(server.stats().connections).toBe(0);
  });

  it("times out, for a peer that stops anywhere in it", async () => {
    const server = await rig.current.serve({}, { handshakeTimeoutMs: 100 });
    const whole = hello();
    const peers: ScriptedPeer[] = [];
    for (let sent = 0; sent < whole.length; sent++) {
      const peer = await dial();
      if (sent > 0) peer.send(whole.subarray(0, sent));
      peers.push(peer);
    }
    await pass(99);
    expect(server.stats().connections).toBe(whole.length);
    await pass(1_100);
    expect(server.stats().connections).toBe(0);
    expect(peers.every(({ closed }) => closed)).toBe(true);
  });
});

describe("what a frame means to the side that serves", () => {
  type Outcome = "ignored" | "served" | "PROTOCOL_ERROR" | "drains" | "PONG" | "refused" | "closed";
  const STATES: { readonly [name: string]: Buffer } = {
    "with no call": METHODS,
    "with an open call": Buffer.concat([METHODS, request(0, 2)]),
    "with an answered call": Buffer.concat([METHODS, request(0, 1)]),
    "with a cancelled call": Buffer.concat([METHODS, request(0, 2), frame(FrameType.CANCEL, { arg: 1 })]),
    draining: Buffer.concat([METHODS, request(6, 2), status(FrameType.GOAWAY, CloseReason.DRAIN)]),
  };
  const again = request(GENERATION_STEP, 1);
  const LONG = { payload: new Uint8Array(1_000) };
  const TABLE: [string, Buffer, Outcome | Partial<Record<keyof typeof STATES, Outcome>>][] = [
    ["SETTINGS", settings(), "PROTOCOL_ERROR"],
    ["METHOD with a new index", method(9, "x/Y"), "ignored"],
    ["METHOD with a used index", method(1, "x/Y"), "PROTOCOL_ERROR"],
    ["METHOD with index 0", method(0, "x/Y"), "PROTOCOL_ERROR"],
    ["REQUEST for a new slot", request(2, 1), "served"],
    [
      "REQUEST for the same slot",
      again,
      {
        "with an open call": "PROTOCOL_ERROR",
        "with no call": "served",
        "with an answered call": "served",
        "with a cancelled call": "served",
        draining: "served",
      },
    ],
    ["REQUEST with an id of the other side", request(1, 1), "PROTOCOL_ERROR"],
    ["REQUEST for a method that was not named", request(4, 77), "PROTOCOL_ERROR"],
    ["REQUEST that is one-way", request(0, 3, {}, Flag.END | Flag.ONE_WAY), "ignored"],
    ["REQUEST without END", request(4, 1, {}, 0), "refused"],
    ["REQUEST that says that it is compressed", request(4, 1, {}, Flag.END | Flag.COMPRESSED), "refused"],
    ["REQUEST that is cut up", Buffer.concat(cut(request(4, 1, LONG), 300)), "served"],
    ["REQUEST of which only the beginning comes", cut(request(4, 1, LONG), 300)[0]!, "ignored"],
    ["REQUEST with MORE and no length", request(4, 1, {}, Flag.END | Flag.MORE), "PROTOCOL_ERROR"],
    [
      "REQUEST that announces too much",
      frame(FrameType.REQUEST, {
        flags: Flag.END | Flag.MORE,
        arg: 1,
        id: 4,
        payload: Buffer.from("ffffffff00", "hex"),
      }),
      "refused",
    ],
    [
      "REQUEST that does not decode",
      frame(FrameType.REQUEST, { flags: Flag.END, arg: 1, id: 4, payload: Buffer.from([0xff]) }),
      "refused",
    ],
    [
      "REQUEST that ends inside its deadline",
      frame(FrameType.REQUEST, { flags: Flag.END | Flag.DEADLINE, arg: 1, id: 4, payload: Buffer.from([1]) }),
      "refused",
    ],
    [
      "REQUEST that ends inside its metadata",
      frame(FrameType.REQUEST, { flags: Flag.END | Flag.METADATA, arg: 1, id: 4, payload: Buffer.from([9, 0, 1]) }),
      "refused",
    ],
    ["RESPONSE that nobody asked for", response(1), "ignored"],
    ["CANCEL of another call", frame(FrameType.CANCEL, { id: 8, arg: 1 }), "ignored"],
    ["CANCEL of another generation", frame(FrameType.CANCEL, { id: 5 * GENERATION_STEP, arg: 1 }), "ignored"],
    ["MESSAGE for no call", frame(FrameType.MESSAGE, { id: 100 }), "ignored"],
    ["FRAGMENT for no call", frame(FrameType.FRAGMENT, { id: 100 }), "ignored"],
    ["CREDIT", frame(FrameType.CREDIT, { payload: Buffer.from([1, 0, 0, 0]) }), "ignored"],
    ["PING", frame(FrameType.PING), "PONG"],
    ["PONG that was not asked for", frame(FrameType.PONG), "ignored"],
    ["LEASE", frame(FrameType.LEASE, { payload: Buffer.alloc(8) }), "ignored"],
    ["GOAWAY with an error", status(FrameType.GOAWAY, CloseReason.PROTOCOL_ERROR, { message: "you" }), "closed"],
    ["GOAWAY that does not decode", frame(FrameType.GOAWAY, { payload: Buffer.from([0xff]) }), "PROTOCOL_ERROR"],
    ["an unknown type", frame(200, { id: 4, payload: Buffer.from("anything") }), "ignored"],
  ];

  for (const [name, bytes, outcomes] of TABLE) {
    for (const [state, before] of Object.entries(STATES)) {
      const outcome = typeof outcomes === "string" ? outcomes : (outcomes[state] as Outcome);
      it(`${name}, ${state}: ${outcome}`, async () => {
        await rig.current.serve();
        const beside = rig.current.client();
        await rig.current.now(beside.echo({}));
        const peer = await dial();
        peer.send(hello(), before);
        await pass();
        const seen = peer.frames.length;
        peer.send(bytes);
        await pass();
        // A PING measures the way once a frame has come that costs credit.
        const answers = peer.frames.slice(seen).filter((each) => each.type !== FrameType.PING);
        if (outcome === "PROTOCOL_ERROR") {
          expect(peer.goAway?.reason).toBe(CloseReason.PROTOCOL_ERROR);
          expect(peer.ended).toBe(true);
        } else if (outcome === "closed") {
          expect(peer.closed).toBe(true);
        } else {
          const expected = { ignored: [], served: ["RESPONSE"], refused: ["RESPONSE"], PONG: ["PONG"], drains: [] };
          expect(answers.map(({ type }) => typeName(type))).toEqual(expected[outcome]);
          if (outcome === "served") expect(answers[0]?.arg).toBe(Code.OK);
          const refusals: number[] = [Code.INVALID_ARGUMENT, Code.UNIMPLEMENTED, Code.RESOURCE_EXHAUSTED];
          if (outcome === "refused") expect(refusals).toContain(answers[0]?.arg);
          expect(peer.ended).toBe(false);
          // The connection goes on.
          peer.send(request(20, 1, { id: 3n }));
          await pass();
          expect(idOf(peer.frames.at(-1))).toBe(20);
        }
        await rig.current.now(beside.echo({}));
        peer.pipe.destroy();
      });
    }
  }
});

describe("what a response means to the side that called", () => {
  it("settles the call that its id names, in any order", async () => {
    const { client, peer } = await accept();
    const calls = [1n, 2n, 3n].map((id) => client.echo({ id }));
    await pass();
    const ids = peer.of(FrameType.REQUEST).map(idOf);
    expect(new Set(ids).size).toBe(3);
    peer.send(...[2, 0, 1].map((i) => response(ids[i] as number, { id: BigInt(10 + i) })));
    expect((await rig.current.now(Promise.all(calls))).map(({ id }) => id)).toEqual([10n, 11n, 12n]);
  });

  it("never settles another call: unknown ids, wrong generations, wrong sides and duplicates are counted", async () => {
    const { client, peer, channel } = await accept();
    const first = client.echo({});
    await pass();
    const id = idOf(peer.of(FrameType.REQUEST)[0]);
    const other = response(id, { text: "first" });
    peer.send(other, other, other);
    expect((await rig.current.now(first)).text).toBe("first");
    let settled = false;
    const second = client.echo({}).finally(() => {
      settled = true;
    });
    await pass();
    const live = idOf(peer.of(FrameType.REQUEST)[1]);
    expect(live).not.toBe(id);
    expect((live >>> 1) & 0xffff).toBe((id >>> 1) & 0xffff);
    const strays = [id, live ^ 1, live + GENERATION_STEP, live + 2, 0xffff_fffe, 0xffff_ffff].map((each) =>
      response(each >>> 0),
    );
    peer.send(...strays);
    await pass();
    expect(settled).toBe(false);
    expect(channel.stats().unknownResponses).toBe(2 + strays.length);
    peer.send(response(live, { text: "second" }));
    expect((await rig.current.now(second)).text).toBe("second");
  });

  it("settles nothing wrongly, whatever ids a hostile server sends", async () => {
    const { client, peer } = await accept();
    let wrong = 0;
    const calls = Array.from({ length: 100 }, (_, i) =>
      client.echo({ id: BigInt(i) }).then((reply) => {
        if (reply.id !== BigInt(i)) wrong++;
      }),
    );
    await pass();
    const requests = peer.of(FrameType.REQUEST);
    const live = new Set(requests.map(idOf));
    for (let i = 0; i < 5_000; i++) {
      const id = Math.floor((i * 2_654_435_761) % 4_294_967_296);
      if (!live.has(id)) peer.send(response(id, { id: 999_999n }));
      if (i % 100 === 0) await pass();
    }
    await pass();
    for (const { id, payload } of requests) {
      // The deadline comes before the message.
      peer.send(response(id, { id: Message.fromBytes(payload.subarray(4)).id }));
    }
    await rig.current.now(Promise.all(calls));
    expect(wrong).toBe(0);
  });

  it("settles calls whatever the highest bit of their ids is", async () => {
    await rig.current.serve();
    const channel = rig.current.connect();
    const client = new EchoClient(channel);
    // One call at a time, on one slot: after 2^14 of them the highest bit is set, after 2^15 the first id comes again.
    let wrong = 0;
    for (let call = 0; call <= 32_768; call++) {
      const reply = await rig.current.now(client.echo({ id: BigInt(call) }));
      if (reply.id !== BigInt(call)) wrong++;
    }
    expect(wrong).toBe(0);
    expect(channel.stats()).toMatchObject({ pending: 0, unknownResponses: 0, lateResponses: 0 });
  });

  it("tells people ids as they travel, without a sign", async () => {
    await rig.current.serve();
    const peer = await dial();
    peer.send(hello(), METHODS, request(0x8000_0000, 2), request(0x8000_0000, 2));
    await pass();
    expect(peer.goAway?.message).toContain("REQUEST 2147483648");
  });

  it("counts the answer to a call that has timed out, and uses its slot only after it", async () => {
    const { client, peer, channel } = await accept();
    const late = failure(client.echo({}, { timeoutMs: 50 }));
    await rig.current.after(50, late);
    await pass();
    const [cancel] = peer.of(FrameType.CANCEL);
    const id = idOf(peer.of(FrameType.REQUEST)[0]);
    expect(cancel).toMatchObject({ id, arg: Code.DEADLINE_EXCEEDED });
    expect(channel.stats().pending).toBe(1);
    const second = client.echo({});
    await pass();
    const slotOf = (each: number): number => (each >>> 1) & 0xffff;
    expect(slotOf(idOf(peer.of(FrameType.REQUEST)[1]))).not.toBe(slotOf(id));
    peer.send(response(id));
    await pass();
    expect(channel.stats()).toMatchObject({ pending: 1, lateResponses: 1, unknownResponses: 0 });
    const third = client.echo({});
    await pass();
    const reused = idOf(peer.of(FrameType.REQUEST)[2]);
    expect(slotOf(reused)).toBe(slotOf(id));
    expect(reused).not.toBe(id);
    peer.send(
      ...peer
        .of(FrameType.REQUEST)
        .slice(1)
        .map((each) => response(each.id)),
    );
    await rig.current.now(Promise.all([second, third]));
  });

  it("gives a slot 32,768 different ids before one comes again", async () => {
    const { client, peer } = await accept();
    const ids = new Set<number>();
    for (let i = 0; i < 300; i++) {
      const call = client.echo({});
      await pass();
      const id = idOf(peer.of(FrameType.REQUEST).at(-1));
      ids.add(id);
      peer.send(response(id));
      await rig.current.now(call);
    }
    expect(ids.size).toBe(300);
  });

  it.each([
    [
      "bytes that do not decode",
      frame(FrameType.RESPONSE, { flags: Flag.END, payload: Buffer.from([0xff]) }),
      Code.INTERNAL,
    ],
    ["a code that is none", frame(FrameType.RESPONSE, { flags: Flag.END, arg: 777 }), Code.UNKNOWN],
    [
      "a status that does not decode",
      frame(FrameType.RESPONSE, { flags: Flag.END, arg: 5, payload: Buffer.from([0xff]) }),
      Code.INTERNAL,
    ],
    [
      "metadata beyond the frame",
      frame(FrameType.RESPONSE, { flags: Flag.END | Flag.METADATA, payload: Buffer.from([9, 0]) }),
      Code.INTERNAL,
    ],
    [
      "compressed bytes that are none",
      frame(FrameType.RESPONSE, { flags: Flag.END | Flag.COMPRESSED, payload: Buffer.from([1, 2, 3]) }),
      Code.INTERNAL,
    ],
    [
      "a compression that it has not announced",
      frame(FrameType.RESPONSE, { flags: Flag.END | Flag.COMPRESSED, payload: Buffer.from([99, 2, 3]) }),
      Code.UNIMPLEMENTED,
    ],
    [
      "the announcement of too many bytes",
      frame(FrameType.RESPONSE, { flags: Flag.END | Flag.MORE, payload: Buffer.from("ffffffff00", "hex") }),
      Code.RESOURCE_EXHAUSTED,
    ],
  ])("fails its call alone on %s", async (_, bytes, code) => {
    const { client, peer } = await accept();
    const bad = failure(client.echo({}));
    const good = client.echo({});
    await pass();
    const [badId, goodId] = peer.of(FrameType.REQUEST).map(idOf) as [number, number];
    bytes.writeUInt32LE(badId, 8);
    peer.send(bytes, response(goodId, { id: 4n }));
    expect((await rig.current.now(bad)).code).toBe(code);
    expect((await rig.current.now(good)).id).toBe(4n);
  });

  it.each([
    ["a first frame without a length", { flags: Flag.END | Flag.MORE }, "a frame with MORE has no length"],
    ["a fragment of nothing", { type: FrameType.FRAGMENT }, "FRAGMENT for call 0, which has no incomplete message"],
  ])(
    "ends the connection on %s",
    async (_, { type = FrameType.RESPONSE, flags = 0 }: { type?: number; flags?: number }, text) => {
      const { client, peer } = await accept();
      const call = failure(client.echo({}));
      await pass();
      peer.send(frame(type, { flags, id: idOf(peer.of(FrameType.REQUEST)[0]) }));
      await pass();
      expect(peer.goAway?.reason).toBe(CloseReason.PROTOCOL_ERROR);
      peer.pipe.destroy();
      expect((await rig.current.now(call)).message).toContain(`PROTOCOL_ERROR: ${text}`);
    },
  );

  it("tells a refusal from an error: REFUSED may be tried again", async () => {
    const { client, peer } = await accept();
    const errors = [failure(client.echo({})), failure(client.echo({}))];
    await pass();
    const [a, b] = peer.of(FrameType.REQUEST).map(idOf) as [number, number];
    peer.send(
      status(FrameType.RESPONSE, Code.RESOURCE_EXHAUSTED, { message: "busy" }, a, Flag.END | Flag.REFUSED),
      status(FrameType.RESPONSE, Code.RESOURCE_EXHAUSTED, { message: "busy" }, b, Flag.END),
    );
    expect((await rig.current.now(Promise.all(errors))).map(({ retry }) => retry)).toEqual(["safe", "never"]);
  });
});

describe("calls when the connection goes", () => {
  it("fail UNAVAILABLE if they were written, and wait for another connection if they were not", async () => {
    let accepted = 0;
    const peers = await ScriptedPeer.listen(rig.current.network, ADDRESS, (peer) => {
      if (accepted++ === 0) peer.pipe.pause();
      peer.send(hello());
    });
    const client = rig.current.client();
    await pass();
    const payload = new Uint8Array(100_000);
    const outcomes = Array.from({ length: 6 }, (_, i) =>
      client.echo({ id: BigInt(i), payload }).catch((error: RpcError) => error),
    );
    await pass();
    const [first] = peers as [ScriptedPeer];
    first.pipe.destroy();
    await pass(100);
    const second = peers[1] as ScriptedPeer;
    const moved = second.of(FrameType.REQUEST);
    expect(moved.length).toBeGreaterThan(0);
    expect(moved.length).toBeLessThan(6);
    second.send(
      ...moved.map(({ id, payload: bytes }) => response(id, { id: Message.fromBytes(bytes.subarray(4)).id })),
    );
    const settled = await rig.current.now(Promise.all(outcomes));
    settled.forEach((outcome, i) => {
      if (i < 6 - moved.length) expect(outcome).toMatchObject({ code: Code.UNAVAILABLE, retry: "unsafe" });
      else expect(outcome).toMatchObject({ id: BigInt(i) });
    });
  });

  it("do not come back from the dead: a one-way call that timed out while it waited for the pipe", async () => {
    let accepted = 0;
    const peers = await ScriptedPeer.listen(rig.current.network, ADDRESS, (peer) => {
      if (accepted++ === 0) peer.pipe.pause();
      peer.send(hello());
    });
    const channel = rig.current.connect();
    const client = new EchoClient(channel);
    await pass();
    const blocking = failure(client.echo({ payload: new Uint8Array(120_000) }));
    await pass();
    const note = failure(client.note({ payload: new Uint8Array(100) }, { timeoutMs: 20 }));
    await pass(20);
    expect((await note).code).toBe(Code.DEADLINE_EXCEEDED);
    (peers[0] as ScriptedPeer).pipe.destroy();
    await pass(1_000);
    expect((await blocking).code).toBe(Code.UNAVAILABLE);
    expect(channel.stats().waiting).toBe(0);
    const call = client.echo({});
    await pass();
    const second = peers[1] as ScriptedPeer;
    second.send(...second.of(FrameType.REQUEST).map(({ id }) => response(id)));
    await rig.current.now(call);
  });

  it("go elsewhere when the peer drains; those under way end there", async () => {
    const peers = await ScriptedPeer.listen(rig.current.network, ADDRESS, (peer) => peer.send(hello()));
    const client = rig.current.client();
    await pass();
    const running = client.echo({});
    await pass();
    const [first] = peers as [ScriptedPeer];
    first.send(status(FrameType.GOAWAY, CloseReason.DRAIN), frame(FrameType.PING));
    await pass();
    expect(first.of(FrameType.PONG)).toHaveLength(1);
    const moved = client.echo({});
    await pass(100);
    const second = peers[1] as ScriptedPeer;
    expect(second.of(FrameType.REQUEST)).toHaveLength(1);
    first.send(response(idOf(first.of(FrameType.REQUEST)[0])));
    second.send(response(idOf(second.of(FrameType.REQUEST)[0])));
    await rig.current.now(Promise.all([running, moved]));
    await pass();
    expect(first.ended).toBe(true);
  });
});

describe("a server that drains", () => {
  it("says so, serves calls that cross its go-away, and ends when the peer has heard of it", async () => {
    const server = await rig.current.serve();
    const peer = await dial();
    peer.send(hello(), METHODS, request(0, 2));
    await pass();
    const closed = server.close({ graceMs: 10_000 });
    peer.send(request(2, 1, { id: 5n }));
    await pass();
    expect(peer.goAway).toEqual({ reason: CloseReason.DRAIN, message: "the connection is draining" });
    expect(peer.of(FrameType.RESPONSE).map(idOf)).toEqual([2]);
    rig.current.releaseHeld();
    await pass();
    expect(peer.of(FrameType.RESPONSE).map(idOf)).toEqual([2, 0]);
    expect(peer.ended).toBe(false);
    peer.send(request(4, 1), frame(FrameType.PONG));
    await pass();
    expect(peer.of(FrameType.RESPONSE).map(idOf)).toEqual([2, 0, 4]);
    expect(peer.ended).toBe(true);
    peer.pipe.end();
    await rig.current.now(closed);
  });

  it("does not wait for ever for a peer that never says it has heard", async () => {
    const server = await rig.current.serve();
    const peer = await dial();
    peer.send(hello());
    await pass();
    const closed = server.close({ graceMs: 300 });
    await rig.current.after(300 + 1_000, closed);
    expect(peer.closed).toBe(true);
  });
});
