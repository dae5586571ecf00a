// What goes on beside small calls: long messages back to back, or streams of many small ones back to back.

import { checkBulk, makeBulk } from "./bulk.js";
import { Ends } from "./sequence.js";
import type { SluiceClient } from "./sluice.js";

/** What may go on beside small calls. */
export const LOADS = ["nothing", "bulk-requests", "bulk-responses", "server-stream", "client-stream"] as const;
/** What may go on beside small calls. */
export type Load = (typeof LOADS)[number];

/** Whether a load is long messages, rather than streams. */
export const isBulk = (load: Load): boolean => load.startsWith("bulk");

/** A load that goes on until it is stopped. */
export interface Background {
  /** Starts; rejects when something fails, else resolves when what was under way at {@link Background.stop} has ended. */
  run(): Promise<void>;
  /** What is counted begins now. */
  begin(): void;
  /** How much there was a second, since {@link Background.begin}: bytes of long messages, or messages of streams. */
  rate(): number;
  stop(): void;
}

/** A load on `client`: messages of `bulkBytes`, or streams of `streamMessages` messages each. */
export function makeBackground(
  load: Load,
  client: SluiceClient,
  bulkBytes: number,
  streamMessages: number,
): Background {
  switch (load) {
    case "nothing":
      return nothing;
    case "bulk-requests": {
      const bulk = makeBulk(bulkBytes);
      return new BulkLoad(bulkBytes, (id) => client.put({ ...bulk, id }));
    }
    case "bulk-responses":
      return new BulkLoad(bulkBytes, async (id) => checkBulk(await client.get(id), id, bulkBytes));
    case "server-stream":
      return new StreamLoad((ends) => client.download(streamMessages, ends.openSink()));
    case "client-stream":
      return new StreamLoad((ends) => upload(client, ends, streamMessages));
  }
}

async function upload(client: SluiceClient, ends: Ends, count: number): Promise<void> {
  const source = ends.openSource(count);
  const taken = await client.upload(source);
  if (taken !== source.sent) throw new Error(`${source.sent} messages were sent; the server has taken ${taken}`);
}

const nothing: Background = { run: async () => {}, begin: () => {}, rate: () => 0, stop: () => {} };

/** One long message after the other. */
class BulkLoad implements Background {
  private readonly bytes: number;
  private readonly move: (id: bigint) => Promise<void>;
  private isRunning = true;
  /** When what is counted begins, and when each message since has ended. */
  private since = 0;
  private endedAt: number[] = [];

  constructor(bytes: number, move: (id: bigint) => Promise<void>) {
    this.bytes = bytes;
    this.move = move;
  }

  async run(): Promise<void> {
    for (let id = 1n; this.isRunning; id++) {
      await this.move(id);
      this.endedAt.push(performance.now());
    }
  }

  begin(): void {
    this.since = performance.now();
    this.endedAt = [];
  }

  /** From the end of the first to that of the last, where there are two: a window is not long beside one message. */
  rate(): number {
    const [first, last] = [this.endedAt[0], this.endedAt.at(-1)];
    const count = this.endedAt.length;
    if (first === undefined || last === undefined) return 0;
    const [messages, elapsedMs] = count > 1 ? [count - 1, last - first] : [1, performance.now() - this.since];
    return (messages * this.bytes * 1000) / elapsedMs;
  }

  stop(): void {
    this.isRunning = false;
  }
}

/** One stream after the other. */
class StreamLoad implements Background {
  private readonly ends = new Ends();
  private readonly carry: (ends: Ends) => Promise<void>;
  private isRunning = true;
  private since = 0;
  private countBefore = 0;

  constructor(carry: (ends: Ends) => Promise<void>) {
    this.carry = carry;
  }

  async run(): Promise<void> {
    while (this.isRunning) await this.carry(this.ends);
    if (this.ends.errors > 0) throw new Error(this.ends.firstError);
  }

  begin(): void {
    this.since = performance.now();
    this.countBefore = this.count;
  }

  rate(): number {
    return ((this.count - this.countBefore) * 1000) / (performance.now() - this.since);
  }

  stop(): void {
    this.isRunning = false;
    this.ends.stop();
  }

  private get count(): number {
    return this.ends.taken + this.ends.sent;
  }
}
