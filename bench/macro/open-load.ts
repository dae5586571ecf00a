// The open loop on one client: calls at a fixed rate, made when they are due whatever becomes of those before, and timed
// from the moment at which they were due, so that a process that is busy, or calls that hold up others, show in full. Every
// call is timed; the rest is as in the closed loop.

import type { Histogram } from "../lib/histogram.js";
import { OpenLoop, Steady } from "../lib/open-loop.js";
import { makeMessages } from "./payloads.js";
import type { EchoCaller, EchoMessage } from "./peer.js";
import { Tally } from "./tally.js";

/** A system that is behind is given no more than so many calls at once; the others that are due wait, and their time runs. */
const MOST_PENDING = 1024;

/** Open-loop load on one client. */
export class OpenLoad extends Tally {
  private readonly client: EchoCaller;
  private readonly messages: readonly EchoMessage[];
  private readonly schedule: Steady;
  private readonly loop: OpenLoop;
  private begun = 0;
  /** When what is recorded begins, in the loop's milliseconds. */
  private sinceMs = 0;
  private ended: Promise<void> = Promise.resolve();

  constructor(client: EchoCaller, payloadBytes: number, perSecond: number) {
    super();
    this.client = client;
    this.messages = makeMessages(payloadBytes, MOST_PENDING);
    this.schedule = new Steady(perSecond);
    this.loop = new OpenLoop([{ schedule: this.schedule, make: (dueMs) => this.call(dueMs) }], MOST_PENDING);
  }

  /** How late calls were made, in nanoseconds: what of their latencies is the generator's own. */
  get lateness(): Histogram {
    return this.loop.lateness;
  }

  start(): void {
    this.ended = this.loop.run();
  }

  /** Calls that were due before now are not recorded. */
  override begin(): void {
    super.begin();
    this.sinceMs = this.loop.elapsedMs;
  }

  async stop(): Promise<void> {
    this.schedule.end();
    await this.ended;
  }

  private async call(dueMs: number): Promise<void> {
    const turn = this.begun++;
    const message = this.messages[turn & (this.messages.length - 1)]!;
    try {
      const reply = await this.client.echo(message);
      if (dueMs >= this.sinceMs) this.latencies.record((this.loop.elapsedMs - dueMs) * 1e6);
      this.settle(message, reply, turn);
    } catch (error) {
      this.fail(error);
    }
  }
}
