// One simulated server: a process that can die and come back at the same address. What is left of a dead one is cut off
// from the network and closed, so that its timers and slabs can be counted.

import { createServer, type Peer, type Server, type ServerStats } from "../../src/index.js";
import type { Dice } from "./dice.js";
import { Host } from "./host.js";
import type { FaultyNetwork } from "./network.js";
import { MAX_FRAME_BYTES, maxCallsOf, type ServerPlan } from "./scenario.js";
import { makeCall, newRecord, type StreamRecord } from "./stream-caller.js";
import { STREAM_STALL_MS, STREAM_WINDOW_BYTES, type StreamPlan } from "./stream-plans.js";
import { Choir, type Stage } from "./streams.js";
import { handlers, type Ledger, Work } from "./work.js";

/** A connection whose grace is over is closed within this time: how long it lingers, and a little. */
const CLOSING_MS = 1_100;

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
  private readonly closing: Promise<void>[] = [];

  constructor(plan: ServerPlan, network: FaultyNetwork, ledger: Ledger, stage: Stage, dice: Dice) {
    this.plan = plan;
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
