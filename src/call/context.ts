// Under what circumstances calls are made and served: until when, for whom, with which values. Contexts form a tree: what
// is given a parent ends with it at the latest, and what the parent carries flows on. A handler is given the context of
// the call that it serves. Everything but a few fields is made when first asked for: most handlers ask for nothing.

import { attemptOf, callIdOf, stopsRetries } from "../codec/call-metadata.js";
import { Metadata, type MetadataInit } from "../codec/metadata.js";
import type { AnyMethod } from "../codec/method.js";
import { Code, localError, RpcError } from "../codec/status.js";
import { type Clock, systemClock } from "../transport/clock.js";
import type { IncomingCall, IncomingContext } from "../transport/incoming-call.js";
import type { Session } from "../transport/session.js";
import { type Abortable, type CallParent, onAbort, removeAbort } from "../transport/signals.js";
import type { Stream } from "../transport/stream.js";
import { CallbackTimer, wheelOf } from "../transport/timers.js";
import { type Peer, peerOf } from "./peer.js";

/** The name of a value that contexts carry: `const user = new ContextKey<User>("user")`. Two keys are never the same. */
export class ContextKey<T> {
  /** For people. */
  readonly name: string;
  /** Only for the type checker: the type of the value. */
  declare readonly value?: T;

  constructor(name: string) {
    this.name = name;
  }
}

/** What few contexts need. */
interface Extras {
  cancelError?: RpcError;
  controller?: AbortController;
  values?: Map<ContextKey<unknown>, unknown>;
  children?: Set<Abortable>;
}

/** A deadline, a cancellation, metadata and values that calls share: see {@link createContext} and {@link CallContext}. */
export abstract class Context implements CallParent {
  /** Undefined for never: a whole number of milliseconds then needs no memory of its own. */
  private readonly endsAt: number | undefined;
  protected readonly parent: Context | undefined;
  private carried: Metadata | undefined;
  private extras: Extras | undefined = undefined;

  /** Made by {@link createContext} and by the dispatcher. */
  protected constructor(expiresAt: number, parent: Context | undefined, metadata: Metadata | undefined) {
    this.endsAt = expiresAt === Number.POSITIVE_INFINITY ? undefined : expiresAt;
    this.parent = parent;
    this.carried = metadata;
  }

  /** When it ends, in the milliseconds of its clock; Infinity for never. */
  get expiresAt(): number {
    return this.endsAt ?? Number.POSITIVE_INFINITY;
  }

  /** What `expiresAt` is measured with. */
  abstract get clock(): Clock;

  /** The same, or undefined if there was none to carry. */
  protected get received(): Metadata | undefined {
    return this.carried;
  }

  /** What came with the call; calls made under this context send on what their channel forwards of it. */
  get metadata(): Metadata {
    this.carried ??= new Metadata();
    return this.carried;
  }

  /** True if calls made under this context are not retried: it serves a call that is itself a repeated one, or was made for one. */
  get stopsRetries(): boolean {
    return (this.carried !== undefined && stopsRetries(this.carried)) || this.parent?.stopsRetries === true;
  }

  /** Milliseconds until the deadline, negative after it; Infinity without one. */
  get remainingMs(): number {
    return this.expiresAt - this.clock.now();
  }

  /** Aborted when the context is cancelled or its time is over; its reason is an `RpcError`. */
  get signal(): AbortSignal {
    const extras = this.needExtras();
    if (extras.controller === undefined) {
      extras.controller = new AbortController();
      if (extras.cancelError !== undefined) extras.controller.abort(extras.cancelError);
    }
    return extras.controller.signal;
  }

  /** True once the context is cancelled or its time is over. */
  get isCancelled(): boolean {
    return this.error !== undefined;
  }

  /** Why {@link isCancelled} is true. */
  get error(): RpcError | undefined {
    return this.extras?.cancelError;
  }

  /** The value of `key` here, else that of the parent. */
  get<T>(key: ContextKey<T>): T | undefined {
    const values = this.extras?.values;
    return values?.has(key) === true ? (values.get(key) as T) : this.parent?.get(key);
  }

  /** Gives `key` a value, here and in what has this context as its parent. */
  set<T>(key: ContextKey<T>, value: T): void {
    const extras = this.needExtras();
    extras.values ??= new Map();
    extras.values.set(key, value);
  }

  /** Cancels the context, and the calls that have it as their parent. For handlers' contexts the connection does that. */
  cancel(error: RpcError): void {
    const extras = this.needExtras();
    if (extras.cancelError !== undefined) return;
    extras.cancelError = error;
    extras.controller?.abort(error);
    const children = [...(extras.children ?? [])];
    extras.children = undefined as never;
    for (const child of children) child.abort(error);
  }

  adopt(child: Abortable): void {
    const extras = this.needExtras();
    extras.children ??= new Set();
    extras.children.add(child);
  }

  release(child: Abortable): void {
    this.extras?.children?.delete(child);
  }

  private needExtras(): Extras {
    this.extras ??= {};
    return this.extras;
  }
}

/** What a context of one's own begins with. */
export interface ContextOptions {
  /** Ends this context when it ends, and gives it its values and, unless it has some of its own, its metadata. */
  readonly parent?: Context | undefined;
  /** Milliseconds until the context ends, within the time of its parent. Default: the parent's, else none. */
  readonly timeoutMs?: number | undefined;
  /** Cancels the context when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Calls made under this context send on what their channel forwards of it. */
  readonly metadata?: MetadataInit | undefined;
  /** Default: the parent's, else the clock of the process. */
  readonly clock?: Clock | undefined;
}

/** A context that no call has brought. It holds a timer and a listener until it ends: `using`, or `cancel`, ends it. */
class OwnContext extends Context implements Abortable, Disposable {
  readonly clock: Clock;
  private readonly givenSignal: AbortSignal | undefined;
  private readonly timer = new CallbackTimer(() => this.cancel(ended(Code.DEADLINE_EXCEEDED, "its time is over")));

  constructor({ parent, timeoutMs = Number.POSITIVE_INFINITY, signal, metadata, clock }: ContextOptions) {
    const ownClock = clock ?? parent?.clock ?? systemClock;
    const own = ownClock.now() + timeoutMs;
    const carried = metadata === undefined ? parent?.metadata : Metadata.from(metadata);
    super(Math.min(own, parent?.expiresAt ?? own), parent, carried);
    this.clock = ownClock;
    this.givenSignal = signal;
    const error = parent?.error ?? (signal?.aborted === true ? aborted(signal.reason) : undefined);
    if (error === undefined) this.watch();
    else super.cancel(error);
  }

  /** The parent or the given signal has ended it. */
  abort(reason: unknown): void {
    this.cancel(reason instanceof RpcError ? reason : aborted(reason));
  }

  override cancel(error: RpcError = ended(Code.CANCELLED, "it was cancelled")): void {
    if (this.isCancelled) return;
    wheelOf(this.clock).remove(this.timer);
    if (this.givenSignal !== undefined) removeAbort(this.givenSignal, this);
    this.parent?.release(this);
    super.cancel(error);
  }

  [Symbol.dispose](): void {
    this.cancel();
  }

  private watch(): void {
    this.parent?.adopt(this);
    if (this.givenSignal !== undefined) onAbort(this.givenSignal, this);
    wheelOf(this.clock).add(this.timer, this.expiresAt);
  }
}

/**
 * A context for calls that belong together: `client.bind(request, { parent: context })`. They end with it at the latest.
 * Cancel it when they are done, or make it with `using`: it holds a timer while its time runs.
 */
export function createContext(options: ContextOptions = {}): Context & Disposable & { cancel(error?: RpcError): void } {
  return new OwnContext(options);
}

/** One call, as its handler sees it. It may be kept; after the call has ended its fields no longer change. */
export class CallContext extends Context implements IncomingContext {
  /** The method being served. */
  readonly method: AnyMethod;
  private readonly session: Session;
  private sending: Sending | undefined = undefined;

  /** Made by the dispatcher. */
  constructor(method: AnyMethod, call: IncomingCall) {
    super(call.deadline, undefined, call.metadata);
    this.method = method;
    this.session = call.session;
  }

  /** Which attempt of its call this is: 1, or more if the caller's policy has made it again. An earlier one may have run, too. */
  get attempt(): number {
    return attemptOf(this.received);
  }

  /**
   * The same for each attempt of a call; what runs twice can be told by it. Undefined for a call that its caller's policy makes
   * once only. Callers choose it: it is only as unique as they are honest.
   */
  get callId(): string | undefined {
    return callIdOf(this.received);
  }

  /** Who calls; calls can be made back to it: `new RoomClient(ctx.peer)`. */
  get peer(): Peer {
    return peerOf(this.session);
  }

  get clock(): Clock {
    return this.session.wheel.clock;
  }

  /**
   * True: compress what the handler sends, if the caller can read that and it becomes smaller; false: do not. Default: the
   * server's `compression`. It may change from one message of a stream to the next.
   */
  get compress(): boolean | undefined {
    return this.sending?.compress;
  }

  set compress(wanted: boolean | undefined) {
    this.needSending().compress = wanted;
  }

  /** Metadata that is sent ahead of the response, or of the first message of a stream; set it before that: later it is not sent. */
  get headers(): Metadata {
    const sending = this.needSending();
    sending.headers ??= new Metadata();
    return sending.headers;
  }

  /** Sends {@link headers} now, ahead of the first message of a stream. A unary call's travel with its response. */
  sendHeaders(): void {
    const stream = this.sending?.stream;
    if (stream === undefined || this.isCancelled) return;
    const headers = this.takeHeaders();
    if (headers !== undefined) void stream.sender.sendEmpty(0, headers);
  }

  /** Metadata that is sent behind the response or with the error; set it before the handler returns. */
  get trailers(): Metadata {
    const sending = this.needSending();
    sending.trailers ??= new Metadata();
    return sending.trailers;
  }

  /** For the dispatcher: the streams of the call. */
  openStream(stream: Stream): void {
    this.needSending().stream = stream;
  }

  /** For the connection: false while there are certainly neither {@link headers} nor {@link trailers}. */
  get hasResponseMetadata(): boolean {
    return this.sending !== undefined;
  }

  /** For the connection: the headers that were set, if any, the first time it asks. */
  takeHeaders(): Metadata | undefined {
    const { sending } = this;
    if (sending === undefined || sending.headersAreSent) return undefined;
    sending.headersAreSent = true;
    return sending.headers?.isEmpty === false ? sending.headers : undefined;
  }

  /** For the connection: the trailers that were set, if any. */
  get sentTrailers(): Metadata | undefined {
    const trailers = this.sending?.trailers;
    return trailers?.isEmpty === false ? trailers : undefined;
  }

  private needSending(): Sending {
    this.sending ??= { headersAreSent: false };
    return this.sending;
  }
}

/** What a call's handler, or its streams, have said about what is sent. */
interface Sending {
  compress?: boolean | undefined;
  headers?: Metadata;
  headersAreSent: boolean;
  trailers?: Metadata;
  stream?: Stream;
}

function aborted(reason: unknown): RpcError {
  return ended(Code.CANCELLED, "its signal was aborted", reason);
}

function ended(code: Code, why: string, cause?: unknown): RpcError {
  return localError(code, `the context has ended: ${why}`, "never", cause);
}
