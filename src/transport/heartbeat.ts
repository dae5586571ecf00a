// Liveness of one connection: pings when nothing was read for a while, finds the peer dead when it stays silent, counts
// the peer's pings that come too early, and ends peers that read nothing or never finish a frame. One wheel timer that
// looks every few seconds does all of it, so that a call and a received chunk cost nothing but a store.

import { CloseReason } from "../codec/frame.js";
import type { Splitter } from "../codec/splitter.js";
import type { Session } from "./session.js";
import { MAX_PING_STRIKES } from "./settings.js";
import { Timer } from "./timers.js";

/** Watches over one {@link Session}. */
export class Heartbeat extends Timer {
  private readonly session: Session;
  private readonly splitter: Splitter;
  private lastReadAt = 0;
  /** When the ping that has not been answered was sent; undefined without one. */
  private pingSentAt: number | undefined = undefined;
  private lastPingAt = Number.NEGATIVE_INFINITY;
  private strikes = 0;
  /** The oldest look at which the outbox stood where it stands now, and the same for the frame being received. */
  private blockedAt = 0;
  private blockedPosition = -1;
  private partialAt = 0;
  private partialFrame = -1;

  constructor(session: Session, splitter: Splitter) {
    super();
    this.session = session;
    this.splitter = splitter;
  }

  /** The handshake is complete. */
  start(now: number): void {
    this.lastReadAt = now;
    this.session.wheel.add(this, now + this.lookEveryMs());
  }

  /** The connection has ended. */
  stop(): void {
    this.session.wheel.remove(this);
  }

  /** Bytes have arrived: any traffic counts as life. */
  onBytes(now: number): void {
    this.lastReadAt = now;
    this.pingSentAt = undefined;
  }

  /** The peer has pinged; one that does so too often is cut off. */
  onPing(now: number): void {
    const tooEarly = now - this.lastPingAt < this.session.limits.minPingIntervalMs;
    this.lastPingAt = now;
    this.strikes = tooEarly ? this.strikes + 1 : 0;
    if (this.strikes <= MAX_PING_STRIKES) return;
    this.session.fatal(
      CloseReason.LIMIT_EXCEEDED,
      `pings closer together than ${this.session.limits.minPingIntervalMs} ms`,
    );
  }

  override expire(): void {
    const { session } = this;
    const now = session.wheel.clock.now();
    this.checkSlowReader(now);
    this.checkPartialFrame(now);
    this.checkSilence(now);
    session.checkStalls(now);
    if (session.isOpen) session.wheel.add(this, this.nextLook(now));
  }

  private checkSilence(now: number): void {
    const { session } = this;
    if (session.isReadingPaused) {
      this.onBytes(now);
    } else if (this.pingSentAt === undefined) {
      // As `nextLook` adds them: the difference may be rounded to less than the interval.
      if (now < this.lastReadAt + this.intervalMs()) return;
      this.pingSentAt = now;
      session.ping();
    } else if (now >= this.pingSentAt + session.limits.heartbeatTimeoutMs) {
      const silentMs = Math.round(now - this.lastReadAt);
      session.fatal(CloseReason.HEARTBEAT_TIMEOUT, `nothing was received for ${silentMs} ms, nor an answer to a ping`);
      session.abort();
    }
  }

  private checkSlowReader(now: number): void {
    const { outbox, limits } = this.session;
    if (!outbox.isBlocked || outbox.handedPosition !== this.blockedPosition) {
      this.blockedPosition = outbox.isBlocked ? outbox.handedPosition : -1;
      this.blockedAt = now;
    } else if (now - this.blockedAt >= limits.slowReaderTimeoutMs) {
      this.session.fatal(
        CloseReason.SLOW_READER,
        `the peer has taken no byte for ${Math.round(now - this.blockedAt)} ms`,
      );
      this.session.abort();
    }
  }

  private checkPartialFrame(now: number): void {
    if (this.splitter.partialFrame !== this.partialFrame || this.partialFrame === 0) {
      this.partialFrame = this.splitter.partialFrame;
      this.partialAt = now;
    } else if (now - this.partialAt >= this.session.limits.frameTimeoutMs) {
      this.session.fatal(
        CloseReason.LIMIT_EXCEEDED,
        `a frame was not complete after ${Math.round(now - this.partialAt)} ms`,
      );
    }
  }

  /** How long the connection may be silent before it is pinged: shorter with calls pending, never shorter than the peer allows. */
  private intervalMs(): number {
    const { limits, peer, outgoing } = this.session;
    const wish = outgoing.pending > 0 ? limits.pendingHeartbeatIntervalMs : limits.heartbeatIntervalMs;
    return Math.max(wish, peer.minPingIntervalMs);
  }

  private lookEveryMs(): number {
    const { limits } = this.session;
    return Math.min(
      limits.pendingHeartbeatIntervalMs,
      limits.heartbeatIntervalMs,
      limits.slowReaderTimeoutMs,
      limits.frameTimeoutMs,
      limits.streamStallTimeoutMs,
    );
  }

  private nextLook(now: number): number {
    // Silence counts from the last byte: a look every few seconds alone would find a dead peer a whole look late.
    const silentLong =
      this.pingSentAt === undefined
        ? this.lastReadAt + this.intervalMs()
        : this.pingSentAt + this.session.limits.heartbeatTimeoutMs;
    return Math.min(silentLong, now + this.lookEveryMs());
  }
}
