// How large the windows of a connection are: they grow with what the connection is seen to carry, so that a stream fills a
// long fat line, and a short one keeps small windows. While stream bytes arrive, a PING now and then measures the time to
// the peer and back and how much arrives meanwhile; the windows become twice the product of that rate and the *least*
// time seen (the bandwidth-delay product; the least time, because queues on the way make the others longer), within
// `maxWindowBytes`, and never more than MAX_BULK_DELAY_MS of that rate.

import type { Session } from "./session.js";

/** A small call may wait behind this much bulk at the measured rate, in milliseconds. */
const MAX_BULK_DELAY_MS = 200;
/** Measurements are this far apart, at least, in milliseconds. */
const PROBE_INTERVAL_MS = 1_500;
/** The windows are this many times the bandwidth-delay product: half of them is on its way back as credit. */
const HEADROOM = 2;

/** The windows of one {@link Session}. */
export class WindowTuner {
  /** The connection's window, and that of each of its streams, in bytes. */
  connectionWindow: number;
  streamWindow: number;
  private readonly session: Session;
  private leastRttMs = Number.POSITIVE_INFINITY;
  private probedAt = Number.NEGATIVE_INFINITY;
  /** Bytes that came since the PING that is under way; undefined without one. */
  private arrived: number | undefined = undefined;

  constructor(session: Session) {
    this.session = session;
    this.connectionWindow = session.limits.connectionWindowBytes;
    this.streamWindow = session.limits.streamWindowBytes;
  }

  /** `bytes` of streams or fragments have arrived. */
  onBytes(bytes: number): void {
    const { session } = this;
    if (this.arrived !== undefined) {
      this.arrived += bytes;
    } else if (session.now - this.probedAt >= Math.max(PROBE_INTERVAL_MS, 1.5 * session.peer.minPingIntervalMs)) {
      this.arrived = 0;
      this.probedAt = session.now;
      session.ping(() => this.onPong());
    }
  }

  private onPong(): void {
    const bytes = this.arrived ?? 0;
    const rttMs = this.session.now - this.probedAt;
    this.arrived = undefined;
    if (rttMs <= 0) return;
    this.leastRttMs = Math.min(this.leastRttMs, rttMs);
    const rate = bytes / rttMs;
    const wanted = Math.min(rate * this.leastRttMs * HEADROOM, rate * MAX_BULK_DELAY_MS);
    const window = Math.floor(Math.min(wanted, this.session.limits.maxWindowBytes));
    this.connectionWindow = Math.max(this.connectionWindow, window);
    this.streamWindow = Math.max(this.streamWindow, window);
  }
}
