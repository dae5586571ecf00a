// One simulated client: a channel in a process of its own, the calls it makes, and what became of each.

import type { ClientPolicy } from "../../src/codec/policy.js";
import { RpcError } from "../../src/codec/status.js";
import { type CallOptions, type Channel, connect } from "../../src/index.js";
import type { Dice } from "./dice.js";
import { Host } from "./host.js";
import { type CallRecord, findGateFaults, findRetryFaults, isAnswered, requestOf } from "./invariants.js";
import { millMethods, pouredBy, unpour } from "./mill.js";
import type { FaultyNetwork } from "./network.js";
import { type AbortPlan, type CallPlan, type ClientPlan, MAX_FRAME_BYTES, type MethodName } from "./scenario.js";
import type { SimShared } from "./server.js";
import { makeCall, newRecord, type StreamRecord } from "./stream-caller.js";
import { FEW_CALLS, STREAM_STALL_MS, STREAM_WINDOW_BYTES, type StreamPlan } from "./stream-plans.js";
import { Choir, type Stage } from "./streams.js";
import { missing, note, perform, type WorkReply, type WorkRequest } from "./work.js";

/** The default of a pooled channel. */
const POOLED_CONNECTIONS = 8;
const methods = { perform, note, missing, ...millMethods };

/** Half of the streams of requests pause for so long after their first message, in milliseconds. */
const POUR_PAUSE_MS = 5;
/** The methods for which clients have policies. */
const GATED: readonly MethodName[] = ["plain", "urgent"];

/** A client process. */
export class SimClient {
  readonly plan: ClientPlan;
  readonly host: Host;
  readonly channel: Channel;
  /** True if it takes few calls of a server at once: one client of each run does. */
  readonly servesFew: boolean;
  /** The calls so far. */
  readonly records: CallRecord[] = [];
  /** The streamed calls so far. */
  readonly streams: StreamRecord[] = [];
  /** When `close` was called, in world time. */
  closedMs: number = Number.POSITIVE_INFINITY;
  /** Of `plain` and `urgent`; undefined if it has none. */
  policy: ClientPolicy | undefined;
  private readonly network: FaultyNetwork;
  private readonly stage: Stage;
  private readonly complain: (text: string) => void;
  /** Calls that were made, by method. */
  private readonly made = new Map<MethodName, number>();
  private readonly runningBefore = new Map<MethodName, number>();
  private readonly signals = new Map<
    AbortPlan,
    { readonly controller: AbortController; abortedMs: number | undefined }
  >();

  constructor(plan: ClientPlan, addresses: readonly string[], { network, stage, complain }: SimShared, dice: Dice) {
    this.complain = complain;
    this.plan = plan;
    this.stage = stage;
    this.servesFew = plan.name === "c1";
    this.network = network;
    this.host = new Host(plan.name, network.world, dice.fork());
    this.channel = connect(addresses.join(","), {
      mode: plan.mode,
      waitForReady: plan.waitForReady,
      timeoutMs: plan.defaultTimeoutMs,
      maxWaitingCalls: plan.maxWaitingCalls,
      maxFrameBytes: MAX_FRAME_BYTES,
      streamWindowBytes: STREAM_WINDOW_BYTES,
      maxWindowBytes: STREAM_WINDOW_BYTES,
      streamStallTimeoutMs: STREAM_STALL_MS,
      maxCallsPerConnection: this.servesFew ? FEW_CALLS : 4096,
      peerId: plan.name,
      slabs: network.slabs,
      network: network.at(this.host),
      clock: this.host,
      random: dice.fork().random,
    });
    this.channel.handle(Choir, stage.handlers(this.host));
  }

  /** What holds for calls of `plain` from now on. */
  setPolicy(policy: ClientPolicy): void {
    this.policy = policy;
    for (const method of GATED) {
      this.channel.policies.set(methods[method], policy);
      this.runningBefore.set(method, this.channel.policies.stats()[methods[method].path]!.running);
    }
  }

  /** Sets the timers that make the planned calls. */
  begin(): void {
    for (const call of this.plan.calls) this.host.setTimer(() => this.call(call), call.atMs, true);
  }

  /** Sets timers for further calls; those of one time are made in one turn. */
  scheduleCrowd(calls: readonly CallPlan[]): void {
    for (const atMs of new Set(calls.map((call) => call.atMs))) {
      const together = calls.filter((call) => call.atMs === atMs);
      this.host.setTimer(() => this.makeAll(together), atMs, true);
    }
  }

  private makeAll(calls: readonly CallPlan[]): void {
    for (const call of calls) void this.call(call);
  }

  /** Its policy for a method, if it has one. */
  policyOf(method: MethodName): ClientPolicy | undefined {
    return GATED.includes(method) ? this.policy : undefined;
  }

  /** What is wrong with its own gates, now that nothing is under way. */
  findGateFaults(): string[] {
    if (this.policy === undefined) return [];
    const gates = GATED.map((method) => ({
      name: `${this.plan.name}, ${method}`,
      stats: this.channel.policies.stats()[methods[method].path]!,
      made: this.made.get(method) ?? 0,
    }));
    return [...gates.flatMap(findGateFaults), ...findRetryFaults(this.plan.name, gates, this.gatedMs())];
  }

  /** How long it has had calls that go through gates, from the first to the end of the last. */
  private gatedMs(): number {
    const gated = this.records.filter(({ plan }) => GATED.includes(plan.method));
    return Math.max(...gated.map(({ endMs }) => endMs)) - Math.min(...gated.map(({ startMs }) => startMs));
  }

  /** No more calls are under way than the policy allows; after a change their number does not grow. */
  private checkRoom(method: MethodName): void {
    const { concurrency, rate } = this.policyOf(method) ?? {};
    if (concurrency === undefined) return;
    const { running, waiting } = this.channel.policies.stats()[methods[method].path]!;
    if (waiting > 0 && running < concurrency && rate === undefined)
      this.complain(`${this.plan.name}: ${waiting} calls of ${method} wait for room, and there is some`);
    if (running > Math.max(concurrency, this.runningBefore.get(method) ?? 0))
      this.complain(`${this.plan.name}: ${running} calls of ${method} are under way, limit ${concurrency}`);
    this.runningBefore.set(method, running);
  }

  /** Makes a call; resolves with its record once it has settled. */
  async call(plan: CallPlan): Promise<CallRecord> {
    const record = this.newRecord(plan);
    this.records.push(record);
    this.checkRoom(plan.method);
    const abort = plan.abort === undefined ? undefined : this.signalFor(plan.abort);
    // One that is given up before it is made comes to no gate.
    if (abort?.abortedMs === undefined) this.made.set(plan.method, (this.made.get(plan.method) ?? 0) + 1);
    this.note(`begins ${plan.nonce}`);
    try {
      const reply = await this.unary(plan, record, abort?.controller.signal);
      if (isAnswered(plan.method)) record.reply = reply;
      record.code = 0;
    } catch (error) {
      this.onError(record, error);
    }
    record.settled++;
    this.checkRoom(plan.method);
    record.endMs = this.network.world.now();
    record.abortedMs = abort?.abortedMs;
    this.note(`ends ${plan.nonce} with ${record.code}`);
    return record;
  }

  /** Makes a streamed call; resolves when nothing more is to be done for it. */
  async stream(plan: StreamPlan): Promise<void> {
    const record = newRecord(plan, this.stage);
    this.streams.push(record);
    this.note(`begins ${plan.kind} ${plan.nonce}`);
    await makeCall(this.channel, this.host, this.stage, record);
    this.note(`ends ${plan.kind} ${plan.nonce} with ${record.code}`);
  }

  /** True if calls were under way on most of a pool's connections for most of the time. */
  wasBusy(fromMs: number, untilMs: number): boolean {
    let callMs = 0;
    for (const { startMs, endMs } of [...this.records, ...this.streams]) {
      callMs += Math.max(0, Math.min(endMs, untilMs) - Math.max(startMs, fromMs));
    }
    return callMs > (POOLED_CONNECTIONS / 2) * (untilMs - fromMs);
  }

  /** Closes the channel. */
  async close(graceMs: number): Promise<void> {
    this.closedMs = this.network.world.now();
    await this.channel.close({ graceMs });
  }

  private unary(plan: CallPlan, record: CallRecord, signal: AbortSignal | undefined): Promise<WorkReply> {
    const options = {
      timeoutMs: plan.timeoutMs ?? (plan.method === "pour" ? record.timeoutMs : undefined),
      waitForReady: plan.waitForReady,
      signal,
      onResponseMetadata: () => record.heard++,
    };
    if (plan.method === "pour") return this.pour(record, options);
    return this.channel.unary(methods[plan.method], record.request, options);
  }

  private async pour({ request }: CallRecord, options: CallOptions): Promise<WorkReply> {
    const stream = this.channel.clientStream(millMethods.pour, options);
    const [first, ...others] = pouredBy(request) as [WorkRequest, ...WorkRequest[]];
    const sendOthers = (): void => {
      // What becomes of them is told by the response.
      for (const message of others) stream.send(message).catch(() => undefined);
      stream.close().catch(() => undefined);
    };
    stream.send(first).catch(() => undefined);
    if (request.nonce % 2 === 0) sendOthers();
    else this.host.setTimer(sendOthers, POUR_PAUSE_MS, true);
    const reply = await stream.response;
    // The reply to a part of what was sent is a wrong one.
    return unpour(request, reply) ?? { ...reply, nonce: ~reply.nonce >>> 0 };
  }

  private onError(record: CallRecord, error: unknown): void {
    if (!(error instanceof RpcError)) throw error;
    record.error = error;
    record.code = error.code;
  }

  private newRecord(plan: CallPlan): CallRecord {
    return {
      plan,
      request: requestOf(plan),
      client: this.plan.name,
      timeoutMs: plan.timeoutMs ?? this.plan.defaultTimeoutMs,
      waitsForReady: plan.waitForReady ?? this.plan.waitForReady,
      startMs: this.network.world.now(),
      abortedMs: undefined,
      settled: 0,
      heard: 0,
      endMs: Number.POSITIVE_INFINITY,
      code: undefined,
      reply: undefined,
      error: undefined,
    };
  }

  /** The signal of a plan; the first call that has it sets the timer that aborts it. */
  private signalFor(plan: AbortPlan): { readonly controller: AbortController; readonly abortedMs: number | undefined } {
    const known = this.signals.get(plan);
    if (known !== undefined) return known;
    const signal = { controller: new AbortController(), abortedMs: undefined as number | undefined };
    this.signals.set(plan, signal);
    const abort = (): void => {
      signal.abortedMs = this.network.world.now();
      signal.controller.abort();
    };
    const waitMs = plan.atMs - this.network.world.now();
    if (waitMs <= 0) abort();
    else this.host.setTimer(abort, waitMs, true);
    return signal;
  }

  private note(text: string): void {
    this.network.trace.note(`${this.plan.name} ${text}`);
  }
}
