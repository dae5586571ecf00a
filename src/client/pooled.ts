// The pooled mode, kept to compare with: a connection belongs to one call from its request to its response. The pool is
// generic-pool; the deadline of a call that waits is on our own clock, so a borrow is never timed out there: one that
// arrives when no call waits any more goes straight back.

import { createPool, type Pool } from "generic-pool";
import type { Counters } from "../transport/hooks.js";
import type { CallHolder, OutgoingCall } from "../transport/outgoing-call.js";
import type { Session } from "../transport/session.js";
import { CallbackTimer, wheelOf } from "../transport/timers.js";
import { Carrier, type ConnectionEvents } from "./carrier.js";
import type { Dialer } from "./dialer.js";
import type { ResolvedConnectOptions } from "./options.js";

/** What `create` resolves with when the pool is closed: rejecting would make generic-pool try again at once, for ever. */
const NO_SESSION = "closed";

/** A pooled connection; an object of its own, because generic-pool tells its resources apart by identity. */
interface Slot {
  readonly session: Session | typeof NO_SESSION;
  /** Closes the connection when it was idle for too long. */
  readonly idleTimer: CallbackTimer;
}

/** See the head of this file. */
export class PooledCarrier extends Carrier implements CallHolder {
  private readonly pool: Pool<Slot>;
  private readonly slots = new Map<Session, Slot>();
  /** Borrowed connections on which a call waits for the handshake or for a lease. */
  private readonly stalled = new Set<Session>();
  /** Borrows that have not arrived. */
  private borrowing = 0;

  constructor(options: ResolvedConnectOptions, dialer: Dialer, counters: Counters, events: ConnectionEvents) {
    super(options, dialer, counters, events);
    this.pool = createPool<Slot>(
      {
        create: () => this.createSlot(),
        destroy: async (slot) => this.destroySlot(slot),
        validate: async ({ session }) => session === NO_SESSION || (session.isUsable && !session.isBusy),
      },
      { min: 0, max: options.maxConnections, testOnBorrow: true, autostart: false },
    );
  }

  submit(call: OutgoingCall, request: unknown, waitForReady: boolean): void {
    this.park(call, request, waitForReady);
    this.pump();
  }

  wantConnection(): void {
    if (this.sessions.size === 0 && this.borrowing === 0) this.borrow();
  }

  override onOpen(session: Session): void {
    super.onOpen(session);
    if (this.stalled.delete(session)) this.startNext(session);
  }

  override onRefused(call: OutgoingCall, session: Session): boolean {
    this.stalled.add(session);
    return super.onRefused(call, session);
  }

  onRoom(session: Session): void {
    if (this.stalled.delete(session)) this.startNext(session);
  }

  onDraining(): void {}

  /** `call` has settled: its connection goes back to the pool. */
  release(call: OutgoingCall): void {
    if (call.session !== undefined) this.giveBack(call.session);
  }

  override async close(graceMs: number): Promise<void> {
    await super.close(graceMs);
    await this.pool.drain();
    await this.pool.clear();
  }

  protected onLost(session: Session): void {
    this.stalled.delete(session);
    this.giveBack(session);
    this.pump();
  }

  protected pump(): void {
    while (!this.isClosed && this.borrowing < Math.min(this.queue.size, this.options.maxConnections)) this.borrow();
  }

  private borrow(): void {
    this.borrowing++;
    this.pool.acquire().then(
      (slot) => this.onBorrowed(slot),
      () => {
        this.borrowing--;
      },
    );
  }

  private onBorrowed(slot: Slot): void {
    this.borrowing--;
    const { session } = slot;
    if (session === NO_SESSION) {
      void this.pool.destroy(slot);
      return;
    }
    wheelOf(this.clock).remove(slot.idleTimer);
    this.startNext(session);
    this.pump();
  }

  private startNext(session: Session): void {
    const call = session.outgoing.hasRoom ? this.queue.shift() : undefined;
    if (call?.parked === undefined) {
      this.giveBack(session);
      return;
    }
    call.holder = this;
    if (session.outgoing.sendParked(call, call.parked)) {
      // A request that cannot travel has failed without using the connection.
      if (call.isSettled) this.giveBack(session);
      return;
    }
    // A request of this size may only go once the handshake is complete, or there is no lease for it.
    this.queue.unshift(call);
    this.stalled.add(session);
    session.outgoing.awaitRoom();
  }

  /** Ends a borrow, if there is one: a connection that can be used again goes back, another one is destroyed. */
  private giveBack(session: Session): void {
    const slot = this.slots.get(session);
    if (slot === undefined || !this.pool.isBorrowedResource(slot)) return;
    const isIdle = session.isUsable && session.outgoing.pending === 0;
    if (isIdle && this.pool.available < this.options.maxIdleConnections && !this.isClosed) {
      wheelOf(this.clock).add(slot.idleTimer, this.clock.now() + this.options.idleTimeoutMs);
      void this.pool.release(slot);
    } else {
      void this.pool.destroy(slot);
    }
    this.pump();
  }

  private async createSlot(): Promise<Slot> {
    const session = (await this.open(() => true, !this.dialer.isBackingOff)) ?? NO_SESSION;
    const slot: Slot = { session, idleTimer: new CallbackTimer(() => session !== NO_SESSION && session.finish()) };
    if (session !== NO_SESSION) this.slots.set(session, slot);
    return slot;
  }

  private destroySlot({ session, idleTimer }: Slot): void {
    wheelOf(this.clock).remove(idleTimer);
    if (session === NO_SESSION) return;
    this.slots.delete(session);
    session.finish();
  }
}
