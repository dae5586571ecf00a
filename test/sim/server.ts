// One simulated server: a process that can die and come back at the same address. What is left of a dead one is cut off
// from the network and closed, so that its timers and slabs can be counted.

import type { ServerPolicy } from "../../src/codec/policy.js";
import { createServer, type Peer, type Server, type ServerStats } from "../../src/index.js";
import type { Dice } from "./dice.js";
import { PoolWatch } from "./gate-watch.js";
import { Host } from "./host.js";
import { Jams, MILL_METHODS, Mill, type MillMethod, millHandlers, millMethods } from "./mill.js";
import type { FaultyNetwork } from "./network.js";
import { MAX_FRAME_BYTES, maxCallsOf, type ServerPlan } from "./scenario.js";
import { makeCall, newRecord, type StreamRecord } from "./stream-caller.js";
import { STREAM_STALL_MS, STREAM_WINDOW_BYTES, type StreamPlan } from "./stream-plans.js";
import { Choir, type Stage, sleep } from "./streams.js";
import { handlers, type Ledger, Work } from "./work.js";

/** A connection whose grace is over is closed within this time: how long it lingers, and a little. */
const CLOSING_MS = 1_100;

/** What all processes of a run share. */
export interface SimShared {
  readonly network: FaultyNetwork;
  readonly ledger: Ledger;
  readonly stage: Stage;
  readonly complain: (text: string) => void;
}

/** A server process. */
export class SimServer {
  readonly plan: ServerPlan;
  readonly host: Host;
  /** Where it listens. */
  readonly address: string;
  /** The calls that it has made to clients. */
  readonly streams: StreamRecord[] = [];
  /** Drains that took longer than they may. */
  readonly longDrains: string[] = [];
  private readonly network: FaultyNetwork;
  private readonly stage: Stage;
  private readonly ledger: Ledger;
  private readonly dice: Dice;
  private server: Server | undefined;
  /** What its handlers wait for. */
  readonly jams: Jams = new Jams();
  /** What is in force, for the next incarnation too. */
  private readonly policies: Record<MillMethod, ServerPolicy>;
  private watch: PoolWatch | undefined;
  /** The pools of all incarnations. */
  private readonly watches: PoolWatch[] = [];
  private readonly complain: (text: string) => void;
  private readonly closing: Promise<void>[] = [];

  constructor(
    plan: ServerPlan,
    policies: Readonly<Record<MillMethod, ServerPolicy>>,
    { network, ledger, stage, complain }: SimShared,
    dice: Dice,
  ) {
    this.policies = { ...policies };
    this.plan = plan;
    this.complain = complain;
    this.stage = stage;
    this.network = network;
    this.ledger = ledger;
    this.dice = dice;
    this.host = new Host(plan.name, network.world, dice.fork());
    this.address = `memory:${plan.name}`;
  }

  /** Begins to listen. */
  async start(): Promise<void> {
    const server = createServer({
      maxFrameBytes: MAX_FRAME_BYTES,
      streamWindowBytes: STREAM_WINDOW_BYTES,
      maxWindowBytes: STREAM_WINDOW_BYTES,
      streamStallTimeoutMs: STREAM_STALL_MS,
      maxCallsPerConnection: this.plan.maxCallsPerConnection,
      maxCalls: maxCallsOf(this.plan),
      slabs: this.network.slabs,
      network: this.network.at(this.host),
      clock: this.host,
      random: this.dice.fork().random,
    });
    this.server = server;
    server.handle(Work, handlers(this.host, this.ledger)).handle(Choir, this.stage.handlers(this.host));
    server.handle(Mill, millHandlers(this.host, this.ledger, this.jams));
    for (const method of MILL_METHODS) server.policies.set(millMethods[method], this.policies[method]);
    this.watch = new PoolWatch(server, this.host, this.complain);
    this.watches.push(this.watch);
    await server.listen(this.address);
  }

  /** Dies, and comes back after `downMs`. */
  crash(kind: "crash" | "power-loss", downMs: number): void {
    if (this.server === undefined) return;
    this.network.kill(this.host, kind);
    this.closing.push(this.server.close({ graceMs: 0 }));
    this.server = undefined;
    this.host.setTimer(() => void this.start(), downMs, true);
  }

  /** Closes in good order, and comes back after `downMs`. */
  restart(downMs: number, graceMs: number): void {
    if (this.server === undefined) return;
    this.closing.push(this.drain(this.server, graceMs));
    this.server = undefined;
    this.host.setTimer(() => void this.start(), downMs, true);
  }

  /** Replaces the policy of a method; calls may be waiting. */
  setPolicy(method: MillMethod, policy: ServerPolicy): void {
    this.policies[method] = policy;
    this.network.trace.note(`policy ${this.plan.name} ${method} ${JSON.stringify(policy)}`);
    if (this.server === undefined) return;
    this.server.policies.set(millMethods[method], policy);
    this.watch?.onPolicy(millMethods[method].path, policy);
  }

  /** The handlers of a method wait for so long. */
  jam(method: MillMethod, forMs: number): void {
    this.network.trace.note(`jam ${this.plan.name} ${method} for ${forMs.toFixed(1)}`);
    this.jams.set(method, sleep(this.host, forMs));
  }

  /** Calls a client, over any of its connections; does nothing if it has none. */
  async stream(plan: StreamPlan, client: string): Promise<void> {
    const peers: Peer[] = this.server?.peers().filter(({ id }) => id === client) ?? [];
    const peer = peers[plan.nonce % peers.length];
    if (peer === undefined) return;
    const record = newRecord(plan, this.stage);
    this.streams.push(record);
    this.network.trace.note(`${this.plan.name} begins ${plan.kind} ${plan.nonce}`);
    await makeCall(peer, this.host, this.stage, record);
    this.network.trace.note(`${this.plan.name} ends ${plan.kind} ${plan.nonce} with ${record.code}`);
  }

  /** After each event: what must always hold. */
  look(): void {
    for (const watch of this.watches) watch.look();
  }

  /** Nothing is under way any more. */
  checkEmpty(): void {
    for (const watch of this.watches) watch.checkEmpty();
  }

  /** The counters and gauges of the last incarnation. */
  stats(): Partial<ServerStats> {
    return this.server?.stats() ?? {};
  }

  /** Closes for good; resolves when every incarnation has. */
  async close(graceMs: number): Promise<void> {
    await Promise.all([...this.closing, this.server === undefined ? undefined : this.drain(this.server, graceMs)]);
  }

  private async drain(server: Server, graceMs: number): Promise<void> {
    const { world } = this.network;
    const fromMs = world.now();
    await server.close({ graceMs });
    const ms = world.now() - fromMs;
    const stalledMs = this.host.stalls.reduce((sum, stall) => sum + stall.untilMs - stall.fromMs, 0);
    if (ms > graceMs + CLOSING_MS + stalledMs)
      this.longDrains.push(`a drain with ${graceMs} ms of grace took ${ms} ms`);
  }
}
