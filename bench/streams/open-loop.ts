// The open loop: small calls at a fixed rate, whatever becomes of those before. Each call's latency counts from the moment
// it was meant to be made, so that a process that is busy, or calls that hold up others, show in full. Calls that are due
// are made in every turn of the event loop, which never sleeps.

import { Histogram } from "../lib/histogram.js";
import { isEcho, makeMessages } from "../macro/payloads.js";
import type { EchoCaller } from "../macro/peer.js";
import { PAYLOAD_BYTES } from "./sequence.js";

/** Calls at a fixed rate on one client. */
export class OpenLoop {
  /** Latencies of the calls that were meant to be made since {@link OpenLoop.begin}, in nanoseconds. */
  readonly latencies: Histogram = new Histogram();
  /** Calls that failed, and wrong replies. */
  errors = 0;
  /** What the first error said. */
  firstError: string | undefined = undefined;

  private readonly client: EchoCaller;
  private readonly intervalMs: number;
  private readonly messages = makeMessages(PAYLOAD_BYTES, 1);
  private readonly onTurn = (): void => this.turn();
  private made = 0;
  private pending = 0;
  /** When the next call is meant to be made. */
  private due = 0;
  /** When what is recorded begins. */
  private since = 0;
  private isRunning = false;
  private onLast: () => void = () => {};

  constructor(client: EchoCaller, callsPerSecond: number) {
    this.client = client;
    this.intervalMs = 1000 / callsPerSecond;
  }

  /** Starts making calls. */
  start(): void {
    this.isRunning = true;
    this.due = performance.now();
    this.turn();
  }

  /** What is recorded begins now. */
  begin(): void {
    this.since = performance.now();
    this.latencies.reset();
  }

  /** Makes no more calls; resolves when the last has ended. */
  async stop(): Promise<void> {
    this.isRunning = false;
    if (this.pending === 0) return;
    await new Promise<void>((resolve) => {
      this.onLast = resolve;
    });
  }

  private turn(): void {
    if (!this.isRunning) return;
    for (const now = performance.now(); this.due <= now; this.due += this.intervalMs) void this.call(this.due);
    setImmediate(this.onTurn);
  }

  private async call(due: number): Promise<void> {
    const turn = this.made++;
    const message = this.messages[turn & (this.messages.length - 1)]!;
    this.pending++;
    try {
      const reply = await this.client.echo(message);
      if (due >= this.since) this.latencies.record((performance.now() - due) * 1e6);
      if (!isEcho(message, reply, turn)) this.fail(`wrong reply to message ${message.id}: ${reply.id} ${reply.name}`);
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
    }
    this.pending--;
    if (this.pending === 0 && !this.isRunning) this.onLast();
  }

  private fail(reason: string): void {
    this.errors++;
    this.firstError ??= reason;
  }
}
