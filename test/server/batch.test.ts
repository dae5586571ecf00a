// What a method with a batch policy does: which calls go together and when, and who gets which answer.

import { describe, expect, it } from "vitest";
import {
  type CallContext,
  type CallOptions,
  type Channel,
  Code,
  MessageType,
  Method,
  RpcError,
  type Server,
  type ServerInterceptor,
  Service,
} from "../../src/index.js";
import type { BatchReplies } from "../../src/runtime.js";
import type { ServerOptions } from "../../src/server/options.js";
import { Flag, FrameType, frames, ScriptedPeer, seededRandom } from "../../src/testing.js";
import { Message, type MessageInit } from "../support/gen/support/v1/echo.js";
import { ADDRESS, failure, useRig } from "../support/rig.js";
import { testSeed } from "../support/seed.js";

const rig = useRig();

type ServerPolicy = Method["server"];
type Batch = NonNullable<ServerPolicy["batch"]>;
type Answers = BatchReplies<MessageInit>;
type Handler = (requests: Message[], contexts: CallContext[]) => Answers | Promise<Answers>;

const PATH = "support.v1.Store/Save";

/** A batch that runs: what it was given, and what it will answer. */
interface Running {
  readonly ids: number[];
  readonly requests: Message[];
  readonly contexts: CallContext[];
  reply(answers?: Answers): void;
  fail(error: unknown): void;
}

/** A store whose batches run until the test ends them. */
class Store {
  readonly server: Server;
  readonly channel: Channel;
  readonly batches: Running[] = [];
  private readonly method: Method<Message, MessageInit, Message, MessageInit>;

  constructor(server: Server, channel: Channel, policy: ServerPolicy, handler: Handler | undefined) {
    this.server = server;
    this.channel = channel;
    this.method = new Method("support.v1.Store", {
      name: "Save",
      localName: "save",
      input: Message,
      output: Message,
      server: policy,
    });
    server.handle(new Service<{ save: Handler }>("support.v1.Store", { save: this.method } as never), {
      save: (requests, contexts) => handler?.(requests, contexts) ?? this.hold(requests, contexts),
    });
  }

  save(id: number, options: CallOptions = {}, payload: Uint8Array = new Uint8Array()): Promise<Message> {
    const call = this.channel.unary(this.method, { id: BigInt(id), payload }, options);
    // Some fail before the test looks.
    call.catch(() => {});
    return call;
  }

  saveAll(...ids: number[]): Promise<Message>[] {
    return ids.map((id) => this.save(id));
  }

  /** What the batches were given so far. */
  get ids(): number[][] {
    return this.batches.map(({ ids }) => ids);
  }

  /** Answers every batch that has come. */
  replyAll(): void {
    for (const batch of this.batches) batch.reply();
  }

  private hold(requests: Message[], contexts: CallContext[]): Promise<Answers> {
    return new Promise((resolve, reject) => {
      const ids = requests.map(({ id }) => Number(id));
      this.batches.push({ ids, requests, contexts, reply: (answers = requests) => resolve(answers), fail: reject });
    });
  }
}

async function open(
  batch: Batch,
  { handler, policy = {}, options = {} }: { handler?: Handler; policy?: ServerPolicy; options?: ServerOptions } = {},
): Promise<Store> {
  const server = await rig.current.serve({}, options);
  const store = new Store(server, rig.current.connect(), { ...policy, batch }, handler);
  await rig.current.clock.advance(0);
  return store;
}

const advance = (ms: number): Promise<void> => rig.current.clock.advance(ms);
const idsOf = (replies: Message[]): number[] => replies.map(({ id }) => Number(id));

describe("a batch goes", () => {
  it("when the first of its calls has waited for maxDelayMs, with those that came since", async () => {
    const store = await open({ maxDelayMs: 10 });
    const calls = store.saveAll(1);
    await advance(4);
    calls.push(...store.saveAll(2, 3));
    await advance(5);
    expect(store.ids).toEqual([]);
    await advance(1);
    expect(store.ids).toEqual([[1, 2, 3]]);
    store.replyAll();
    expect(idsOf(await rig.current.now(Promise.all(calls)))).toEqual([1, 2, 3]);
    expect(store.server.stats()).toMatchObject({ batches: 1, batchedCalls: 3, callsServed: 3 });
  });

  it("at maxSize, and not one call before; one more opens the next", async () => {
    const store = await open({ maxSize: 4, maxDelayMs: 1_000 }, { policy: { concurrency: 8 } });
    const calls = store.saveAll(1, 2, 3);
    await advance(999);
    expect(store.ids).toEqual([]);
    calls.push(...store.saveAll(4, 5));
    await advance(0);
    expect(store.ids).toEqual([[1, 2, 3, 4]]);
    await advance(999);
    expect(store.ids.length).toBe(1);
    await advance(1);
    expect(store.ids[1]).toEqual([5]);
    store.replyAll();
    await rig.current.now(Promise.all(calls));
  });

  it("at maxBytes, and not one byte before; what would go beyond opens the next", async () => {
    // Beside its bytes, a payload takes two in a message, and an id two.
    const sized = (bytes: number): Uint8Array => new Uint8Array(bytes - 4);
    expect(Message.toBytes({ id: 1n, payload: sized(100) }).length).toBe(100);
    const store = await open({ maxBytes: 200, maxDelayMs: 1_000 }, { policy: { concurrency: 1_000 } });
    const calls = [store.save(1, {}, sized(100)), store.save(2, {}, sized(99))];
    await advance(10);
    expect(store.ids).toEqual([]);
    // With these there would be 301 bytes: the two go without them.
    calls.push(store.save(3, {}, sized(102)));
    await advance(10);
    expect(store.ids).toEqual([[1, 2]]);
    calls.push(store.save(4, {}, sized(98)));
    await advance(0);
    expect(store.ids).toEqual([
      [1, 2],
      [3, 4],
    ]);
    store.replyAll();
    await rig.current.now(Promise.all(calls));
  });

  it("with one request alone that is longer than maxBytes", async () => {
    const store = await open({ maxBytes: 100, maxDelayMs: 1_000 }, { policy: { concurrency: 1_000 } });
    const calls = [...store.saveAll(1), store.save(2, {}, new Uint8Array(500))];
    await advance(0);
    expect(store.ids).toEqual([[1], [2]]);
    store.replyAll();
    await rig.current.now(Promise.all(calls));
  });

  it("at once with a delay of 0, which is the default: with all that has come in one turn", async () => {
    const store = await open({});
    const calls = store.saveAll(1, 2, 3);
    await advance(0);
    expect(store.ids).toEqual([[1, 2, 3]]);
    store.replyAll();
    await rig.current.now(Promise.all(calls));
  });

  it("when the one that runs has ended: until then the next one gathers, however long", async () => {
    const store = await open({ maxSize: 8, maxDelayMs: 1 });
    const calls = store.saveAll(1);
    await advance(1);
    for (let id = 2; id <= 5; id++) {
      calls.push(...store.saveAll(id));
      await advance(100);
    }
    expect(store.ids).toEqual([[1]]);
    store.batches[0]?.reply();
    await advance(0);
    expect(store.ids).toEqual([[1], [2, 3, 4, 5]]);
    store.replyAll();
    await rig.current.now(Promise.all(calls));
  });

  it("beside others while concurrency, in calls, has room for a whole one more", async () => {
    const store = await open({ maxSize: 2, maxDelayMs: 1 }, { policy: { concurrency: 5 } });
    const calls = store.saveAll(1, 2, 3, 4, 5, 6);
    await advance(10);
    expect(store.ids).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(store.server.stats()).toMatchObject({ running: 5, waiting: 1 });
    store.batches[1]?.reply();
    await advance(1);
    expect(store.ids[2]).toEqual([5, 6]);
    store.replyAll();
    await rig.current.now(Promise.all(calls));
  });

  it("beside others while the concurrency that holds for every method has room", async () => {
    const store = await open({ maxSize: 2 }, { options: { policy: { concurrency: 4 } } });
    const calls = store.saveAll(1, 2, 3, 4, 5);
    await advance(0);
    expect(store.ids).toEqual([
      [1, 2],
      [3, 4],
    ]);
    store.replyAll();
    await advance(0);
    store.replyAll();
    await rig.current.now(Promise.all(calls));
  });

  it("full again and again while more wait for a worker than fit into one", async () => {
    const store = await open({ maxSize: 4 });
    const calls = store.saveAll(...Array.from({ length: 13 }, (_, i) => i));
    for (let i = 0; i < 4; i++) {
      await advance(0);
      store.batches[i]?.reply();
    }
    expect(idsOf(await rig.current.now(Promise.all(calls)))).toEqual(Array.from({ length: 13 }, (_, i) => i));
    expect(store.ids.map(({ length }) => length)).toEqual([4, 4, 4, 1]);
  });

  it("by new limits at once when the policy is replaced", async () => {
    const store = await open({ maxSize: 10, maxDelayMs: 60_000 });
    const calls = store.saveAll(1, 2, 3);
    await advance(1);
    store.server.policies.set(PATH, { batch: { maxSize: 3, maxDelayMs: 60_000 } });
    expect(store.ids).toEqual([[1, 2, 3]]);
    store.batches[0]?.reply();
    calls.push(...store.saveAll(4));
    await advance(1);
    store.server.policies.set(PATH, {});
    await advance(0);
    expect(store.ids[1]).toEqual([4]);
    store.replyAll();
    await rig.current.now(Promise.all(calls));
  });

  it("and is counted by its size", async () => {
    const store = await open({ maxSize: 8 });
    const sizes = [1, 2, 3, 4, 5, 8];
    for (const size of sizes) {
      const calls = store.saveAll(...Array.from({ length: size }, (_, i) => i));
      await advance(0);
      store.replyAll();
      await rig.current.now(Promise.all(calls));
    }
    expect(store.ids.map(({ length }) => length)).toEqual(sizes);
    expect(store.server.policies.stats()[PATH]?.batches).toEqual({ batches: 6, calls: 23, bySize: [1, 1, 2, 2] });
  });

  it("without waiting for more when the server closes", async () => {
    const store = await open({ maxDelayMs: 60_000 });
    const calls = store.saveAll(1, 2);
    await advance(1);
    const closed = store.server.close();
    await advance(0);
    expect(store.ids).toEqual([[1, 2]]);
    store.replyAll();
    expect(idsOf(await rig.current.now(Promise.all(calls)))).toEqual([1, 2]);
    await rig.current.after(2_000, closed);
  });
});

describe("whatever happens", () => {
  it("no batch is beyond its limits, no call is served twice or late, and every call ends", async () => {
    const seed = testSeed();
    const random = seededRandom(seed);
    const below = (n: number): number => Math.floor(random() * n);
    const [maxSize, parallel] = [2 + below(5), 1 + below(3)];
    let [running, mostRunning] = [0, 0];
    const served: number[] = [];
    const handler: Handler = async (requests, contexts) => {
      running++;
      mostRunning = Math.max(mostRunning, running);
      expect(requests.length).toBeLessThanOrEqual(maxSize);
      expect(contexts.every(({ isCancelled, remainingMs }) => !isCancelled && remainingMs > 0)).toBe(true);
      served.push(...requests.map(({ id }) => Number(id)));
      await new Promise<void>((resolve) => rig.current.clock.setTimer(resolve, below(20), false));
      running--;
      if (below(8) === 0) throw new RpcError(Code.ABORTED, "all");
      return requests.map(({ id }) => (below(6) === 0 ? new RpcError(Code.NOT_FOUND, `${id}`) : { id }));
    };
    const policy = { concurrency: maxSize * parallel };
    const store = await open({ maxSize, maxDelayMs: below(10) }, { handler, policy });
    const ended = new Map<number, number>();
    const calls: Promise<void>[] = [];
    for (let id = 0; id < 600; id++) {
      const controller = new AbortController();
      const call = store.save(id, { timeoutMs: 5 + below(60), signal: controller.signal });
      if (below(5) === 0) rig.current.clock.setTimer(() => controller.abort(), below(30), false);
      const end = (own: boolean): void => {
        expect(own, `seed ${seed}: call ${id} has its own answer`).toBe(true);
        ended.set(id, (ended.get(id) ?? 0) + 1);
      };
      calls.push(
        call.then(
          (reply) => end(reply.id === BigInt(id)),
          ({ code, message }: RpcError) => end(code !== Code.NOT_FOUND || message === `${id}`),
        ),
      );
      await advance(below(3));
    }
    await rig.current.after(1_000, Promise.all(calls));
    expect(ended.size).toBe(600);
    expect(new Set(served).size).toBe(served.length);
    expect(mostRunning, `seed ${seed}`).toBeLessThanOrEqual(parallel);
    expect(served.length).toBeGreaterThan(60);
    expect(store.server.stats()).toMatchObject({ running: 0, waiting: 0 });
  });
});

describe("a call that waits for its batch", () => {
  it("fails alone if its request does not decode", async () => {
    const store = await open({ maxDelayMs: 10 });
    const broken = new Method("support.v1.Store", {
      name: "Save",
      localName: "save",
      input: new MessageType<object>(
        "Broken",
        (_, writer) => void writer.buf.writeUInt8(0xff, writer.pos++),
        () => ({}),
      ),
      output: Message,
    });
    const calls = store.saveAll(1, 2);
    const error = await rig.current.now(failure(store.channel.unary(broken, {})));
    expect(error).toMatchObject({ code: Code.INVALID_ARGUMENT });
    await advance(10);
    expect(store.ids).toEqual([[1, 2]]);
    store.replyAll();
    await rig.current.now(Promise.all(calls));
  });

  it("leaves when it is cancelled: neither the handler nor the limits see it", async () => {
    const store = await open({ maxSize: 3, maxDelayMs: 100 });
    const controller = new AbortController();
    const given = failure(store.save(1, { signal: controller.signal }));
    const calls = store.saveAll(2);
    await advance(1);
    controller.abort();
    expect((await rig.current.now(given)).code).toBe(Code.CANCELLED);
    await advance(1);
    expect(store.server.stats().running).toBe(1);
    calls.push(...store.saveAll(3));
    await advance(1);
    expect(store.ids).toEqual([]);
    calls.push(...store.saveAll(4));
    await advance(0);
    expect(store.ids).toEqual([[2, 3, 4]]);
    store.replyAll();
    await rig.current.now(Promise.all(calls));
  });

  it("leaves when its deadline passes, and the others go when the first of them is due", async () => {
    const store = await open({ maxDelayMs: 100 });
    const late = failure(store.save(1, { timeoutMs: 50 }));
    await advance(20);
    const calls = store.saveAll(2);
    expect((await rig.current.after(30, late)).code).toBe(Code.DEADLINE_EXCEEDED);
    await advance(69);
    expect(store.ids).toEqual([]);
    await advance(1);
    expect(store.ids).toEqual([[2]]);
    store.replyAll();
    await rig.current.now(Promise.all(calls));
  });

  it("says that its deadline passed while it waited, not while a handler ran", async () => {
    await open({ maxDelayMs: 100 });
    const { network, clock } = rig.current;
    const peer = await ScriptedPeer.dial(network, clock, ADDRESS);
    const deadline = Buffer.from([50, 0, 0, 0]);
    peer.send(frames.hello(), frames.method(1, PATH), frames.request(0, 1, deadline, Flag.END | Flag.DEADLINE));
    await advance(60);
    const [answer] = peer.of(FrameType.RESPONSE);
    expect(answer?.arg).toBe(Code.DEADLINE_EXCEEDED);
    expect(answer?.payload.toString()).toContain("the deadline passed while the call waited for its batch");
    peer.pipe.destroy();
  });

  it("leaves when its connection is gone; a batch that nobody is left in does not run", async () => {
    const store = await open({ maxDelayMs: 100 });
    const calls = store.saveAll(1, 2).map(failure);
    await advance(1);
    const closed = store.channel.close({ graceMs: 0 });
    await rig.current.after(50, Promise.all([closed, ...calls]));
    expect(store.server.stats().running).toBe(0);
    await advance(200);
    expect(store.ids).toEqual([]);
  });
});

describe("the handler of a batch", () => {
  it("gives each caller its own reply, error or promise; a slow one keeps nobody else waiting", async () => {
    let finish: (message: MessageInit) => void = () => {};
    const store = await open(
      {},
      {
        handler: (requests) =>
          requests.map(({ id }) => {
            if (id === 1n) return new RpcError(Code.NOT_FOUND, "no such record");
            if (id === 2n) return new Promise((resolve) => (finish = resolve));
            if (id === 3n) return Promise.reject(new RpcError(Code.ABORTED, "try again"));
            if (id === 4n) return Promise.resolve(new RpcError(Code.ALREADY_EXISTS, "is there"));
            if (id === 5n) return { id: "five" } as never;
            if (id === 6n) return new Error("secret") as never;
            return { id };
          }),
      },
    );
    const [missing, slow, rejected, resolved, bad, plain, good, next] = store.saveAll(1, 2, 3, 4, 5, 6, 7, 8);
    expect((await rig.current.now(good!)).id).toBe(7n);
    const codes = await rig.current.now(Promise.all([missing!, rejected!, resolved!, bad!, plain!].map(failure)));
    expect(codes.map(({ code, message }) => [code, message.split(":")[0]])).toEqual([
      [Code.NOT_FOUND, "no such record"],
      [Code.ABORTED, "try again"],
      [Code.ALREADY_EXISTS, "is there"],
      [Code.INTERNAL, "the response cannot be encoded"],
      [Code.UNKNOWN, "the handler failed"],
    ]);
    expect((await rig.current.now(next!)).id).toBe(8n);
    // What has not been answered counts, but the next batch runs.
    expect(store.server.stats().running).toBe(1);
    expect((await rig.current.now(store.save(9))).id).toBe(9n);
    finish({ id: 2n });
    expect((await rig.current.now(slow!)).id).toBe(2n);
  });

  it.each<[string, Handler, Partial<RpcError>, number]>([
    ["throws", () => Promise.reject(new Error("secret")), { code: Code.UNKNOWN, message: "the handler failed" }, 1],
    ["throws an RpcError", () => Promise.reject(new RpcError(Code.ABORTED, "no")), { code: Code.ABORTED }, 0],
    ["returns too few replies", (requests) => requests.slice(1), { code: Code.INTERNAL }, 1],
    ["returns too many replies", (requests) => [...requests, {}], { code: Code.INTERNAL }, 1],
    ["returns no array", async () => ({}) as never, { code: Code.INTERNAL }, 1],
  ])("that %s fails every call, with one line in the log", async (_, handler, expected, lines) => {
    const logged: unknown[] = [];
    const logger = { info() {}, warn() {}, error: (...line: unknown[]) => logged.push(line) } as never;
    const store = await open({}, { handler, options: { logger } });
    for (const error of await rig.current.now(Promise.all(store.saveAll(1, 2, 3).map(failure))))
      expect(error).toMatchObject(expected);
    expect(logged.length).toBe(lines);
    expect(JSON.stringify(logged)).not.toContain('"suppressed":2');
  });

  it("that throws at once fails every call too", async () => {
    const store = await open(
      {},
      {
        handler: () => {
          throw new RpcError(Code.UNAVAILABLE, "no database");
        },
      },
    );
    for (const error of await rig.current.now(Promise.all(store.saveAll(1, 2).map(failure))))
      expect(error).toMatchObject({ code: Code.UNAVAILABLE, message: "no database" });
    expect(store.server.stats().running).toBe(0);
  });

  it("sees each call's metadata, time and peer, and sends each one its own trailers", async () => {
    const seen: unknown[] = [];
    const store = await open(
      {},
      {
        handler: (requests, contexts) => {
          for (const [i, ctx] of contexts.entries()) {
            seen.push([ctx.metadata.get("who"), ctx.remainingMs, ctx.method.path]);
            ctx.trailers.set("place", String(i));
          }
          return requests;
        },
      },
    );
    const places: unknown[] = [];
    const onResponseMetadata = (_: unknown, trailers: { get(key: string): unknown }): unknown =>
      places.push(trailers.get("place"));
    const calls = ["ada", "bob"].map((who, i) =>
      store.save(i, { metadata: { who }, timeoutMs: 100 + i, onResponseMetadata } as CallOptions),
    );
    await rig.current.now(Promise.all(calls));
    expect(seen).toEqual([
      ["ada", 100, "support.v1.Store/Save"],
      ["bob", 101, "support.v1.Store/Save"],
    ]);
    expect(places).toEqual(["0", "1"]);
  });

  it("hears of what happens to a call that it has begun by that call's signal alone", async () => {
    const store = await open({});
    const late = failure(store.save(1, { timeoutMs: 10 }));
    const other = store.save(2);
    await advance(0);
    const [batch] = store.batches;
    expect((await rig.current.after(10, late)).code).toBe(Code.DEADLINE_EXCEEDED);
    expect(batch?.contexts.map(({ isCancelled, signal }) => [isCancelled, signal.aborted])).toEqual([
      [true, true],
      [false, false],
    ]);
    batch?.reply();
    expect((await rig.current.now(other)).id).toBe(2n);
  });
});

describe("interceptors of a server", () => {
  const log: string[] = [];
  const interceptor: ServerInterceptor = {
    unary: (next) => async (request, ctx) => {
      const { id } = request as Message;
      log.push(`in ${id}`);
      try {
        const reply = (await next({ ...(request as Message), id: id * 10n }, ctx)) as MessageInit;
        log.push(`out ${reply.id}`);
        return { ...reply, text: "seen" };
      } catch (error) {
        log.push(`failed ${(error as Error).message}`);
        throw error;
      }
    },
  };

  it("wrap each call of a batch: one request and one reply", async () => {
    log.length = 0;
    const store = await open({ maxDelayMs: 5 }, { options: { interceptors: [interceptor] } });
    const [good, bad] = store.saveAll(1, 2);
    await advance(5);
    expect(store.ids).toEqual([[10, 20]]);
    store.batches[0]?.reply([{ id: 11n }, new RpcError(Code.ABORTED, "no")]);
    expect(await rig.current.now(good!)).toMatchObject({ id: 11n, text: "seen" });
    expect((await rig.current.now(failure(bad!))).code).toBe(Code.ABORTED);
    expect(log).toEqual(["in 1", "in 2", "out 11", "failed no"]);
  });

  it("hear of a call that is given up while it waits", async () => {
    log.length = 0;
    const store = await open({ maxDelayMs: 50 }, { options: { interceptors: [interceptor] } });
    const late = failure(store.save(1, { timeoutMs: 10 }));
    await rig.current.after(10, late);
    await advance(100);
    expect(store.ids).toEqual([]);
    expect(log).toEqual(["in 1", expect.stringContaining("failed ")]);
    expect(store.server.stats().running).toBe(0);
  });
});
