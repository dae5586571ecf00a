// What a task pool does with callers that are odd or hostile, and at its edges: nobody else is hurt, and nothing is left.

import { describe, expect, it } from "vitest";
import { compress } from "../../src/codec/compression.js";
import { Code, Method, type RpcError, type Server, type ServerPolicy, Service } from "../../src/index.js";
import { Empty } from "../../src/runtime.js";
import { Flag, FrameType, frames, ScriptedPeer, seededRandom } from "../../src/testing.js";
import { Echo, type EchoHandlers, Message } from "../support/gen/support/v1/echo.js";
import { Streams, type StreamsHandlers } from "../support/gen/support/v1/streams.js";
import { ADDRESS, failure, useRig } from "../support/rig.js";

const rig = useRig();
const { echo, note } = Echo.methods;
const { collect } = Streams.methods;

/** A server with one worker, which `hold` has until the test lets it go; `order` has the texts that `echo` has run since. */
async function serveHeld(policy: ServerPolicy = {}): Promise<{ server: Server; order: string[] }> {
  const order: string[] = [];
  const server = await rig.current.serve(
    {
      echo(request) {
        order.push(request.text);
        return request;
      },
    },
    { maxCalls: 1, policy },
  );
  void rig.current.client().hold({}, { timeoutMs: 1e7 });
  await rig.current.clock.advance(0);
  return { server, order };
}

const streams: StreamsHandlers = {
  list: () => [],
  collect: (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener("abort", reject)),
  chat: () => [],
};

/** A caller that sends what it likes. */
async function dial(...methods: string[]): Promise<ScriptedPeer> {
  const peer = await ScriptedPeer.dial(rig.current.network, rig.current.clock, ADDRESS);
  peer.send(frames.hello(), ...methods.map((path, i) => frames.method(i + 1, path)));
  return peer;
}

/** A deadline, as it begins the payload of a REQUEST. */
function deadline(ms: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(ms);
  return bytes;
}

describe("a stream that waits", () => {
  it("and is refused in the tick in which it came leaves no timer behind: it would end something else", async () => {
    const server = await rig.current.serve({
      echo(request) {
        server.policies.set(collect, { concurrency: 1, queue: 1 });
        return request;
      },
    });
    server.handle(Streams, streams);
    server.policies.set(collect, { concurrency: 1 });
    const open = (id: number, ms = 50): Buffer => frames.request(id, 1, deadline(ms), Flag.DEADLINE | Flag.NO_MESSAGE);
    const other = await dial(collect.path);
    other.send(...[0, 2, 4, 6, 8, 10].map((id) => open(id, 10_000)));
    await rig.current.clock.advance(0);
    const peer = await dial(collect.path, echo.path);
    // Those before the one that makes the queue short find room there; the one behind it is one too many.
    peer.send(...[0, 2, 4].map((id) => open(id)), frames.request(6, 2), open(8));
    await rig.current.clock.advance(0);
    expect(server.stats().waiting).toBe(1);
    await rig.current.clock.advance(100);
    expect(peer.of(FrameType.RESPONSE)).toHaveLength(5);
    peer.pipe.destroy();
    other.pipe.destroy();
  });

  it("takes a first message that is compressed", async () => {
    const texts: string[] = [];
    const { server } = await serveHeld();
    const handlers: StreamsHandlers = {
      ...streams,
      async collect(messages) {
        for await (const { text } of messages) texts.push(text);
        return {};
      },
    };
    server.handle(Streams, handlers);
    const text = "again and ".repeat(50);
    const message = compress("gzip", Buffer.from(Message.toBytes({ text }))) as Buffer;
    const peer = await dial(collect.path);
    peer.send(frames.request(0, 1, message, Flag.END | Flag.COMPRESSED));
    await rig.current.clock.advance(0);
    rig.current.releaseHeld();
    await rig.current.clock.advance(0);
    expect(peer.of(FrameType.RESPONSE).map(({ arg }) => arg)).toEqual([Code.OK]);
    expect(texts).toEqual([text]);
    peer.pipe.destroy();
  });
});

describe("fairness", () => {
  it("is for connections, however many names one of them gives a method", async () => {
    const { order } = await serveHeld();
    const peer = await dial(...Array.from({ length: 40 }, () => echo.path));
    const text = (i: number): Uint8Array => Message.toBytes({ text: `x${i}` });
    peer.send(...Array.from({ length: 40 }, (_, i) => frames.request(2 * i, i + 1, text(i))));
    await rig.current.clock.advance(0);
    const rare = rig.current.client().echo({ text: "rare" });
    await rig.current.clock.advance(0);
    rig.current.releaseHeld();
    await rig.current.now(rare);
    expect(order.indexOf("rare")).toBeLessThanOrEqual(2);
    peer.pipe.destroy();
  });

  it("leaves calls of a busy connection their turn, however many new connections come", async () => {
    const runs: { text: string; end: () => void }[] = [];
    await rig.current.serve(
      { echo: (request) => new Promise((resolve) => runs.push({ text: request.text, end: () => resolve(request) })) },
      { maxCalls: 1 },
    );
    const busy = rig.current.client();
    const calls = Array.from({ length: 20 }, () => busy.echo({ text: "busy" }, { timeoutMs: 1e6 }).catch(() => {}));
    await rig.current.clock.advance(0);
    const served: string[] = [];
    const peers: ScriptedPeer[] = [];
    const one = frames.request(0, 1, Message.toBytes({ text: "new" }));
    for (let i = 0; i < 100; i++) {
      // Two more come for each one that is served.
      for (const peer of [await dial(echo.path), await dial(echo.path)]) {
        peer.send(one);
        peers.push(peer);
      }
      await rig.current.clock.advance(0);
      const run = runs.shift();
      served.push(run?.text ?? "");
      run?.end();
      await rig.current.clock.advance(0);
    }
    expect(served.slice(2).filter((text) => text === "busy").length).toBeGreaterThanOrEqual(5);
    for (const peer of peers) peer.pipe.destroy();
    for (; runs.length > 0; await rig.current.clock.advance(0)) runs.shift()?.end();
    await Promise.all(calls);
  });
});

describe("a queue", () => {
  it("that stands is noticed, and callers are told when to come again, after a call with a deadline of weeks", async () => {
    const { server } = await serveHeld({ queue: 8 });
    const patient = rig.current.client();
    void patient.echo({}, { timeoutMs: 2_000_000_000 }).catch(() => {});
    await rig.current.clock.advance(0);
    const client = rig.current.client();
    for (let i = 0; i < 7; i++) void client.echo({}, { timeoutMs: 100 }).catch(() => {});
    const refused = await rig.current.now(failure(client.echo({}, { timeoutMs: 100 })));
    expect(refused.retryAfterMs).toBeLessThanOrEqual(60_000);
    expect(server.stats().waiting).toBe(8);
  });

  it("that stands lets nobody wait for longer than the policy allows from now on", async () => {
    const { server } = await serveHeld({ queue: 100 });
    const client = rig.current.client();
    const call = (): Promise<RpcError> => failure(client.echo({}, { timeoutMs: 1_000 }));
    for (let i = 0; i < 30; i++) {
      void call();
      await rig.current.clock.advance(100);
    }
    server.policies.set(echo, { queue: 100, queueDeadlineMs: 5 });
    const refused = await rig.current.after(10, call());
    expect(refused).toMatchObject({
      code: Code.RESOURCE_EXHAUSTED,
      message: expect.stringMatching(/the call waited \d ms/),
    });
  });

  it("that is full at once tells callers of a short time while it does not know better, then of the time it takes", async () => {
    const { clock } = rig.current;
    const handle = (request: Message): Promise<Message> =>
      new Promise((resolve) => clock.setTimer(() => resolve(request), 5, false));
    await rig.current.serve({ echo: handle }, { maxCalls: 10, policy: { queue: 100 } });
    const client = rig.current.client();
    await rig.current.after(10, client.echo({}));
    const told: (number | undefined)[] = [];
    const call = (): void => void client.echo({}).catch(({ retryAfterMs }: RpcError) => told.push(retryAfterMs));
    for (let i = 0; i < 120; i++) call();
    await clock.advance(0);
    expect(told).toEqual(Array.from({ length: 10 }, () => 100));
    await clock.advance(20);
    told.length = 0;
    for (let i = 0; i < 60; i++) call();
    await clock.advance(0);
    // Ten calls every 5 ms: the hundred take 50 ms.
    expect(told.length).toBeGreaterThan(0);
    for (const ms of told) expect(Math.abs((ms ?? 0) - 50)).toBeLessThanOrEqual(15);
    await clock.advance(1_000);
  });

  it("of length 0 refuses nothing while a worker is free, though others hold the loop", async () => {
    const server = await rig.current.serve({
      echo(request) {
        rig.current.clock.spend(3);
        return request;
      },
    });
    server.policies.set(Echo.methods.echoSoon, { queue: 0 });
    const client = rig.current.client();
    await rig.current.after(
      10,
      client.fail({}).catch(() => {}),
    );
    const busy = client.echo({});
    const call = client.echoSoon({});
    await rig.current.now(busy);
    expect(await rig.current.now(call)).toMatchObject({ id: 0n });
  });

  it("of length 0 refuses one call more than there are workers in a turn", async () => {
    const server = await rig.current.serve({
      echo(request) {
        rig.current.clock.spend(3);
        return request;
      },
    });
    server.policies.set(Echo.methods.hold, { queue: 0, concurrency: 2 });
    const client = rig.current.client();
    await rig.current.after(
      10,
      client.fail({}).catch(() => {}),
    );
    const busy = client.echo({});
    const calls = [1, 2, 3].map(() =>
      client.hold({}).then(
        () => "ran",
        (error: RpcError) => error.code,
      ),
    );
    await rig.current.now(busy);
    rig.current.releaseHeld();
    expect(await rig.current.now(Promise.all(calls))).toEqual(["ran", "ran", Code.RESOURCE_EXHAUSTED]);
  });

  it("holds no more bytes of one-way calls than of others", async () => {
    const { server } = await serveHeld();
    const peer = await dial(note.path);
    const payload = Message.toBytes({ payload: new Uint8Array(900_000) });
    for (let i = 0; i < 100; i++) peer.send(frames.request(0, 1, payload, Flag.END | Flag.ONE_WAY));
    await rig.current.clock.advance(0);
    expect(server.stats().waiting).toBeGreaterThanOrEqual(70);
    expect(server.stats().waiting).toBeLessThanOrEqual(75);
    rig.current.releaseHeld();
    await rig.current.clock.advance(0);
    for (let i = 0; i < 70; i++) peer.send(frames.request(0, 1, payload, Flag.END | Flag.ONE_WAY));
    await rig.current.clock.advance(0);
    expect(server.recentRefusals().length).toBeLessThanOrEqual(30);
    peer.pipe.destroy();
  });
});

/** A handler for each method. */
function allOf(service: Service<EchoHandlers>): EchoHandlers {
  return Object.fromEntries(Object.keys(service.methods).map((name) => [name, () => ({})])) as unknown as EchoHandlers;
}

describe("a server", () => {
  it("has no policy for every method that no method can have", () => {
    expect(() => rig.current.createServer({}, { policy: { concurrency: 0 } })).toThrow(
      /policy: concurrency is from 1 to 16777216; 0 is not/,
    );
    expect(() => rig.current.createServer({}, { policy: { batch: {} } })).toThrow(/policy: batch is for a method/);
    expect(() => rig.current.connect({ handlerPolicy: { rate: -1 } })).toThrow(/handlerPolicy: rate/);
  });

  it("that is closed starts no one-way call any more, and leaves no timer", async () => {
    let noted = 0;
    const server = await rig.current.serve({ note: () => ({ noted: noted++ }) }, { maxCalls: 1 });
    const client = rig.current.client();
    void client.hold({}, { timeoutMs: 1e6 }).catch(() => {});
    await rig.current.clock.advance(0);
    await rig.current.now(client.note({}, { timeoutMs: 1e6 }));
    expect(server.stats().waiting).toBe(1);
    await rig.current.after(2_000, server.close({ graceMs: 100 }));
    expect(server.stats().waiting).toBe(0);
    rig.current.releaseHeld();
    await rig.current.clock.advance(10);
    expect(noted).toBe(0);
    expect(server.policies.stats()[note.path]).toMatchObject({ failed: 1, waiting: 0 });
  });

  it("that refuses to serve a method twice goes on with the policies of the first", async () => {
    const server = await rig.current.serve({});
    expect(() => server.handle(Echo, allOf(Echo))).toThrow(/served already/);
    server.policies.set(echo, { concurrency: 1 });
    await rig.current.now(rig.current.client().echo({}));
    expect(server.policies.stats()[echo.path]).toMatchObject({ started: 1, succeeded: 1, limit: 1 });
  });

  it("lists no method of a service that it has refused", async () => {
    const server = await rig.current.serve({});
    expect(() => server.handle(Streams, { list: () => [] } as never)).toThrow(/no function named/);
    expect(server.policies.list().map(({ path }) => path)).not.toContain(Streams.methods.list.path);
  });

  it("answers nothing as if it had run that is too long to be run", async () => {
    const spec = { name: "Tell", localName: "tell", input: Message, output: Empty };
    const tell = new Method("support.v1.Teller", { ...spec, server: { overflow: "log" } });
    const Teller = new Service<{ tell(request: Message): unknown }>("support.v1.Teller", { tell } as never);
    const options = { maxMessageBytes: 200_000, maxFrameBytes: 131_072 };
    const server = rig.current.createServer({}, options).handle(Teller, { tell: () => ({}) });
    await server.listen(ADDRESS);
    const peer = await dial(tell.path);
    const whole = frames.request(0, 1, Message.toBytes({ payload: new Uint8Array(300_000) }));
    peer.send(frames.cut(whole, 100_000)[0] as Buffer);
    await rig.current.clock.advance(0);
    expect(peer.of(FrameType.RESPONSE).map(({ arg }) => arg)).toEqual([Code.RESOURCE_EXHAUSTED]);
    peer.pipe.destroy();
  });
});

it("peers that open streams in floods and go leave nothing behind", async () => {
  const { server } = await serveHeld({ queue: 50 });
  server.handle(Streams, streams);
  const peer = await dial(collect.path);
  peer.send(
    ...Array.from({ length: 200 }, (_, i) =>
      frames.request(2 * i, 1, deadline(i % 7), Flag.DEADLINE | Flag.NO_MESSAGE),
    ),
  );
  peer.send(...Array.from({ length: 100 }, (_, i) => frames.cancel(2 * i)));
  await rig.current.clock.advance(3);
  peer.pipe.destroy();
  await rig.current.clock.advance(10);
  expect(server.stats()).toMatchObject({ running: 1, waiting: 0 });
});

/** A peer that opens calls of `echo`, by two names, and of `note`, and wants an answer to each of the first. */
class Rogue {
  readonly peer: ScriptedPeer;
  calls = 0;

  constructor(peer: ScriptedPeer) {
    this.peer = peer;
  }

  static async dial(): Promise<Rogue> {
    return new Rogue(await dial(echo.path, echo.path, note.path));
  }

  /** With a deadline of 0, of a few milliseconds or of weeks; cancelled at once, or not; readable, or not. */
  call(random: () => number): void {
    const ms = random() < 0.1 ? 0 : random() < 0.1 ? 0xffff_ffff : Math.floor(random() * 30);
    const body = Buffer.concat([deadline(ms), Message.toBytes({ text: "x" })]);
    if (random() < 0.3) {
      this.peer.send(frames.request(0, 3, body, Flag.END | Flag.ONE_WAY | Flag.DEADLINE));
      return;
    }
    const id = 2 * this.calls++;
    const payload = random() < 0.05 ? Buffer.from([1]) : body;
    this.peer.send(frames.request(id, random() < 0.5 ? 1 : 2, payload, Flag.END | Flag.DEADLINE));
    if (random() < 0.2) this.peer.send(frames.cancel(id));
  }
}

it.each([1, 2, 3, 4])("every call of rogue peers ends once, whatever becomes of the policy: seed %i", async (seed) => {
  const random = seededRandom(seed);
  const below = (most: number): number => Math.floor(random() * most);
  const { clock } = rig.current;
  const after = <T>(ms: number, value: T): Promise<T> =>
    new Promise((resolve) => clock.setTimer(() => resolve(value), ms, false));
  const server = await rig.current.serve(
    { echo: (request) => after(1 + below(8), request), note: () => after(2, {}) },
    { maxCalls: 5, policy: { queue: 20 } },
  );
  const rogues: Rogue[] = [];
  for (let step = 0; step < 1_500; step++) {
    if (rogues.length < 6 && random() < 0.1) rogues.push(await Rogue.dial());
    const rogue = rogues[below(rogues.length)];
    for (let i = below(6); i > 0; i--) rogue?.call(random);
    if (random() < 0.05)
      server.policies.set(echo, {
        queue: below(30),
        ...(random() < 0.5 && { concurrency: 1 + below(4) }),
        ...(random() < 0.3 && { rate: 500 }),
        ...(random() < 0.3 && { limiter: "adaptive" }),
      });
    if (rogue !== undefined && random() < 0.01) rogues.splice(rogues.indexOf(rogue), 1)[0]?.peer.pipe.destroy();
    if (random() < 0.5) await clock.advance(random() < 0.3 ? 3 : 0);
  }
  // Longer than any call may wait, and shorter than it takes to find a peer that answers no ping.
  await clock.advance(20_000);
  for (const { peer, calls } of rogues) {
    const answered = peer.of(FrameType.RESPONSE).map(({ id }) => id);
    expect(answered).toHaveLength(calls);
    expect(new Set(answered).size).toBe(calls);
    peer.pipe.destroy();
  }
  expect(server.stats()).toMatchObject({ running: 0, waiting: 0 });
  for (const { started, succeeded, failed, running, waiting } of Object.values(server.policies.stats())) {
    expect({ running, waiting }).toEqual({ running: 0, waiting: 0 });
    expect(started).toBeLessThanOrEqual(succeeded + failed);
  }
});
