// The handlers of the admin service: who is answered, watchers and their number. What they answer comes from an `AdminView`.
// A watcher that waits is a timer and a listener, and ends when the server drains.

import type { CallContext } from "../call/context.js";
import { parseDuration } from "../codec/durations.js";
import { Code, RpcError } from "../codec/status.js";
import type { Server } from "../server/server.js";
import { checkLimit } from "../transport/settings.js";
import { CallbackTimer, wheelOf } from "../transport/timers.js";
import type { AdminView } from "./admin-view.js";
import {
  Admin,
  type AdminHandlers,
  type GetPoliciesReplyInit,
  type GetPoliciesRequest,
  type ListRefusalsReplyInit,
  type ListRefusalsRequest,
  type SetPolicyReplyInit,
  type SetPolicyRequest,
  type StatsInit,
  type WatchRequest,
} from "./gen/sluice/admin.js";

/** The shortest and the longest interval of Watch, and the usual one, in milliseconds. */
const MIN_INTERVAL_MS = 100;
const MAX_INTERVAL_MS = 3_600_000;
const DEFAULT_INTERVAL_MS = 1_000;

/** Who is answered, and how many may watch. */
export interface AdminAccess {
  /**
   * True: callers on other machines are answered, too; let that be where only those connect who may change everything.
   * Default false: callers come over a loopback address or a Unix socket.
   */
  readonly allowRemote?: boolean;
  /** Watch calls at once; one more fails RESOURCE_EXHAUSTED. Default 16, at most 1,024. */
  readonly maxWatchers?: number;
}

/** Serves `sluice.admin.v1.Admin` on `server`, with what `view` has. Throws `RpcError` INVALID_ARGUMENT if it is served already. */
export function serveView(server: Server, view: AdminView, access: AdminAccess): void {
  const desk = new AdminDesk(view, access);
  server.handle(Admin, desk);
  server.once("drain", () => desk.drain());
}

/** The handlers. */
class AdminDesk implements AdminHandlers {
  private readonly view: AdminView;
  private readonly allowRemote: boolean;
  private readonly maxWatchers: number;
  private readonly waiting = new Set<() => void>();
  private watchers = 0;
  private isDraining = false;

  constructor(view: AdminView, { allowRemote = false, maxWatchers = 16 }: AdminAccess) {
    this.view = view;
    this.allowRemote = allowRemote;
    this.maxWatchers = checkLimit("maxWatchers", maxWatchers, 1, 1_024);
  }

  drain(): void {
    this.isDraining = true;
    for (const wake of [...this.waiting]) wake();
  }

  getPolicies(request: GetPoliciesRequest, ctx: CallContext): GetPoliciesReplyInit | Promise<GetPoliciesReplyInit> {
    this.admit(ctx);
    return this.view.getPolicies(request);
  }

  setPolicy(request: SetPolicyRequest, ctx: CallContext): SetPolicyReplyInit | Promise<SetPolicyReplyInit> {
    this.admit(ctx);
    const { id, remote } = ctx.peer;
    return this.view.setPolicy(request, id === "" ? remote : `${id} at ${remote}`);
  }

  getStats(_request: unknown, ctx: CallContext): StatsInit | Promise<StatsInit> {
    this.admit(ctx);
    return this.view.getStats(ctx.clock.now());
  }

  async *watch({ interval }: WatchRequest, ctx: CallContext): AsyncGenerator<StatsInit> {
    this.admit(ctx);
    const intervalMs = interval === "" ? DEFAULT_INTERVAL_MS : readInterval(interval);
    if (this.watchers >= this.maxWatchers)
      throw new RpcError(Code.RESOURCE_EXHAUSTED, `${this.watchers} calls watch here, the limit`);
    this.watchers++;
    try {
      while (!this.isDraining && !ctx.isCancelled) {
        yield await this.view.getStats(ctx.clock.now());
        await this.pause(intervalMs, ctx);
      }
    } finally {
      this.watchers--;
    }
  }

  listRefusals(
    _request: ListRefusalsRequest,
    ctx: CallContext,
  ): ListRefusalsReplyInit | Promise<ListRefusalsReplyInit> {
    this.admit(ctx);
    return this.view.listRefusals();
  }

  /** Throws unless the caller may be answered. */
  private admit({ peer: { remote } }: CallContext): void {
    if (this.allowRemote || isLocal(remote)) return;
    const text = `the admin service answers callers on its own machine, and ${remote} is elsewhere: come over a loopback address or a Unix socket, or let the program allow it: serveAdmin(server, { allowRemote: true })`;
    throw new RpcError(Code.PERMISSION_DENIED, text);
  }

  /** Resolves after `ms`, when the call is over or when the server drains; nothing is left behind then. */
  private pause(ms: number, { clock, signal }: CallContext): Promise<void> {
    return new Promise((resolve) => {
      const wheel = wheelOf(clock);
      const wake = (): void => {
        wheel.remove(timer);
        this.waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = new CallbackTimer(wake);
      if (this.isDraining || signal.aborted) {
        resolve();
        return;
      }
      wheel.add(timer, clock.now() + ms);
      this.waiting.add(wake);
      signal.addEventListener("abort", wake);
    });
  }
}

function readInterval(text: string): number {
  const ms = parseDuration(text, "interval");
  if (typeof ms === "string") throw invalid(`interval: ${ms}`);
  if (ms < MIN_INTERVAL_MS || ms > MAX_INTERVAL_MS)
    throw invalid(`interval is from ${MIN_INTERVAL_MS} to ${MAX_INTERVAL_MS} ms; ${ms} ms is not`);
  return ms;
}

/** True for the address of a peer on this machine: `127.0.0.1:4711`, `::1:4711`, `unix:`, `memory:a`. */
function isLocal(remote: string): boolean {
  if (/^(unix|memory):/.test(remote)) return true;
  const host = remote.slice(0, remote.lastIndexOf(":"));
  return host === "::1" || /^(::ffff:)?127\.\d+\.\d+\.\d+$/i.test(host);
}

function invalid(text: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, text, { retry: "never" });
}
