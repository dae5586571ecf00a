// Updates for subscribers by chance, each of a length by chance, in an open loop that looks what is due every millisecond and
// sleeps in between: a server that pushes has other things to do.

import { type Random, seededRandom } from "sluice/testing";
import { Arrivals } from "../lib/arrivals.js";
import type { Histogram } from "../lib/histogram.js";
import { OpenLoop } from "../lib/open-loop.js";
import { monotonicMs } from "./clock.js";
import type { Subscribers } from "./subscribers.js";

/** The lengths of payloads, in bytes. */
export const LEAST_BYTES = 256;
export const MOST_BYTES = 1024;

const LOOK_EVERY_MS = 1;
const PAYLOADS = 64;
const DONE: Promise<void> = Promise.resolve();

/** Payloads whose lengths go evenly from the least to the most. */
export function makePayloads(): Uint8Array[] {
  const step = (MOST_BYTES - LEAST_BYTES) / (PAYLOADS - 1);
  return Array.from({ length: PAYLOADS }, (_, at) => new Uint8Array(Math.round(LEAST_BYTES + at * step)).fill(at));
}

/** Pushes to subscribers. */
export class Pusher {
  sent = 0;
  sentBytes = 0;
  longestBacklog = 0;
  private readonly subscribers: Subscribers;
  private readonly payloads = makePayloads();
  private readonly random: Random = seededRandom(1);

  constructor(subscribers: Subscribers) {
    this.subscribers = subscribers;
  }

  /** Pushes for so long; returns how late updates were. */
  async run(perSecond: number, seconds: number, isMeasured: boolean): Promise<Histogram> {
    const schedule = new Arrivals([{ perSecond, seconds }], this.random);
    const make = (dueMs: number): Promise<void> => this.push(monotonicMs() - (loop.elapsedMs - dueMs), isMeasured);
    const loop = new OpenLoop([{ schedule, make }], Number.POSITIVE_INFINITY, LOOK_EVERY_MS);
    await loop.run();
    return loop.lateness;
  }

  private push(dueMs: number, isMeasured: boolean): Promise<void> {
    const { feeds } = this.subscribers;
    const feed = feeds[Math.floor(this.random() * feeds.length)];
    if (feed === undefined) throw new Error("nobody listens");
    const payload = this.payloads[Math.floor(this.random() * PAYLOADS)]!;
    feed.push({ sequence: feed.count, dueMs, isMeasured, payload });
    this.sent++;
    this.sentBytes += payload.length;
    if (feed.backlog > this.longestBacklog) this.longestBacklog = feed.backlog;
    return DONE;
  }
}
