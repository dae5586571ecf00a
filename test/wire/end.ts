// One end of a connection for the replay of the vectors: the real Session on a pipe that a test writes to and reads from, on
// virtual time, with handlers that answer when the test says so.

import { expect } from "vitest";
import { MessageType } from "../../src/codec/message.js";
import { Metadata, type MetadataInit } from "../../src/codec/metadata.js";
import { Method } from "../../src/codec/method.js";
import { SlabPool } from "../../src/codec/slab.js";
import { Code, codeName, RpcError } from "../../src/codec/status.js";
import { VirtualClock } from "../../src/testing.js";
import { Counters } from "../../src/transport/hooks.js";
import type { Endpoint, IncomingCall } from "../../src/transport/incoming-call.js";
import { OutgoingCall } from "../../src/transport/outgoing-call.js";
import type { Pipe, PipeSink } from "../../src/transport/pipe.js";
import { Session, type SessionOwner, Side } from "../../src/transport/session.js";
import { type ConnectionLimits, resolveLimits } from "../../src/transport/settings.js";
import { TimerWheel } from "../../src/transport/timers.js";
import type { Control, Entry } from "./reference.js";
import type { SideName } from "./vectors.js";

/** A path that nobody serves. */
const MISSING = /\/Missing$/;

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
  /** `"OK"` or the name of the error's code; undefined while the call is under way. */
  code?: string;
  message?: string;
  error?: RpcError;
  headers?: readonly Entry[];
  trailers?: readonly Entry[];
}

/** A call that this end serves. */
export interface ServedCall {
  readonly path: string;
  readonly message: string;
  readonly metadata: readonly Entry[];
  readonly deadlineMs: number;
  readonly isOneWay: boolean;
  readonly cancelled: { readonly error: RpcError | undefined };
  answer(outcome: {
    message?: string;
    error?: RpcError;
    headers?: readonly Entry[] | undefined;
    trailers?: readonly Entry[] | undefined;
  }): void;
}

/** What a call to {@link End.call} is made of. */
export interface CallSpec {
  readonly path: string;
  readonly message: string;
  readonly deadlineMs?: number | undefined;
  readonly metadata?: readonly Entry[] | undefined;
  readonly oneWay?: boolean | undefined;
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
  private readonly methods = new Map<string, Method>();

  constructor(side: SideName, limits: Partial<ConnectionLimits> = {}) {
    this.pipe = new ScriptedPipe(this.clock);
    this.wheel = new TimerWheel(this.clock);
    this.session = new Session({
      pipe: this.pipe,
      side: side === "dialing" ? Side.DIALED : Side.ACCEPTED,
      owner: this,
      acceptor: {
        budget: { running: 0, limit: 1_000 },
        find: (path) => (MISSING.test(path) ? undefined : this.endpoint(path)),
      },
      wheel: this.wheel,
      slabs: this.slabs,
      limits: resolveLimits(limits),
      hooks: { counters: this.counters, handlerFailed: () => {}, callRefused: () => {} },
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
  call({ path, message, deadlineMs, metadata, oneWay = false }: CallSpec): MadeCall {
    const method = this.methods.get(path) ?? methodOf(path, oneWay);
    this.methods.set(path, method);
    const controller = new AbortController();
    const options = {
      signal: controller.signal,
      metadata: metadata && metadataOf(metadata),
      onResponseMetadata: (headers: Metadata, trailers: Metadata) => {
        Object.assign(made, { headers: entriesOf(headers), trailers: entriesOf(trailers) });
      },
    };
    const expiresAt = this.clock.now() + (deadlineMs ?? Number.POSITIVE_INFINITY);
    const made: MadeCall = { call: new OutgoingCall(method, options, this.wheel, expiresAt), controller };
    made.call.promise.then(
      (value) => Object.assign(made, { code: "OK", message: oneWay ? "" : value }),
      (error: RpcError) => Object.assign(made, { code: codeName(error.code), error }),
    );
    this.session.outgoing.send(made.call, message);
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

  private endpoint(path: string): Endpoint {
    return { path, serve: (call, buf, start, end) => this.serve(call, path, buf.toString("hex", start, end)) };
  }

  private serve(call: IncomingCall, path: string, message: string): void {
    const cancelled: { error: RpcError | undefined } = { error: undefined };
    const context = {
      sentHeaders: undefined as Metadata | undefined,
      sentTrailers: undefined as Metadata | undefined,
      cancel: (error: RpcError) => {
        cancelled.error = error;
      },
    };
    const { promise, resolve, reject } = settleable();
    this.served.push({
      path,
      message,
      metadata: call.metadata === undefined ? [] : entriesOf(call.metadata),
      deadlineMs: call.expiresAt - this.session.arrivedAt,
      isOneWay: call.isAnswered,
      cancelled,
      answer: ({ message: reply, error, headers, trailers }) => {
        context.sentHeaders = headers && metadataOf(headers);
        context.sentTrailers = trailers && metadataOf(trailers);
        if (error === undefined) resolve(reply ?? "");
        else reject(error);
      },
    });
    call.context = context;
    call.respondLater(raw as MessageType<unknown, never>, promise);
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
  for (const entry of entries)
    metadata.append(entry.key, "hex" in entry ? new Uint8Array(Buffer.from(entry.hex, "hex")) : entry.value);
  return metadata;
}

export function entriesOf(metadata: Metadata): Entry[] {
  return [...metadata].map(([key, value]) =>
    typeof value === "string" ? { key, value } : { key, hex: Buffer.from(value).toString("hex") },
  );
}

function methodOf(path: string, oneWay: boolean): Method {
  const [service = "", name = ""] = path.split("/");
  const spec = { name, localName: name, input: raw, output: raw, oneWay };
  return new Method(service, spec) as unknown as Method;
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
