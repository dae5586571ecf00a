// What a client connects with: makes calls, gives each one its deadline, and hands it to the carrier of its mode.

import { EventEmitter } from "node:events";
import { CallMaker, type CallTarget, NO_OPTIONS } from "../call/call-maker.js";
import type { BidiStream, Caller, CallOptions, ClientStream, ServerStream } from "../call/caller.js";
import { Dispatcher } from "../call/dispatch.js";
import type { AnyStream } from "../call/interceptors.js";
import { type Peer, peerOf, setPeerPolicy } from "../call/peer.js";
import type { AnyMethod, Method, Service } from "../codec/method.js";
import type { ClientPolicy } from "../codec/policy.js";
import { Code, localError, type RpcError } from "../codec/status.js";
import type { Policies } from "../flow/policies.js";
import type { DurableQueueStats } from "../flow/queue/durable-queue.js";
import { TaskPool } from "../flow/task-pool.js";
import { Counters, type SessionHooks } from "../transport/hooks.js";
import type { OutgoingCall } from "../transport/outgoing-call.js";
import { type Address, formatAddress, parseAddress } from "../transport/pipe.js";
import { CallbackTimer, type TimerWheel, wheelOf } from "../transport/timers.js";
import type { Carrier, ChannelState } from "./carrier.js";
import { Dialer } from "./dialer.js";
import { type ConnectOptions, checkTimeout, type ResolvedConnectOptions, resolveConnectOptions } from "./options.js";
import { PipelinedCarrier } from "./pipelined.js";
import { PooledCarrier } from "./pooled.js";
import { ShortCarrier } from "./short.js";

/** What a channel emits. */
export interface ChannelEvents {
  /** A connection is open: its handshake is complete. */
  connect: [peer: Peer];
  /** A connection that was open is gone; the error says why. */
  disconnect: [peer: Peer, error: RpcError];
  /** `close` was called. */
  close: [];
}

/** A channel's counters and gauges. */
export interface ChannelStats extends Readonly<Counters> {
  /** Connections that are open or completing their handshake. */
  readonly connections: number;
  /** Calls that the server has not answered. */
  readonly pending: number;
  /** Calls that wait for a connection. */
  readonly waiting: number;
  /** The durable queues that this channel delivers, by name. */
  readonly queues: { readonly [name: string]: DurableQueueStats };
}

const carriers = { pipelined: PipelinedCarrier, pooled: PooledCarrier, short: ShortCarrier } as const;

/** Connections to one service, which runs at one or more addresses. Made by {@link connect}. */
export class Channel extends EventEmitter<ChannelEvents> implements Caller {
  private readonly options: ResolvedConnectOptions;
  private readonly wheel: TimerWheel;
  private readonly counters = new Counters();
  private readonly dispatcher: Dispatcher;
  private readonly carrier: Carrier;
  private readonly calls: CallMaker;

  /** Use {@link connect}. */
  constructor(addresses: readonly Address[], options: ResolvedConnectOptions) {
    super();
    // Each `ready()` that waits listens; any number may.
    this.setMaxListeners(0);
    this.options = options;
    this.wheel = wheelOf(options.clock);
    this.dispatcher = new Dispatcher(
      new TaskPool(this.wheel, options.maxCalls, options.handlerPolicy),
      options.handlerInterceptors,
    );
    const hooks: SessionHooks = { counters: this.counters, handlerFailed() {}, callRefused() {} };
    const dialer = new Dialer(addresses, options, hooks, this.dispatcher);
    this.carrier = new carriers[options.mode](options, dialer, this.counters, {
      connected: (session) => {
        this.calls.knownPolicies?.onConnect();
        this.emit("connect", peerOf(session));
      },
      disconnected: (session, error) => this.emit("disconnect", peerOf(session), error),
    });
    const target = new CarrierTarget(this.carrier, options.waitForReady);
    const destination = addresses.map(formatAddress).join();
    this.calls = new CallMaker(target, this.wheel, { ...options, destination });
    setPeerPolicy(this.carrier, this.calls);
    for (const { methods } of options.deliver) {
      for (const method of Object.values(methods))
        if (method.client.queueName !== undefined) this.calls.policies.gateOf(method);
    }
    if (options.mode === "pipelined") this.carrier.wantConnection();
  }

  /** What holds for the calls of each method under pressure, and what came of it. */
  get policies(): Policies<ClientPolicy> {
    return this.calls.policies;
  }

  /** What the channel is doing now. */
  get state(): ChannelState {
    return this.carrier.state;
  }

  unary<I, IInit, O, OInit>(
    method: Method<I, IInit, O, OInit>,
    request: IInit,
    options: CallOptions = NO_OPTIONS,
  ): Promise<O> {
    return this.calls.unary(method as AnyMethod, request, options) as Promise<O>;
  }

  serverStream<I, IInit, O, OInit>(
    method: Method<I, IInit, O, OInit>,
    request: IInit,
    options: CallOptions = NO_OPTIONS,
  ): ServerStream<O> {
    return this.calls.stream(method as AnyMethod, request, options) as AnyStream as ServerStream<O>;
  }

  clientStream<I, IInit, O, OInit>(
    method: Method<I, IInit, O, OInit>,
    options: CallOptions = NO_OPTIONS,
  ): ClientStream<IInit, O> {
    return this.calls.stream(method as AnyMethod, undefined, options) as AnyStream as ClientStream<IInit, O>;
  }

  bidiStream<I, IInit, O, OInit>(
    method: Method<I, IInit, O, OInit>,
    options: CallOptions = NO_OPTIONS,
  ): BidiStream<IInit, O> {
    return this.calls.stream(method as AnyMethod, undefined, options) as AnyStream as BidiStream<IInit, O>;
  }

  /** Serves calls that the server makes to this client, on every connection of the channel. */
  handle<Handlers extends object>(service: Service<Handlers>, handlers: Handlers): this {
    this.dispatcher.add(service, handlers);
    return this;
  }

  /**
   * Resolves when a connection is open, which it makes sure of. Rejects with UNAVAILABLE, and the reason of the last failed
   * attempt, after `timeoutMs` (default: the channel's) or when the channel is closed.
   */
  ready({ timeoutMs = this.options.timeoutMs }: { readonly timeoutMs?: number } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.state === "ready") return resolve();
      const end = (settle: () => void): void => {
        this.off("connect", onConnect);
        this.off("close", onClosed);
        this.wheel.remove(timer);
        settle();
      };
      const onConnect = (): void => end(resolve);
      const onClosed = (): void => end(() => reject(closedError()));
      const timer = new CallbackTimer(() => end(() => reject(this.notReady(timeoutMs))));
      if (this.state === "closed") return onClosed();
      this.wheel.add(timer, this.options.clock.now() + checkTimeout(timeoutMs));
      this.on("connect", onConnect);
      this.on("close", onClosed);
      this.carrier.wantConnection();
    });
  }

  /** Counters and gauges of now. */
  stats(): ChannelStats {
    const { connections, pending, waiting } = this.carrier;
    const queues = this.calls.knownPolicies?.queueStats() ?? {};
    return { ...this.counters, connections, pending, waiting, queues };
  }

  /**
   * Makes no new calls: those that wait fail at once, those under way may finish for `graceMs` (default 5,000 ms) and fail
   * UNAVAILABLE after it. Resolves when every connection is closed.
   */
  async close({ graceMs = 5_000 }: { readonly graceMs?: number } = {}): Promise<void> {
    const isFirst = !this.carrier.isClosed;
    const closed = this.carrier.close(graceMs);
    this.calls.knownPolicies?.stop(closedError());
    if (isFirst) this.emit("close");
    this.dispatcher.drain();
    await closed;
    await this.calls.knownPolicies?.close();
    await this.dispatcher.close();
    this.wheel.disarmIfEmpty();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private notReady(timeoutMs: number): RpcError {
    const why = this.carrier.lastError?.message ?? "no connection was open";
    return localError(Code.UNAVAILABLE, `not ready within ${timeoutMs} ms: ${why}`, "safe", this.carrier.lastError);
  }
}

/** Carries the calls of a channel. */
class CarrierTarget implements CallTarget {
  private readonly carrier: Carrier;
  private readonly waitForReady: boolean;

  constructor(carrier: Carrier, waitForReady: boolean) {
    this.carrier = carrier;
    this.waitForReady = waitForReady;
  }

  get closedError(): RpcError | undefined {
    return this.carrier.isClosed ? closedError() : undefined;
  }

  submit(call: OutgoingCall, request: unknown, { waitForReady = this.waitForReady }: CallOptions): void {
    this.carrier.submit(call, request, waitForReady);
  }

  submitParked(call: OutgoingCall, { waitForReady = this.waitForReady }: CallOptions): void {
    this.carrier.submitParked(call, waitForReady);
  }
}

/**
 * Connects to a service: `connect("tcp://10.0.0.1:7450,10.0.0.2:7450")`. Addresses are separated by commas, or given as a
 * list; one without a scheme takes that of the one before it. A pipelined channel connects at once, the others with their
 * first call. Throws `RpcError` INVALID_ARGUMENT for an address or option that cannot be.
 */
export function connect(addresses: string | readonly string[], options: ConnectOptions = {}): Channel {
  return new Channel(parseAddresses(addresses), resolveConnectOptions(options));
}

function parseAddresses(given: string | readonly string[]): Address[] {
  let scheme = "tcp://";
  const addresses = (typeof given === "string" ? given.split(",") : given).map((text) => {
    const trimmed = text.trim();
    const found = /^(tcp:\/\/|unix:|memory:)/.exec(trimmed)?.[0];
    if (found !== undefined) scheme = found;
    return parseAddress(found === undefined ? scheme + trimmed : trimmed);
  });
  if (addresses.length === 0) throw localError(Code.INVALID_ARGUMENT, "connect: no address was given", "never");
  return addresses;
}

function closedError(): RpcError {
  return localError(Code.UNAVAILABLE, "the channel is closed", "safe");
}
