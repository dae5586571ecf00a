// One simulated client: a channel in a process of its own, the calls it makes, and what became of each.

import { RpcError } from "../../src/codec/status.js";
import { type Channel, connect } from "../../src/index.js";
import type { Dice } from "./dice.js";
import { Host } from "./host.js";
import { type CallRecord, requestOf } from "./invariants.js";
import type { FaultyNetwork } from "./network.js";
import { type AbortPlan, type CallPlan, type ClientPlan, MAX_FRAME_BYTES } from "./scenario.js";
import { missing, note, perform, type WorkReply } from "./work.js";

/** The default of a pooled channel. */
const POOLED_CONNECTIONS = 8;
const methods = { perform, note, missing };

/** A client process. */
export class SimClient {
  readonly plan: ClientPlan;
  readonly host: Host;
  readonly channel: Channel;
  /** The calls so far. */
  readonly records: CallRecord[] = [];
  /** When `close` was called, in world time. */
  closedMs: number = Number.POSITIVE_INFINITY;
  private readonly network: FaultyNetwork;
  private readonly signals = new Map<
    AbortPlan,
    { readonly controller: AbortController; abortedMs: number | undefined }
  >();

  constructor(plan: ClientPlan, addresses: readonly string[], network: FaultyNetwork, dice: Dice) {
    this.plan = plan;
    this.network = network;
    this.host = new Host(plan.name, network.world, dice.fork());
    this.channel = connect(addresses.join(","), {
      mode: plan.mode,
      waitForReady: plan.waitForReady,
      timeoutMs: plan.defaultTimeoutMs,
      maxWaitingCalls: plan.maxWaitingCalls,
      maxFrameBytes: MAX_FRAME_BYTES,
      slabs: network.slabs,
      network: network.at(this.host),
      clock: this.host,
      random: dice.fork().random,
    });
  }

  /** Sets the timers that make the planned calls. */
  begin(): void {
    for (const call of this.plan.calls) this.host.setTimer(() => this.call(call), call.atMs, true);
  }

  /** Makes a call; resolves with its record once it has settled. */
  async call(plan: CallPlan): Promise<CallRecord> {
    const record = this.newRecord(plan);
    this.records.push(record);
    const abort = plan.abort === undefined ? undefined : this.signalFor(plan.abort);
    this.note(`begins ${plan.nonce}`);
    try {
      const reply = await this.unary(plan, record, abort?.controller.signal);
      if (plan.method === "perform") record.reply = reply;
      record.code = 0;
    } catch (error) {
      this.onError(record, error);
    }
    record.settled++;
    record.endMs = this.network.world.now();
    record.abortedMs = abort?.abortedMs;
    this.note(`ends ${plan.nonce} with ${record.code}`);
    return record;
  }

  /** True if calls were under way on most of a pool's connections for most of the time. */
  wasBusy(fromMs: number, untilMs: number): boolean {
    const overlaps = this.records.map(({ startMs, endMs }) => Math.min(endMs, untilMs) - Math.max(startMs, fromMs));
    const callMs = overlaps.reduce((sum, overlap) => sum + Math.max(0, overlap), 0);
    return callMs > (POOLED_CONNECTIONS / 2) * (untilMs - fromMs);
  }

  /** Closes the channel. */
  async close(graceMs: number): Promise<void> {
    this.closedMs = this.network.world.now();
    await this.channel.close({ graceMs });
  }

  private unary(plan: CallPlan, record: CallRecord, signal: AbortSignal | undefined): Promise<WorkReply> {
    return this.channel.unary(methods[plan.method], record.request, {
      timeoutMs: plan.timeoutMs,
      waitForReady: plan.waitForReady,
      signal,
      onResponseMetadata: () => record.heard++,
    });
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
