// The two ends of a stream, the same for every system: a source that gives numbered messages, made beforehand, and a sink
// that checks every one of them. The last message has no payload; its id is how many came before it.

import { isEcho, makeMessages } from "../macro/payloads.js";
import type { EchoMessage } from "../macro/peer.js";

/** The payload of a message, in bytes. */
export const PAYLOAD_BYTES = 100;

const messages = makeMessages(PAYLOAD_BYTES, 1);
const mask = messages.length - 1;
const NO_PAYLOAD = new Uint8Array(0);

/** Gives the messages of one stream. */
export class Source {
  /** How many messages were given, the last one aside. */
  sent = 0;
  private count: number;
  private isEnded = false;

  /** `count` messages; as many as there is time for without one. */
  constructor(count: number = Number.POSITIVE_INFINITY) {
    this.count = count;
  }

  /** The next message; undefined after the last one. */
  next(): EchoMessage | undefined {
    if (this.sent < this.count) return messages[this.sent++ & mask];
    if (this.isEnded) return undefined;
    this.isEnded = true;
    return { id: BigInt(this.sent), name: "", payload: NO_PAYLOAD };
  }

  /** Only the last message follows. */
  stop(): void {
    this.count = this.sent;
  }
}

/** Takes the messages of one stream, in their order. */
export class Sink {
  /** How many messages were taken, the last one aside. */
  taken = 0;
  /** Messages that are not what was sent, and an end that is not where it should be. */
  errors = 0;
  /** What the first error said. */
  firstError: string | undefined = undefined;
  private isEnded = false;

  /** Takes the next message. */
  take(message: EchoMessage): void {
    if (message.payload.length === 0) this.end(message);
    else if (isEcho(messages[this.taken & mask]!, message, this.taken)) this.taken++;
    else this.fail(`message ${this.taken++} came as ${message.id} ${message.name}, ${message.payload.length} bytes`);
  }

  /** The stream is over. */
  close(): void {
    if (!this.isEnded) this.fail(`the stream was over after ${this.taken} messages, and had no last one`);
  }

  private end({ id }: EchoMessage): void {
    if (this.isEnded || id !== BigInt(this.taken)) this.fail(`the end says ${id} messages; ${this.taken} came`);
    this.isEnded = true;
  }

  private fail(reason: string): void {
    this.errors++;
    this.firstError ??= reason;
  }
}

/** The ends of all streams of one process. */
export class Ends {
  private readonly sinks: Sink[] = [];
  private readonly sources: Source[] = [];
  private isStopped = false;

  /** A source for one more stream. */
  openSource(count?: number): Source {
    const source = new Source(this.isStopped ? 0 : count);
    this.sources.push(source);
    return source;
  }

  /** A sink for one more stream. */
  openSink(): Sink {
    const sink = new Sink();
    this.sinks.push(sink);
    return sink;
  }

  /** Every source gives its last message. */
  stop(): void {
    this.isStopped = true;
    for (const source of this.sources) source.stop();
  }

  /** How many messages the sinks have taken. */
  get taken(): number {
    return this.sinks.reduce((sum, { taken }) => sum + taken, 0);
  }

  /** How many messages the sources have given. */
  get sent(): number {
    return this.sources.reduce((sum, { sent }) => sum + sent, 0);
  }

  /** The errors of all sinks. */
  get errors(): number {
    return this.sinks.reduce((sum, { errors }) => sum + errors, 0);
  }

  /** What the first error said. */
  get firstError(): string | undefined {
    return this.sinks.find(({ firstError }) => firstError !== undefined)?.firstError;
  }
}
