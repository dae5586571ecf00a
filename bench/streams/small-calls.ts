// Small calls at a fixed rate, in an open loop. Each call's latency counts from the moment it was due, so that a process
// that is busy, or calls that hold up others, show in full.

import { Histogram } from "../lib/histogram.js";
import { OpenLoop, Steady } from "../lib/open-loop.js";
import { isEcho, makeMessages } from "../macro/payloads.js";
import type { EchoCaller } from "../macro/peer.js";
import { PAYLOAD_BYTES } from "./sequence.js";

/** Calls on one client. */
export class SmallCalls {
  /** Latencies of the calls that were due since {@link SmallCalls.begin}, in nanoseconds. */
  readonly latencies: Histogram = new Histogram();
  /** Calls that failed, and wrong replies. */
  errors = 0;
  /** What the first error said. */
  firstError: string | undefined = undefined;

  private readonly client: EchoCaller;
  private readonly schedule: Steady;
  private readonly loop: OpenLoop;
  private readonly messages = makeMessages(PAYLOAD_BYTES, 1);
  private made = 0;
  /** When what is recorded begins, in the loop's milliseconds. */
  private sinceMs = 0;
  private ended: Promise<void> = Promise.resolve();

  constructor(client: EchoCaller, callsPerSecond: number) {
    this.client = client;
    this.schedule = new Steady(callsPerSecond);
    this.loop = new OpenLoop([{ schedule: this.schedule, make: (dueMs) => this.call(dueMs) }]);
  }

  /** Starts making calls. */
  start(): void {
    this.ended = this.loop.run();
  }

  /** What is recorded begins now. */
  begin(): void {
    this.sinceMs = this.loop.elapsedMs;
    this.latencies.reset();
  }

  /** Makes no more calls; resolves when the last has ended. */
  stop(): Promise<void> {
    this.schedule.end();
    return this.ended;
  }

  private async call(dueMs: number): Promise<void> {
    const turn = this.made++;
    const message = this.messages[turn & (this.messages.length - 1)]!;
    try {
      const reply = await this.client.echo(message);
      if (dueMs >= this.sinceMs) this.latencies.record((this.loop.elapsedMs - dueMs) * 1e6);
      if (!isEcho(message, reply, turn)) this.fail(`wrong reply to message ${message.id}: ${reply.id} ${reply.name}`);
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
    }
  }

  private fail(reason: string): void {
    this.errors++;
    this.firstError ??= reason;
  }
}
