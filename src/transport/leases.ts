// Leases (PROTOCOL.md section 13): how many calls the peer is ready for, in total or of one method, and for how long. The
// calling side holds calls back that have no lease, so that they wait where waiting is cheap; the serving side refuses
// those of a peer that does not.

import { beginFrame, endFrame, FrameType, HEADER_BYTES, readArg, readUint32, writeUint32 } from "../codec/frame.js";
import type { Session } from "./session.js";

/** What a server grants to a client. */
export interface Lease {
  /** Calls that may be begun under it. */
  readonly count: number;
  /** How long it holds, in milliseconds. */
  readonly ttlMs: number;
}

/** The index that stands for every method without a lease of its own. */
export const ALL_METHODS = 0;

/** What is left of a lease, for the calling side. */
interface Held {
  count: number;
  readonly until: number;
}

/** The leases that the peer of a connection has given, by method index. */
export class Leases {
  private readonly held = new Map<number, Held>();

  /** LEASE: replaces the one for the same method, or for all. */
  onLease(buf: Buffer, start: number, now: number): void {
    const ttlMs = readUint32(buf, start + HEADER_BYTES);
    this.held.set(readArg(buf, start), { count: readUint32(buf, start + HEADER_BYTES + 4), until: now + ttlMs });
  }

  /** True if a call of this method may begin now. */
  allows(method: number, now: number): boolean {
    const lease = this.leaseOf(method);
    return lease !== undefined && lease.count > 0 && lease.until > now;
  }

  /** A call of this method begins. */
  take(method: number): void {
    const lease = this.leaseOf(method);
    if (lease !== undefined) lease.count--;
  }

  private leaseOf(method: number): Held | undefined {
    return this.held.get(method) ?? this.held.get(ALL_METHODS);
  }
}

/** What is left of a lease, for the serving side. */
interface Given {
  readonly lease: Lease;
  count: number;
  /** Calls of the lease before it, which may have been on their way when it was replaced. */
  earlier: number;
}

/** The leases that were given to the peer of a connection, by method path. Their time is for the peer to keep. */
export class Grants {
  private readonly given = new Map<string | undefined, Given>();

  /** Gives a lease for the method with this path, or for all. */
  grant(path: string | undefined, lease: Lease): void {
    this.given.set(path, { lease, count: lease.count, earlier: this.given.get(path)?.count ?? 0 });
  }

  /** The lease that was given for this method; a peer hears of it once it knows the method. */
  leaseFor(path: string): Lease | undefined {
    return this.given.get(path)?.lease;
  }

  /** A call of this method has come. False: no lease covers it. */
  take(path: string): boolean {
    const given = this.given.get(path) ?? this.given.get(undefined);
    if (given === undefined || given.count + given.earlier === 0) return false;
    if (given.earlier > 0) given.earlier--;
    else given.count--;
    return true;
  }
}

/** Writes a LEASE frame. */
export function writeLease(session: Session, method: number, { count, ttlMs }: Lease): void {
  const { outbox } = session;
  session.touch();
  beginFrame(outbox);
  outbox.reserve(8);
  writeUint32(outbox.buf, outbox.pos, Math.min(0xffff_ffff, Math.max(0, ttlMs)));
  writeUint32(outbox.buf, outbox.pos + 4, Math.min(0xffff_ffff, Math.max(0, count)));
  outbox.pos += 8;
  endFrame(outbox, FrameType.LEASE, 0, method, 0);
}
