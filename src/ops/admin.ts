// `sluice/admin`: what a process does with calls under pressure, shown and changed from outside (`proto/sluice/admin.proto`).
// It reads and sets through what any program may use: `policies`, `stats` and `recentRefusals`. Nothing here runs unless
// `serveAdmin` is called. A watcher that waits is a timer and a listener, and ends when the server drains.

import type { CallContext } from "../call/context.js";
import type { Channel } from "../client/channel.js";
import { parseDuration } from "../codec/durations.js";
import type { ClientPolicy, ServerPolicy } from "../codec/policy.js";
import { fieldMistakes } from "../codec/policy-rules.js";
import { Code, RpcError } from "../codec/status.js";
import type { Policies } from "../flow/policies.js";
import type { Server } from "../server/server.js";
import { checkLimit } from "../transport/settings.js";
import { CallbackTimer, wheelOf } from "../transport/timers.js";
import {
  Admin,
  type AdminHandlers,
  type GetPoliciesReplyInit,
  type GetPoliciesRequest,
  type ListRefusalsReplyInit,
  type ListRefusalsRequest,
  type MethodPoliciesInit,
  type NamedMethodStatsInit,
  type SetPolicyReplyInit,
  type SetPolicyRequest,
  type StatsInit,
  type WatchRequest,
} from "./gen/sluice/admin.js";
import { clientPolicyMessage, readPolicy, serverPolicyMessage } from "./policy-message.js";
import { findField, type PolicySide, type PolicyTree, valueAt, withValue } from "./policy-tree.js";
import { methodStatsMessage } from "./stats-message.js";

export * from "./gen/sluice/admin.js";
export {
  ClientPolicy_Overflow,
  ClientPolicy_Store,
  Failure,
  RetryPolicy_Code,
  ServerPolicy_Limiter,
  ServerPolicy_Overflow,
} from "./gen/sluice/options.js";

/** The shortest and the longest interval of Watch, and the usual one, in milliseconds. */
const MIN_INTERVAL_MS = 100;
const MAX_INTERVAL_MS = 3_600_000;
const DEFAULT_INTERVAL_MS = 1_000;

/** Options of {@link serveAdmin}. */
export interface AdminOptions {
  /**
   * The server that is shown and changed. Default: the one that serves. With a server of its own the admin service answers
   * even when all workers of the other one are taken.
   */
  readonly server?: Server;
  /** Channels whose policies are shown and changed, too, by the names that operators will use. */
  readonly channels?: Readonly<Record<string, Channel>>;
  /**
   * True: callers on other machines are answered, too; let that be where only those connect who may change everything.
   * Default false: callers come over a loopback address or a Unix socket.
   */
  readonly allowRemote?: boolean;
  /** Watch calls at once; one more fails RESOURCE_EXHAUSTED. Default 16, at most 1,024. */
  readonly maxWatchers?: number;
}

/**
 * Serves `sluice.admin.v1.Admin`: policies, counters and refusals of `server`, and policies of channels.
 *
 *     serveAdmin(server, { channels: { saver: channel } });
 *
 * `sluice policy` and `sluice stats` are its clients. Throws `RpcError` INVALID_ARGUMENT if it is served already.
 */
export function serveAdmin(server: Server, options: AdminOptions = {}): void {
  const desk = new AdminDesk(options.server ?? server, options);
  server.handle(Admin, desk);
  server.once("drain", () => desk.drain());
}

/** A server's or a channel's policies, and what they are called here. */
interface Place {
  readonly side: PolicySide;
  /** Empty for the server. */
  readonly channel: string;
  readonly policies: Policies<ServerPolicy> | Policies<ClientPolicy>;
}

/** The handlers. */
class AdminDesk implements AdminHandlers {
  private readonly server: Server;
  private readonly places: ReadonlyMap<string, Place>;
  private readonly allowRemote: boolean;
  private readonly maxWatchers: number;
  private readonly waiting = new Set<() => void>();
  private watchers = 0;
  private isDraining = false;

  constructor(server: Server, { channels = {}, allowRemote = false, maxWatchers = 16 }: AdminOptions) {
    if (Object.hasOwn(channels, ""))
      throw invalid("channels: a channel has an empty name, which stands for the server");
    this.server = server;
    this.places = new Map<string, Place>([
      ["", { side: "server", channel: "", policies: server.policies }],
      ...Object.entries(channels).map(
        ([channel, { policies }]) => [channel, { side: "client", channel, policies }] as const,
      ),
    ]);
    this.allowRemote = allowRemote;
    this.maxWatchers = checkLimit("maxWatchers", maxWatchers, 1, 1_024);
  }

  drain(): void {
    this.isDraining = true;
    for (const wake of [...this.waiting]) wake();
  }

  getPolicies({ method }: GetPoliciesRequest, ctx: CallContext): GetPoliciesReplyInit {
    this.admit(ctx);
    const methods = [...this.places.values()].flatMap((place) => describeAll(place, method));
    if (method !== "" && methods.length === 0) throw notFound(`${method}: no such method is known here`);
    return { methods };
  }

  setPolicy(request: SetPolicyRequest, ctx: CallContext): SetPolicyReplyInit {
    this.admit(ctx);
    const { method, channel } = request;
    const place = this.places.get(channel);
    if (place === undefined) throw notFound(`no channel ${JSON.stringify(channel)} here: ${this.channelNames()}`);
    const { policies } = place;
    const current = policies.get(method);
    if (current === undefined) throw notFound(unknownMethod(method, place));
    const [before] = describeAll(place, method);
    const { id, remote } = ctx.peer;
    const by = id === "" ? remote : `${id} at ${remote}`;
    (policies as Policies<PolicyTree>).set(method, wantedPolicy(place, current as PolicyTree, request), by);
    const [after] = describeAll(place, method);
    return { before, after };
  }

  getStats(_request: unknown, ctx: CallContext): StatsInit {
    this.admit(ctx);
    return this.stats(ctx);
  }

  async *watch({ interval }: WatchRequest, ctx: CallContext): AsyncGenerator<StatsInit> {
    this.admit(ctx);
    const intervalMs = interval === "" ? DEFAULT_INTERVAL_MS : readInterval(interval);
    if (this.watchers >= this.maxWatchers)
      throw new RpcError(Code.RESOURCE_EXHAUSTED, `${this.watchers} calls watch here, the limit`);
    this.watchers++;
    try {
      while (!this.isDraining && !ctx.isCancelled) {
        yield this.stats(ctx);
        await this.pause(intervalMs, ctx);
      }
    } finally {
      this.watchers--;
    }
  }

  listRefusals(_request: ListRefusalsRequest, ctx: CallContext): ListRefusalsReplyInit {
    this.admit(ctx);
    return { refusals: this.server.recentRefusals().map(({ path, ...refusal }) => ({ ...refusal, method: path })) };
  }

  /** Throws unless the caller may be answered. */
  private admit({ peer: { remote } }: CallContext): void {
    if (this.allowRemote || isLocal(remote)) return;
    const text = `the admin service answers callers on its own machine, and ${remote} is elsewhere: come over a loopback address or a Unix socket, or let the program allow it: serveAdmin(server, { allowRemote: true })`;
    throw new RpcError(Code.PERMISSION_DENIED, text);
  }

  private stats({ clock }: CallContext): StatsInit {
    const methods = [...this.places.values()].flatMap(({ channel, policies }) =>
      Object.entries(policies.stats()).map(
        ([method, stats]): NamedMethodStatsInit => ({ method, channel, stats: methodStatsMessage(stats) }),
      ),
    );
    return { nowMs: clock.now(), server: this.server.stats(), methods };
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

  private channelNames(): string {
    const names = [...this.places.keys()].filter((name) => name !== "");
    return names.length === 0 ? "the program has named none" : `there are ${names.join(", ")}`;
  }
}

/** The methods of a place with policy and counters; only `method` unless that is empty. */
function describeAll({ side, channel, policies }: Place, method: string): MethodPoliciesInit[] {
  const stats = policies.stats();
  return policies
    .list()
    .filter(({ path }) => method === "" || path === method)
    .map(({ path, policy }) => ({
      method: path,
      channel,
      policy:
        side === "server"
          ? { case: "server", value: serverPolicyMessage(policy as ServerPolicy) }
          : { case: "client", value: clientPolicyMessage(policy as ClientPolicy) },
      stats: methodStatsMessage(stats[path] as Parameters<typeof methodStatsMessage>[0]),
    }));
}

/** What is to hold for a method of `place` where `current` does. Throws INVALID_ARGUMENT for what cannot be read. */
function wantedPolicy({ side }: Place, current: PolicyTree, { policy, fields, method }: SetPolicyRequest): PolicyTree {
  if (policy.case === undefined && fields === undefined) throw invalid(`${method}: no policy is given`);
  if (policy.case !== undefined && policy.case !== side) {
    const instead = side === "server" ? "name the channel whose calls it is for" : "leave the channel out";
    throw invalid(`${method}: a policy for the ${policy.case} is given, for the ${side} is asked: ${instead}`);
  }
  const flaws: string[] = [];
  const given = policy.case === undefined ? {} : readPolicy(side, policy.value, flaws);
  const wanted = fields === undefined ? given : merge(side, current, given, fields.paths, flaws);
  if (flaws.length === 0) return wanted;
  const others = fieldMistakes({ client: {}, server: {}, [side]: wanted }).map(
    ({ field, text }) => `${field}: ${text}`,
  );
  throw invalid(`${method}: ${[...flaws, ...others].join("; ")}`);
}

/** `current` with what `given` says of the fields that `paths` name. */
function merge(
  side: PolicySide,
  current: PolicyTree,
  given: PolicyTree,
  paths: readonly string[],
  flaws: string[],
): PolicyTree {
  let merged = current;
  for (const path of paths) {
    const found = findField(side, path);
    if (typeof found === "string") flaws.push(found);
    else merged = withValue(merged, found.names, valueAt(given, found.names));
  }
  return merged;
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

function unknownMethod(method: string, { side, channel }: Place): string {
  return side === "server"
    ? `${method}: no such method is served here`
    : `${method}: channel ${JSON.stringify(channel)} knows no such method: it knows those that have a policy and were called`;
}

function invalid(text: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, text, { retry: "never" });
}

function notFound(text: string): RpcError {
  return new RpcError(Code.NOT_FOUND, text);
}
