// What the admin service shows of a cluster and changes in it: all workers as one. Counters are added up, those of workers that
// have ended among them, so that they only grow. A change is made in every worker that is ready or in none, as far as that
// can be known, and in those that start later before they listen.

import { Code, RpcError } from "../codec/status.js";
import { MAX_REFUSALS } from "../flow/refusals.js";
import { addMethodStats, addStats, withoutGauges } from "../ops/add-stats.js";
import type {
  GetPoliciesReplyInit,
  GetPoliciesRequest,
  ListRefusalsReplyInit,
  MethodPoliciesInit,
  SetPolicyReplyInit,
  SetPolicyRequest,
  StatsInit,
} from "../ops/admin.js";
import type { AdminView } from "../ops/admin-view.js";
import type { Member } from "./member.js";
import type { Change, Question } from "./messages.js";

/** An answer of a worker, or why there is none. */
type Outcome<T> =
  | { readonly member: Member; readonly reply: T; readonly error?: undefined }
  | { readonly member: Member; readonly error: RpcError };

/** The view of all members of a cluster. */
export class ClusterView implements AdminView {
  private readonly members: () => readonly Member[];
  /** By channel and method, what was changed: the whole policy that holds since. */
  private readonly changed = new Map<string, Change>();
  /** What workers that have ended had counted. */
  private past: StatsInit = {};
  private lastChange: Promise<unknown> = Promise.resolve();

  constructor(members: () => readonly Member[]) {
    this.members = members;
  }

  /** What a worker that starts now is to know. */
  changes(): readonly Change[] {
    return [...this.changed.values()];
  }

  /** A worker has ended: what it had counted when it was last read stays. */
  keep({ stats }: Member): void {
    if (stats !== undefined) this.past = addStats([this.past, withoutGauges(stats)], 0);
  }

  async getPolicies(request: GetPoliciesRequest): Promise<GetPoliciesReplyInit> {
    const outcomes = await this.ask<GetPoliciesReplyInit>("getPolicies", request);
    const methods = new Map<string, MethodPoliciesInit>();
    for (const { methods: found = [] } of replies(outcomes)) for (const method of found) addMethod(methods, method);
    for (const { method, channel, stats } of this.past.methods ?? []) {
      const known = methods.get(keyOf(method, channel));
      if (known !== undefined) addMethod(methods, { ...known, stats });
    }
    return { methods: [...methods.values()] };
  }

  /** One change at a time, so that all workers see changes in one order. */
  setPolicy(request: SetPolicyRequest, by: string): Promise<SetPolicyReplyInit> {
    const change = this.lastChange.then(() => this.change({ request, by }));
    this.lastChange = change.catch(() => {});
    return change;
  }

  async getStats(nowMs: number): Promise<StatsInit> {
    const readings = await this.readings();
    return addStats([...readings.map(({ stats }) => stats), this.past], nowMs);
  }

  async listRefusals(): Promise<ListRefusalsReplyInit> {
    const outcomes = await this.ask<ListRefusalsReplyInit>("listRefusals");
    const refusals = replies(outcomes).flatMap((reply) => reply.refusals ?? []);
    refusals.sort((a, b) => (a.agoMs ?? 0) - (b.agoMs ?? 0));
    return { refusals: refusals.slice(0, MAX_REFUSALS) };
  }

  /** The counters of each worker that serves; the last ones of a worker that does not answer in time. */
  async readings(): Promise<readonly { readonly member: Member; readonly stats: StatsInit }[]> {
    await Promise.all(
      this.serving().map(async (member) => {
        member.stats = await member.ask<StatsInit>("getStats").catch(() => member.stats);
      }),
    );
    // One that has ended meanwhile is in the past already, and no longer among the members.
    return this.members().flatMap((member) => (member.stats === undefined ? [] : [{ member, stats: member.stats }]));
  }

  private async change({ request, by }: Change): Promise<SetPolicyReplyInit> {
    const outcomes = await this.ask<SetPolicyReplyInit>("setPolicy", request, by);
    const refusal = outcomes
      .map(({ error }) => error)
      .find((error) => error !== undefined && isRefusal(error, request));
    const [first] = replies(outcomes);
    if (refusal !== undefined || first === undefined) {
      await this.undo(outcomes, request, by);
      throw refusal ?? (outcomes[0]?.error as RpcError);
    }
    const change: Change = { request: wholeChange(request, first.after), by };
    this.changed.set(keyOf(request.method, request.channel), change);
    const done = new Set(outcomes.filter(({ error }) => error?.code !== Code.NOT_FOUND).map(({ member }) => member));
    for (const member of this.members()) if (!done.has(member)) member.tellChanges([change]);
    return first;
  }

  /** Gives the workers that have accepted a change which others refuse the policy that they had. */
  private async undo(
    outcomes: readonly Outcome<SetPolicyReplyInit>[],
    request: SetPolicyRequest,
    by: string,
  ): Promise<void> {
    const accepted = outcomes.filter((outcome) => outcome.error === undefined);
    await Promise.allSettled(
      accepted.map(({ member, reply }) => member.ask("setPolicy", wholeChange(request, reply.before), by)),
    );
  }

  private serving(): readonly Member[] {
    return this.members().filter(({ state }) => state === "ready" || state === "draining");
  }

  /** What the workers answer; at least one does, else this rejects with the first error, or UNAVAILABLE if there is none. */
  private async ask<T>(question: Question, request?: unknown, by?: string): Promise<readonly Outcome<T>[]> {
    const serving = this.serving();
    if (serving.length === 0) throw new RpcError(Code.UNAVAILABLE, "no worker process is ready", { retry: "safe" });
    const outcomes = await Promise.all(
      serving.map((member) =>
        member.ask<T>(question, request, by).then(
          (reply): Outcome<T> => ({ member, reply }),
          (error: unknown): Outcome<T> => ({ member, error: RpcError.from(error) }),
        ),
      ),
    );
    const { error } = outcomes[0] as Outcome<T>;
    if (error !== undefined && outcomes.every((outcome) => outcome.error !== undefined)) throw error;
    return outcomes;
  }
}

function replies<T>(outcomes: readonly Outcome<T>[]): T[] {
  return outcomes.flatMap((outcome) => (outcome.error === undefined ? [outcome.reply] : []));
}

/**
 * Whether a worker will not have a change. One that is gone does not matter, one that is late makes it when it comes to it, and
 * a channel that does not know the method in one worker may know it in another.
 */
function isRefusal({ code }: RpcError, { channel }: SetPolicyRequest): boolean {
  if (code === Code.UNAVAILABLE || code === Code.DEADLINE_EXCEEDED) return false;
  return channel === "" || code !== Code.NOT_FOUND;
}

/** The request that gives a method the policy that it has in `held`. */
function wholeChange({ method, channel }: SetPolicyRequest, held: MethodPoliciesInit | undefined): SetPolicyRequest {
  return { method, channel, policy: (held?.policy ?? { case: undefined }) as SetPolicyRequest["policy"] };
}

function addMethod(methods: Map<string, MethodPoliciesInit>, method: MethodPoliciesInit): void {
  const key = keyOf(method.method, method.channel);
  const known = methods.get(key);
  methods.set(key, { ...(known ?? method), stats: addMethodStats(known?.stats, method.stats) });
}

function keyOf(method: string | undefined, channel: string | undefined): string {
  return `${channel ?? ""} ${method ?? ""}`;
}
