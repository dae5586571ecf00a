// Opens connections: which address comes next, how long an attempt may take, and how long to wait after failures.
//
// Addresses are tried in turn, beginning with the one that worked last. After every address has failed once the next
// round waits: initialBackoffMs * 1.6^round, at most maxBackoffMs, times U(0, 1) (full jitter).
// All attempts of a channel share the wait and the count, however many connections it wants at once.

import { Code, localError, type RpcError } from "../codec/status.js";
import { AGENT } from "../transport/agent.js";
import type { SessionHooks } from "../transport/hooks.js";
import type { Acceptor } from "../transport/incoming-calls.js";
import { type Address, type Dialing, formatAddress, type Pipe } from "../transport/pipe.js";
import { Session, type SessionOwner, Side } from "../transport/session.js";
import { CallbackTimer, type TimerWheel, wheelOf } from "../transport/timers.js";
import type { ResolvedConnectOptions } from "./options.js";

const BACKOFF_FACTOR = 1.6;

/** Where an attempt leads, and how many had failed when it began. */
interface Origin {
  readonly index: number;
  readonly failures: number;
  /** When it began, in the clock's milliseconds. */
  readonly beganAt: number;
}

/** Opens the connections of one channel. */
export class Dialer {
  /** The failure of the last attempt; undefined after a success. */
  lastError: RpcError | undefined = undefined;
  private readonly addresses: readonly Address[];
  private readonly options: ResolvedConnectOptions;
  private readonly hooks: SessionHooks;
  private readonly acceptor: Acceptor;
  private readonly wheel: TimerWheel;
  private readonly attempts = new Set<Dialing>();
  private readonly originOf = new WeakMap<Session, Origin>();
  /** The index of the address to try next. */
  private cursor = 0;
  /** Attempts that have failed since the last success. */
  private failures = 0;
  /** No attempt begins before this time, in the clock's milliseconds, unless it is asked for at once. */
  private retryAt = Number.NEGATIVE_INFINITY;
  private closed = false;

  constructor(addresses: readonly Address[], options: ResolvedConnectOptions, hooks: SessionHooks, acceptor: Acceptor) {
    this.addresses = addresses;
    this.options = options;
    this.hooks = hooks;
    this.acceptor = acceptor;
    this.wheel = wheelOf(options.clock);
  }

  /**
   * Opens a connection to the next address; it can carry calls at once, and its handshake follows. Rejects with an
   * `RpcError` when the socket does not open in time.
   */
  async dial(owner: SessionOwner): Promise<Session> {
    const origin: Origin = { index: this.cursor, failures: this.failures, beganAt: this.options.clock.now() };
    let pipe: Pipe;
    try {
      pipe = await this.openPipe(this.addresses[origin.index] as Address);
    } catch (error) {
      this.failed(origin, error as RpcError);
      throw error;
    }
    const { slabs, limits, compression, peerId } = this.options;
    const { acceptor, wheel, hooks } = this;
    const session = new Session({
      pipe,
      side: Side.DIALED,
      owner,
      acceptor,
      wheel,
      slabs,
      limits,
      hooks,
      compression,
      leases: false,
      peerId,
      agent: AGENT,
    });
    this.originOf.set(session, origin);
    return session;
  }

  /** The handshake of `session` is complete: its address is tried first from now on. */
  succeeded(session: Session): void {
    this.cursor = this.originOf.get(session)?.index ?? this.cursor;
    this.failures = 0;
    this.retryAt = Number.NEGATIVE_INFINITY;
    this.lastError = undefined;
  }

  /** `session` was lost before its handshake was complete, or the peer turned it away: the backoff goes on where it was. */
  rejected(session: Session, error: RpcError): void {
    const origin = this.originOf.get(session) as Origin;
    this.failures = Math.max(this.failures, origin.failures);
    this.failed(origin, error);
  }

  /** True during the wait that follows failed attempts. */
  get isBackingOff(): boolean {
    return this.options.clock.now() < this.retryAt;
  }

  /** Milliseconds to wait before the next attempt. */
  nextDelayMs(): number {
    return this.failures === 0 ? this.backoffMs() : Math.max(0, this.retryAt - this.options.clock.now());
  }

  /** Gives up what is under way; every later attempt fails. */
  close(): void {
    this.closed = true;
    for (const attempt of this.attempts) attempt.cancel();
  }

  private async openPipe(address: Address): Promise<Pipe> {
    if (this.closed) throw localError(Code.UNAVAILABLE, "the channel is closed", "safe");
    const { connectTimeoutMs, clock, network } = this.options;
    const attempt = network.dial(address);
    let isLate = false;
    const timer = new CallbackTimer(() => {
      isLate = true;
      attempt.cancel();
    });
    this.attempts.add(attempt);
    this.wheel.add(timer, clock.now() + connectTimeoutMs);
    try {
      const pipe = await attempt.pipe;
      if (!this.closed) return pipe;
      pipe.destroy();
      throw localError(Code.UNAVAILABLE, "the channel is closed", "safe");
    } catch (error) {
      // What the network rejects with names the address already.
      const late = `${formatAddress(address)}: no connection within ${connectTimeoutMs} ms`;
      throw localError(Code.UNAVAILABLE, isLate ? late : (error as Error).message, "safe", error);
    } finally {
      this.attempts.delete(attempt);
      this.wheel.remove(timer);
    }
  }

  private backoffMs(): number {
    const { initialBackoffMs, maxBackoffMs, random } = this.options;
    if (this.failures % this.addresses.length !== 0) return 0;
    const round = this.failures / this.addresses.length;
    return Math.min(maxBackoffMs, initialBackoffMs * BACKOFF_FACTOR ** round) * random();
  }

  private failed({ index, failures, beganAt }: Origin, error: RpcError): void {
    if (this.closed) return;
    this.hooks.counters.dialsFailed++;
    this.lastError = error;
    if (this.cursor === index) this.cursor = (index + 1) % this.addresses.length;
    // Attempts of the same round count once: that many connections are wanted is no reason to wait longer.
    if (failures < this.failures || beganAt < this.retryAt) return;
    this.failures++;
    this.retryAt = this.options.clock.now() + this.backoffMs();
  }
}
