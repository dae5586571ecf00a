// The policies of the calls that one channel or peer makes: which methods have one, what they share, and which kind of
// call enforces it. A method's policy is looked up once, when it is first called or set; methods without one never come here.

import type { AnyMethod } from "../codec/method.js";
import type { ClientPolicy } from "../codec/policy.js";
import { methodFacts, policyMistakes } from "../codec/policy-rules.js";
import { Code, localError, type RpcError } from "../codec/status.js";
import { ClientGate } from "../flow/client-gate.js";
import { cut } from "../flow/log-lines.js";
import type { Logger } from "../flow/logger.js";
import type { MethodStats } from "../flow/method-counters.js";
import type { MethodName, Policies, PolicyEntry } from "../flow/policies.js";
import type { Delivery, DurableQueue, DurableQueueStats } from "../flow/queue/durable-queue.js";
import type { QueueStore } from "../flow/queue/store.js";
import type { RetryBudget } from "../flow/retry-budget.js";
import { acquireBudgets, releaseBudgets } from "../flow/shared-budgets.js";
import type { Random } from "../transport/clock.js";
import { OutgoingCall } from "../transport/outgoing-call.js";
import { parkMessage } from "../transport/outgoing-calls.js";
import type { TimerWheel } from "../transport/timers.js";
import type { CallTarget } from "./call-maker.js";
import type { CallOptions } from "./caller.js";
import { ChannelQueues, opaqueMethod } from "./channel-queues.js";
import { asBuffer, DeliveredCall, deliveryMetadata } from "./delivered-call.js";
import { GatedCall, noQueues } from "./gated-call.js";
import { HedgedCall, RetriedCall, StorableCall } from "./repeated-call.js";

/** What policies need of the channel or peer that they are for. */
export interface PolicySettings {
  /** Milliseconds that a call from a durable queue may take whose method says nothing. */
  readonly timeoutMs: number;
  /** Bytes of requests that may wait for room, for each method. */
  readonly maxWaitingBytes: number;
  readonly random: Random;
  readonly logger: Logger | undefined;
  readonly queues: QueueStore | undefined;
  /** Where the calls go: budgets are shared by all that go there; undefined for one connection, which shares none. */
  readonly destination?: string | undefined;
}

/** What calls under a policy share. */
export interface CallSite {
  readonly wheel: TimerWheel;
  readonly target: CallTarget;
  readonly random: Random;
  readonly logger: Logger | undefined;
  readonly retries: RetryBudget;
  readonly hedges: RetryBudget;
  /** Calls that wait for their next attempt. */
  readonly paused: Set<RetriedCall>;
  /** Calls that are on their way to a durable queue. */
  readonly storing: Set<GatedCall>;
  /** An id for a call that may come more than once. */
  nextCallId(): string;
  /** The durable queue of a method. Throws `RpcError` FAILED_PRECONDITION where there is none. */
  queueOf(method: AnyMethod, name: string | undefined): DurableQueue;
}

/** See the head of this file. */
export class ClientPolicies implements Policies<ClientPolicy>, CallSite {
  readonly wheel: TimerWheel;
  readonly target: CallTarget;
  readonly random: Random;
  readonly logger: Logger | undefined;
  readonly retries: RetryBudget;
  readonly hedges: RetryBudget;
  readonly paused: Set<RetriedCall> = new Set();
  readonly storing: Set<GatedCall> = new Set();
  private readonly settings: PolicySettings;
  private readonly onSet: () => void;
  private readonly queues: ChannelQueues | undefined;
  private readonly gates = new Map<string, ClientGate>();
  /** The gates again, by the ordinals of the methods that were called; null for a method without a policy. */
  private readonly byOrdinal: (ClientGate | null)[] = [];
  private readonly opaque = new Map<string, AnyMethod>();
  private readonly idPrefix: string;
  private isReleased = false;
  private ids = 0;

  /** `onSet` is told when methods may have other policies than their manifests say. */
  constructor(target: CallTarget, wheel: TimerWheel, settings: PolicySettings, onSet: () => void) {
    const { random, logger, queues } = settings;
    this.target = target;
    this.wheel = wheel;
    this.random = random;
    this.logger = logger;
    this.settings = settings;
    this.onSet = onSet;
    const { retries, hedges } = acquireBudgets(wheel, settings.destination);
    this.retries = retries;
    this.hedges = hedges;
    this.idPrefix = [1, 2].map(() => Math.floor(random() * 0x1_0000_0000).toString(36)).join("");
    const deliver = (delivery: Delivery): Promise<void> => this.deliver(delivery);
    this.queues =
      queues === undefined ? undefined : new ChannelQueues(queues, { clock: wheel.clock, random, logger, deliver });
  }

  get(method: MethodName): ClientPolicy | undefined {
    if (typeof method === "string") return this.gates.get(method)?.policy;
    return this.gates.get(method.path)?.policy ?? method.client;
  }

  set(name: MethodName, policy: ClientPolicy, by?: string): void {
    const method = typeof name === "string" ? this.gates.get(name)?.method : name;
    if (method === undefined) {
      const text = `${name as string}: no method of this name has a policy here: pass the method itself, such as Register.methods.bind`;
      throw localError(Code.INVALID_ARGUMENT, text, "never");
    }
    checkPolicy(method, policy);
    this.onSet();
    this.install(method, policy);
    const { path } = method;
    this.logger?.info?.({ path: cut(path), policy, by: by === undefined ? undefined : cut(by) }, "policy changed");
  }

  list(): readonly PolicyEntry<ClientPolicy>[] {
    return [...this.gates].map(([path, { policy }]) => ({ path, policy }));
  }

  stats(): { readonly [path: string]: MethodStats } {
    return Object.fromEntries([...this.gates].map(([path, gate]) => [path, gate.stats()]));
  }

  /** What the durable queues hold that were opened here, by name. */
  queueStats(): { readonly [name: string]: DurableQueueStats } {
    return this.queues?.stats() ?? {};
  }

  /** The gate of a method; null if it has no policy. */
  gateOf(method: AnyMethod): ClientGate | null {
    const gate = this.byOrdinal[method.ordinal];
    return gate === undefined ? this.learn(method) : gate;
  }

  /** A call that keeps to the policy of its method; its `start` makes it. Streams are made once, whatever the policy says. */
  makeCall(gate: ClientGate, request: unknown, options: CallOptions, expiresAt: number): GatedCall {
    const kind = gate.method.kind === "unary" ? callKinds[gate.limits.failure] : GatedCall;
    return new kind(gate, this, request, options, expiresAt);
  }

  nextCallId(): string {
    return `${this.idPrefix}-${(this.ids++).toString(36)}`;
  }

  queueOf({ path }: AnyMethod, name: string | undefined): DurableQueue {
    if (this.queues === undefined || name === undefined) throw noQueues(path, name);
    try {
      return this.queues.get(name);
    } catch (error) {
      throw localError(Code.FAILED_PRECONDITION, `${path}: ${(error as Error).message}`, "safe", error);
    }
  }

  /** A connection is open. */
  onConnect(): void {
    this.queues?.wake();
  }

  /** No call can be made any more: those that wait fail with `error`, and nothing is delivered. */
  stop(error: RpcError): void {
    this.queues?.stop();
    for (const call of [...this.paused]) call.giveUpPause();
    for (const gate of this.gates.values()) gate.failWaiting(error);
  }

  /** Lets the durable queues go, once no call is under way: what is being stored is stored first. */
  async close(): Promise<void> {
    if (!this.isReleased) releaseBudgets(this.wheel, this.settings.destination);
    this.isReleased = true;
    await Promise.allSettled([...this.storing].map(({ promise }) => promise));
    await this.queues?.close();
  }

  private learn(method: AnyMethod): ClientGate | null {
    const known = this.gates.get(method.path);
    const isPlain = known === undefined && Object.keys(method.client).length === 0;
    const gate = known ?? (isPlain ? null : this.install(method, method.client));
    this.byOrdinal[method.ordinal] = gate;
    return gate;
  }

  private install(method: AnyMethod, policy: ClientPolicy): ClientGate {
    let gate = this.gates.get(method.path);
    if (gate === undefined) {
      // There may be more than one descriptor of the path.
      this.byOrdinal.length = 0;
      const { wheel, random } = this;
      gate = new ClientGate(method, policy, { wheel, random, maxWaitingBytes: this.settings.maxWaitingBytes });
      this.gates.set(method.path, gate);
    } else gate.replace(policy);
    this.byOrdinal[method.ordinal] = gate;
    this.openQueue(policy.queueName);
    return gate;
  }

  /** What an earlier process has left in a queue is delivered from now on. */
  private openQueue(name: string | undefined): void {
    try {
      if (name !== undefined) this.queues?.get(name);
    } catch {
      // A name that no queue can have is told to those whose calls need it.
    }
  }

  /** Makes a call that was stored. */
  private async deliver(delivery: Delivery): Promise<void> {
    const { closedError } = this.target;
    if (closedError !== undefined) throw closedError;
    const gate = this.gates.get(delivery.path);
    const method = gate?.method ?? this.opaqueMethod(delivery.path);
    const expiresAt = this.wheel.clock.now() + (method.deadlineMs ?? this.settings.timeoutMs);
    if (gate !== undefined) {
      // One that is stored must arrive: a one-way call would be done with once it is written.
      const made = method.oneWay ? this.opaqueMethod(delivery.path) : method;
      const call = new DeliveredCall(gate, this, made, delivery, expiresAt);
      call.start();
      await call.promise;
      return;
    }
    const call = new OutgoingCall(method, { metadata: deliveryMetadata(delivery) }, this.wheel, expiresAt);
    call.parked = parkMessage(call, asBuffer(delivery.payload));
    this.target.submitParked(call, { waitForReady: true });
    await call.promise;
  }

  private opaqueMethod(path: string): AnyMethod {
    let method = this.opaque.get(path);
    if (method === undefined) {
      method = opaqueMethod(path);
      this.opaque.set(path, method);
    }
    return method;
  }
}

const callKinds = {
  fail: GatedCall,
  log: GatedCall,
  retry: RetriedCall,
  hedge: HedgedCall,
  queue: StorableCall,
} as const;

/** Throws `RpcError` INVALID_ARGUMENT with everything that is wrong. */
function checkPolicy(method: AnyMethod, policy: ClientPolicy): void {
  const mistakes = policyMistakes(methodFacts(method), { client: policy, server: {} });
  if (mistakes.length === 0) return;
  const text = mistakes.map((mistake) => `${mistake.field}: ${mistake.text}`).join("; ");
  throw localError(Code.INVALID_ARGUMENT, `${method.path}: ${text}`, "never");
}
