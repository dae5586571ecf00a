// Methods that are served in worker threads: real threads and sockets, and modules that are compiled for them.

import { on } from "node:events";
import { BroadcastChannel } from "node:worker_threads";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { CallMetadataKey } from "../../src/codec/call-metadata.js";
import {
  type CallOptions,
  Code,
  MessageType,
  type Metadata,
  Method,
  RpcError,
  type ServerInterceptor,
  type ServerOptions,
} from "../../src/index.js";
import { type InWorkerOptions, inWorker } from "../../src/worker.js";
import { Echo, EchoClient, type EchoHandlers, type Message } from "../support/gen/support/v1/echo.js";
import { Streams } from "../support/gen/support/v1/streams.js";
import { failure } from "../support/rig.js";
import { until, useTracker } from "../support/tracker.js";
import { compileWorkers, workerModule } from "./workers/compile.js";

const tracker = useTracker();
const { CALL_ID, ATTEMPT } = CallMetadataKey;
const listening: BroadcastChannel[] = [];

beforeAll(compileWorkers, 60_000);
afterEach(() => {
  for (const channel of listening.splice(0)) channel.close();
});

const inEcho = (options: InWorkerOptions = {}): ReturnType<typeof inWorker> =>
  inWorker(workerModule("echo"), { threads: 1, ...options });

const local: EchoHandlers = {
  echo: (request) => request,
  echoSoon: (request) => request,
  hold: (request) => request,
  fail: () => ({}),
  note: () => ({}),
};

async function serve(handlers: Partial<EchoHandlers>, options: ServerOptions = {}): Promise<EchoClient> {
  const server = tracker.current.createServer(options).handle(Echo, { ...local, ...handlers });
  return new EchoClient(tracker.current.connect(await server.listen("tcp://127.0.0.1:0")));
}

/** What worker threads tell on the channel that a request names. */
function hear(name: string): { next(): Promise<string> } {
  const channel = new BroadcastChannel(name);
  listening.push(channel);
  const messages = on(channel as unknown as EventTarget as never, "message");
  return { next: async () => ((await messages.next()).value as [{ data: string }])[0].data };
}

/** A logger that keeps what it is given. */
function errorLog(): { readonly lines: string[]; readonly logger: NonNullable<ServerOptions["logger"]> } {
  const lines: string[] = [];
  const logger = { info() {}, warn() {}, error: (line: unknown) => lines.push(JSON.stringify(line)) };
  return { lines, logger: logger as never };
}

describe("a handler in a worker thread", () => {
  it("is given the request, the method, the metadata and the time, and sends a reply with metadata", async () => {
    const client = await serve({ echo: inEcho() });
    const seen: [Metadata, Metadata][] = [];
    const onResponseMetadata = (...both: [Metadata, Metadata]): unknown => seen.push(both);
    const payload = new Uint8Array(300_000).fill(7);
    const options = {
      metadata: { who: "ada", "n-bin": new Uint8Array([9]), [CALL_ID]: "c1", [ATTEMPT]: "2" },
      timeoutMs: 5_000,
      onResponseMetadata,
    };
    const reply = await client.echo({ id: 5n, payload }, options as CallOptions);
    expect(reply.id).toBe(5n);
    expect(Buffer.from(payload).equals(reply.payload)).toBe(true);
    const { remainingMs, ...rest } = JSON.parse(reply.text) as { remainingMs: number };
    expect(rest).toEqual({
      isCancelled: false,
      attempt: 2,
      callId: "c1",
      path: "support.v1.Echo/Echo",
      metadata: [
        ["who", "ada"],
        ["n-bin", "9"],
        [CALL_ID, "c1"],
        [ATTEMPT, "2"],
      ],
    });
    expect(remainingMs).toBeGreaterThan(0);
    expect(remainingMs).toBeLessThanOrEqual(5_000);
    expect(Number(seen[0]?.[0].get("thread"))).toBeGreaterThan(0);
    expect(seen[0]?.[1].get("trailer-bin")).toEqual(new Uint8Array([1, 2]));
  });

  it("has no time to end where the call has none", async () => {
    const client = await serve({ echo: inEcho() });
    const { text } = await client.echo({}, { timeoutMs: Number.POSITIVE_INFINITY });
    // JSON has no Infinity.
    expect(JSON.parse(text)).toMatchObject({ remainingMs: null });
  });

  it("computes while the server answers other calls", async () => {
    const client = await serve({ echo: inEcho({ export: "burn" }) });
    const heard = hear("burn");
    let isOver = false;
    const burning = client.echo({ id: 300n, text: "burn" }).then(() => {
      isOver = true;
    });
    expect(await heard.next()).toBe("began");
    for (let i = 0; i < 20; i++) await client.echoSoon({ id: BigInt(i) });
    expect(isOver).toBe(false);
    await burning;
  });

  it("fails its caller with an RpcError, whole, and with its trailers", async () => {
    const client = await serve({ fail: inEcho() });
    let why: unknown;
    const onResponseMetadata = (_: Metadata, trailers: Metadata): void => {
      why = trailers.get("why");
    };
    const error = await failure(client.fail({ text: "rpc" }, { onResponseMetadata } as CallOptions));
    expect(error).toMatchObject({ code: Code.NOT_FOUND, message: "no such image", retryAfterMs: 7, origin: "user" });
    expect(error.details).toMatchObject([{ typeUrl: "type.googleapis.com/x.Y", value: new Uint8Array([3]) }]);
    expect(why).toBe("it had to");
  });

  it.each([
    ["throws anything else", "plain", Code.UNKNOWN, "the handler failed", /TypeError.*secret.*echo\.worker/],
    ["returns what cannot be encoded", "reply", Code.INTERNAL, "the response cannot be encoded", /echo.*string/i],
    ["ends its thread", "exit", Code.INTERNAL, "the worker thread failed", /exited with code: 3/],
    ["leaves an error uncaught", "uncaught", Code.INTERNAL, "the worker thread failed", /nobody catches it/],
  ])("that %s fails that call, tells the log, and the threads go on", async (_, text, code, message, logged) => {
    const { lines, logger } = errorLog();
    const client = await serve({ fail: inEcho(), echo: inEcho() }, { logger });
    const error = await failure(client.fail({ text }));
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(error.message).not.toContain("secret");
    expect(lines).toEqual([expect.stringMatching(logged)]);
    expect((await client.echo({ id: 1n })).id).toBe(1n);
  });

  it("fails the call alone whose request does not decode", async () => {
    const server = tracker.current.createServer().handle(Echo, { ...local, echo: inEcho() });
    const channel = tracker.current.connect(await server.listen("tcp://127.0.0.1:0"));
    const input = new MessageType<object>(
      "Broken",
      (_, w) => void w.buf.writeUInt8(0xff, w.pos++),
      () => ({}),
    );
    const broken = new Method("support.v1.Echo", { name: "Echo", localName: "echo", input, output: input });
    const error = await failure(channel.unary(broken, {}));
    expect(error.code).toBe(Code.INVALID_ARGUMENT);
    expect(error.message).toContain("the request does not decode");
    expect((await new EchoClient(channel).echo({ id: 1n })).id).toBe(1n);
  });

  it("sees in a loop that computes that its caller has given up", async () => {
    const client = await serve({ hold: inEcho() });
    const heard = hear("computing");
    const controller = new AbortController();
    const error = failure(client.hold({ text: "computing" }, { signal: controller.signal }));
    expect(await heard.next()).toBe("began");
    controller.abort();
    expect((await error).code).toBe(Code.CANCELLED);
    expect(await heard.next()).toBe(`ended: ${Code.CANCELLED}`);
  });

  it("hears by its signal of the deadline, and of a connection that is gone", async () => {
    const server = tracker.current.createServer().handle(Echo, { ...local, echo: inEcho(), echoSoon: inEcho() });
    const channel = tracker.current.connect(await server.listen("tcp://127.0.0.1:0"));
    const client = new EchoClient(channel);
    // Both methods have one thread, which takes a while to begin.
    await client.echo({});
    const heard = hear("signal");
    const late = failure(client.echoSoon({ text: "signal" }, { timeoutMs: 1_000 }));
    expect(await heard.next()).toBe("began");
    expect((await late).code).toBe(Code.DEADLINE_EXCEEDED);
    expect(await heard.next()).toBe(`aborted: ${Code.DEADLINE_EXCEEDED}`);
    const lost = failure(client.echoSoon({ text: "signal" }, { timeoutMs: 10_000 }));
    expect(await heard.next()).toBe("began");
    await channel.close({ graceMs: 0 });
    await lost;
    expect(await heard.next()).toMatch(/^aborted: /);
  });

  it("is not started for a call that was given up while it waited for a thread", async () => {
    const { logger, lines } = errorLog();
    const client = await serve({ hold: inEcho(), echoSoon: inEcho() }, { logger });
    const heard = hear("queue");
    const controller = new AbortController();
    const first = failure(client.hold({ text: "queue" }, { signal: controller.signal }));
    expect(await heard.next()).toBe("began");
    // Another method of the same module: it waits for the only thread.
    const waiting = failure(client.echoSoon({ text: "queue" }, { timeoutMs: 50 }));
    expect((await waiting).code).toBe(Code.DEADLINE_EXCEEDED);
    controller.abort();
    await first;
    expect(await heard.next()).toBe(`ended: ${Code.CANCELLED}`);
    const again = failure(client.hold({ text: "queue" }, { timeoutMs: 50 }));
    expect(await heard.next()).toBe("began");
    await again;
    expect(lines).toEqual([]);
  });
});

describe("worker threads", () => {
  it("end when the server is closed, although a handler computes for ever", async () => {
    const server = tracker.current.createServer().handle(Echo, { ...local, echo: inEcho({ export: "burn" }) });
    const client = new EchoClient(tracker.current.connect(await server.listen("tcp://127.0.0.1:0")));
    const heard = hear("forever");
    const error = failure(client.echo({ id: 1_000_000n, text: "forever" }));
    expect(await heard.next()).toBe("began");
    await server.close({ graceMs: 10 });
    expect((await error).code).toBe(Code.UNAVAILABLE);
    const left = (): string[] => process.getActiveResourcesInfo().filter((kind) => /^(Worker|MessagePort)$/.test(kind));
    await until("only what listens is left", () => left().join() === listening.map(() => "MessagePort").join());
    await until("its handler has ended", () => server.stats().running === 0);
  });

  it("are shared by the methods and servers that name the same module, until the last of them is closed", async () => {
    const one = tracker.current
      .createServer()
      .handle(Echo, { ...local, echo: inEcho(), hold: inEcho({ export: "echo" }) });
    const two = tracker.current.createServer().handle(Echo, { ...local, echo: inEcho() });
    const client = new EchoClient(tracker.current.connect(await two.listen("tcp://127.0.0.1:0")));
    await client.echo({});
    await one.close();
    await client.echo({});
    await two.close();
  });

  it("are as many as the calls that run, also under another policy that does not say", async () => {
    const server = tracker.current
      .createServer({ policy: { concurrency: 50 } })
      .handle(Echo, { ...local, echo: inEcho({ threads: 2 }) });
    const { path } = Echo.methods.echo;
    const limit = (): number | undefined => server.policies.stats()[path]?.limit;
    expect(limit()).toBe(2);
    server.policies.set(path, { queue: 5 });
    expect(limit()).toBe(2);
    server.policies.set(path, { concurrency: 3 });
    expect(limit()).toBe(3);
    await server.close();
  });

  it("wait in a bounded queue: one call more is refused", async () => {
    const options = { maxQueue: 1 };
    // Three methods, each of which has a call for the thread.
    const client = await serve({
      hold: inEcho(options),
      echo: inEcho(options),
      echoSoon: inEcho({ ...options, export: "echo" }),
    });
    const heard = hear("full");
    const controller = new AbortController();
    const running = failure(client.hold({ text: "full" }, { signal: controller.signal }));
    expect(await heard.next()).toBe("began");
    const waiting = client.echo({ id: 1n });
    const refused = await failure(client.echoSoon({}));
    // It says that it may be made again: nothing of it has run.
    expect(refused).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, origin: "remote", retry: "safe" });
    expect(refused.message).toContain("the worker threads' queue is full (1 waiting, limit 1)");
    controller.abort();
    await running;
    expect((await waiting).id).toBe(1n);
  });

  it.each([
    ["does not load", inWorker(workerModule("broken"), { threads: 1 }), /the module is broken/],
    ["is not there", inWorker(workerModule("missing"), { threads: 1 }), /Cannot find module/],
    ["does not export the method", inEcho({ export: "nothing" }), /No handler function exported/],
    ["exports some other function", inEcho({ export: "plain" }), /workerHandler has not made it/],
    ["exports the handler of another method", inEcho({ export: "hold" }), undefined],
  ])("whose module %s fail the call INTERNAL and say why in the log", async (_, echo, logged) => {
    const { lines, logger } = errorLog();
    const client = await serve({ echo }, { logger });
    for (let i = 0; i < 3; i++) {
      const error = await failure(client.echo({}));
      expect(error.code).toBe(Code.INTERNAL);
      if (logged === undefined)
        expect(error.message).toContain("serves support.v1.Echo/Hold, not support.v1.Echo/Echo");
    }
    expect(lines.length).toBe(logged === undefined ? 0 : 1);
    if (logged !== undefined) expect(lines[0]).toMatch(logged);
  });

  it.each([
    ["threads", 0, "threads: 0 is not a whole number between 1 and 1024"],
    ["threads", 1_025, "threads: 1025 is not"],
    ["maxQueue", -1, "maxQueue: -1 is not a whole number between 0 and 1048576"],
  ])("have options that are checked: %s %d", (name, value, message) => {
    expect(() => inEcho({ [name]: value })).toThrow(message);
  });

  it("serve no streams, and are no function to call", () => {
    const server = tracker.current.createServer();
    const handlers = { list: inEcho(), collect: inEcho(), chat: inEcho() };
    expect(() => server.handle(Streams, handlers)).toThrow(
      "support.v1.Streams/List: worker threads serve unary methods, not a server-streaming one",
    );
    expect(() => inEcho()({}, {})).toThrow(RpcError);
  });
});

describe("interceptors", () => {
  it("wrap the call in the server's thread, with the request and the reply", async () => {
    const seen: unknown[] = [];
    const interceptor: ServerInterceptor = {
      unary: (next) => async (request, ctx) => {
        const { id } = request as Message;
        seen.push(id);
        const reply = (await next({ ...(request as Message), id: id + 1n }, ctx)) as Message;
        seen.push(reply.id);
        return { ...reply, id: reply.id + 1n };
      },
    };
    const client = await serve({ echo: inEcho(), fail: inEcho() }, { interceptors: [interceptor] });
    expect((await client.echo({ id: 1n })).id).toBe(3n);
    expect(seen).toEqual([1n, 2n]);
    expect((await failure(client.fail({ text: "rpc" }))).code).toBe(Code.NOT_FOUND);
  });
});
