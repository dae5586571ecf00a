// One simulated server: a process that can die and come back at the same address. What is left of a dead one is cut off
// from the network and closed, so that its timers and slabs can be counted.

import { createServer, type Server, type ServerStats } from "../../src/index.js";
import type { Dice } from "./dice.js";
import { Host } from "./host.js";
import type { FaultyNetwork } from "./network.js";
import { MAX_FRAME_BYTES, type ServerPlan } from "./scenario.js";
import { handlers, type Ledger, Work } from "./work.js";

/** A server process. */
export class SimServer {
  readonly plan: ServerPlan;
  readonly host: Host;
  /** Where it listens. */
  readonly address: string;
  private readonly network: FaultyNetwork;
  private readonly ledger: Ledger;
  private readonly dice: Dice;
  private server: Server | undefined;
  private readonly closing: Promise<void>[] = [];

  constructor(plan: ServerPlan, network: FaultyNetwork, ledger: Ledger, dice: Dice) {
    this.plan = plan;
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
      maxCallsPerConnection: this.plan.maxCallsPerConnection,
      slabs: this.network.slabs,
      network: this.network.at(this.host),
      clock: this.host,
      random: this.dice.fork().random,
    });
    this.server = server;
    server.handle(Work, handlers(this.host, this.ledger));
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
    this.closing.push(this.server.close({ graceMs }));
    this.server = undefined;
    this.host.setTimer(() => void this.start(), downMs, true);
  }

  /** The counters and gauges of the last incarnation. */
  stats(): Partial<ServerStats> {
    return this.server?.stats() ?? {};
  }

  /** Closes for good; resolves when every incarnation has. */
  async close(graceMs: number): Promise<void> {
    await Promise.all([...this.closing, this.server?.close({ graceMs })]);
  }
}
