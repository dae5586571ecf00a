// One connection of the simulated network: two ends, and a lane for each direction. A lane carries segments in order,
// each with its own delay; it may be sliced, narrowed, silenced, cut or ended at a byte. An end is the pipe that a
// session sees; it hands out bytes in a buffer that is poisoned afterwards, and holds on to what it could not take.

import type { VirtualClock } from "../../src/testing.js";
import type { Pipe, PipeSink } from "../../src/transport/pipe.js";
import type { Dice } from "./dice.js";
import type { Host } from "./host.js";
import { Replayer } from "./replayer.js";
import type { Trace } from "./trace.js";

const POISON = 0xdd;
/** Where segments are handed over, one at a time: poison but for that moment. */
const TRAY: Buffer = Buffer.alloc(262_144, POISON);
/** A reset and a freed window reach the other side within this time. */
const MAX_SIGNAL_MS = 3;
/** One write is cut into at most this many segments; the last takes the rest. */
const MAX_SLICES = 100;

/** How lanes between a client and a server behave at the moment. */
export interface Weather {
  readonly delayMs: number;
  readonly jitterMs: number;
  /** Segments are cut into random pieces of at most this many bytes; 0 leaves writes whole. */
  readonly maxSliceBytes: number;
  /** Bytes on the way before the writer is held back. */
  readonly windowBytes: number;
  /** Infinity without a limit. */
  readonly bytesPerMs: number;
  /** How likely a write of the server is followed by an old response. */
  readonly replayChance: number;
  /** How likely a write is not taken at once although there is room. */
  readonly holdChance: number;
}

/** What a link needs of the network around it. */
export interface LinkContext {
  readonly world: VirtualClock;
  readonly dice: Dice;
  readonly trace: Trace;
  /** A cut or half-close has just happened. */
  onBroken(link: Link, kind: "cut" | "half-close"): void;
  /** Sees what reaches an end's host, whether the host is awake or not. */
  onArrival(end: End, bytes: Buffer): void;
  /** Sees what an end writes. */
  onWrite(end: End, bytes: Buffer): void;
  /** An end is gone. */
  onGone(end: End): void;
}

/** What the way between a client and a server is like. */
export interface WayConditions {
  /** The weather at a world time. */
  weather(nowMs: number): Weather;
  /** Nothing arrives before this world time. */
  readonly silentUntilMs: number;
}

/** Bytes, or what follows the last of them. */
type Segment = Buffer | "end" | "reset";

/** Where a lane breaks, in bytes delivered. */
interface Break {
  readonly kind: "cut" | "half-close";
  readonly atByte: number;
}

/** What a link and its far end are called. */
export interface LinkNames {
  readonly name: string;
  readonly address: string;
}

/** A connection between two hosts. */
export class Link {
  readonly name: string;
  readonly client: Host;
  readonly server: Host;
  readonly dialer: End;
  readonly accepted: End;
  /** Set when the link is dead: nothing ever arrives again. */
  dead = false;
  private readonly context: LinkContext;
  private readonly way: WayConditions;

  constructor(context: LinkContext, way: WayConditions, names: LinkNames, client: Host, server: Host) {
    const { name, address } = names;
    this.context = context;
    this.way = way;
    this.name = name;
    this.client = client;
    this.server = server;
    this.dialer = new End(context, this, client, address);
    this.accepted = new End(context, this, server, `memory:${name}`);
    this.dialer.connect(this.accepted);
    this.accepted.connect(this.dialer);
  }

  /** The weather now. */
  get weather(): Weather {
    return this.way.weather(this.context.world.now());
  }

  /** Nothing arrives before this world time. */
  get silentUntilMs(): number {
    return this.dead ? Number.POSITIVE_INFINITY : this.way.silentUntilMs;
  }

  /** Resets both ends, each a little later; what is on the way is lost. */
  reset(): void {
    this.dead = true;
    this.dialer.failSoon();
    this.accepted.failSoon();
  }
}

/** One direction. */
class Lane {
  /** Bytes handed to the receiver's sink. */
  deliveredBytes = 0;
  breaksAt: Break | undefined;
  private readonly context: LinkContext;
  private readonly link: Link;
  private readonly from: Host;
  private readonly to: End;
  private readonly wire: { readonly segment: Segment; readonly atMs: number }[] = [];
  private inFlightBytes = 0;
  private lastAtMs = 0;
  private armed = false;
  private readonly onTimer = (): void => this.arrive();

  constructor(context: LinkContext, link: Link, from: Host, to: End) {
    this.from = from;
    this.context = context;
    this.link = link;
    this.to = to;
  }

  /** Room for more bytes before the writer is held back. */
  get room(): number {
    return Math.max(0, this.link.weather.windowBytes - this.inFlightBytes);
  }

  /** Sends a copy of the bytes, in one or several segments. */
  sendBytes(bytes: Buffer): void {
    const { maxSliceBytes } = this.link.weather;
    this.inFlightBytes += bytes.length;
    let at = 0;
    for (let slices = 1; at < bytes.length; slices++) {
      const isLast = maxSliceBytes === 0 || slices === MAX_SLICES;
      const size = isLast ? bytes.length - at : this.context.dice.integer(1, maxSliceBytes);
      this.send(Buffer.from(bytes.subarray(at, at + size)));
      at += size;
    }
  }

  /** Sends one segment behind the others. */
  send(segment: Segment): void {
    const { world, dice } = this.context;
    const { delayMs, jitterMs, bytesPerMs } = this.link.weather;
    const sendMs = typeof segment === "string" ? 0 : segment.length / bytesPerMs;
    this.lastAtMs =
      Math.max(this.lastAtMs, world.now() + this.from.aheadMs + delayMs + dice.between(0, jitterMs)) + sendMs;
    this.wire.push({ segment, atMs: this.lastAtMs });
    this.arm();
  }

  /** The receiver has taken `bytes` of what was on the way. */
  onTaken(bytes: number): void {
    this.inFlightBytes -= bytes;
  }

  private arm(): void {
    const head = this.wire[0];
    if (head === undefined || this.armed) return;
    const atMs = Math.max(head.atMs, this.link.silentUntilMs);
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.armed = true;
    this.context.world.setTimer(this.onTimer, atMs - this.context.world.now(), true);
  }

  private arrive(): void {
    this.armed = false;
    if (this.link.silentUntilMs <= this.context.world.now()) {
      const { segment } = this.wire.shift()!;
      if (typeof segment !== "string") this.context.onArrival(this.to, segment);
      this.to.host.io(() => this.to.receive(segment));
    }
    this.arm();
  }
}

/** One end of a link. */
export class End implements Pipe {
  readonly remote: string;
  readonly host: Host;
  readonly link: Link;
  private readonly context: LinkContext;
  private sink: PipeSink | undefined;
  private peer!: End;
  private outgoing!: Lane;
  /** What is left of a write that was not taken at once. */
  private held: Buffer | undefined;
  private readonly replayer = new Replayer();
  private backlog: Segment[] = [];
  private paused = false;
  private ended = false;
  private endSeen = false;
  /** What comes in is thrown away: the incoming lane has broken. */
  private deaf = false;
  private gone = false;
  private cause: Error | undefined;
  private closeTold = false;

  constructor(context: LinkContext, link: Link, host: Host, remote: string) {
    this.context = context;
    this.link = link;
    this.host = host;
    this.remote = remote;
  }

  /** Who reads this end: a session, in the simulation. */
  get reader(): PipeSink | undefined {
    return this.sink;
  }

  /** Joins the two ends. */
  connect(peer: End): void {
    this.peer = peer;
    this.outgoing = new Lane(this.context, this.link, this.host, peer);
  }

  /** Makes what this end sends break off after `bytes` more have been delivered. */
  breakAfter(kind: Break["kind"], bytes: number): void {
    this.outgoing.breaksAt = { kind, atByte: this.outgoing.deliveredBytes + bytes };
    if (bytes === 0) this.context.world.nextTurn(() => this.peer.host.io(() => this.peer.breakIfReached()));
  }

  open(sink: PipeSink): void {
    this.sink = sink;
    this.host.nextTurn(() => (this.gone ? this.tellClose() : this.drain()));
  }

  write(buf: Buffer, start: number, end: number): boolean {
    const bytes = buf.subarray(start, end);
    this.context.onWrite(this, bytes);
    if (this.gone) return true;
    if (this.held !== undefined) throw new Error(`${this.remote}: write before onDrain`);
    if (this.ended) throw new Error(`${this.remote}: write after end`);
    if (this.backlog.includes("reset")) {
      this.failSoon();
      return true;
    }
    const taken = this.context.dice.chance(this.link.weather.holdChance) ? 0 : this.take(bytes);
    if (taken === bytes.length) return true;
    this.held = bytes.subarray(taken);
    this.refillSoon();
    return false;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.host.nextTurn(() => this.drain());
  }

  end(): void {
    if (this.ended || this.gone) return;
    this.ended = true;
    if (this.held === undefined) this.sendEnd();
  }

  destroy(): void {
    if (this.gone) return;
    this.outgoing.send("reset");
    this.close(undefined);
  }

  /** A segment has arrived. */
  receive(segment: Segment): void {
    if (this.gone) return;
    this.backlog.push(segment);
    if (this.backlog.length === 1) this.drain();
  }

  /** Ends the pipe with an error, a little later. */
  failSoon(): void {
    this.later(() => {
      if (!this.gone) this.close(new Error(`${this.remote}: connection reset by peer`));
    });
  }

  /** Ends the pipe with an error at once, and tells its sink: what a killed process would never see, its library does. */
  fail(): void {
    if (!this.gone) this.close(new Error(`${this.remote}: killed`));
  }

  /** Breaks the incoming lane if the byte for it has been reached. */
  breakIfReached(): void {
    const lane = this.peer.outgoing;
    if (this.gone || lane.breaksAt === undefined || lane.deliveredBytes < lane.breaksAt.atByte) return;
    const { kind } = lane.breaksAt;
    this.context.trace.note(`${this.link.name} ${this.host.name} ${kind} at byte ${lane.deliveredBytes}`);
    this.context.onBroken(this.link, kind);
    lane.breaksAt = undefined;
    this.deaf = true;
    if (kind === "cut") this.link.reset();
    else this.tellEnd();
  }

  /** Sends as much as there is room for; gives how much that was. */
  private take(bytes: Buffer): number {
    const room = Math.min(bytes.length, this.outgoing.room);
    if (room > 0) this.send(room === bytes.length ? bytes : bytes.subarray(0, room));
    return room;
  }

  private send(bytes: Buffer): void {
    this.outgoing.sendBytes(bytes);
    if (this.link.accepted !== this) return;
    this.replayer.see(bytes);
    const { again } = this.replayer;
    if (again === undefined || !this.context.dice.chance(this.link.weather.replayChance)) return;
    this.context.trace.note(`${this.link.name} ${this.host.name} replays ${again.length} bytes`);
    this.outgoing.sendBytes(again);
  }

  private refillSoon(): void {
    this.later(() => this.refill());
  }

  private refill(): void {
    if (this.held === undefined || this.gone) return;
    const taken = this.take(this.held);
    if (taken < this.held.length) {
      this.held = this.held.subarray(taken);
      return;
    }
    this.held = undefined;
    if (this.ended) this.sendEnd();
    this.sink?.onDrain();
  }

  private sendEnd(): void {
    this.outgoing.send("end");
    this.closeIfBothEnded();
  }

  /** Hands the oldest segment to the sink, and looks again in the next turn. */
  private drain(): void {
    if (this.gone || this.paused || this.sink === undefined) return;
    const segment = this.backlog.shift();
    if (segment === undefined) return;
    if (segment === "reset") this.close(new Error(`${this.remote}: connection reset by peer`));
    else if (segment === "end") this.tellEnd();
    else this.tellData(this.sink, segment);
    if (this.backlog.length > 0) this.host.nextTurn(() => this.drain());
  }

  private tellEnd(): void {
    if (this.endSeen) return;
    this.endSeen = true;
    this.context.trace.note(`${this.link.name} ${this.host.name} end`);
    this.sink?.onEnd();
    this.closeIfBothEnded();
  }

  private tellData(sink: PipeSink, segment: Buffer): void {
    const lane = this.peer.outgoing;
    lane.onTaken(segment.length);
    this.peer.refillSoonIfHeld();
    if (this.deaf) return;
    const bytes = Math.min(segment.length, (lane.breaksAt?.atByte ?? Number.POSITIVE_INFINITY) - lane.deliveredBytes);
    lane.deliveredBytes += bytes;
    this.context.trace.note(`${this.link.name} ${this.host.name} data ${bytes}`);
    if (bytes > 0) handOver(sink, segment, bytes, this.context.dice.integer(0, 7));
    this.breakIfReached();
  }

  private refillSoonIfHeld(): void {
    if (this.held !== undefined) this.refillSoon();
  }

  private closeIfBothEnded(): void {
    if (this.ended && this.endSeen && this.held === undefined && !this.gone) this.close(undefined);
  }

  private close(cause: Error | undefined): void {
    this.gone = true;
    this.cause = cause;
    this.held = undefined;
    this.backlog = [];
    this.context.trace.note(`${this.link.name} ${this.host.name} close ${cause?.message ?? ""}`);
    this.context.onGone(this);
    this.host.nextTurn(() => this.tellClose());
  }

  /** Tells the sink once; one that is not there yet is told when it opens the pipe. */
  private tellClose(): void {
    if (this.sink === undefined || this.closeTold) return;
    this.closeTold = true;
    this.sink.onClose(this.cause);
  }

  private later(callback: () => void): void {
    const { world, dice } = this.context;
    world.setTimer(() => this.host.io(callback), dice.between(0, MAX_SIGNAL_MS), true);
  }
}

/** Gives the sink the first `bytes` of a segment inside a larger buffer, where they are worthless afterwards. */
function handOver(sink: PipeSink, segment: Buffer, bytes: number, offset: number): void {
  const end = offset + bytes;
  const buf = end < TRAY.length ? TRAY : Buffer.alloc(end + 1, POISON);
  segment.copy(buf, offset, 0, bytes);
  sink.onData(buf, offset, end);
  buf.fill(POISON, offset, end);
}
