// Makes the planned faults happen: one small function for each kind, on the network or on a process.

import type { SimClient } from "./client.js";
import type { Dice } from "./dice.js";
import type { FaultKind } from "./faults.js";
import type { FaultyNetwork } from "./network.js";
import type { FaultPlan } from "./scenario.js";
import type { SimServer } from "./server.js";

/** A drain loses no call that takes less than this. */
const MIN_DRAIN_GRACE_MS = 200;
/** A drained or stalled server has its effect on calls until this long after. */
const SETTLING_MS = 20;

/** A fault with its participants. */
interface Blow {
  readonly plan: FaultPlan;
  readonly client: SimClient;
  readonly server: SimServer;
}

/** Carries out the faults of a run. */
export class Injector {
  private readonly network: FaultyNetwork;
  private readonly clients: readonly SimClient[];
  private readonly servers: readonly SimServer[];
  private readonly dice: Dice;
  private readonly blows: Readonly<Record<FaultKind, (blow: Blow) => void>> = {
    delay: (blow) => this.cast(blow, { delayMs: 100, jitterMs: 400 }),
    slice: (blow) => this.cast(blow, { maxSliceBytes: 1 + (blow.plan.bytes % 40) }),
    "slow-reader": (blow) => this.cast(blow, { windowBytes: 256, bytesPerMs: 20 }),
    replay: (blow) => this.cast(blow, { replayChance: 0.5 }),
    silence: (blow) => this.cast(blow),
    refuse: (blow) => this.cast(blow),
    "dial-hang": (blow) => this.cast(blow),
    mute: (blow) => this.cast(blow),
    cut: (blow) => this.breakLink("cut", blow),
    "half-close": (blow) => this.breakLink("half-close", blow),
    "dead-link": (blow) => this.silenceLink(blow),
    crash: ({ server, plan }) => server.crash("crash", plan.forMs),
    "power-loss": ({ server, plan }) => server.crash("power-loss", plan.forMs),
    drain: (blow) => this.drain(blow),
    "stall-client": (blow) => this.stallClient(blow),
    "stall-server": (blow) => this.stallServer(blow),
  };

  constructor(network: FaultyNetwork, clients: readonly SimClient[], servers: readonly SimServer[], dice: Dice) {
    this.network = network;
    this.clients = clients;
    this.servers = servers;
    this.dice = dice;
  }

  /** Sets a timer for each fault. */
  schedule(plans: readonly FaultPlan[]): void {
    for (const plan of plans) this.network.world.setTimer(() => this.strike(plan), plan.atMs, true);
  }

  private strike(plan: FaultPlan): void {
    const client = this.clients[plan.client]!;
    const server = this.servers[plan.server]!;
    this.network.trace.note(`fault ${plan.kind} ${client.plan.name} ${server.plan.name} for ${plan.forMs.toFixed(1)}`);
    this.blows[plan.kind]({ plan, client, server });
  }

  private cast({ plan, client, server }: Blow, weather: Parameters<FaultyNetwork["cast"]>[4] = {}): void {
    this.network.cast(plan.kind, client.host, server.host, plan.forMs, weather);
  }

  /** One of the client's links, if it has any, breaks at a byte. */
  private breakLink(kind: "cut" | "half-close", { plan, client }: Blow): void {
    const links = this.network.linksOf(client.host);
    if (links.length === 0) return;
    const link = this.dice.pick(links);
    (plan.fromClient ? link.dialer : link.accepted).breakAfter(kind, plan.bytes);
  }

  private silenceLink({ client }: Blow): void {
    const links = this.network.linksOf(client.host);
    if (links.length > 0) this.network.silence(this.dice.pick(links), "dead-link");
  }

  private stallClient({ plan, client }: Blow): void {
    client.host.stall(plan.forMs);
    this.network.strike("stall-client", client.host, this.network.world.now() + plan.forMs);
  }

  private stallServer({ plan, server }: Blow): void {
    server.host.stall(plan.forMs);
    this.strikeClients(plan, plan.forMs);
  }

  private drain({ plan, server }: Blow): void {
    const graceMs = MIN_DRAIN_GRACE_MS + (plan.bytes % 1_000);
    server.restart(plan.forMs, graceMs);
    this.strikeClients(plan, Math.max(plan.forMs, graceMs));
  }

  /** Notes that a fault of a server affects every client that has its address. */
  private strikeClients({ kind, server }: FaultPlan, forMs: number): void {
    for (const client of this.clients) {
      if (!client.plan.servers.includes(server)) continue;
      this.network.strike(kind, client.host, this.network.world.now() + forMs + SETTLING_MS);
    }
  }
}
