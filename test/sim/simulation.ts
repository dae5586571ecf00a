// A run: what a seed stands for, played on the real client and server code over virtual time, then judged. The phases:
//
//    work and faults --> quiet: every call has settled --> every client can call again --> close --> nothing is left
//
// A report without violations is a run in which every invariant held.

import { Code, codeName } from "../../src/codec/status.js";
import type { ChannelStats, ServerStats } from "../../src/index.js";
import { Session } from "../../src/transport/session.js";
import { SimClient } from "./client.js";
import { Coverage, type CoverageCounts } from "./coverage.js";
import { Dice } from "./dice.js";
import { StrikeLog } from "./faults.js";
import type { Host } from "./host.js";
import { Injector } from "./injector.js";
import {
  afterStalls,
  CANCELLED_WITHIN_MS,
  type CallRecord,
  type Evidence,
  findFaults,
  RECOVERY_MS,
} from "./invariants.js";
import { isMillMethod } from "./mill.js";
import { FaultyNetwork } from "./network.js";
import { findPoolFaults, type PoolCounts, PoolCoverage, poolEndOf } from "./pool-coverage.js";
import { drawStrains, type FloodPlan, MIN_FLOOD, type Pressure, type StrainPlan } from "./pressures.js";
import { findLeftovers, hasTimersLeft } from "./quiet.js";
import {
  type CallPlan,
  drawScenario,
  isTight,
  MAX_FAULT_MS,
  type Scenario,
  TINY_QUEUE_CALLS,
  WORK_MS,
} from "./scenario.js";
import { SimServer } from "./server.js";
import type { StreamRecord } from "./stream-caller.js";
import { type StreamCounts, StreamCoverage } from "./stream-coverage.js";
import { endOf, findStreamFaults, type StreamEvidence } from "./stream-invariants.js";
import { drawLastStreams, drawStreams, type StreamPlan } from "./stream-plans.js";
import { Stage } from "./streams.js";
import { Trace } from "./trace.js";
import { WireTap } from "./wire-tap.js";
import { Ledger, REPLY_MARK, REQUEST_MARK } from "./work.js";
import { World } from "./world.js";

/** After the last fault every planned call has run out of time. */
const QUIET_MS = WORK_MS + MAX_FAULT_MS + 12_000;
/** A client may need this many attempts to call again, each within this time: every connection of a pool may be dead. */
const ATTEMPTS = 12;
const ATTEMPT_MS = 12_000;
/** Calls under way when a client is closed. */
const LAST_CALLS = 3;
const MAX_GRACE_MS = 500;
const CLOSE_MS = 3_000;
/** Something that settles is noticed after at most this much virtual time. */
const STEP_MS = 10;
/** Nonces of the calls beyond the plan begin here. */
const EXTRA_NONCES = 0x4000_0000;
const LAST_STREAM_NONCES = 0x6000_0000;
/** After everything was closed, what a caller still does for its calls: it goes on reading. */
const READ_ON_MS = 5_000;

/** A crowd whose calls compute is done with after this long, in milliseconds. */
const COMPUTED_MS = 2_000;
/** The choices of what strains a run do not change its other choices. */
const STRAIN_DICE = 0x40_0000_0000;
/** So many violations of a run are kept. */
const MAX_VIOLATIONS = 200;

/** What a run has shown. */
export interface RunReport {
  readonly seed: number;
  readonly calls: number;
  /** Streamed calls, and calls from servers to clients. */
  readonly streamCount: number;
  readonly faults: number;
  /** What went wrong, in words; empty if nothing did. */
  readonly violations: readonly string[];
  readonly coverage: CoverageCounts;
  readonly streams: StreamCounts;
  readonly pools: PoolCounts;
  /** Equal for equal runs. */
  readonly digest: string;
  /** The events, if they were kept. */
  readonly trace: readonly string[];
}

/** Runs a seed. With `keepTrace` the report holds every event. */
export async function simulate(seed: number, keepTrace = false): Promise<RunReport> {
  const run = new Run(seed, keepTrace);
  const { stackTraceLimit } = Error;
  // Most errors of a run are meant, and making their stacks would take a tenth of its time.
  if (!keepTrace) Error.stackTraceLimit = 0;
  const stray = (error: unknown): void => run.complain(`uncaught: ${textOf(error)}`);
  process.on("unhandledRejection", stray).on("uncaughtException", stray);
  try {
    await run.play();
  } catch (error) {
    run.complain(`the run failed: ${textOf(error)}`);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    process.off("unhandledRejection", stray).off("uncaughtException", stray);
  }
  return run.report();
}

function textOf(error: unknown): string {
  return error instanceof Error ? String(error.stack) : String(error);
}

class Run {
  private readonly seed: number;
  private readonly world = new World();
  private readonly trace: Trace;
  private readonly strikes = new StrikeLog();
  readonly ledger: Ledger = new Ledger(this.world);
  readonly stage: Stage = new Stage(this.world, (text) => this.complain(text));
  private readonly requests = new WireTap(REQUEST_MARK);
  private readonly replies = new WireTap(REPLY_MARK);
  private readonly dice: Dice;
  private readonly scenario: Scenario;
  private readonly strains: StrainPlan;
  /** What {@link lastsUntil} has found; the run is over then. */
  private readonly floodEnds = new Map<FloodPlan, number>();
  readonly network: FaultyNetwork;
  private readonly servers: SimServer[];
  private readonly clients: SimClient[];
  private readonly violations: string[] = [];
  private readonly coverage = new Coverage();
  private readonly streamCoverage = new StreamCoverage();
  private readonly poolCoverage = new PoolCoverage();
  private readonly streamPlans: StreamPlan[];
  private nextNonce = EXTRA_NONCES;

  constructor(seed: number, keepTrace: boolean) {
    this.seed = seed;
    this.dice = new Dice(seed);
    this.scenario = drawScenario(this.dice.fork());
    this.strains = drawStrains(new Dice(seed + STRAIN_DICE), this.scenario);
    this.trace = new Trace(this.world, keepTrace);
    this.network = new FaultyNetwork(this.world, this.dice.fork(), this.trace, this.strikes);
    this.network.onClientWrite = (pipe, bytes) => this.requests.see(pipe, bytes, this.world.now());
    this.network.onClientArrival = (pipe, bytes) => this.replies.see(pipe, bytes, this.world.now());
    this.servers = this.scenario.servers.map(
      (plan, index) => new SimServer(plan, this.strains.policies[index]!, this, this.dice.fork()),
    );
    this.world.onEvent = () => this.look();
    this.clients = this.scenario.clients.map((plan) => {
      const addresses = plan.servers.map((index) => this.servers[index]!.address);
      return new SimClient(plan, addresses, this, this.dice.fork());
    });
    this.streamPlans = drawStreams(this.dice.fork(), this.scenario);
    for (const [index, policy] of this.strains.clientPolicies.entries())
      if (policy !== undefined) this.clients[index]!.setPolicy(policy);
  }

  /** Plays all phases. */
  async play(): Promise<void> {
    await this.work();
    this.checkQuiet();
    for (const client of this.clients) await this.callAgain(client);
    await this.close();
    this.checkNothingIsLeft();
    this.checkCalls();
    this.checkStreams();
  }

  private look(): void {
    for (const server of this.servers) server.look();
  }

  readonly complain = (text: string): void => {
    if (this.violations.length < MAX_VIOLATIONS) this.violations.push(text);
  };

  report(): RunReport {
    return {
      seed: this.seed,
      calls: this.clients.reduce((sum, client) => sum + client.records.length, 0),
      streamCount: this.streamRecords().length,
      faults: this.scenario.faults.length,
      violations: this.violations,
      coverage: this.coverage.counts,
      streams: this.streamCoverage.counts,
      pools: this.poolCoverage.counts,
      digest: this.trace.digest(),
      trace: this.trace.lines,
    };
  }

  private async work(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.start()));
    for (const client of this.clients) client.begin();
    new Injector(this.network, this.clients, this.servers, this.dice.fork()).schedule(this.scenario.faults);
    this.scheduleStrains();
    for (const plan of this.streamPlans) this.callerOf(plan).setTimer(() => this.beginStream(plan), plan.atMs, true);
    await this.world.advance(QUIET_MS);
    for (const client of this.clients) {
      const pending = client.records.filter((record) => record.settled === 0);
      for (const { plan } of pending) this.complain(`call ${plan.nonce} of ${client.plan.name} has not settled`);
    }
  }

  private scheduleStrains(): void {
    const { floods, jams, changes, clientChanges } = this.strains;
    const at = (ms: number, callback: () => void): void => void this.world.setTimer(callback, ms, true);
    for (const { calls, client } of floods) this.clients[client]!.scheduleCrowd(calls);
    for (const { server, method, forMs, atMs } of jams) at(atMs, () => this.servers[server]!.jam(method, forMs));
    for (const { server, method, policy, atMs } of changes)
      at(atMs, () => this.servers[server]!.setPolicy(method, policy));
    for (const { client, policy, atMs } of clientChanges) at(atMs, () => this.clients[client]!.setPolicy(policy));
  }

  /** The process that makes a streamed call. */
  private callerOf({ client, server }: StreamPlan): Host {
    return (server === undefined ? this.clients[client]! : this.servers[server]!).host;
  }

  private beginStream(plan: StreamPlan): void {
    const client = this.clients[plan.client]!;
    const call =
      plan.server === undefined ? client.stream(plan) : this.servers[plan.server]!.stream(plan, client.plan.name);
    call.catch((error) => this.complain(`call ${plan.nonce} could not be made: ${textOf(error)}`));
  }

  private streamRecords(): StreamRecord[] {
    return [...this.clients, ...this.servers].flatMap(({ streams }) => streams);
  }

  /** Now that every call has ended, nothing of any is left on the connections that are open. */
  private checkQuiet(): void {
    for (const { plan, show, code, doneMs } of this.streamRecords()) {
      if (doneMs !== Number.POSITIVE_INFINITY) continue;
      const what = code === undefined ? "has not ended" : "has ended, and one of its ends waits";
      this.complain(`${plan.kind} ${plan.nonce} ${what}; handler ${show.handlerEnd}`);
    }
    for (const { dialer, accepted, name } of this.network.healthyLinks()) {
      const [client, server] = [dialer.reader, accepted.reader];
      if (!(client instanceof Session && server instanceof Session && client.isOpen && server.isOpen)) continue;
      for (const text of findLeftovers(client, server)) this.complain(`${name}: ${text}`);
    }
  }

  /** Once the faults have stopped, a client recovers by itself. */
  private async callAgain(client: SimClient): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const call = client.call(this.extraCall("answer"));
      await this.settleWithin(ATTEMPT_MS + STEP_MS, `attempt ${attempt} of ${client.plan.name} to call again`, [call]);
      if ((await call).code === Code.OK) return;
    }
    const { code, error } = client.records.at(-1)!;
    this.complain(`${client.plan.name} cannot call any more: ${codeName(code!)} ${error?.message}`);
  }

  /** Closes everything while calls are under way. */
  private async close(): Promise<void> {
    for (const client of this.clients) {
      for (let call = 0; call < LAST_CALLS; call++) void client.call(this.extraCall("hang"));
    }
    for (const plan of drawLastStreams(this.dice.fork(), this.scenario, LAST_STREAM_NONCES)) this.beginStream(plan);
    const graceMs = this.dice.pick([0, MAX_GRACE_MS]);
    await this.world.advance(this.dice.between(0, 5));
    const ends = this.network.healthyLinks().flatMap(({ dialer, accepted }) => [dialer.reader, accepted.reader]);
    const closing = this.clients.map((client) => client.close(graceMs));
    await this.settleWithin(CLOSE_MS, "the clients' close()", closing);
    for (const end of ends)
      if (end instanceof Session && hasTimersLeft(end)) this.complain(`a closed connection's heartbeat goes on`);
    for (const client of this.clients) await this.callInVain(client);
    await this.settleWithin(
      CLOSE_MS,
      "the servers' close()",
      this.servers.map((server) => server.close(graceMs)),
    );
    await this.world.advance(READ_ON_MS);
  }

  /** A call on a closed channel fails at once. */
  private async callInVain(client: SimClient): Promise<void> {
    const call = client.call(this.extraCall("answer"));
    await this.settleWithin(0, `a call of ${client.plan.name} after close()`, [call]);
  }

  private async settleWithin(ms: number, what: string, promises: readonly Promise<unknown>[]): Promise<void> {
    let settled = false;
    const all = Promise.all(promises).finally(() => {
      settled = true;
    });
    const endMs = this.world.now() + ms;
    do await this.world.advance(Math.min(STEP_MS, endMs - this.world.now()));
    while (!settled && this.world.now() < endMs);
    if (!settled) throw new Error(`${what} has not settled within ${ms} ms`);
    await all;
  }

  private checkNothingIsLeft(): void {
    const { network } = this;
    if (network.openEnds > 0) this.complain(`${network.openEnds} pipe ends are still open`);
    for (const { host } of [...this.clients, ...this.servers]) {
      if (host.pendingTimers > 0) this.complain(`${host.name} has left ${host.pendingTimers} timers`);
    }
    for (const client of this.clients) for (const text of client.findGateFaults()) this.complain(text);
    for (const client of this.clients) this.checkStats(client.plan.name, client.channel.stats());
    for (const server of this.servers) this.checkStats(server.plan.name, server.stats());
    for (const server of this.servers) server.checkEmpty();
    const { leased } = network.slabs;
    if (leased !== 0) this.complain(`${leased} slabs are still leased: ${network.slabs.leaks().join(", ")}`);
  }

  /** Gauges are back at 0, and only a server that repeats itself has answered nobody. */
  private checkStats(name: string, stats: Partial<ChannelStats & ServerStats>): void {
    for (const gauge of ["connections", "pending", "waiting", "running"] as const) {
      const value = stats[gauge] ?? 0;
      if (value !== 0) this.complain(`${name}: ${gauge} is ${value} after close()`);
    }
    const repeated = this.strikes.met(name, 0, this.world.now()).has("replay");
    if (!repeated && stats.unknownResponses) this.complain(`${name}: ${stats.unknownResponses} responses to no call`);
  }

  private checkCalls(): void {
    for (const client of this.clients) for (const record of client.records) this.checkCall(client, record);
  }

  private checkStreams(): void {
    for (const { longDrains, plan } of this.servers)
      for (const text of longDrains) this.complain(`${plan.name}: ${text}`);
    for (const record of this.streamRecords()) {
      const evidence = this.streamEvidenceOf(record);
      for (const text of findStreamFaults(record, evidence)) this.complain(text);
      const end = endOf(record);
      if (record.doneMs === Number.POSITIVE_INFINITY)
        this.complain(`${evidence.caller}: one end of call ${record.plan.nonce} still waits`);
      if (record.show.handlerEndMs === Number.POSITIVE_INFINITY)
        this.complain(`the handler of ${record.plan.nonce} still runs`);
      if (end !== undefined && record.plan.nonce < EXTRA_NONCES)
        this.streamCoverage.add(record.plan, evidence.faults, end);
    }
  }

  private streamEvidenceOf({ plan, startMs, endMs }: StreamRecord): StreamEvidence {
    const client = this.clients[plan.client]!;
    const { name, mode, servers, waitForReady, maxWaitingCalls } = client.plan;
    const isFromServer = plan.server !== undefined;
    const caller = this.callerOf(plan);
    const hasTightServer = servers.some((index) => isTight(this.scenario.servers[index]!));
    return {
      caller: caller.name,
      faults: this.strikes.met(name, startMs, endMs),
      wasCalmBefore: this.strikes.wasCalm(name, startMs - RECOVERY_MS, endMs),
      wasCalmAfterwards: this.strikes.wasCalm(name, startMs, endMs + CANCELLED_WITHIN_MS),
      cancelledWithinMs: CANCELLED_WITHIN_MS,
      stalls: caller.holds,
      mayQueue: isFromServer
        ? client.servesFew
        : hasTightServer ||
          this.wasComputing(startMs, endMs) ||
          maxWaitingCalls === TINY_QUEUE_CALLS ||
          (mode === "pooled" && client.wasBusy(startMs, endMs)),
      isPicky: isFromServer ? mode !== "pipelined" : !waitForReady,
      closed: endMs >= client.closedMs,
    };
  }

  private checkCall(client: SimClient, record: CallRecord): void {
    const evidence = this.evidenceOf(client, record);
    for (const text of findFaults(record, evidence)) this.complain(text);
    for (const text of findPoolFaults(record, evidence)) this.complain(text);
    if (record.code === undefined || record.plan.nonce >= EXTRA_NONCES) return;
    if (isMillMethod(record.plan.method)) this.poolCoverage.add(this.pressuresOn(client, record), poolEndOf(record));
    else this.coverage.add(evidence.faults, record.code);
  }

  /** True if the event loop of a server may have been held between two times: then any call may have to wait for a turn. */
  private wasComputing(fromMs: number, untilMs: number): boolean {
    return this.strains.floods.some(
      (flood) => flood.computes && flood.atMs <= untilMs && this.lastsUntil(flood) + COMPUTED_MS >= fromMs,
    );
  }

  /**
   * When the last call of a flood has been made, has arrived and has ended: its client or its server may be stalled when it is
   * due, or it waits for a connection.
   */
  private lastsUntil(flood: FloodPlan): number {
    let untilMs = this.floodEnds.get(flood);
    if (untilMs === undefined) {
      const { host, records } = this.clients[flood.client]!;
      const nonces = new Set(flood.calls.map(({ nonce }) => nonce));
      const ends = records.filter(({ plan }) => nonces.has(plan.nonce)).map(({ endMs }) => endMs);
      const madeMs = afterStalls(flood.untilMs, host.stalls);
      untilMs = Math.max(...ends, ...this.servers.map((server) => afterStalls(madeMs, server.host.stalls)));
      this.floodEnds.set(flood, untilMs);
    }
    return untilMs;
  }

  /** What strained the method of a call while it was under way, at any server that it may have gone to. */
  private pressuresOn(client: SimClient, record: CallRecord): Set<Pressure> {
    const { floods, jams, changes } = this.strains;
    const { plan, startMs, endMs } = record;
    const { servers } = client.plan;
    const met = (fromMs: number, untilMs: number): boolean => fromMs <= endMs && untilMs >= startMs;
    const pressures = new Set<Pressure>();
    for (const { method, calls, atMs, untilMs } of floods)
      if (method === plan.method && calls.length >= MIN_FLOOD && met(atMs, untilMs + 50)) pressures.add("flood");
    for (const { method, server, atMs, forMs } of jams)
      if (method === plan.method && servers.includes(server) && met(atMs, atMs + forMs)) pressures.add("jam");
    for (const { method, server, atMs } of changes)
      if (method === plan.method && servers.includes(server) && met(atMs, atMs)) pressures.add("policy");
    if (plan.behaviour === "compute") pressures.add("compute");
    if (client.policyOf(plan.method)?.failure === "retry") pressures.add("retry");
    return pressures;
  }

  private evidenceOf(client: SimClient, { plan: { nonce, method }, startMs, endMs }: CallRecord): Evidence {
    const { plan, host, closedMs } = client;
    const hasTightServer =
      plan.servers.some((index) => isTight(this.scenario.servers[index]!)) || this.wasComputing(startMs, endMs);
    return {
      runs: this.ledger.runsOf(nonce),
      handlerEndMs: this.ledger.endOf(nonce),
      writes: this.requests.countOf(nonce),
      replyArrivedMs: this.replies.timeOf(nonce),
      faults: this.strikes.met(plan.name, startMs, endMs),
      faultsLately: this.strikes.met(plan.name, startMs - RECOVERY_MS, endMs),
      wasCalmBefore: this.strikes.wasCalm(plan.name, startMs - RECOVERY_MS, endMs),
      wasCalmAfterwards: this.strikes.wasCalm(plan.name, startMs, endMs + CANCELLED_WITHIN_MS),
      stalls: host.stalls,
      hasTinyQueue: plan.maxWaitingCalls === TINY_QUEUE_CALLS || client.policyOf(method) !== undefined,
      hasTightServer: hasTightServer || isMillMethod(method),
      mayRepeat: method === "plain" && client.policyOf(method)?.failure === "retry",
      mayQueue: hasTightServer || isMillMethod(method) || (plan.mode === "pooled" && client.wasBusy(startMs, endMs)),
      closed: endMs >= closedMs,
    };
  }

  private extraCall(behaviour: "answer" | "hang"): CallPlan {
    return {
      nonce: this.nextNonce++,
      atMs: this.world.now(),
      timeoutMs: ATTEMPT_MS,
      abort: undefined,
      waitForReady: true,
      method: "perform",
      behaviour,
      handlerMs: 0,
      requestBytes: 100,
      replyBytes: 100,
    };
  }
}
