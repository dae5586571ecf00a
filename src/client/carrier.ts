// What the three modes share: the connections of a channel, the queue of calls that wait for one, reconnecting with
// backoff, and closing. A mode decides only which connection carries which call.

import { CallQueue } from "../call/call-queue.js";
import { Code, localError, type RpcError } from "../codec/status.js";
import type { Clock, TimerHandle } from "../transport/clock.js";
import type { Counters } from "../transport/hooks.js";
import type { OutgoingCall, ParkedRequest } from "../transport/outgoing-call.js";
import { parkRequest } from "../transport/outgoing-calls.js";
import type { Session, SessionOwner } from "../transport/session.js";
import type { Dialer } from "./dialer.js";
import type { ResolvedConnectOptions } from "./options.js";

/** What a channel is doing: `backoff` is the pause after failed attempts, `idle` that it wants no connection now. */
export type ChannelState = "idle" | "connecting" | "ready" | "backoff" | "closed";

/** Told of a channel's connections. */
export interface ConnectionEvents {
  connected(session: Session): void;
  disconnected(session: Session, error: RpcError): void;
}

/** A pause before the next attempt. */
interface Pause {
  readonly timer: TimerHandle;
  readonly end: () => void;
}

/** Connections and the calls that wait for them. */
export abstract class Carrier implements SessionOwner {
  protected readonly options: ResolvedConnectOptions;
  protected readonly dialer: Dialer;
  protected readonly queue: CallQueue;
  protected readonly sessions: Set<Session> = new Set();
  protected readonly clock: Clock;
  /** Attempts to open a connection that are under way, pauses between them included. */
  protected opening = 0;
  private readonly counters: Counters;
  private readonly events: ConnectionEvents;
  private readonly pauses = new Set<Pause>();
  private closedError: RpcError | undefined = undefined;
  private readonly onEmpty: (() => void)[] = [];

  constructor(options: ResolvedConnectOptions, dialer: Dialer, counters: Counters, events: ConnectionEvents) {
    this.options = options;
    this.dialer = dialer;
    this.counters = counters;
    this.events = events;
    this.clock = options.clock;
    this.queue = new CallQueue(options.maxWaitingCalls, options.maxWaitingBytes, () => dialer.lastError?.message);
  }

  /** Carries `call`, or fails it. */
  abstract submit(call: OutgoingCall, request: unknown, waitForReady: boolean): void;
  /** The same for a call whose request is encoded already, as `call.parked`. */
  submitParked(call: OutgoingCall, waitForReady: boolean): void {
    const refusal = this.refusalOf(call, waitForReady);
    if (refusal === undefined) this.enqueue(call, call.parked as ParkedRequest, waitForReady);
    else call.fail(refusal);
    this.pump();
  }

  /** Makes sure that a connection is open or being opened. */
  abstract wantConnection(): void;
  abstract onRoom(session: Session): void;
  abstract onDraining(session: Session): void;
  /** Calls wait, and something has changed that may let them go. */
  protected abstract pump(): void;
  /** `session` is gone. */
  protected abstract onLost(session: Session): void;

  /** See {@link ChannelState}. */
  get state(): ChannelState {
    if (this.closedError !== undefined) return "closed";
    for (const session of this.sessions) if (session.state === "open" && session.isUsable) return "ready";
    if (this.pauses.size > 0 && this.dialer.lastError !== undefined) return "backoff";
    return this.opening > 0 || this.sessions.size > 0 ? "connecting" : "idle";
  }

  /** Open connections. */
  get connections(): number {
    return this.sessions.size;
  }

  /** Calls that wait for a connection. */
  get waiting(): number {
    return this.queue.size;
  }

  /** Calls that a connection carries. */
  get pending(): number {
    let pending = 0;
    for (const session of this.sessions) pending += session.outgoing.pending;
    return pending;
  }

  /** Why the last attempt to connect failed. */
  get lastError(): RpcError | undefined {
    return this.dialer.lastError;
  }

  onOpen(session: Session): void {
    this.dialer.succeeded(session);
    this.events.connected(session);
    this.pump();
  }

  onUnsent(call: OutgoingCall): void {
    if (this.closedError !== undefined) call.fail(this.closedError);
    else this.queue.unshift(call);
  }

  /** A call that was sent before the peer had announced its limits may be one too many, or lack a lease: it waits for room. */
  onRefused(call: OutgoingCall, session: Session): boolean {
    if (this.isClosed) return false;
    call.holder = undefined;
    this.queue.unshift(call);
    session.outgoing.awaitRoom();
    return true;
  }

  onClosed(session: Session, error: RpcError): void {
    this.sessions.delete(session);
    this.counters.connectionsClosed++;
    if (session.wasOpen) this.events.disconnected(session, error);
    if (session.wasTurnedAway || !(session.wasOpen || session.isFinishing)) {
      this.dialer.rejected(session, error);
      this.failImpatient();
    }
    this.onLost(session);
    this.noticeEmpty();
  }

  /** Waiting calls fail at once; those on a connection may finish until `graceMs` has passed. Resolves when every connection is closed. */
  async close(graceMs: number): Promise<void> {
    if (this.closedError !== undefined) return this.whenEmpty();
    this.closedError = localError(Code.UNAVAILABLE, "the channel is closed", "safe");
    this.dialer.close();
    for (const pause of this.pauses) pause.end();
    for (let call = this.queue.shift(); call !== undefined; call = this.queue.shift()) call.fail(this.closedError);
    for (const session of this.sessions) session.finish();
    const timer = this.clock.setTimer(() => this.cancelAll(), graceMs, true);
    await this.whenEmpty();
    this.clock.clearTimer(timer);
  }

  /** True once `close` was called. */
  get isClosed(): boolean {
    return this.closedError !== undefined;
  }

  /** Encodes the request of a call and puts the call in the queue; fails it where that cannot be. */
  protected park(call: OutgoingCall, request: unknown, waitForReady: boolean): void {
    const refusal = this.refusalOf(call, waitForReady);
    if (refusal !== undefined) {
      call.fail(refusal);
      return;
    }
    try {
      this.enqueue(call, parkRequest(call, request), waitForReady);
    } catch (error) {
      call.fail(error as RpcError);
    }
  }

  private enqueue(call: OutgoingCall, request: ParkedRequest, waitForReady: boolean): void {
    call.parked = { ...request, isImpatient: !waitForReady };
    this.counters.callsParked++;
    this.queue.push(call);
  }

  private refusalOf(call: OutgoingCall, waitForReady: boolean): RpcError | undefined {
    return this.closedError ?? (waitForReady || this.isHopeful ? undefined : this.notReady(call));
  }

  /**
   * Opens a connection, over as many attempts as it takes; undefined once `isWanted` is false between two of them.
   * `atOnce`: the first attempt does not wait for the backoff.
   */
  protected async open(isWanted: () => boolean, atOnce: boolean): Promise<Session | undefined> {
    this.opening++;
    try {
      for (let first = atOnce; !this.isClosed && isWanted(); first = false) {
        if (!first) await this.pause(this.dialer.nextDelayMs());
        if (this.isClosed || !isWanted()) break;
        const session = await this.dialer.dial(this).catch(() => undefined);
        if (session === undefined) {
          this.failImpatient();
          continue;
        }
        this.sessions.add(session);
        if (this.closedError === undefined) return session;
        session.destroy(this.closedError);
      }
      return undefined;
    } finally {
      this.opening--;
      this.noticeEmpty();
    }
  }

  /** True while a call that does not wait may be let in: a connection is ready, or this mode opens one for the call now. */
  private get isHopeful(): boolean {
    return this.state === "ready" || (this.options.mode !== "pipelined" && !this.dialer.isBackingOff);
  }

  /** An attempt to connect has failed. */
  private failImpatient(): void {
    this.queue.failImpatient((call) => this.notReady(call));
  }

  private pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.clock.clearTimer(pause.timer);
        this.pauses.delete(pause);
        resolve();
      };
      // Like an open connection, it keeps the process up: the timers of calls do not, and one may begin to wait at any time.
      const pause: Pause = { timer: this.clock.setTimer(end, delayMs, true), end: () => end() };
      this.pauses.add(pause);
    });
  }

  /** The grace period is over. */
  private cancelAll(): void {
    for (const session of this.sessions) session.cancelAll(this.closedError as RpcError);
  }

  private get isEmpty(): boolean {
    return this.sessions.size === 0 && this.opening === 0;
  }

  private noticeEmpty(): void {
    if (!this.isEmpty) return;
    for (const resolve of this.onEmpty.splice(0)) resolve();
  }

  private whenEmpty(): Promise<void> {
    if (this.isEmpty) return Promise.resolve();
    return new Promise((resolve) => this.onEmpty.push(resolve));
  }

  private notReady(call: OutgoingCall): RpcError {
    const why = this.lastError === undefined ? "no connection is open" : this.lastError.message;
    return localError(Code.UNAVAILABLE, `${call.method.path}: not ready: ${why}`, "safe", this.lastError);
  }
}
