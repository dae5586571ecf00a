// What the admin service shows and changes: `AdminView`. `ProcessView` is that of one process, over what any program may use:
// `policies`, `stats` and `recentRefusals`. It knows nothing of callers; `admin-desk.ts` decides who is answered.

import type { Channel } from "../client/channel.js";
import type { ClientPolicy, ServerPolicy } from "../codec/policy.js";
import { fieldMistakes } from "../codec/policy-rules.js";
import { Code, RpcError } from "../codec/status.js";
import type { Policies } from "../flow/policies.js";
import type { Server } from "../server/server.js";
import type {
  GetPoliciesReplyInit,
  GetPoliciesRequest,
  ListRefusalsReplyInit,
  MethodPoliciesInit,
  NamedMethodStatsInit,
  SetPolicyReplyInit,
  SetPolicyRequest,
  StatsInit,
} from "./gen/sluice/admin.js";
import { clientPolicyMessage, readPolicy, serverPolicyMessage } from "./policy-message.js";
import { findField, type PolicySide, type PolicyTree, valueAt, withValue } from "./policy-tree.js";
import { methodStatsMessage } from "./stats-message.js";

/** What the admin service asks, of one process or of several. Errors are `RpcError`s for the caller. */
export interface AdminView {
  getPolicies(request: GetPoliciesRequest): GetPoliciesReplyInit | Promise<GetPoliciesReplyInit>;
  /** `by` is who wants it, for the log. */
  setPolicy(request: SetPolicyRequest, by: string): SetPolicyReplyInit | Promise<SetPolicyReplyInit>;
  /** `nowMs` is the time that the reading gets. */
  getStats(nowMs: number): StatsInit | Promise<StatsInit>;
  listRefusals(): ListRefusalsReplyInit | Promise<ListRefusalsReplyInit>;
}

/** A server's or a channel's policies, and what they are called here. */
interface Place {
  readonly side: PolicySide;
  /** Empty for the server. */
  readonly channel: string;
  readonly policies: Policies<ServerPolicy> | Policies<ClientPolicy>;
}

/** The policies, counters and refusals of this process: of a server, and of channels by the names that operators will use. */
export class ProcessView implements AdminView {
  private readonly server: Server;
  private readonly places: ReadonlyMap<string, Place>;

  constructor(server: Server, channels: Readonly<Record<string, Channel>> = {}) {
    if (Object.hasOwn(channels, ""))
      throw invalid("channels: a channel has an empty name, which stands for the server");
    this.server = server;
    this.places = new Map<string, Place>([
      ["", { side: "server", channel: "", policies: server.policies }],
      ...Object.entries(channels).map(
        ([channel, { policies }]) => [channel, { side: "client", channel, policies }] as const,
      ),
    ]);
  }

  getPolicies({ method }: GetPoliciesRequest): GetPoliciesReplyInit {
    const methods = [...this.places.values()].flatMap((place) => describeAll(place, method));
    if (method !== "" && methods.length === 0) throw notFound(`${method}: no such method is known here`);
    return { methods };
  }

  setPolicy(request: SetPolicyRequest, by: string): SetPolicyReplyInit {
    const { method, channel } = request;
    const place = this.places.get(channel);
    if (place === undefined) throw notFound(`no channel ${JSON.stringify(channel)} here: ${this.channelNames()}`);
    const { policies } = place;
    const current = policies.get(method);
    if (current === undefined) throw notFound(unknownMethod(method, place));
    const [before] = describeAll(place, method);
    (policies as Policies<PolicyTree>).set(method, wantedPolicy(place, current as PolicyTree, request), by);
    const [after] = describeAll(place, method);
    return { before, after };
  }

  getStats(nowMs: number): StatsInit {
    const methods = [...this.places.values()].flatMap(({ channel, policies }) =>
      Object.entries(policies.stats()).map(
        ([method, stats]): NamedMethodStatsInit => ({ method, channel, stats: methodStatsMessage(stats) }),
      ),
    );
    return { nowMs, server: this.server.stats(), methods };
  }

  listRefusals(): ListRefusalsReplyInit {
    return { refusals: this.server.recentRefusals().map(({ path, ...refusal }) => ({ ...refusal, method: path })) };
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
