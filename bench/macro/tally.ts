// What becomes of the calls of a load, whichever way they are made: right replies, wrong ones and failures are counted,
// latencies go into a histogram. Nothing is allocated for a call that ends well.

import { Histogram } from "../lib/histogram.js";
import { isEcho } from "./payloads.js";
import type { EchoMessage } from "./peer.js";

/** Counts the calls of a load. */
export abstract class Tally {
  /** Latencies of the timed calls since {@link begin}, in nanoseconds. */
  readonly latencies: Histogram = new Histogram();
  /** Calls that ended with the right reply. */
  completed = 0;
  /** Calls that failed, and wrong replies. */
  errors = 0;
  /** What the first error said. */
  firstError: string | undefined = undefined;

  /** Starts the calls. */
  abstract start(): void;

  /** What is recorded begins now. */
  begin(): void {
    this.latencies.reset();
  }

  /** Makes no more calls; resolves when the last has ended. */
  abstract stop(): Promise<void>;

  /** Compares a reply with what was sent; `turn` numbers the comparison. */
  protected settle(sent: EchoMessage, got: EchoMessage, turn: number): void {
    if (isEcho(sent, got, turn)) this.completed++;
    else this.fail(new Error(`wrong reply to message ${sent.id}: ${got.id} ${got.name} ${got.payload.length} bytes`));
  }

  /** Counts a call that has failed. */
  protected fail(error: unknown): void {
    this.errors++;
    this.firstError ??= error instanceof Error ? error.message : String(error);
  }
}
