// The other end of a connection, as users know it: its names, what they keep with it, and calls to it. On a server the
// calls go over that connection and no other; on a channel they go where the channel's go.

import type { AnyMethod, Method } from "../codec/method.js";
import type { ClientPolicy } from "../codec/policy.js";
import { Code, localError, type RpcError } from "../codec/status.js";
import type { Policies } from "../flow/policies.js";
import type { Lease } from "../transport/leases.js";
import type { OutgoingCall, ParkedRequest } from "../transport/outgoing-call.js";
import { parkRequest } from "../transport/outgoing-calls.js";
import type { Session, SessionOwner } from "../transport/session.js";
import { type CallDefaults, CallMaker, type CallTarget, NO_OPTIONS } from "./call-maker.js";
import { CallQueue } from "./call-queue.js";
import type { BidiStream, Caller, CallOptions, ClientStream, ServerStream } from "./caller.js";
import type { AnyStream } from "./interceptors.js";

/** How the owner of connections lets calls be made to their other ends. */
export interface PeerPolicy extends CallDefaults {
  /** Calls that may wait for a peer that takes no more; one more fails RESOURCE_EXHAUSTED. */
  readonly maxWaitingCalls: number;
}

const policies = new WeakMap<SessionOwner, PeerPolicy | CallMaker>();
const peers = new WeakMap<Session, Peer>();

/** The peers of an owner's connections make calls under `policy`, or as the given maker makes them. */
export function setPeerPolicy(owner: SessionOwner, policy: PeerPolicy | CallMaker): void {
  policies.set(owner, policy);
}

/** The other end of `session`; the same object each time. */
export function peerOf(session: Session): Peer {
  let peer = peers.get(session);
  if (peer === undefined) {
    peer = new Peer(session, policies.get(session.owner) as PeerPolicy | CallMaker);
    peers.set(session, peer);
  }
  return peer;
}

/** The other end of a connection. It makes calls like a channel: `new RoomClient(peer)`. */
export class Peer implements Caller {
  /** Its address: `10.0.0.1:52114`, `unix:`, `memory:a`. */
  readonly remote: string;
  /** What it calls itself, the same on each of its connections, whenever they are; empty if it gave no name. */
  readonly id: string;
  /** Its software, for logs; not to be trusted. */
  readonly agent: string;
  private readonly session: Session;
  private readonly calls: CallMaker;
  private readonly target: SessionTarget | undefined;
  private kept: Map<unknown, unknown> | undefined = undefined;

  /** Use `peerOf`. */
  constructor(session: Session, policy: PeerPolicy | CallMaker) {
    this.session = session;
    this.remote = session.remote;
    this.id = session.peer.peerId;
    this.agent = session.peer.agent;
    this.target = policy instanceof CallMaker ? undefined : new SessionTarget(session, policy);
    this.calls =
      policy instanceof CallMaker ? policy : new CallMaker(this.target as SessionTarget, session.wheel, policy);
  }

  /** The policies of the methods that are called on this connection, or on the whole channel. */
  get policies(): Policies<ClientPolicy> {
    return this.calls.policies;
  }

  /** True while calls can be made to it. */
  get isConnected(): boolean {
    return this.session.isUsable;
  }

  /** What the user keeps with this connection; it goes when the connection goes. */
  get data(): Map<unknown, unknown> {
    this.kept ??= new Map();
    return this.kept;
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

  /**
   * Grants this client calls, of `method` or of all that have no lease of their own; replaces the last lease for the same.
   * Without a lease the client holds its calls back. Throws `RpcError` FAILED_PRECONDITION on a server without `leases`.
   */
  lease(lease: Lease, method?: AnyMethod | undefined): void {
    if (this.session.isOpen) this.session.incoming.lease(lease, method?.path);
  }

  /** Ends the connection once the calls under way are done: the peer is told to make no new ones on it. */
  close(): void {
    this.session.drain();
  }

  /** For the owner: the connection takes calls again. */
  onRoom(): void {
    this.target?.pump();
  }

  /** For the owner: the connection is gone. */
  onClosed(): void {
    this.target?.failWaiting();
    if (this.target !== undefined) this.calls.knownPolicies?.stop(gone(this.session));
  }
}

/** The peer of `session`, if anybody has asked for it. */
export function knownPeer(session: Session): Peer | undefined {
  return peers.get(session);
}

/** Carries calls on one connection; what it does not take at once waits, in order. */
class SessionTarget implements CallTarget {
  private readonly session: Session;
  private readonly queue: CallQueue;

  constructor(session: Session, { maxWaitingCalls, maxWaitingBytes }: PeerPolicy) {
    this.session = session;
    this.queue = new CallQueue(maxWaitingCalls, maxWaitingBytes, () => `${session.remote} takes no more calls now`);
  }

  get closedError(): RpcError | undefined {
    return this.session.isUsable ? undefined : gone(this.session);
  }

  submit(call: OutgoingCall, request: unknown): void {
    const { outgoing } = this.session;
    if (this.queue.size === 0 && outgoing.hasRoom && outgoing.isLeased(call.method)) {
      outgoing.send(call, request);
      return;
    }
    try {
      call.parked = parkRequest(call, request);
      this.queue.push(call);
      outgoing.awaitRoom();
    } catch (error) {
      call.fail(error as RpcError);
    }
  }

  submitParked(call: OutgoingCall): void {
    const { outgoing } = this.session;
    if (this.queue.size === 0 && outgoing.hasRoom && outgoing.sendParked(call, call.parked as ParkedRequest)) return;
    this.queue.push(call);
    this.pump();
  }

  pump(): void {
    const { outgoing } = this.session;
    this.queue.sendTo(() => (outgoing.hasRoom ? this.session : undefined));
    if (!this.session.isUsable) this.failWaiting();
    else if (this.queue.size > 0) outgoing.awaitRoom();
  }

  failWaiting(): void {
    for (let call = this.queue.shift(); call !== undefined; call = this.queue.shift()) call.fail(gone(this.session));
  }
}

function gone({ remote, peer }: Session): RpcError {
  const name = peer.peerId === "" ? remote : `${peer.peerId} at ${remote}`;
  return localError(Code.UNAVAILABLE, `the peer ${name} is gone`, "safe");
}
