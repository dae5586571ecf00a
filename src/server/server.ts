// A server: listens on one or more addresses, serves the services it was given on every connection, and drains.

import { EventEmitter } from "node:events";
import { Dispatcher } from "../call/dispatch.js";
import { knownPeer, type Peer, peerOf, setPeerPolicy } from "../call/peer.js";
import { CloseReason } from "../codec/frame.js";
import type { Service } from "../codec/method.js";
import type { ServerPolicy } from "../codec/policy.js";
import { Code, localError, type RpcError } from "../codec/status.js";
import type { Policies } from "../flow/policies.js";
import { type Refusal, Refusals } from "../flow/refusals.js";
import { ServerPolicies } from "../flow/server-policies.js";
import { TaskPool } from "../flow/task-pool.js";
import { AGENT } from "../transport/agent.js";
import { Counters, type SessionHooks } from "../transport/hooks.js";
import type { OutgoingCall } from "../transport/outgoing-call.js";
import { formatAddress, type Listener, type ListenOptions, type Pipe, parseAddress } from "../transport/pipe.js";
import { Session, type SessionOwner, Side } from "../transport/session.js";
import { type TimerWheel, wheelOf } from "../transport/timers.js";
import { Aging } from "./aging.js";
import { ServerLog } from "./log.js";
import { type ResolvedServerOptions, resolveServerOptions, type ServerOptions } from "./options.js";

/** What a server emits. */
export interface ServerEvents {
  /** A client has connected: its handshake is complete. */
  connect: [peer: Peer];
  /** A client that was connected is gone; the error says why. */
  disconnect: [peer: Peer, error: RpcError];
  /** `close` was called: no new connections are accepted, and calls finish. */
  drain: [];
}

/** A server's counters and gauges. */
export interface ServerStats extends Readonly<Counters> {
  /** Connections that are open or completing their handshake. */
  readonly connections: number;
  /** Handlers that run. */
  readonly running: number;
  /** Calls that wait for a worker. */
  readonly waiting: number;
}

/** Serves calls. Made by {@link createServer}. */
export class Server extends EventEmitter<ServerEvents> implements SessionOwner {
  /** The policies of the methods that are served: read, replace, count. */
  readonly policies: Policies<ServerPolicy>;
  private readonly options: ResolvedServerOptions;
  private readonly wheel: TimerWheel;
  private readonly dispatcher: Dispatcher;
  private readonly log: ServerLog;
  private readonly hooks: SessionHooks;
  private readonly refusals: Refusals;
  private readonly aging: Aging;
  private readonly listeners_: Listener[] = [];
  private readonly sessions = new Set<Session>();
  private closing: Promise<void> | undefined = undefined;
  /** True once draining is over: a connection that was still on its way to `accept` is closed. */
  private isOver = false;
  private onEmpty: () => void = () => {};
  private readonly onSigterm = (): void => {
    void this.close({ graceMs: this.options.drainOnSigtermMs ?? 0 });
  };

  /** Use {@link createServer}. */
  constructor(options: ResolvedServerOptions) {
    super();
    this.options = options;
    this.wheel = wheelOf(options.clock);
    this.dispatcher = new Dispatcher(new TaskPool(this.wheel, options.maxCalls, options.policy), options.interceptors);
    setPeerPolicy(this, options.calls);
    const { random, maxConnectionAgeMs, connectionAgeGraceMs } = options;
    this.aging = new Aging(this.wheel, random, maxConnectionAgeMs, connectionAgeGraceMs);
    this.log = new ServerLog(options.logger, options.clock);
    this.hooks = {
      counters: new Counters(),
      handlerFailed: (path, error) => this.log.handlerFailed(path, error),
      callRefused: (remote, path, reason) => {
        this.refusals.add(remote, path, reason);
        this.log.callRefused(remote, path, reason);
      },
    };
    this.refusals = new Refusals(options.clock);
    this.policies = new ServerPolicies(this.dispatcher.pool, (path, policy, by) =>
      this.log.policyChanged(path, policy, by),
    );
  }

  /** Serves `service`, on connections that are open already too. Throws `RpcError` if a handler is missing. */
  handle<Handlers extends object>(service: Service<Handlers>, handlers: Handlers): this {
    this.dispatcher.add(service, handlers);
    return this;
  }

  /** The services that were given to {@link handle}, in that order. */
  get services(): readonly Service[] {
    return this.dispatcher.services;
  }

  /**
   * Listens on `tcp://host:port` or `unix:/path`; several calls listen on several addresses. Resolves with the address as
   * bound, with the real port where 0 was asked for. In a worker process of node:cluster the port is shared with the other
   * workers. Rejects with an `RpcError` that names the address.
   */
  async listen(address: string, options: ListenOptions = {}): Promise<string> {
    if (this.closing !== undefined) throw localError(Code.UNAVAILABLE, "the server is closed", "never");
    const listener = await this.options.network.listen(parseAddress(address), (pipe) => this.accept(pipe), options);
    if (this.closing !== undefined) {
      await listener.close();
      throw localError(Code.UNAVAILABLE, "the server is closed", "never");
    }
    if (this.listeners_.push(listener) === 1 && this.options.drainOnSigtermMs !== undefined) {
      process.once("SIGTERM", this.onSigterm);
    }
    const bound = formatAddress(listener.address);
    this.log.listening(bound);
    return bound;
  }

  /** The clients that are connected now, one for each connection, in the order they came; a snapshot. */
  peers(): Peer[] {
    return [...this.sessions].filter(({ state }) => state === "open").map(peerOf);
  }

  /** Counters and gauges of now. */
  stats(): ServerStats {
    const { running, waiting } = this.dispatcher.pool;
    return { ...this.hooks.counters, connections: this.sessions.size, running, waiting };
  }

  /** The last 64 calls that were refused, and why; the newest first. */
  recentRefusals(): readonly Refusal[] {
    return this.refusals.list();
  }

  /**
   * Drains and closes: accepts no more connections, tells every client, finishes the calls under way for `graceMs` (default
   * 5,000 ms) and cancels the rest. Resolves when every connection is closed.
   */
  close({ graceMs = 5_000 }: { readonly graceMs?: number } = {}): Promise<void> {
    if (this.closing === undefined) {
      this.closing = this.drain(graceMs);
      this.emit("drain");
    }
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  onOpen(session: Session): void {
    this.log.connected(session);
    this.emit("connect", peerOf(session));
  }

  onClosed(session: Session, error: RpcError): void {
    this.sessions.delete(session);
    this.aging.forget(session);
    this.hooks.counters.connectionsClosed++;
    knownPeer(session)?.onClosed();
    this.log.disconnected(session, error);
    if (session.wasOpen) this.emit("disconnect", peerOf(session), error);
    if (this.sessions.size === 0) this.onEmpty();
  }

  onDraining(session: Session): void {
    knownPeer(session)?.onRoom();
  }

  onRoom(session: Session): void {
    knownPeer(session)?.onRoom();
  }

  onUnsent(call: OutgoingCall): void {
    call.fail(localError(Code.UNAVAILABLE, `${call.method.path}: the peer was gone before the call left`, "safe"));
  }

  onRefused(): boolean {
    return false;
  }

  private accept(pipe: Pipe): void {
    if (this.isOver) {
      pipe.destroy();
      return;
    }
    const { slabs, limits, compression, leases, peerId, maxConnections } = this.options;
    const { dispatcher: acceptor, wheel, hooks } = this;
    const session = new Session({
      pipe,
      side: Side.ACCEPTED,
      owner: this,
      acceptor,
      wheel,
      slabs,
      limits,
      hooks,
      compression,
      leases,
      peerId,
      agent: AGENT,
    });
    this.sessions.add(session);
    this.aging.watch(session);
    if (this.closing !== undefined) session.drain();
    if (this.sessions.size <= maxConnections) return;
    this.log.connectionRefused(session.remote, `${maxConnections} connections are open, the limit`);
    session.fatal(CloseReason.CONNECTION_LIMIT, `the server has ${maxConnections} connections, its limit`);
  }

  private async drain(graceMs: number): Promise<void> {
    process.off("SIGTERM", this.onSigterm);
    await Promise.all(this.listeners_.map((listener) => listener.close()));
    const { clock } = this.options;
    const empty = new Promise<void>((resolve) => {
      this.onEmpty = resolve;
    });
    for (const session of this.sessions) session.drain();
    this.dispatcher.drain();
    const timer = clock.setTimer(() => this.cancelAll(), graceMs, true);
    if (this.sessions.size > 0) await empty;
    this.isOver = true;
    clock.clearTimer(timer);
    await this.dispatcher.close();
    this.wheel.disarmIfEmpty();
  }

  /** The grace period is over. */
  private cancelAll(): void {
    this.isOver = true;
    const error = localError(Code.UNAVAILABLE, "the server is shutting down", "unsafe");
    for (const session of this.sessions) session.cancelAll(error);
  }
}

/** Makes a server that serves nothing yet. Throws `RpcError` INVALID_ARGUMENT for an option that cannot be. */
export function createServer(options: ServerOptions = {}): Server {
  return new Server(resolveServerOptions(options));
}
