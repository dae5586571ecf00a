// What tests of streams share.

import type { RequestStream } from "../../src/index.js";
import type { TestServiceClient } from "./gen/grpc/testing/test.js";

/** A message with a payload, as most of `grpc.testing` are. */
interface WithPayload {
  readonly payload?: { readonly body: Uint8Array } | undefined;
}

/** `bytes` zeros. */
export function zeros(bytes: number): Uint8Array {
  return new Uint8Array(bytes);
}

/** Everything that `messages` gives. */
export async function collect<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

/** How long the bodies are, in bytes. */
export function sizesOf(messages: readonly WithPayload[]): number[] {
  return messages.map(({ payload }) => payload?.body.length ?? 0);
}

/** Something that is waited for until a test lets it happen. */
export class Gate {
  readonly opened: Promise<void>;
  private resolve!: () => void;

  constructor() {
    this.opened = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }

  open(): void {
    this.resolve();
  }
}

/** Never resolves; rejects with the reason of `signal` once that is aborted. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** Requests being sent, each one once the one before was taken. */
export interface Sending {
  /** How many were taken. */
  readonly sent: number;
  /** Resolves when all were; rejects with what a send rejects with. */
  readonly done: Promise<void>;
}

/** Sends `message` `count` times. */
export function sendMany<T>(stream: RequestStream<T>, message: T, count: number): Sending {
  const sending = { sent: 0, done: Promise.resolve() };
  const run = async (): Promise<void> => {
    for (; sending.sent < count; sending.sent++) await stream.send(message);
  };
  sending.done = run();
  sending.done.catch(() => {});
  return sending;
}

/** This many round trips without any progress count as standing still. */
const STILL_ROUND_TRIPS = 20;

/**
 * Makes calls, each of which must succeed, until `progress` has not changed over a number of them: on the connection that they
 * share with a stream, what could go on would have gone on.
 */
export async function standsStill(client: TestServiceClient, progress: () => number): Promise<number> {
  let last = progress();
  for (let still = 0; still < STILL_ROUND_TRIPS; still++) {
    await client.emptyCall({});
    if (progress() === last) continue;
    last = progress();
    still = 0;
  }
  return last;
}
