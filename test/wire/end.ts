// One end of a connection for the replay of the vectors: the real Session, endpoints and streams on a pipe that a test
// writes to and reads from, on virtual time, with handlers that do what the test says when it says so.

import { expect } from "vitest";
import type { CallContext } from "../../src/call/context.js";
import { OutgoingStream } from "../../src/call/outgoing-stream.js";
import { StreamEndpoint } from "../../src/call/stream-endpoint.js";
import { UnaryEndpoint } from "../../src/call/unary-endpoint.js";
import { MessageType } from "../../src/codec/message.js";
import { Metadata, type MetadataInit } from "../../src/codec/metadata.js";
import { type AnyMethod, Method, type MethodKind, streamsRequests, streamsResponses } from "../../src/codec/method.js";
import { SlabPool } from "../../src/codec/slab.js";
import { Code, codeName, RpcError } from "../../src/codec/status.js";
import { TaskPool } from "../../src/flow/task-pool.js";
import { VirtualClock } from "../../src/testing.js";
import { Counters } from "../../src/transport/hooks.js";
import type { Endpoint } from "../../src/transport/incoming-call.js";
import { OutgoingCall } from "../../src/transport/outgoing-call.js";
import type { Pipe, PipeSink } from "../../src/transport/pipe.js";
import { Session, type SessionOwner, Side } from "../../src/transport/session.js";
import { type ConnectionLimits, resolveLimits } from "../../src/transport/settings.js";
import { TimerWheel } from "../../src/transport/timers.js";
import type { Control, Entry } from "./reference.js";
import type { SideName } from "./vectors.js";

/** The last part of a path that nobody serves. */
const MISSING = "Missing";
/** The kinds of the methods by the last part of their paths; others are unary. */
const KINDS: { readonly [name: string]: MethodKind } = {
  List: "server-streaming",
  Collect: "client-streaming",
  Chat: "bidi-streaming",
};

/** Messages are bytes here, in hex. */
const raw: MessageType<string> = new MessageType(
  "raw",
  (hex: string, writer) => {
    const bytes = Buffer.from(hex, "hex");
    writer.reserve(bytes.length);
    bytes.copy(writer.buf, writer.pos);
    writer.pos += bytes.length;
  },
  (buf, start, end) => buf.toString("hex", start, end),
);

/** Collects what is written; the test plays the network. */
class ScriptedPipe implements Pipe {
  readonly remote = "memory:peer";
  readonly writes: Buffer[] = [];
  ended = false;
  destroyed = false;
  private readonly clock: VirtualClock;
  private sink!: PipeSink;
  private peerEnded = false;

  constructor(clock: VirtualClock) {
    this.clock = clock;
  }

  open(sink: PipeSink): void {
    this.sink = sink;
  }

  write(buf: Buffer, start: number, end: number): boolean {
    if (this.ended) throw new Error("a write after the end");
    if (!this.destroyed) this.writes.push(Buffer.from(buf.subarray(start, end)));
    return true;
  }

  pause(): void {}

  resume(): void {}

  end(): void {
    this.ended = true;
    if (this.peerEnded) this.destroy();
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.clock.nextTurn(() => this.sink.onClose(undefined));
  }

  /** Delivers `bytes` in chunks of `size`, each in a buffer that is overwritten afterwards. */
  feed(bytes: Buffer, size: number): void {
    for (let at = 0; at < bytes.length && !this.destroyed; at += size) {
      const chunk = Buffer.concat([Buffer.from("in front"), bytes.subarray(at, at + size), Buffer.from("behind")]);
      this.sink.onData(chunk, 8, chunk.length - 6);
      chunk.fill(0xdb);
    }
  }

  feedEnd(): void {
    this.peerEnded = true;
    if (!this.destroyed) this.sink.onEnd();
    if (this.ended) this.destroy();
  }
}

/** A call that this end has begun. */
export interface MadeCall {
  readonly call: OutgoingCall;
  readonly controller: AbortController;
  /** Its messages, if its method has a stream. */
  readonly stream: OutgoingStream | undefined;
  /** `"OK"` or the name of the error's code; undefined while the call is under way. */
  code?: string;
  message?: string;
  error?: RpcError;
  headers?: readonly Entry[];
  trailers?: readonly Entry[];
}

/** How a handler ends its call. */
export interface Outcome {
  readonly message?: string;
  readonly error?: RpcError;
  readonly headers?: readonly Entry[] | undefined;
  readonly trailers?: readonly Entry[] | undefined;
}

/** A call that this end serves. */
export interface ServedCall {
  readonly path: string;
  /** The request; empty if the method takes a stream of them. */
  readonly message: string;
  readonly metadata: readonly Entry[];
  readonly deadlineMs: number;
  readonly isOneWay: boolean;
  readonly cancelled: { error: RpcError | undefined };
  /** The requests, if the method takes a stream of them. */
  readonly requests: AsyncIterator<string, undefined> | undefined;
  /** The responses, if the method answers with a stream of them. */
  readonly responses: Responses | undefined;
  /** Sends headers ahead of the first message. */
  sendHeaders(headers: readonly Entry[]): void;
  answer(outcome: Outcome): void;
}

/** A handler's responses: what the test puts in, and how far the connection has taken it. */
export class Responses implements AsyncIterableIterator<string, undefined> {
  private readonly given: (readonly [string, readonly Entry[] | undefined])[] = [];
  private outcome: { readonly error: RpcError | undefined } | undefined = undefined;
  private wake = (): void => {};
  private readonly setHeaders: (headers: readonly Entry[]) => void;
  /** How many the connection has asked for. */
  asked = 0;

  constructor(setHeaders: (headers: readonly Entry[]) => void) {
    this.setHeaders = setHeaders;
  }

  /** `headers` are set just before the message is sent. */
  push(message: string, headers?: readonly Entry[] | undefined): void {
    this.given.push([message, headers]);
    this.wake();
  }

  end(error: RpcError | undefined): void {
    this.outcome = { error };
    this.wake();
  }

  async next(): Promise<IteratorResult<string, undefined>> {
    this.asked++;
    while (this.given.length === 0 && this.outcome === undefined) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    const given = this.given.shift();
    if (given !== undefined) {
      const [value, headers] = given;
      if (headers !== undefined) this.setHeaders(headers);
      return { done: false, value };
    }
    if (this.outcome?.error !== undefined) throw this.outcome.error;
    return { done: true, value: undefined };
  }

  return(): Promise<IteratorResult<string, undefined>> {
    this.end(undefined);
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** What a call to {@link End.call} is made of. */
export interface CallSpec {
  readonly path: string;
  /** The request; unused if the method takes a stream of them. */
  readonly message?: string | undefined;
  readonly deadlineMs?: number | undefined;
  readonly metadata?: readonly Entry[] | undefined;
  readonly oneWay?: boolean | undefined;
  readonly compress?: boolean | undefined;
}

/** What an {@link End} may have of its own. */
export interface EndOptions {
  readonly limits?: Partial<ConnectionLimits> | undefined;
  readonly leases?: boolean | undefined;
}

/** The real Session as one side. */
export class End implements SessionOwner {
  readonly clock: VirtualClock = new VirtualClock();
  readonly counters: Counters = new Counters();
  readonly pipe: ScriptedPipe;
  readonly session: Session;
  readonly served: ServedCall[] = [];
  private readonly slabs = new SlabPool({ debug: true });
  private readonly wheel: TimerWheel;
  private readonly pool: TaskPool;
  private readonly methods = new Map<string, AnyMethod>();

  constructor(side: SideName, { limits = {}, leases = false }: EndOptions = {}) {
    this.pipe = new ScriptedPipe(this.clock);
    this.wheel = new TimerWheel(this.clock);
    this.pool = new TaskPool(this.wheel, 1_000);
    this.session = new Session({
      pipe: this.pipe,
      side: side === "dialing" ? Side.DIALED : Side.ACCEPTED,
      owner: this,
      acceptor: { find: (path) => (path.endsWith(MISSING) ? undefined : this.endpoint(path)) },
      wheel: this.wheel,
      slabs: this.slabs,
      limits: resolveLimits(limits),
      hooks: { counters: this.counters, handlerFailed: () => {}, callRefused: () => {} },
      compression: undefined,
      leases,
      peerId: side === "dialing" ? "client-1" : "server-1",
      agent: "example/1",
    });
  }

  onOpen(): void {}
  onDraining(): void {}
  onRoom(): void {}
  onClosed(): void {}

  onRefused(): boolean {
    return false;
  }

  onUnsent(call: OutgoingCall): void {
    call.fail(new RpcError(Code.ABORTED, "not sent"));
  }

  /** Everything sent and not taken yet, in hex. */
  take(): string {
    return Buffer.concat(this.pipe.writes.splice(0)).toString("hex");
  }

  /** Delivers bytes and lets everything they cause happen. */
  async feed(hex: string, chunkBytes: number = Number.POSITIVE_INFINITY): Promise<void> {
    const bytes = Buffer.from(hex, "hex");
    this.pipe.feed(bytes, Math.min(chunkBytes, bytes.length));
    await this.clock.advance(0);
  }

  /** Begins a call. */
  call({ path, message = "", deadlineMs, metadata, oneWay = false, compress }: CallSpec): MadeCall {
    const method = this.methods.get(path) ?? methodOf(path, oneWay);
    this.methods.set(path, method);
    const controller = new AbortController();
    const options = {
      signal: controller.signal,
      metadata: metadata && metadataOf(metadata),
      compress,
      onResponseMetadata: (headers: Metadata, trailers: Metadata) => {
        Object.assign(made, { headers: made.headers ?? entriesOf(headers), trailers: entriesOf(trailers) });
      },
    };
    const expiresAt = this.clock.now() + (deadlineMs ?? Number.POSITIVE_INFINITY);
    const call = new OutgoingCall(method, options, this.wheel, expiresAt);
    const stream = method.kind === "unary" ? undefined : new OutgoingStream(call);
    const made: MadeCall = { call, controller, stream };
    call.promise.then(
      (value) => Object.assign(made, { code: "OK", message: oneWay ? "" : value }),
      (error: RpcError) => Object.assign(made, { code: codeName(error.code), error }),
    );
    stream?.headers.then(
      (headers) => {
        made.headers = entriesOf(headers);
      },
      () => {},
    );
    this.session.outgoing.send(call, message);
    return made;
  }

  /** Closes the end and fails the test if it leaves something behind. */
  async close(): Promise<void> {
    for (const call of this.served) call.answer({ message: "" });
    this.session.destroy(new RpcError(Code.UNAVAILABLE, "the test is over"));
    await this.clock.advance(2_000);
    expect(this.session.state).toBe("closed");
    expect(this.slabs.leaks(), "leased slabs").toEqual([]);
    expect(this.wheel.size, "timers in the wheel").toBe(0);
    this.wheel.disarmIfEmpty();
    expect(this.clock.pendingTimers, "timers of the clock").toBe(0);
  }

  /** Serves with the real endpoints of `src/call`; what the handler does is up to the test. */
  private endpoint(path: string): Endpoint {
    const method = methodOf(path, false);
    let isOneWay = false;
    const handler = (input: unknown, context: CallContext): unknown => this.serve(method, input, context, isOneWay);
    const Serving = method.kind === "unary" ? UnaryEndpoint : StreamEndpoint;
    const gate = this.pool.newGate(method);
    const endpoint = new Serving(method, handler, gate);
    return {
      path,
      kind: method.kind,
      gate,
      serve: (call, buf, start, end, flags) => {
        isOneWay = call.isAnswered;
        endpoint.serve(call, buf, start, end, flags);
      },
    };
  }

  private serve({ path, kind }: AnyMethod, input: unknown, context: CallContext, isOneWay: boolean): unknown {
    const cancelled: { error: RpcError | undefined } = { error: undefined };
    context.signal.addEventListener("abort", () => {
      cancelled.error = context.signal.reason as RpcError;
    });
    const { promise, resolve, reject } = settleable();
    const responses = streamsResponses(kind) ? new Responses((headers) => append(context.headers, headers)) : undefined;
    this.served.push({
      path,
      message: streamsRequests(kind) ? "" : (input as string),
      metadata: entriesOf(context.metadata),
      deadlineMs: context.remainingMs,
      isOneWay,
      cancelled,
      requests: streamsRequests(kind) ? (input as AsyncIterableIterator<string, undefined>) : undefined,
      responses,
      sendHeaders: (headers) => {
        append(context.headers, headers);
        context.sendHeaders();
      },
      answer: ({ message, error, headers, trailers }) => {
        if (headers !== undefined) append(context.headers, headers);
        if (trailers !== undefined) append(context.trailers, trailers);
        responses?.end(error);
        if (error === undefined) resolve(message ?? "");
        else reject(error);
      },
    });
    if (responses !== undefined) promise.catch(() => {});
    return responses ?? promise;
  }
}

/** The error that a handler throws so that `status` travels. */
export function errorOf(code: string, status: Control): RpcError {
  const details = ((status.details ?? []) as { type_url?: string; value?: string }[]).map((detail) => ({
    typeUrl: detail.type_url ?? "",
    value: Buffer.from(detail.value ?? "", "hex"),
  }));
  return new RpcError(Code[code as keyof typeof Code], (status.message as string) ?? "", {
    details,
    origin: status.origin === "ORIGIN_USER" ? "user" : "local",
    retryAfterMs: status.retry_after_ms as number | undefined,
  });
}

/** The Status that `error` was made from, without its default fields. */
export function statusOf(error: RpcError): Control {
  return {
    ...(error.message !== "" && { message: error.message }),
    ...(error.details.length > 0 && {
      details: error.details.map(({ typeUrl, value }) => ({
        ...(typeUrl !== "" && { type_url: typeUrl }),
        ...(value.length > 0 && { value: Buffer.from(value).toString("hex") }),
      })),
    }),
    ...(error.retryAfterMs !== undefined && { retry_after_ms: error.retryAfterMs }),
    ...(error.origin === "user" && { origin: "ORIGIN_USER" }),
  };
}

export function metadataOf(entries: readonly Entry[]): Metadata {
  const metadata = Metadata.from({} satisfies MetadataInit);
  append(metadata, entries);
  return metadata;
}

function append(metadata: Metadata, entries: readonly Entry[]): void {
  for (const entry of entries)
    metadata.append(entry.key, "hex" in entry ? new Uint8Array(Buffer.from(entry.hex, "hex")) : entry.value);
}

export function entriesOf(metadata: Metadata): Entry[] {
  return [...metadata].map(([key, value]) =>
    typeof value === "string" ? { key, value } : { key, hex: Buffer.from(value).toString("hex") },
  );
}

function methodOf(path: string, oneWay: boolean): AnyMethod {
  const [service = "", name = ""] = path.split("/");
  const spec = { name, localName: name, input: raw, output: raw, oneWay, kind: KINDS[name] ?? "unary" };
  return new Method(service, spec) as unknown as AnyMethod;
}

function settleable(): {
  promise: Promise<string>;
  resolve: (value: string) => void;
  reject: (error: RpcError) => void;
} {
  let resolve!: (value: string) => void;
  let reject!: (error: RpcError) => void;
  const promise = new Promise<string>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  return { promise, resolve, reject };
}
