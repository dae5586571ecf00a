// The closed loop: `outstanding` workers, each making one call after another and checking every reply. It owns the
// messages, the counters and the clock readings, and adds as little to a call as it can, the same for every system:
// messages are made beforehand, one call in eight is timed when there are many, nothing is allocated per call.

import { setImmediate as nextTurn } from "node:timers/promises";
import { makeMessages } from "./payloads.js";
import type { EchoCaller, EchoMessage } from "./peer.js";
import { Tally } from "./tally.js";

/** With many calls in flight, one in this many is timed: reading the clock for each would itself be measured. */
const SAMPLED = 8;

/** Closed-loop load on one client. */
export class Load extends Tally {
  private readonly client: EchoCaller;
  private readonly messages: readonly EchoMessage[];
  private readonly outstanding: number;
  private readonly sampleMask: number;
  private begun = 0;
  private running = false;
  private workers: Promise<void>[] = [];

  constructor(client: EchoCaller, payloadBytes: number, outstanding: number) {
    super();
    this.client = client;
    this.outstanding = outstanding;
    this.messages = makeMessages(payloadBytes, outstanding);
    this.sampleMask = outstanding > 1 ? SAMPLED - 1 : 0;
  }

  /** Starts the workers. */
  start(): void {
    this.running = true;
    this.workers = Array.from({ length: this.outstanding }, () => this.work());
  }

  /** Lets every worker finish its call; resolves when the last has. */
  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.workers);
  }

  private async work(): Promise<void> {
    const { client, messages, sampleMask } = this;
    const messageMask = messages.length - 1;
    while (this.running) {
      const turn = this.begun++;
      const message = messages[turn & messageMask]!;
      const timed = (turn & sampleMask) === 0;
      const begin = timed ? performance.now() : 0;
      try {
        const reply = await client.echo(message);
        if (timed) this.latencies.record((performance.now() - begin) * 1e6);
        this.settle(message, reply, turn);
      } catch (error) {
        this.fail(error);
        await nextTurn();
      }
    }
  }
}
