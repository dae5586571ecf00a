// What runs in a worker process: its server, listening on the shared addresses, and what the primary process asks of it.
// Policies that were changed before it came hold before it listens. It ends when it is told to, on SIGTERM, and with the
// primary process (node:cluster sees to that).

import { Code, RpcError } from "../codec/status.js";
import type { GetPoliciesRequest, SetPolicyRequest } from "../ops/admin.js";
import { ProcessView } from "../ops/admin-view.js";
import { Server } from "../server/server.js";
import { systemClock } from "../transport/clock.js";
import { type Change, isOurs, type ToPrimary, type ToWorker, writeError } from "./messages.js";
import type { ClusterWorker, ResolvedClusterOptions } from "./options.js";

/** How often a change is tried again that is for a method which its channel does not know yet, in milliseconds. */
const RETRY_MS = 1_000;

/** Serves in this process; resolves when it listens. Rejects with what kept it from that, and has told the primary then. */
export async function runWorker(options: ResolvedClusterOptions): Promise<void> {
  const worker = new WorkerProcess(options);
  try {
    await worker.start();
  } catch (error) {
    tell({ sluice: "failed", text: (error as Error).message });
    throw error;
  }
}

class WorkerProcess {
  private readonly options: ResolvedClusterOptions;
  private served: ClusterWorker | undefined = undefined;
  private view: ProcessView | undefined = undefined;
  private isEnding = false;
  /** By channel and method: changes that wait for the channel to know the method. */
  private readonly waiting = new Map<string, Change>();
  private timer: NodeJS.Timeout | undefined = undefined;

  constructor(options: ResolvedClusterOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    const { signals, graceMs, serve, listen, reusePort } = this.options;
    if (signals) {
      for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => void this.end(graceMs));
      // A terminal sends it to the workers, too; it is for the primary process.
      process.on("SIGHUP", () => {});
    }
    const changes = await this.greet();
    const made = await serve();
    const served: ClusterWorker = made instanceof Server ? { server: made } : made;
    this.served = served;
    this.view = new ProcessView(served.server, served.channels);
    this.change(changes);
    const addresses: string[] = [];
    for (const address of listen) addresses.push(await served.server.listen(address, { reusePort }));
    tell({ sluice: "ready", addresses });
  }

  /** Resolves with the changes that were made before. */
  private greet(): Promise<readonly Change[]> {
    return new Promise((resolve) => {
      process.on("message", (message) => {
        if (!isOurs<ToWorker>(message)) return;
        if (message.sluice === "start") resolve(message.changes);
        else this.onMessage(message);
      });
      tell({ sluice: "hello" });
    });
  }

  private onMessage(message: Exclude<ToWorker, { readonly sluice: "start" }>): void {
    if (message.sluice === "drain") void this.end(message.graceMs);
    else if (message.sluice === "changes") this.change(message.changes);
    else this.answer(message);
  }

  private answer({ id, question, request, by = "" }: Extract<ToWorker, { readonly sluice: "ask" }>): void {
    try {
      const { view } = this;
      if (view === undefined) throw new RpcError(Code.UNAVAILABLE, "the worker is not ready");
      const reply =
        question === "getPolicies"
          ? view.getPolicies(request as GetPoliciesRequest)
          : question === "setPolicy"
            ? this.setPolicy(view, { request: request as SetPolicyRequest, by })
            : question === "getStats"
              ? view.getStats(systemClock.now())
              : view.listRefusals();
      tell({ sluice: "answer", id, reply });
    } catch (error) {
      tell({ sluice: "answer", id, error: writeError(error) });
    }
  }

  private setPolicy(view: ProcessView, change: Change): unknown {
    const reply = view.setPolicy(change.request, change.by);
    this.waiting.delete(keyOf(change));
    return reply;
  }

  /** Makes changes that another worker has accepted, as far as they can be made here. */
  private change(changes: readonly Change[]): void {
    for (const change of changes) this.waiting.set(keyOf(change), change);
    const { view } = this;
    if (view === undefined) return;
    for (const [key, { request, by }] of this.waiting) {
      try {
        view.setPolicy(request, by);
        this.waiting.delete(key);
      } catch (error) {
        // A channel may know the method later. What else is refused is of a program that has changed since.
        if (request.channel === "" || (error as RpcError).code !== Code.NOT_FOUND) this.waiting.delete(key);
      }
    }
    clearTimeout(this.timer);
    if (this.waiting.size > 0) this.timer = setTimeout(() => this.change([]), RETRY_MS).unref();
  }

  /** Drains, and exits. */
  private async end(graceMs: number): Promise<void> {
    if (this.isEnding) return;
    this.isEnding = true;
    await this.served?.server.close({ graceMs });
    await this.served?.close?.();
    const stats = this.view?.getStats(systemClock.now()) ?? {};
    tell({ sluice: "ended", stats }, () => process.exit(process.exitCode ?? 0));
  }
}

function keyOf({ request: { channel, method } }: Change): string {
  return `${channel} ${method}`;
}

/** Tells the primary process something. One that is gone hears nothing, and takes this process along. */
function tell(message: ToPrimary, then: () => void = () => {}): void {
  if (process.connected) process.send?.(message, undefined, undefined, then);
  else then();
}
