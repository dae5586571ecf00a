// The short-connection mode, kept to compare with: each call opens a connection of its own, which closes behind it. At
// most `maxConnections` are open or being opened; calls beyond wait.

import type { CallHolder, OutgoingCall } from "../transport/outgoing-call.js";
import type { Session } from "../transport/session.js";
import { Carrier } from "./carrier.js";

/** See the head of this file. */
export class ShortCarrier extends Carrier implements CallHolder {
  /** Connections that were opened only to see whether one can be. */
  private readonly probes = new WeakSet<Session>();

  submit(call: OutgoingCall, request: unknown, waitForReady: boolean): void {
    this.park(call, request, waitForReady);
    this.pump();
  }

  wantConnection(): void {
    if (this.sessions.size > 0 || this.opening > 0) return;
    void this.open(() => true, true).then((session) => {
      if (session !== undefined) this.probes.add(session);
    });
  }

  onRoom(session: Session): void {
    if (session.outgoing.pending === 0) this.start(session);
  }

  onDraining(): void {}

  override onOpen(session: Session): void {
    super.onOpen(session);
    if (this.probes.has(session)) session.finish();
    else if (session.outgoing.sent === 0) this.start(session);
  }

  /** `call` has settled: its connection has served. */
  release(call: OutgoingCall): void {
    call.session?.finish();
  }

  protected onLost(): void {
    this.pump();
  }

  protected pump(): void {
    const { maxConnections } = this.options;
    while (!this.isClosed && this.opening < this.queue.size && this.opening + this.sessions.size < maxConnections) {
      void this.open(() => this.queue.size > 0, !this.dialer.isBackingOff).then((session) => {
        if (session !== undefined) this.start(session);
      });
    }
  }

  private start(session: Session): void {
    const call = session.outgoing.hasRoom ? this.queue.shift() : undefined;
    if (call?.parked === undefined) {
      session.finish();
      return;
    }
    call.holder = this;
    // A request too long to go before the handshake waits for it, or for a lease, and this connection waits with it.
    if (!session.outgoing.sendParked(call, call.parked)) {
      this.queue.unshift(call);
      session.outgoing.awaitRoom();
    }
    // A request that cannot travel has failed without using the connection.
    else if (call.isSettled) session.finish();
  }
}
