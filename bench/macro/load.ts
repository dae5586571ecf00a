// The closed loop: `outstanding` workers, each making one call after another and checking every reply. It owns the
// messages, the counters and the clock readings, and adds as little to a call as it can, the same for every system:
// messages are made beforehand, one call in eight is timed when there are many, nothing is allocated per call.

import { setImmediate as nextTurn } from "node:timers/promises";
import { Histogram } from "../lib/histogram.js";
import type { EchoCaller, EchoMessage } from "./peer.js";

/** Beyond what a double holds exactly, so that a system that loses digits is caught. */
const FIRST_ID = 2n ** 53n + 1n;
const MIN_MESSAGES = 4096;
/** Messages share this many payloads, each with content of its own. */
const PAYLOADS = 64;
/** With many calls in flight, one in this many is timed: reading the clock for each would itself be measured. */
const SAMPLED = 8;
/** One reply in this many is compared byte for byte; all are compared in id, name, length and three bytes. */
const FULLY_COMPARED = 256;

/** Closed-loop load on one client. */
export class Load {
  /** Latencies of the timed calls that ended since the last reset, in nanoseconds. */
  readonly latencies: Histogram = new Histogram();
  /** Calls that ended with the right reply. */
  completed = 0;
  /** Calls that failed, and wrong replies. */
  errors = 0;
  /** What the first error said. */
  firstError: string | undefined;

  private readonly client: EchoCaller;
  private readonly messages: readonly EchoMessage[];
  private readonly outstanding: number;
  private readonly sampleMask: number;
  private begun = 0;
  private running = false;
  private workers: Promise<void>[] = [];

  constructor(client: EchoCaller, payloadBytes: number, outstanding: number) {
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
        if (isEcho(message, reply, turn)) this.completed++;
        else this.fail(`wrong reply to message ${message.id}: ${reply.id} ${reply.name} ${reply.payload.length} bytes`);
      } catch (error) {
        this.fail(error instanceof Error ? error.message : String(error));
        await nextTurn();
      }
    }
  }

  private fail(reason: string): void {
    this.errors++;
    this.firstError ??= reason;
  }
}

/** More messages than calls in flight, so that no two of those have the same id; a power of two. */
function makeMessages(payloadBytes: number, outstanding: number): EchoMessage[] {
  const count = Math.max(MIN_MESSAGES, 2 ** Math.ceil(Math.log2(outstanding * 4)));
  const payloads = Array.from({ length: PAYLOADS }, (_, n) => makePayload(payloadBytes, n));
  return Array.from({ length: count }, (_, n) => ({
    id: FIRST_ID + BigInt(n),
    name: `user-${String(n % 10_000).padStart(4, "0")}`,
    payload: payloads[n % PAYLOADS]!,
  }));
}

function makePayload(bytes: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => (seed * 37 + at * 11) & 0xff);
}

function isEcho(sent: EchoMessage, got: EchoMessage, turn: number): boolean {
  const a = sent.payload;
  const b = got.payload;
  const last = a.length - 1;
  const middle = last >> 1;
  return (
    got.id === sent.id &&
    got.name === sent.name &&
    b.length === a.length &&
    b[0] === a[0] &&
    b[middle] === a[middle] &&
    b[last] === a[last] &&
    (turn % FULLY_COMPARED !== 0 || last < 0 || Buffer.compare(a, b) === 0)
  );
}
