// The simulated network between hosts: who listens where, how dials go, which links live, and the faults on the way
// between a client and a server. Everything it does is drawn from its dice; what it does to a client goes to the log.

import { SlabPool } from "../../src/codec/slab.js";
import type { VirtualClock } from "../../src/testing.js";
import {
  type Address,
  type Dialing,
  formatAddress,
  type Listener,
  type Network,
  type Pipe,
} from "../../src/transport/pipe.js";
import type { Dice } from "./dice.js";
import type { FaultKind, Strike, StrikeLog } from "./faults.js";
import type { Host } from "./host.js";
import { type End, Link, type LinkContext, type WayConditions, type Weather } from "./link.js";
import type { Trace } from "./trace.js";

/** How long a break is counted as affecting the calls around it. */
const STRIKE_MS = 15;

const DIAL_FAULTS = ["refuse", "dial-hang", "mute", "silence"] as const;
const WEATHER_FAULTS = ["delay", "slice", "slow-reader", "replay"] as const;
const LINK_FAULTS: ReadonlySet<FaultKind> = new Set([...WEATHER_FAULTS, "silence"]);

interface Binding {
  readonly host: Host;
  readonly onPipe: (pipe: Pipe) => void;
}

/** A fault on a way that holds until a world time. */
interface Spell {
  readonly untilMs: number;
  /** What was sent before the end may arrive until then. */
  readonly affectsUntilMs: number;
  readonly weather: Partial<Weather>;
}

/** The way between one client and one server: its ordinary weather, and the faults on it now. */
class Way implements WayConditions {
  private readonly base: Weather;
  private readonly spells = new Map<FaultKind, Spell>();

  constructor(base: Weather) {
    this.base = base;
  }

  get silentUntilMs(): number {
    return this.untilMs("silence");
  }

  /** Lets a fault hold. */
  cast(kind: FaultKind, spell: Spell): void {
    this.spells.set(kind, spell);
  }

  has(kind: FaultKind, nowMs: number): boolean {
    return this.untilMs(kind) > nowMs;
  }

  untilMs(kind: FaultKind): number {
    return this.spells.get(kind)?.untilMs ?? 0;
  }

  affectsUntilMs(kind: FaultKind): number {
    return this.spells.get(kind)?.affectsUntilMs ?? 0;
  }

  weather(nowMs: number): Weather {
    let weather = this.base;
    if (this.spells.size === 0) return weather;
    for (const spell of this.spells.values()) if (spell.untilMs > nowMs) weather = { ...weather, ...spell.weather };
    return weather;
  }
}

/** Pipes between hosts, with faults. */
export class FaultyNetwork implements LinkContext {
  readonly world: VirtualClock;
  readonly dice: Dice;
  readonly trace: Trace;
  /** Where every connection of the run takes its buffers from; freed ones are poisoned. */
  readonly slabs: SlabPool = new SlabPool({ debug: true });
  /** Ends that are not closed. */
  openEnds = 0;
  /** Sees every write of a client. */
  onClientWrite: (pipe: Pipe, bytes: Buffer) => void = () => undefined;
  /** Sees all bytes that reach a client's host. */
  onClientArrival: (pipe: Pipe, bytes: Buffer) => void = () => undefined;
  private readonly strikes: StrikeLog;
  private readonly bindings = new Map<string, Binding>();
  private readonly ways = new Map<string, Way>();
  private readonly live = new Set<Link>();
  /** Links that broke or went silent for ever: they affect their client until it gives them up. */
  private readonly mourned = new Map<Link, Strike>();
  /** Addresses whose server is down, and why. */
  private readonly down = new Map<string, "crash" | "power-loss">();
  private linkCount = 0;

  constructor(world: VirtualClock, dice: Dice, trace: Trace, strikes: StrikeLog) {
    this.world = world;
    this.dice = dice;
    this.trace = trace;
    this.strikes = strikes;
  }

  /** The network as `host` sees it. */
  at(host: Host): Network {
    return {
      dial: (address) => this.dial(host, address),
      listen: (address, onPipe) => this.listen(host, address, onPipe),
    };
  }

  /** The live links of a client, or of a server. */
  linksOf(host: Host): Link[] {
    return [...this.live].filter((link) => link.client === host || link.server === host);
  }

  /** The links over which bytes travel in both directions. */
  healthyLinks(): Link[] {
    return [...this.live].filter((link) => !link.dead && !this.mourned.has(link));
  }

  /** Lets a fault hold on the way from `client` to the server for `forMs`. */
  cast(kind: FaultKind, client: Host, server: Host, forMs: number, weather: Partial<Weather> = {}): void {
    const untilMs = this.world.now() + forMs;
    const affectsUntilMs = untilMs + STRIKE_MS + (weather.delayMs ?? 0) + (weather.jitterMs ?? 0);
    this.wayBetween(client, server).cast(kind, { untilMs, affectsUntilMs, weather });
    const hasLink = this.linksOf(client).some((link) => link.server === server);
    if (hasLink && LINK_FAULTS.has(kind)) this.strike(kind, client, affectsUntilMs);
  }

  /** The links of a server end, with resets or in silence; it listens no more. */
  kill(server: Host, kind: "crash" | "power-loss"): void {
    for (const [name, binding] of this.bindings) if (binding.host === server) this.unbind(name, kind);
    for (const link of this.linksOf(server)) {
      link.accepted.fail();
      if (kind === "power-loss") this.silence(link, kind);
      else this.strike(kind, link.client, this.world.now() + STRIKE_MS);
      if (kind === "crash") link.reset();
    }
  }

  /** Nothing arrives on this link any more, because of `kind`. */
  silence(link: Link, kind: "dead-link" | "power-loss" | "mute"): void {
    link.dead = true;
    this.mourned.set(link, this.strike(kind, link.client, Number.POSITIVE_INFINITY));
  }

  /** Notes that a fault affects `client` from now until `untilMs`. */
  strike(kind: FaultKind, client: Host, untilMs: number): Strike {
    return this.strikes.add(kind, client.name, this.world.now(), untilMs);
  }

  onBroken(link: Link, kind: "cut" | "half-close"): void {
    this.mourned.set(link, this.strike(kind, link.client, Number.POSITIVE_INFINITY));
  }

  onWrite(end: End, bytes: Buffer): void {
    if (end === end.link.dialer) this.onClientWrite(end, bytes);
  }

  onArrival(end: End, bytes: Buffer): void {
    if (end === end.link.dialer) this.onClientArrival(end, bytes);
  }

  onGone(end: End): void {
    this.openEnds--;
    if (end === end.link.dialer) this.live.delete(end.link);
    // The other end may hear of it later.
    const strike = this.live.has(end.link) ? undefined : this.mourned.get(end.link);
    if (strike !== undefined) strike.untilMs = this.world.now() + STRIKE_MS;
  }

  private async listen(host: Host, address: Address, onPipe: (pipe: Pipe) => void): Promise<Listener> {
    const name = formatAddress(address);
    if (this.bindings.has(name)) throw new Error(`${name}: address already in use`);
    const binding = { host, onPipe };
    this.bindings.set(name, binding);
    this.down.delete(name);
    const close = async (): Promise<void> => {
      if (this.bindings.get(name) === binding) this.bindings.delete(name);
    };
    return { address, close };
  }

  private dial(client: Host, address: Address): Dialing {
    const attempt = new Attempt(this, client, formatAddress(address));
    return { pipe: attempt.pipe, cancel: () => attempt.fail("dial given up") };
  }

  /** Decides what becomes of a dial whose first packet has arrived. */
  answer(attempt: Attempt): void {
    const binding = this.bindings.get(attempt.address);
    if (binding === undefined) this.refuseAtDead(attempt);
    else this.answerFor(attempt, binding);
  }

  private refuseAtDead(attempt: Attempt): void {
    const kind = this.down.get(attempt.address);
    if (kind !== undefined) this.strike(kind, attempt.client, this.world.now() + STRIKE_MS);
    attempt.failSoon("connection refused");
  }

  private unbind(name: string, kind: "crash" | "power-loss"): void {
    this.bindings.delete(name);
    this.down.set(name, kind);
  }

  private answerFor(attempt: Attempt, binding: Binding): void {
    const { client } = attempt;
    const way = this.wayBetween(client, binding.host);
    const now = this.world.now();
    const kind = DIAL_FAULTS.find((each) => way.has(each, now));
    if (kind !== undefined) attempt.strike = this.strike(kind, client, way.untilMs(kind));
    if (kind === undefined) this.connect(attempt, binding, true);
    else if (kind === "dial-hang") attempt.strike!.untilMs = Number.POSITIVE_INFINITY;
    else if (kind === "refuse") attempt.failSoon("connection refused");
    else if (kind === "mute") this.connect(attempt, binding, false);
    else if (kind === "silence") this.world.setTimer(() => this.answer(attempt), way.untilMs(kind) - now, true);
  }

  private connect(attempt: Attempt, { host, onPipe }: Binding, speaks: boolean): void {
    if (attempt.isOver) return;
    const { client } = attempt;
    const names = { name: `${client.name}-${host.name}-${++this.linkCount}`, address: attempt.address };
    const link = new Link(this, this.wayBetween(client, host), names, client, host);
    this.openEnds += 2;
    this.live.add(link);
    this.trace.note(`${link.name} connected${speaks ? "" : " to nobody"}`);
    this.strikeNewcomer(link);
    if (speaks) host.io(() => onPipe(link.accepted));
    else this.muffle(link);
    attempt.succeedSoon(link);
  }

  /** The far end of the link is a machine that accepts and then says and reads nothing. */
  private muffle(link: Link): void {
    link.accepted.fail();
    this.silence(link, "mute");
  }

  /** A connection that is made under faults is affected by them. */
  private strikeNewcomer({ client, server }: Link): void {
    const way = this.wayBetween(client, server);
    for (const kind of WEATHER_FAULTS) {
      if (way.has(kind, this.world.now())) this.strike(kind, client, way.affectsUntilMs(kind));
    }
  }

  private wayBetween(client: Host, server: Host): Way {
    const key = `${client.name} ${server.name}`;
    let way = this.ways.get(key);
    if (way === undefined) {
      way = new Way(ordinaryWeather(this.dice));
      this.ways.set(key, way);
    }
    return way;
  }
}

/** One dial under way. */
class Attempt {
  readonly client: Host;
  readonly address: string;
  readonly pipe: Promise<Pipe>;
  isOver = false;
  /** The fault that it has met; one without an end ends with the attempt. */
  strike: Strike | undefined;
  private readonly network: FaultyNetwork;
  private resolve!: (pipe: Pipe) => void;
  private reject!: (error: Error) => void;

  constructor(network: FaultyNetwork, client: Host, address: string) {
    this.network = network;
    this.client = client;
    this.address = address;
    this.pipe = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.later(() => network.answer(this));
  }

  succeedSoon(link: Link): void {
    this.later(() =>
      this.client.io(() => {
        if (this.isOver) return link.dialer.destroy();
        this.isOver = true;
        this.resolve(link.dialer);
      }),
    );
  }

  failSoon(reason: string): void {
    this.later(() => this.client.io(() => this.fail(reason)));
  }

  fail(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.strike?.untilMs === Number.POSITIVE_INFINITY) this.strike.untilMs = this.network.world.now() + STRIKE_MS;
    this.network.trace.note(`${this.client.name} dial ${this.address}: ${reason}`);
    this.reject(new Error(`${this.address}: ${reason}`));
  }

  private later(callback: () => void): void {
    this.network.world.setTimer(callback, this.network.dice.between(0.1, 2), true);
  }
}

/** What a way is like without a fault: a near or a far server, whole writes or cut ones. */
function ordinaryWeather(dice: Dice): Weather {
  return {
    delayMs: dice.pick([0.05, 0.2, 1, 15]),
    jitterMs: dice.pick([0, 0.5, 5]),
    maxSliceBytes: dice.pick([0, 0, 0, 1500, 200]),
    windowBytes: dice.pick([16_384, 65_536, 262_144]),
    bytesPerMs: Number.POSITIVE_INFINITY,
    replayChance: 0,
    holdChance: dice.pick([0, 0.02, 0.3]),
  };
}
