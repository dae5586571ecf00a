// Whatever becomes of a call at a server, exactly one counter of its method tells of it when it ends: `succeeded`, `failed`
// (with its status in `errors`), `logged` or one of `rejected`. The caller is a scripted peer: what it sends comes once.

import { describe, expect, it } from "vitest";
import { type CallContext, Code, Method, type MethodStats, RpcError, type Server, Service } from "../../src/index.js";
import { Empty, type EmptyInit } from "../../src/runtime.js";
import { Flag, FrameType, frames, ScriptedPeer, seededRandom } from "../../src/testing.js";
import { Message, type MessageInit } from "../support/gen/support/v1/echo.js";
import { ADDRESS, useRig } from "../support/rig.js";

const rig = useRig();

const typeName = "test.v1.Outcomes";
const types = { input: Message, output: Message };
const methods = {
  run: new Method(typeName, { name: "Run", localName: "run", ...types }),
  drop: new Method(typeName, { name: "Drop", localName: "drop", input: Message, output: Empty }),
  note: new Method(typeName, { name: "Note", localName: "note", input: Message, output: Empty, oneWay: true }),
  feed: new Method(typeName, { name: "Feed", localName: "feed", kind: "server-streaming", ...types }),
  take: new Method(typeName, { name: "Take", localName: "take", kind: "client-streaming", ...types }),
  pack: new Method(typeName, { name: "Pack", localName: "pack", server: { batch: { maxDelayMs: 10 } }, ...types }),
};
type Name = keyof typeof methods;
const names = Object.keys(methods) as Name[];

/** What the text of a request asks for. */
type Wish = "ok" | "soon" | "throw" | "abort" | "spoil" | "hold" | "spend";

/** A caller, and the server that it calls. */
class Stage {
  readonly server: Server;
  readonly peer: ScriptedPeer;
  private slots = 0;

  constructor(server: Server, peer: ScriptedPeer) {
    this.server = server;
    this.peer = peer;
    peer.send(frames.hello(), ...names.map((name, i) => frames.method(i + 1, methods[name].path)));
  }

  /** Sends a call, with a deadline if one is given; returns its id. */
  call(name: Name, wish: Wish | Uint8Array, deadlineMs?: number): number {
    const id = 2 * (methods[name].oneWay ? 65_535 : this.slots++);
    const message = typeof wish === "string" ? Message.toBytes({ text: wish }) : wish;
    const head = Buffer.alloc(deadlineMs === undefined ? 0 : 4);
    if (deadlineMs !== undefined) head.writeUInt32LE(deadlineMs);
    const flags =
      (name === "take" ? 0 : Flag.END) |
      (methods[name].oneWay ? Flag.ONE_WAY : 0) |
      (deadlineMs === undefined ? 0 : Flag.DEADLINE);
    this.peer.send(frames.request(id, names.indexOf(name) + 1, Buffer.concat([head, message]), flags));
    return id;
  }

  stats(name: Name): MethodStats {
    return this.server.policies.stats()[methods[name].path] as MethodStats;
  }
}

function fulfil({ text }: Message, { signal }: CallContext): MessageInit | Promise<MessageInit> {
  switch (text as Wish) {
    case "soon":
      return Promise.resolve({ text });
    case "throw":
      throw new Error("secret");
    case "abort":
      throw new RpcError(Code.ABORTED, "no");
    case "spoil":
      return { id: "x" as never };
    case "hold":
      // It ends some time after it is told to.
      return new Promise((resolve) => signal.addEventListener("abort", () => setImmediate(() => resolve({ text }))));
    case "spend":
      rig.current.clock.spend(200);
      return { text };
    default:
      return { text };
  }
}

async function fulfilEmpty(request: Message, ctx: CallContext): Promise<EmptyInit> {
  await fulfil(request, ctx);
  return {};
}

const handlers = {
  run: fulfil,
  drop: fulfilEmpty,
  note: fulfilEmpty,
  async *feed(request: Message, ctx: CallContext): AsyncGenerator<MessageInit> {
    yield {};
    yield await fulfil(request, ctx);
  },
  async take(requests: AsyncIterable<Message>, ctx: CallContext): Promise<MessageInit> {
    let reply: MessageInit = {};
    for await (const request of requests) reply = await fulfil(request, ctx);
    return reply;
  },
  pack: (requests: Message[], contexts: CallContext[]): unknown =>
    requests.map((request, i) => {
      try {
        return fulfil(request, contexts[i] as CallContext);
      } catch (error) {
        return error;
      }
    }),
};

async function stage(maxCalls = 65_536): Promise<Stage> {
  const server = await rig.current.serve({}, { maxCalls });
  server.handle(new Service<typeof handlers>(typeName, methods), handlers);
  return new Stage(server, await ScriptedPeer.dial(rig.current.network, rig.current.clock, ADDRESS));
}

/** The counters that tell how calls ended, those that are not 0: `{ succeeded: 1 }`, `{ "failed ABORTED": 1 }`. */
function ends({ succeeded, failed, errors, logged, queued, rejected }: MethodStats): Record<string, number> {
  const byStatus = Object.entries(errors).map(([code, count]) => [`failed ${code}`, count] as const);
  expect(byStatus.reduce((sum, [, count]) => sum + count, 0)).toBe(failed);
  const byReason = Object.entries(rejected).map(([reason, count]) => [`rejected ${reason}`, count] as const);
  const all = [["succeeded", succeeded], ["logged", logged], ["queued", queued], ...byStatus, ...byReason] as const;
  return Object.fromEntries(all.filter(([, count]) => count > 0));
}

/** What a scenario does with the stage. */
type Play = (stage: Stage) => void | Promise<void>;

const garbage = Uint8Array.of(7);
const advance = (ms: number): Promise<void> => rig.current.clock.advance(ms);

/** Name, method, number of workers, play, how the calls of the method end, and how many handlers were started. */
const scenarios: readonly (readonly [string, Name, number, Play, string | Record<string, number>, 0 | 1])[] = [
  ["returns", "run", 9, (s) => void s.call("run", "ok"), "succeeded", 1],
  ["returns later", "run", 9, (s) => void s.call("run", "soon"), "succeeded", 1],
  ["throws", "run", 9, (s) => void s.call("run", "throw"), "failed UNKNOWN", 1],
  ["throws a status", "run", 9, (s) => void s.call("run", "abort"), "failed ABORTED", 1],
  ["returns what cannot be encoded", "run", 9, (s) => void s.call("run", "spoil"), "failed INTERNAL", 1],
  ["does not decode", "run", 9, (s) => void s.call("run", garbage), "failed INVALID_ARGUMENT", 1],
  [
    "has a broken head",
    "run",
    9,
    (s) => s.peer.send(frames.request(0, 1, garbage, Flag.END | Flag.DEADLINE)),
    "failed INVALID_ARGUMENT",
    0,
  ],
  ["comes too late", "run", 9, (s) => void s.call("run", "ok", 0), "failed DEADLINE_EXCEEDED", 0],
  [
    "is too late when those before it in the same chunk have run",
    "run",
    9,
    (s) => {
      for (let i = 0; i < 40; i++) s.call("drop", "spend");
      s.call("run", "ok", 100);
    },
    "failed DEADLINE_EXCEEDED",
    0,
  ],
  [
    "is cancelled while it runs",
    "run",
    9,
    async (s) => {
      const id = s.call("run", "hold");
      await advance(1);
      s.peer.send(frames.cancel(id));
    },
    "failed CANCELLED",
    1,
  ],
  ["runs out of time while it runs", "run", 9, (s) => void s.call("run", "hold", 50), "failed DEADLINE_EXCEEDED", 1],
  [
    "loses its connection while it runs",
    "run",
    9,
    async (s) => {
      s.call("run", "hold");
      await advance(1);
      s.peer.pipe.destroy();
    },
    "failed UNAVAILABLE",
    1,
  ],
  [
    "waits and runs",
    "run",
    1,
    (s) => {
      s.call("drop", "hold", 50);
      s.call("run", "ok", 1_000);
    },
    "succeeded",
    1,
  ],
  [
    "is cancelled while it waits",
    "run",
    1,
    async (s) => {
      s.call("drop", "hold", 100);
      const id = s.call("run", "ok");
      await advance(1);
      s.peer.send(frames.cancel(id));
    },
    "failed CANCELLED",
    0,
  ],
  [
    "runs out of time while it waits",
    "run",
    1,
    (s) => {
      s.server.policies.set(methods.run, { queueDeadlineMs: 1_000 });
      s.call("drop", "hold", 100);
      s.call("run", "ok", 50);
    },
    "failed DEADLINE_EXCEEDED",
    0,
  ],
  [
    "is out of time when its turn comes",
    "run",
    1,
    async (s) => {
      s.server.policies.set(methods.run, { queueDeadlineMs: 1_000 });
      const id = s.call("drop", "hold");
      s.call("run", "ok", 50);
      await advance(1);
      s.peer.send(frames.cancel(id));
      // The timers are late: the worker is free before they have fired.
      rig.current.clock.spend(60);
    },
    "failed DEADLINE_EXCEEDED",
    0,
  ],
  [
    "loses its connection while it waits",
    "run",
    1,
    async (s) => {
      s.call("drop", "hold", 100);
      s.call("run", "ok");
      await advance(1);
      s.peer.pipe.destroy();
    },
    "failed UNAVAILABLE",
    0,
  ],
  [
    "waits for too long",
    "run",
    1,
    (s) => {
      s.call("drop", "hold", 100);
      s.call("run", "ok", 200);
    },
    "rejected deadline",
    0,
  ],
  [
    "finds the queue full",
    "run",
    1,
    (s) => {
      s.server.policies.set(methods.run, { queue: 1, queueDeadlineMs: 10 });
      s.call("drop", "hold", 100);
      s.call("run", "ok");
      s.call("run", "ok");
    },
    { "rejected queue": 1, "rejected deadline": 1 },
    0,
  ],
  [
    "may not wait",
    "run",
    1,
    (s) => {
      s.server.policies.set(methods.run, { queue: 0 });
      s.call("drop", "hold", 100);
      s.call("run", "ok");
    },
    "rejected concurrency",
    0,
  ],
  [
    "finds no token",
    "run",
    9,
    (s) => {
      s.server.policies.set(methods.run, { queue: 0, rate: 1, burst: 1 });
      s.call("run", "ok");
      s.call("run", "ok");
    },
    { succeeded: 1, "rejected rate": 1 },
    1,
  ],
  [
    "is dropped",
    "drop",
    1,
    (s) => {
      s.server.policies.set(methods.drop, { queue: 0, overflow: "log" });
      s.call("run", "hold", 100);
      s.call("drop", "ok");
    },
    "logged",
    0,
  ],
  [
    "is dropped after it has waited for too long",
    "drop",
    1,
    (s) => {
      s.server.policies.set(methods.drop, { queueDeadlineMs: 10, overflow: "log" });
      s.call("run", "hold", 100);
      s.call("drop", "ok");
    },
    "logged",
    0,
  ],
  [
    "is open when the server has no more patience",
    "run",
    9,
    async (s) => {
      s.call("run", "hold");
      await advance(1);
      void s.server.close({ graceMs: 0 });
    },
    "failed UNAVAILABLE",
    1,
  ],
  ["is one-way", "note", 9, (s) => void s.call("note", "ok"), "succeeded", 1],
  ["is one-way and throws", "note", 9, (s) => void s.call("note", "throw"), "failed UNKNOWN", 1],
  ["is one-way and comes too late", "note", 9, (s) => void s.call("note", "ok", 0), "failed DEADLINE_EXCEEDED", 0],
  [
    "is one-way and may not wait",
    "note",
    1,
    (s) => {
      s.server.policies.set(methods.note, { queue: 0 });
      s.call("run", "hold", 100);
      s.call("note", "ok");
    },
    "rejected concurrency",
    0,
  ],
  ["streams", "feed", 9, (s) => void s.call("feed", "ok"), "succeeded", 1],
  ["streams and throws", "feed", 9, (s) => void s.call("feed", "abort"), "failed ABORTED", 1],
  ["streams what cannot be encoded", "feed", 9, (s) => void s.call("feed", "spoil"), "failed INTERNAL", 1],
  [
    "is cancelled while it streams",
    "feed",
    9,
    async (s) => {
      const id = s.call("feed", "hold");
      await advance(1);
      s.peer.send(frames.cancel(id));
    },
    "failed CANCELLED",
    1,
  ],
  [
    "is sent a stream",
    "take",
    9,
    (s) => {
      const id = s.call("take", "ok");
      s.peer.send(frames.end(id));
    },
    "succeeded",
    1,
  ],
  [
    "is sent a stream that does not decode",
    "take",
    9,
    (s) => {
      const id = s.call("take", "ok");
      s.peer.send(frames.message(id, garbage, Flag.END));
    },
    "failed INVALID_ARGUMENT",
    1,
  ],
  [
    "does not decode, and would have to wait for its stream",
    "take",
    1,
    (s) => {
      s.call("run", "hold", 100);
      s.call("take", garbage);
    },
    "failed INVALID_ARGUMENT",
    0,
  ],
  [
    "is sent a stream that breaks while it waits",
    "take",
    1,
    async (s) => {
      s.call("run", "hold", 100);
      s.call("take", "ok");
      await advance(1);
      s.peer.pipe.destroy();
    },
    "failed UNAVAILABLE",
    0,
  ],
  ["is in a batch", "pack", 9, (s) => void s.call("pack", "ok"), "succeeded", 1],
  ["fails in a batch", "pack", 9, (s) => void s.call("pack", "abort"), "failed ABORTED", 1],
  [
    "is cancelled while its batch gathers",
    "pack",
    9,
    async (s) => {
      const id = s.call("pack", "ok");
      await advance(1);
      s.peer.send(frames.cancel(id));
    },
    "failed CANCELLED",
    1,
  ],
];

describe("a call that", () => {
  it.each(scenarios)("%s is counted once (%s)", async (_, name, workers, play, end, started) => {
    const s = await stage(workers);
    await advance(0);
    await play(s);
    await advance(400);
    expect(ends(s.stats(name))).toEqual(typeof end === "string" ? { [end]: 1 } : end);
    expect(s.stats(name)).toMatchObject({ running: 0, waiting: 0, started });
    s.peer.pipe.destroy();
  });

  it("names no method here is counted by the server alone", async () => {
    const s = await stage();
    s.peer.send(frames.method(9, "test.v1.Outcomes/Gone"), frames.request(0, 9));
    await advance(0);
    expect(s.peer.of(FrameType.RESPONSE)[0]?.arg).toBe(Code.UNIMPLEMENTED);
    expect(s.server.stats()).toMatchObject({ callsRefused: 1, callsServed: 0 });
    for (const name of names) expect(ends(s.stats(name))).toEqual({});
    s.peer.pipe.destroy();
  });
});

describe("all calls together", () => {
  it.each([1, 2, 3])("end in counters that add up, whatever comes: seed %i", async (seed) => {
    const random = seededRandom(seed);
    const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
    const s = await stage(3);
    s.server.policies.set(methods.run, { concurrency: 2, queue: 20 });
    s.server.policies.set(methods.drop, { concurrency: 1, queue: 5, overflow: "log" });
    s.server.policies.set(methods.note, { rate: 100, burst: 5, queue: 5 });
    const sent = new Map<Name, number>();
    const ids: number[] = [];
    for (let i = 0; i < 600; i++) {
      const name = pick(["run", "drop", "note", "feed", "pack"] as const);
      // Nothing tells the handler of a one-way call that its time is over.
      const wish = pick(["ok", "soon", "throw", "abort", name === "note" ? "ok" : "hold"] as const);
      ids.push(s.call(name, wish, pick([20, 50, 200])));
      sent.set(name, (sent.get(name) ?? 0) + 1);
      if (random() < 0.1) s.peer.send(frames.cancel(pick(ids.filter((id) => id < 131_070))));
      await advance(pick([0, 0, 1, 3]));
    }
    await advance(2_000);
    let refused = 0;
    let served = 0;
    for (const [name, count] of sent) {
      const stats = s.stats(name);
      const ended = Object.values(ends(stats)).reduce((sum, each) => sum + each, 0);
      expect([name, ended]).toEqual([name, count]);
      expect(stats).toMatchObject({ running: 0, waiting: 0 });
      refused += stats.logged + Object.values(stats.rejected).reduce((sum, each) => sum + each, 0);
      served += stats.started;
    }
    expect(s.server.stats()).toMatchObject({ callsRefused: refused, callsServed: served, running: 0, waiting: 0 });
    expect(refused).toBeGreaterThan(50);
    s.peer.pipe.destroy();
  });
});
