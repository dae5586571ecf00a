// The open loop: calls are made when they are due, whatever becomes of those before. Calls that are due are made in every
// turn of the event loop, which never sleeps, and each is timed from the moment at which it was due, so that nothing that
// holds up the generator, the wire or the server is left out.

import { Code, type Random, RpcError } from "sluice";
import type { Done, WorkClient } from "../gen/bench/v1/work.js";
import { Histogram } from "../lib/histogram.js";
import { Arrivals } from "./arrivals.js";
import { CallLog, Outcome } from "./call-log.js";
import type { Flow } from "./plan.js";

const PAYLOAD = new Uint8Array(100).map((_, at) => at * 37);

/** A flow under way. */
interface Source {
  readonly arrivals: Arrivals;
  readonly log: CallLog;
  readonly make: (id: bigint) => Promise<Done>;
}

/** Makes the calls of some flows. */
export class Generator {
  /** How late calls were made, in nanoseconds: what of their times is the generator's own. */
  readonly lateness: Histogram = new Histogram();
  private readonly sources: readonly Source[];
  private readonly onTurn = (): void => this.turn();
  private startedAt = 0;
  private pending = 0;
  private onDone: () => void = () => {};

  /** `clients[n]` calls on connection `n`. */
  constructor(flows: readonly Flow[], clients: readonly WorkClient[], random: Random) {
    this.sources = flows.map(({ way, connections: [first, count], phases }) => ({
      arrivals: new Arrivals(phases, random),
      log: new CallLog(),
      make: (id) => clients[first + Math.floor(random() * count)]![way]({ id, payload: PAYLOAD }),
    }));
  }

  /** What became of the calls of each flow. */
  get logs(): readonly CallLog[] {
    return this.sources.map(({ log }) => log);
  }

  /** Makes the calls; resolves when the last has ended. */
  run(): Promise<void> {
    this.startedAt = performance.now();
    setImmediate(this.onTurn);
    return new Promise((resolve) => {
      this.onDone = resolve;
    });
  }

  private turn(): void {
    const nowMs = this.elapsedMs();
    let isOver = this.pending === 0;
    for (const source of this.sources) {
      const { arrivals } = source;
      for (; arrivals.nextMs <= nowMs; arrivals.advance()) void this.call(source, arrivals.nextMs);
      isOver &&= arrivals.nextMs === Number.POSITIVE_INFINITY;
    }
    if (isOver && this.pending === 0) this.onDone();
    else setImmediate(this.onTurn);
  }

  private async call({ log, make }: Source, dueMs: number): Promise<void> {
    const place = log.open(dueMs);
    const id = BigInt(place);
    this.pending++;
    this.lateness.record((this.elapsedMs() - dueMs) * 1e6);
    try {
      const done = await make(id);
      log.settle(place, this.elapsedMs() - dueMs, done.id === id ? Outcome.ANSWERED : Outcome.FAILED);
    } catch (error) {
      log.settle(place, this.elapsedMs() - dueMs, outcomeOf(error));
    }
    this.pending--;
  }

  private elapsedMs(): number {
    return performance.now() - this.startedAt;
  }
}

/** How a call ended that failed with `error`. */
export function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof RpcError)) return Outcome.FAILED;
  if (error.code === Code.DEADLINE_EXCEEDED) return Outcome.EXPIRED;
  if (error.code !== Code.RESOURCE_EXHAUSTED) return Outcome.FAILED;
  return error.origin === "local" ? Outcome.HELD_BACK : Outcome.REFUSED;
}
