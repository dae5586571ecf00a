// The pipelined mode: many calls at once on as few connections as carry them. A call goes to the open connection with the
// fewest calls pending. Another connection is opened, up to `maxConnections`, only when calls wait because every open one
// is full: it has the peer's limit of calls pending, or more unsent bytes than allowed. A connection beyond the first
// that had no call for `idleTimeoutMs` is closed. The channel reconnects by itself whenever it has no connection.

import type { OutgoingCall, ParkedRequest } from "../transport/outgoing-call.js";
import type { Session } from "../transport/session.js";
import { CallbackTimer, wheelOf } from "../transport/timers.js";
import { Carrier } from "./carrier.js";

/** See the head of this file. */
export class PipelinedCarrier extends Carrier {
  /** The connection that calls go to while there is only one. */
  private only: Session | undefined = undefined;
  private readonly idleTimer = new CallbackTimer(() => this.closeIdle());
  /** How many calls each connection had carried when the idle timer looked last. */
  private readonly sentBefore = new WeakMap<Session, number>();

  submit(call: OutgoingCall, request: unknown, waitForReady: boolean): void {
    const session = this.queue.size === 0 ? this.pick() : undefined;
    if (session?.state === "open" && session.outgoing.isLeased(call.method)) {
      session.outgoing.send(call, request);
      return;
    }
    this.park(call, request, waitForReady);
    this.pump();
  }

  override submitParked(call: OutgoingCall, waitForReady: boolean): void {
    const session = this.queue.size === 0 ? this.pick() : undefined;
    if (session?.state === "open" && session.outgoing.sendParked(call, call.parked as ParkedRequest)) return;
    super.submitParked(call, waitForReady);
  }

  wantConnection(): void {
    if (this.usable() === 0 && this.opening === 0) this.connect(() => true, true);
  }

  onRoom(): void {
    this.pump();
  }

  onDraining(): void {
    this.wantConnection();
  }

  protected onLost(): void {
    this.only = undefined;
    if (!this.isClosed && this.usable() === 0 && this.opening === 0) this.connect(() => true, false);
    if (this.sessions.size < 2) wheelOf(this.clock).remove(this.idleTimer);
    this.pump();
  }

  protected pump(): void {
    this.queue.sendTo(() => this.pick());
    if (this.queue.size > 0) this.waitForRoom();
  }

  private waitForRoom(): void {
    let isGreeting = false;
    for (const session of this.sessions) {
      session.outgoing.awaitRoom();
      isGreeting ||= session.state === "handshake";
    }
    if (this.opening > 0 || this.isClosed || isGreeting) return;
    if (this.usable() < this.options.maxConnections)
      this.connect(() => this.usable() === 0 || this.queue.size > 0, !this.dialer.isBackingOff);
  }

  private connect(isWanted: () => boolean, atOnce: boolean): void {
    void this.open(isWanted, atOnce).then((session) => {
      if (session === undefined) return;
      this.only = this.sessions.size === 1 ? session : undefined;
      if (this.sessions.size === 2) this.watchIdle();
      this.pump();
    });
  }

  /** The connection for the next call; undefined if none has room. */
  private pick(): Session | undefined {
    if (this.only !== undefined) return this.only.outgoing.hasRoom ? this.only : undefined;
    let best: Session | undefined;
    for (const session of this.sessions) {
      if (!session.outgoing.hasRoom) continue;
      // A server that is full turns a further connection away, and the calls on it would fail: they wait for its greeting.
      if (session.state === "handshake" && this.sessions.size > 1) continue;
      if (best === undefined || session.outgoing.pending < best.outgoing.pending) best = session;
    }
    if (this.sessions.size === 1) this.only = best;
    return best;
  }

  private usable(): number {
    let count = 0;
    for (const session of this.sessions) if (session.isUsable) count++;
    return count;
  }

  private watchIdle(): void {
    wheelOf(this.clock).add(this.idleTimer, this.clock.now() + this.options.idleTimeoutMs);
  }

  private closeIdle(): void {
    const usable = [...this.sessions].filter((session) => session.isUsable);
    for (const session of usable.slice(1)) {
      const { sent, pending } = session.outgoing;
      if (pending === 0 && this.sentBefore.get(session) === sent) session.finish();
      else this.sentBefore.set(session, sent);
    }
    if (this.sessions.size > 1) this.watchIdle();
  }
}
