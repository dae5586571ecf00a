// Pipes without sockets, for tests and for a client and server in one process. The network owns the names that are
// listened on and the pipes between them; time comes from the clock it is given.
// A pipe behaves as a socket does: one event a turn, bytes copied, a bounded buffer that pushes back on the writer, two
// directions that end apart. Bytes that were taken before `destroy` still arrive; then the other end sees a reset.
// A paused end learns nothing, as with a socket that is not read, unless it writes to a peer that is gone.

import type { Clock } from "./clock.js";
import {
  type Address,
  type Dialing,
  formatAddress,
  type Listener,
  type Network,
  type Pipe,
  type PipeSink,
} from "./pipe.js";

/** Bytes a {@link MemoryNetwork} pipe holds in each direction before `write` returns false, unless told otherwise. */
export const DEFAULT_MEMORY_PIPE_BYTES = 65_536;

/** A network inside this process. Any kind of address is a mere name here. */
export class MemoryNetwork implements Network {
  private readonly clock: Clock;
  private readonly capacityBytes: number;
  private readonly listeners = new Map<string, (pipe: Pipe) => void>();
  private readonly open = new Set<MemoryPipe>();
  private dials = 0;

  /** `capacityBytes` is how much one direction of a pipe holds before `write` returns false. */
  constructor(clock: Clock, capacityBytes: number = DEFAULT_MEMORY_PIPE_BYTES) {
    this.clock = clock;
    this.capacityBytes = capacityBytes;
  }

  /** How many pipe ends are not closed yet: 0 once everything has been shut down. */
  get openPipes(): number {
    return this.open.size;
  }

  dial(address: Address): Dialing {
    const name = formatAddress(address);
    const { promise, resolve, reject } = deferred<Pipe>();
    let waiting = true;
    this.clock.nextTurn(() => {
      if (!waiting) return;
      waiting = false;
      const onPipe = this.listeners.get(name);
      if (onPipe === undefined) return reject(new Error(`${name}: connection refused: nobody listens there`));
      resolve(this.connect(name, onPipe));
    });
    const cancel = (): void => {
      if (waiting) reject(new Error(`${name}: dial given up`));
      waiting = false;
    };
    return { pipe: promise, cancel };
  }

  async listen(address: Address, onPipe: (pipe: Pipe) => void): Promise<Listener> {
    const name = formatAddress(address);
    if (this.listeners.has(name)) throw new Error(`${name}: address already in use`);
    this.listeners.set(name, onPipe);
    const close = async (): Promise<void> => {
      if (this.listeners.get(name) === onPipe) this.listeners.delete(name);
    };
    return { address, close };
  }

  /** Makes the two ends; the listener has its end before the dialer has the other. */
  private connect(name: string, onPipe: (pipe: Pipe) => void): Pipe {
    const onGone = (pipe: MemoryPipe): void => void this.open.delete(pipe);
    const dialer = new MemoryPipe(name, this.clock, this.capacityBytes, onGone);
    const accepted = new MemoryPipe(`memory:dialer-${++this.dials}`, this.clock, this.capacityBytes, onGone);
    dialer.peer = accepted;
    accepted.peer = dialer;
    this.open.add(dialer).add(accepted);
    onPipe(accepted);
    return dialer;
  }
}

/** One end. What the peer wrote waits in `inbox`; what did not fit there stays in the writer's buffer, as `held`. */
class MemoryPipe implements Pipe {
  readonly remote: string;
  peer!: MemoryPipe;
  private readonly clock: Clock;
  private readonly capacityBytes: number;
  private readonly onGone: (pipe: MemoryPipe) => void;
  private sink: PipeSink | undefined = undefined;
  private inbox: Buffer[] = [];
  private inboxBytes = 0;
  private held: { readonly buf: Buffer; start: number; readonly end: number } | undefined;
  private paused = false;
  private drained = false;
  private ended = false;
  private peerEndSeen = false;
  private gone = false;
  private cause: Error | undefined = undefined;
  private pumping = false;

  constructor(remote: string, clock: Clock, capacityBytes: number, onGone: (pipe: MemoryPipe) => void) {
    this.remote = remote;
    this.clock = clock;
    this.capacityBytes = capacityBytes;
    this.onGone = onGone;
  }

  open(sink: PipeSink): void {
    this.sink = sink;
    this.pump();
  }

  write(buf: Buffer, start: number, end: number): boolean {
    if (this.gone) return true;
    if (this.held !== undefined) throw new Error(`${this.remote}: write before onDrain`);
    if (this.ended) throw new Error(`${this.remote}: write after end`);
    if (this.peer.gone) {
      this.close(this.resetByPeer());
      return true;
    }
    const taken = this.peer.take(buf, start, end);
    if (start + taken === end) return true;
    this.held = { buf, start: start + taken, end };
    return false;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.pump();
  }

  end(): void {
    if (this.ended || this.gone) return;
    this.ended = true;
    this.peer.pump();
    this.closeIfBothEnded();
  }

  destroy(): void {
    this.close(undefined);
  }

  /** Copies as many bytes as fit into the inbox; returns how many. */
  private take(buf: Buffer, start: number, end: number): number {
    const bytes = Math.min(end - start, this.capacityBytes - this.inboxBytes);
    if (bytes > 0) {
      this.inbox.push(Buffer.from(buf.subarray(start, start + bytes)));
      this.inboxBytes += bytes;
      this.pump();
    }
    return bytes;
  }

  /** Goes on with the write that did not fit, now that the peer has room. */
  private refill(): void {
    if (this.held === undefined || this.gone) return;
    this.held.start += this.peer.take(this.held.buf, this.held.start, this.held.end);
    if (this.held.start < this.held.end) return;
    this.held = undefined;
    this.drained = true;
    this.pump();
  }

  private close(cause: Error | undefined): void {
    if (this.gone) return;
    this.gone = true;
    this.cause = cause;
    this.inbox = [];
    this.inboxBytes = 0;
    this.onGone(this);
    this.pump();
    this.peer.pump();
  }

  /** Said that no more will come, and everything before that has left the writer's buffer. */
  private get finished(): boolean {
    return this.ended && this.held === undefined;
  }

  private closeIfBothEnded(): void {
    if (this.finished && this.peerEndSeen && !this.drained) this.close(undefined);
  }

  private resetByPeer(): Error {
    return new Error(`${this.remote}: connection reset by peer`);
  }

  /** Looks in the next turn at what there is to tell the sink. */
  private pump(): void {
    if (this.pumping || this.sink === undefined) return;
    this.pumping = true;
    this.clock.nextTurn(() => {
      this.pumping = false;
      if (this.tell(this.sink!)) this.pump();
    });
  }

  /** Tells the sink one thing. False: there was nothing to tell, or it was the last. */
  private tell(sink: PipeSink): boolean {
    if (this.gone) return this.tellClose(sink);
    if (this.drained) this.tellDrain(sink);
    else if (this.paused) return false;
    else if (this.inboxBytes > 0) this.tellData(sink);
    else if (this.peer.finished && !this.peerEndSeen) this.tellEnd(sink);
    else if (this.peer.gone) this.close(this.resetByPeer());
    else return false;
    return true;
  }

  private tellData(sink: PipeSink): void {
    const bytes = this.inbox.length === 1 ? this.inbox[0]! : Buffer.concat(this.inbox);
    this.inbox = [];
    this.inboxBytes = 0;
    this.peer.refill();
    sink.onData(bytes, 0, bytes.length);
  }

  private tellDrain(sink: PipeSink): void {
    this.drained = false;
    sink.onDrain();
    this.closeIfBothEnded();
  }

  private tellEnd(sink: PipeSink): void {
    this.peerEndSeen = true;
    sink.onEnd();
    this.closeIfBothEnded();
  }

  private tellClose(sink: PipeSink): boolean {
    this.sink = undefined;
    sink.onClose(this.cause);
    return false;
  }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  return { promise, resolve, reject };
}
