// `sluice/admin`: who is answered, what is shown, what can be changed and what is refused.

import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { type CallContext, Code, Method, type Server, type ServerOptions, Service } from "../../src/index.js";
import {
  Admin,
  AdminClient,
  type AdminHandlers,
  type AdminOptions,
  ClientPolicy_Overflow,
  ClientPolicy_Store,
  Failure,
  RetryPolicy_Code,
  ServerPolicy_Limiter,
  ServerPolicy_Overflow,
  type SetPolicyRequestInit,
  type Stats,
  serveAdmin,
} from "../../src/ops/admin.js";
import { Empty } from "../../src/runtime.js";
import { Host } from "../standard/host.js";
import { Echo, EchoClient, type EchoHandlers } from "../support/gen/support/v1/echo.js";
import { failure, useRig } from "../support/rig.js";

const rig = useRig();
const ECHO = Echo.methods.echo.path;
const HOLD = Echo.methods.hold.path;

interface Setting {
  readonly handlers?: Partial<EchoHandlers>;
  readonly options?: ServerOptions;
  readonly admin?: AdminOptions;
}

/** A server of Echo and Admin, and a client of each. */
async function start({ handlers, options, admin }: Setting = {}): Promise<{
  server: Server;
  echo: EchoClient;
  admin: AdminClient;
}> {
  const server = await rig.current.serve(handlers, options);
  serveAdmin(server, admin);
  const channel = rig.current.connect({ peerId: "ada" });
  return { server, echo: new EchoClient(channel), admin: new AdminClient(channel) };
}

/** What a call that is refused comes to. */
function refused(admin: AdminClient, request: SetPolicyRequestInit): Promise<unknown> {
  return rig.current.now(failure(admin.setPolicy(request)));
}

describe("callers", () => {
  const contextOf = (remote: string): CallContext =>
    ({ peer: { remote }, clock: rig.current.clock }) as unknown as CallContext;

  function handlersWith(options: AdminOptions): AdminHandlers {
    const host = new Host();
    const handle = host.handle.bind(host);
    const server = Object.assign(rig.current.createServer(), { handle });
    serveAdmin(server, options);
    return host.handlers(Admin);
  }

  it.each(["127.0.0.1:4711", "127.8.9.10:1", "::1:4711", "::ffff:127.0.0.1:4711", "unix:", "memory:dialer-1"])(
    "on the same machine are answered: %s",
    (remote) => {
      expect(handlersWith({}).getStats({}, contextOf(remote))).toBeDefined();
    },
  );

  it.each([
    "10.0.0.1:4711",
    "128.0.0.1:1",
    "2001:db8::1:4711",
    "::1:2:4711",
    "::ffff:10.0.0.1:4711",
    "127.0.0.1.example:1",
    "unknown:",
  ])("elsewhere are not, unless the program allows them: %s", async (remote) => {
    const handlers = handlersWith({});
    const ctx = contextOf(remote);
    const denied = expect.objectContaining({
      code: Code.PERMISSION_DENIED,
      message: expect.stringMatching(/own machine.*loopback address or a Unix socket.*allowRemote: true/),
    });
    expect(() => handlers.getPolicies({ method: "" }, ctx)).toThrow(denied);
    expect(() => handlers.setPolicy({ method: ECHO, channel: "", policy: { case: undefined } }, ctx)).toThrow(denied);
    expect(() => handlers.getStats({}, ctx)).toThrow(denied);
    expect(() => handlers.listRefusals({}, ctx)).toThrow(denied);
    const watch = handlers.watch({ interval: "" }, ctx) as AsyncIterable<unknown>;
    await expect(watch[Symbol.asyncIterator]().next()).rejects.toEqual(denied);
    expect(handlersWith({ allowRemote: true }).getStats({}, ctx)).toBeDefined();
  });
});

describe("GetPolicies", () => {
  it("has every method with what was asked for and what was counted", async () => {
    const { server, echo, admin } = await start({ options: { policy: { queue: 7, queueDeadlineMs: 2_000 } } });
    server.policies.set(ECHO, { concurrency: 3, limiter: "adaptive", rate: 10, burst: 4, overflow: "reject" });
    await rig.current.now(echo.echo({}));
    const { methods } = await rig.current.now(admin.getPolicies({}));
    expect(methods.map(({ method }) => method)).toEqual([
      ...Object.values(Echo.methods).map(({ path }) => path),
      ...Object.values(Admin.methods).map(({ path }) => path),
    ]);
    const [first, hold] = [ECHO, HOLD].map((path) => methods.find(({ method }) => method === path));
    expect(hold).toMatchObject({ channel: "", policy: { case: "server", value: { queue: 7, queueDeadline: "2s" } } });
    expect(first?.policy.value).toEqual({
      concurrency: 3,
      limiter: ServerPolicy_Limiter.ADAPTIVE,
      queue: undefined,
      queueDeadline: undefined,
      rate: 10,
      burst: 4,
      overflow: ServerPolicy_Overflow.REJECT,
      batch: undefined,
    });
    expect(first?.stats).toMatchObject({ started: 1, succeeded: 1, failed: 0, running: 0, waiting: 0, limit: 3 });
    expect(hold?.stats?.limit).toBe(65_536);
  });

  it("has one method where one is asked for, and none that is not there", async () => {
    const { admin } = await start();
    const { methods } = await rig.current.now(admin.getPolicies({ method: HOLD }));
    expect(methods.map(({ method }) => method)).toEqual([HOLD]);
    expect(await rig.current.now(failure(admin.getPolicies({ method: "a.B/C" })))).toMatchObject({
      code: Code.NOT_FOUND,
      message: expect.stringContaining("a.B/C: no such method is known here"),
    });
  });
});

describe("SetPolicy", () => {
  it("replaces the policy as a whole, and holds from then on", async () => {
    const { server, echo, admin } = await start();
    const reply = await rig.current.now(
      admin.setPolicy({ method: HOLD, policy: { case: "server", value: { concurrency: 1, queue: 0 } } }),
    );
    expect(server.policies.get(HOLD)).toEqual({ concurrency: 1, queue: 0 });
    expect(reply.before).toMatchObject({ method: HOLD, policy: { value: { concurrency: undefined } } });
    expect(reply.after).toMatchObject({
      method: HOLD,
      policy: { value: { concurrency: 1, queue: 0 } },
      stats: { limit: 1 },
    });
    const held = echo.hold({}, { timeoutMs: 10_000 });
    expect(await rig.current.now(failure(echo.hold({})))).toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
    rig.current.releaseHeld();
    await rig.current.now(held);
  });

  it("replaces the fields that are named, and gives those their defaults that have no value", async () => {
    const { server, admin } = await start();
    server.policies.set(ECHO, { concurrency: 3, queue: 5, rate: 10, burst: 2 });
    const set = (value: object, ...paths: string[]): Promise<unknown> =>
      rig.current.now(
        admin.setPolicy({ method: ECHO, policy: { case: "server", value }, fields: { paths } } as SetPolicyRequestInit),
      );
    await set({ queueDeadline: "20ms", concurrency: 4 }, "queue_deadline");
    expect(server.policies.get(ECHO)).toEqual({ concurrency: 3, queue: 5, rate: 10, burst: 2, queueDeadlineMs: 20 });
    await set({ concurrency: 4 }, "concurrency", "rate", "burst", "queueDeadline");
    expect(server.policies.get(ECHO)).toEqual({ concurrency: 4, queue: 5 });
    await rig.current.now(admin.setPolicy({ method: ECHO, fields: { paths: ["queue"] } }));
    expect(server.policies.get(ECHO)).toEqual({ concurrency: 4 });
  });

  it("changes the limits of batches, field by field, and does not make or end batches", async () => {
    const list = { name: "List", localName: "list", input: Empty, output: Empty, server: { batch: { maxSize: 4 } } };
    const service = new Service("test.v1.Batches", { list: new Method("test.v1.Batches", list) });
    const { server, admin } = await start();
    server.handle(service as Service<{ list: unknown }>, { list: (requests: unknown[]) => requests });
    const method = service.methods.list.path;
    await rig.current.now(
      admin.setPolicy({
        method,
        policy: { case: "server", value: { batch: { maxSize: 8, maxDelay: "5ms" } } },
        fields: { paths: ["batch.max_delay"] },
      }),
    );
    expect(server.policies.get(method)).toEqual({ batch: { maxSize: 4, maxDelayMs: 5 } });
    await rig.current.now(admin.setPolicy({ method, fields: { paths: ["batch"] } }));
    expect(server.policies.get(method)).toEqual({ batch: {} });
    expect(await refused(admin, { method: ECHO, policy: { case: "server", value: { batch: {} } } })).toMatchObject({
      code: Code.INVALID_ARGUMENT,
      message: expect.stringContaining("server.batch: the handler takes one call at a time"),
    });
  });

  it("tells everything that is wrong, and changes nothing", async () => {
    const { server, admin } = await start();
    server.policies.set(ECHO, { concurrency: 3 });
    const value = { concurrency: 0, queueDeadline: "soon", overflow: 9, batch: { maxDelay: "1.5ms" } };
    expect(await refused(admin, { method: ECHO, policy: { case: "server", value } })).toMatchObject({
      code: Code.INVALID_ARGUMENT,
      retry: "never",
      message: expect.stringMatching(
        /server.queueDeadlineMs: expected a duration.*server.overflow: overflow is REJECT, LOG; 9 is not.*server.batch.maxDelayMs: max_delay is a whole number.*server.concurrency: concurrency is from 1/,
      ),
    });
    const clash = { burst: 2, overflow: ServerPolicy_Overflow.LOG };
    expect(await refused(admin, { method: ECHO, policy: { case: "server", value: clash } })).toMatchObject({
      message: expect.stringMatching(
        /server.burst: burst is for rate.*server.overflow: overflow: LOG is for rpcs that/,
      ),
    });
    expect(server.policies.get(ECHO)).toEqual({ concurrency: 3 });
  });

  it.each<[string, SetPolicyRequestInit, number, string]>([
    ["no policy", { method: ECHO }, Code.INVALID_ARGUMENT, "no policy is given"],
    [
      "the other side's",
      { method: ECHO, policy: { case: "client", value: {} } },
      Code.INVALID_ARGUMENT,
      "name the channel",
    ],
    [
      "an unknown method",
      { method: "a.B/C", fields: { paths: [] } },
      Code.NOT_FOUND,
      "a.B/C: no such method is served here",
    ],
    [
      "an unknown channel",
      { method: ECHO, channel: "x" },
      Code.NOT_FOUND,
      'no channel "x" here: the program has named none',
    ],
    [
      "unknown fields",
      { method: ECHO, fields: { paths: ["concurency", "batch.size", "rate.x", "constructor"] } },
      Code.INVALID_ARGUMENT,
      'server has no field "concurency": its fields are concurrency, limiter, queue, queue_deadline, rate, burst, overflow, batch; ' +
        'server.batch has no field "size": its fields are max_size, max_delay, max_bytes; server.rate has no field "x": server.rate has no fields; server has no field "constructor"',
    ],
  ])("refuses %s", async (_, request, code, message) => {
    const { admin } = await start();
    expect(await refused(admin, request)).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it("is logged with who did it", async () => {
    const lines: string[] = [];
    const logger = pino({}, { write: (line: string) => void lines.push(line) });
    const { admin } = await start({ options: { logger } });
    await rig.current.now(admin.setPolicy({ method: ECHO, policy: { case: "server", value: { concurrency: 2 } } }));
    const changes = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ msg }) => msg === "policy changed");
    expect(changes).toEqual([
      expect.objectContaining({ path: ECHO, policy: { concurrency: 2 }, by: "ada at memory:dialer-1" }),
    ]);
  });
});

describe("channels", () => {
  /** A server whose process has a channel to itself, named `self`. */
  async function startWithChannel(lines: string[] = []): Promise<{ self: EchoClient; admin: AdminClient }> {
    const logger = pino({}, { write: (line: string) => void lines.push(line) });
    const channel = rig.current.connect({ logger });
    channel.policies.set(Echo.methods.echo, { rate: 10, failure: "retry" });
    const { admin } = await start({ admin: { channels: { self: channel } } });
    return { self: new EchoClient(channel), admin };
  }

  it("are shown with the policies and counters of the methods that have one", async () => {
    const { self, admin } = await startWithChannel();
    await rig.current.now(self.echo({}));
    const { methods } = await rig.current.now(admin.getPolicies({ method: ECHO }));
    expect(methods.map(({ channel }) => channel)).toEqual(["", "self"]);
    expect(methods[1]).toMatchObject({
      policy: { case: "client", value: { rate: 10, failure: Failure.RETRY } },
      stats: { started: 1, succeeded: 1, limit: undefined },
    });
    const stats = await rig.current.now(admin.getStats({}));
    expect(stats.methods.filter(({ method }) => method === ECHO).map(({ channel }) => channel)).toEqual(["", "self"]);
  });

  it("have their policies changed, checked and logged", async () => {
    const lines: string[] = [];
    const { self, admin } = await startWithChannel(lines);
    const value = {
      concurrency: 2,
      overflow: ClientPolicy_Overflow.REJECT,
      failure: Failure.RETRY,
      throttle: true,
      retry: { maxAttempts: 2, initialBackoff: "5ms", codes: [RetryPolicy_Code.ABORTED] },
    };
    const { after } = await rig.current.now(
      admin.setPolicy({ method: ECHO, channel: "self", policy: { case: "client", value } }),
    );
    expect(after).toMatchObject({ channel: "self", policy: { case: "client", value }, stats: { limit: 2 } });
    expect(lines.at(-1)).toContain('"by":"ada at memory:dialer-');
    await rig.current.now(self.echo({}));
    const wrong = {
      overflow: ClientPolicy_Overflow.QUEUE,
      store: ClientPolicy_Store.ALWAYS,
      retry: { maxBackoff: "x" },
    };
    expect(
      await refused(admin, { method: ECHO, channel: "self", policy: { case: "client", value: wrong } }),
    ).toMatchObject({ code: Code.INVALID_ARGUMENT, message: expect.stringContaining("client.retry.maxBackoffMs") });
    expect(await refused(admin, { method: HOLD, channel: "self", fields: { paths: ["rate"] } })).toMatchObject({
      code: Code.NOT_FOUND,
      message: expect.stringContaining('channel "self" knows no such method'),
    });
    expect(await refused(admin, { method: ECHO, channel: "x", fields: { paths: ["rate"] } })).toMatchObject({
      message: expect.stringContaining('no channel "x" here: there are self'),
    });
  });

  it("cannot have the name that stands for the server", () => {
    const server = rig.current.createServer();
    expect(() => serveAdmin(server, { channels: { "": rig.current.connect() } })).toThrow("empty name");
  });
});

describe("another server", () => {
  it("is shown and changed although all its workers are taken", async () => {
    const server = await rig.current.serve({}, { maxCalls: 1 });
    const control = await rig.current.serve({}, {}, "memory:control");
    serveAdmin(control, { server });
    const held = rig.current.client().hold({}, { timeoutMs: 10_000 });
    const admin = new AdminClient(rig.current.connect({}, "memory:control"));
    await rig.current.clock.advance(0);
    expect(await rig.current.now(admin.getStats({}))).toMatchObject({ server: { running: 1 } });
    await rig.current.now(admin.setPolicy({ method: ECHO, policy: { case: "server", value: { queue: 1 } } }));
    expect(server.policies.get(ECHO)).toEqual({ queue: 1 });
    expect(control.policies.get(ECHO)).toEqual({});
    rig.current.releaseHeld();
    await rig.current.now(held);
  });
});

describe("Watch", () => {
  it("tells the counters at once and in each interval, with the time", async () => {
    const { echo, admin } = await start();
    const seen: Stats[] = [];
    const watch = admin.watch({ interval: "500ms" });
    const reading = (async () => {
      for await (const stats of watch) seen.push(stats);
    })();
    await rig.current.clock.advance(0);
    await rig.current.now(echo.echo({}));
    await rig.current.clock.advance(1_100);
    watch.cancel();
    await rig.current.now(failure(reading));
    const [first] = seen;
    expect(seen.map(({ nowMs }) => nowMs - (first?.nowMs ?? 0))).toEqual([0, 500, 1_000]);
    const served = seen.map(({ methods }) => methods.find(({ method }) => method === ECHO)?.stats?.succeeded);
    expect(served).toEqual([0, 1, 1]);
    expect(seen[2]?.server).toMatchObject({ connections: 1, callsServed: 2, callsRefused: 0 });
  });

  it.each([
    ["99ms", "interval is from 100 to 3600000 ms; 99 ms is not"],
    ["61m", "interval is from 100 to 3600000 ms"],
    ["often", "expected a duration"],
  ])("takes no interval of %s", async (interval, message) => {
    const { admin } = await start();
    const first = admin.watch({ interval })[Symbol.asyncIterator]().next();
    expect(await rig.current.now(failure(first))).toMatchObject({
      code: Code.INVALID_ARGUMENT,
      message: expect.stringContaining(message),
    });
  });

  it("has a limit on watchers, and each leaves room when it ends", async () => {
    const { admin } = await start({ admin: { maxWatchers: 2 } });
    const open = (): ReturnType<AdminClient["watch"]> => admin.watch({ interval: "100ms" });
    const watches = [open(), open()];
    for (const watch of watches) await rig.current.now(watch[Symbol.asyncIterator]().next());
    expect(await rig.current.now(failure(open()[Symbol.asyncIterator]().next()))).toMatchObject({
      code: Code.RESOURCE_EXHAUSTED,
      message: expect.stringContaining("2 calls watch here, the limit"),
    });
    watches[0]?.cancel();
    await rig.current.clock.advance(0);
    await rig.current.now(open()[Symbol.asyncIterator]().next());
  });

  it("ends when the server drains", async () => {
    const { server, admin } = await start();
    const reading = (async () => {
      for await (const _ of admin.watch({ interval: "1h" }, { timeoutMs: 1e7 }));
      return "ended";
    })();
    await rig.current.clock.advance(0);
    const closing = server.close({ graceMs: 60_000 });
    expect(await rig.current.after(2_000, reading)).toBe("ended");
    await rig.current.now(closing);
  });
});

describe("ListRefusals", () => {
  it("has the last refusals with reason and caller, the newest first", async () => {
    const { server, echo, admin } = await start();
    server.policies.set(HOLD, { concurrency: 1, queue: 0 });
    const held = echo.hold({}, { timeoutMs: 10_000 });
    await rig.current.now(failure(echo.hold({})));
    await rig.current.clock.advance(20);
    await rig.current.now(failure(echo.hold({})));
    await rig.current.clock.advance(30);
    const { refusals } = await rig.current.now(admin.listRefusals({}));
    // A channel may make a call once more that provably did not run.
    expect([...new Set(refusals.map(({ agoMs }) => agoMs))]).toEqual([30, 50]);
    expect(refusals[0]).toEqual({
      agoMs: 30,
      remote: "memory:dialer-1",
      method: HOLD,
      reason: expect.stringContaining("no worker is free"),
    });
    rig.current.releaseHeld();
    await rig.current.now(held);
  });
});
