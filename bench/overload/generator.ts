// The calls of a plan, in an open loop, and what becomes of each.

import { Code, type Random, RpcError } from "sluice";
import type { WorkClient } from "../gen/bench/v1/work.js";
import { Arrivals } from "../lib/arrivals.js";
import type { Histogram } from "../lib/histogram.js";
import { OpenLoop, type Source } from "../lib/open-loop.js";
import { CallLog, Outcome } from "./call-log.js";
import type { Flow } from "./plan.js";

const PAYLOAD = new Uint8Array(100).map((_, at) => at * 37);

/** Makes the calls of some flows. */
export class Generator {
  /** What became of the calls of each flow. */
  readonly logs: readonly CallLog[];
  private readonly loop: OpenLoop;
  private readonly clients: readonly WorkClient[];
  private readonly random: Random;

  /** `clients[n]` calls on connection `n`. */
  constructor(flows: readonly Flow[], clients: readonly WorkClient[], random: Random) {
    this.clients = clients;
    this.random = random;
    this.logs = flows.map(() => new CallLog());
    this.loop = new OpenLoop(flows.map((flow, at) => this.sourceOf(flow, this.logs[at]!)));
  }

  /** How late calls were made, in nanoseconds. */
  get lateness(): Histogram {
    return this.loop.lateness;
  }

  /** Makes the calls; resolves when the last has ended. */
  run(): Promise<void> {
    return this.loop.run();
  }

  private sourceOf(flow: Flow, log: CallLog): Source {
    return { schedule: new Arrivals(flow.phases, this.random), make: (dueMs) => this.call(flow, log, dueMs) };
  }

  private async call({ way, connections: [first, count] }: Flow, log: CallLog, dueMs: number): Promise<void> {
    const place = log.open(dueMs);
    const id = BigInt(place);
    const client = this.clients[first + Math.floor(this.random() * count)]!;
    try {
      const done = await client[way]({ id, payload: PAYLOAD });
      log.settle(place, this.loop.elapsedMs - dueMs, done.id === id ? Outcome.ANSWERED : Outcome.FAILED);
    } catch (error) {
      log.settle(place, this.loop.elapsedMs - dueMs, outcomeOf(error));
    }
  }
}

/** How a call ended that failed with `error`. */
export function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof RpcError)) return Outcome.FAILED;
  if (error.code === Code.DEADLINE_EXCEEDED) return Outcome.EXPIRED;
  if (error.code !== Code.RESOURCE_EXHAUSTED) return Outcome.FAILED;
  return error.origin === "local" ? Outcome.HELD_BACK : Outcome.REFUSED;
}
