// A second opinion on a task pool: sees all that passes between the connections and the gates of a pool, keeps its own
// account of it, and compares. It knows what a gate is for, not how it is made: `transport/gate.ts` is what it listens to.
//
// What must hold of each gate, at each event:
//   - no handler starts beyond the method's or the pool's limit, without a token of the method's rate, or after its
//     call's deadline; no call is let in past one that waits;
//   - no more calls wait than the policy in force allows; after a change their number does not grow;
//   - no call waits longer than it may, nor beside a worker that is free for it;
//   - a backlog is not passed over: between two of its turns each other one has two at most (a sparse one's, and its own in
//     the round), those of connections that call seldom beside one that calls much 16 times as many; and a lane that waits
//     has one turn of every 32;
//   - who is refused for lack of room belongs to a backlog that is at least an eighth as long as the longest: one that is half as long
//     gives way, or, beside a connection that calls seldom, one that is a quarter as long as that;
//   - a call that was let in, or waits, ends once and moves one counter.

import type { ServerPolicy } from "../../src/codec/policy.js";
import { RpcError } from "../../src/codec/status.js";
import type { CallBacklog } from "../../src/flow/backlog.js";
import { DEFAULT_QUEUE_DEADLINE_MS, type MethodGate } from "../../src/flow/method-gate.js";
import { DEFAULT_QUEUE } from "../../src/flow/server-policy.js";
import type { TaskPool } from "../../src/flow/task-pool.js";
import type { Server } from "../../src/index.js";
import { Admission, type Backlog } from "../../src/transport/gate.js";
import type { IncomingCall } from "../../src/transport/incoming-call.js";
import type { Host } from "./host.js";
import { afterStalls } from "./invariants.js";

/** A worker may be free beside a call that waits for so long: what handlers take in a turn. */
const SLACK_MS = 20;
/** What handlers may take that come together: the time is read anew for every 32nd call, and those here compute for 3 ms at most. */
const UNMEASURED_MS = 100;
/** A call may wait so much longer than it may: a timer that is 20 ms late waits for the sockets to be read, and a turn may hold what was not measured. */
const LATE_MS = 140;
/** Tokens are counted by the time at which a turn began: so much later a handler may start, and the next token comes as much sooner. */
const TURN_MS = 5;
/** Of so many turns a lane that is not the most urgent has one. */
const LANE_TURN = 32;
/** Of so many turns the backlogs of connections that call much have one. */
const HEAVY_TURN = 16;
const ROOM_REASONS = /server queue full|the server is overloaded/;

interface Waiting {
  readonly backlog: BacklogWatch;
  /** In the clock's time. */
  readonly sinceMs: number;
  readonly allowedMs: number;
}

/** What is known of the calls of one connection that wait at one gate. */
class BacklogWatch {
  readonly backlog: CallBacklog;
  size = 0;
  /** What it was, and the gate's services, joins and the backlogs in use, when it was served last or came. */
  wasHeavy = false;
  services = 0;
  heavyServices = 0;
  joins = 0;
  others = 0;

  constructor(backlog: CallBacklog) {
    this.backlog = backlog;
  }
}

/** Watches the pool of one server. */
export class PoolWatch {
  readonly host: Host;
  readonly pool: TaskPool;
  private readonly gates: GateWatch[];
  private readonly complain: (text: string) => void;
  /** Calls that were taken from the gates. */
  taken = 0;
  running = 0;

  /** `server` must have got its handlers. */
  constructor(server: Server, host: Host, complain: (text: string) => void) {
    this.host = host;
    this.complain = complain;
    this.pool = (server as unknown as { readonly dispatcher: { readonly pool: TaskPool } }).dispatcher.pool;
    this.gates = [...this.pool.gates.values()].map((gate) => new GateWatch(gate, this));
  }

  /** After each event. */
  look(): void {
    for (const gate of this.gates) if (gate.isBusy) gate.look();
  }

  /** Nothing is under way any more. */
  checkEmpty(): void {
    const { running, waiting } = this.pool;
    if (running !== 0 || waiting !== 0) this.say(`the pool has ${running} running and ${waiting} waiting at the end`);
    for (const gate of this.gates) gate.checkEmpty();
  }

  /** What the policy of a method was replaced by is in force. */
  onPolicy(path: string, policy: ServerPolicy): void {
    this.gates.find(({ gate }) => gate.method.path === path)?.onPolicy(policy);
  }

  /** Gates of a lane that have calls waiting, or have had a turn since `since` calls were taken from all gates. */
  crowdIn(priority: string, since: number): number {
    const isIn = ({ gate, waiting, takenAt }: GateWatch): boolean =>
      gate.method.priority === priority && (waiting.size > 0 || takenAt > since);
    return this.gates.filter(isIn).length;
  }

  say(text: string): void {
    this.complain(`${this.host.name}: ${text}`);
  }
}

/** Watches one gate. */
class GateWatch {
  readonly gate: MethodGate;
  readonly waiting: Map<IncomingCall, Waiting> = new Map();
  private readonly watch: PoolWatch;
  private readonly backlogs = new Map<Backlog, BacklogWatch>();
  private policy: ServerPolicy;
  private running = 0;
  private started = 0;
  /** Calls that were let in, that waited, and that were refused when they came. */
  private came = 0;
  private services = 0;
  /** Those of connections that call much. */
  private heavyServices = 0;
  private joins = 0;
  private inUse = 0;
  private waitingBefore = 0;
  private tokens = 0;
  private filledMs = 0;
  private expiring: IncomingCall | undefined;
  /** World time since which a call waits beside a free worker. */
  private idleSinceMs = Number.POSITIVE_INFINITY;
  /** The pool's count when this gate was served last or became ready. */
  /** How many calls had been taken from all gates when one was last taken from this one. */
  takenAt = 0;
  private readyAt = 0;
  private readySinceMs = 0;
  private wasReady = false;

  constructor(gate: MethodGate, watch: PoolWatch) {
    this.gate = gate;
    this.watch = watch;
    this.policy = gate.current;
    this.fill(true);
    this.listen();
  }

  get isBusy(): boolean {
    return this.waiting.size > 0 || this.waitingBefore > 0 || this.gate.waiting > 0;
  }

  /** Handlers that may run at once. */
  private get limit(): number {
    const { policy, gate, watch } = this;
    const workers = watch.pool.limit;
    return policy.limiter === "adaptive" ? gate.limit : Math.min(workers, policy.concurrency ?? workers);
  }

  onPolicy(policy: ServerPolicy): void {
    const isNew = this.policy.rate === undefined;
    // Tokens that were saved under one rate are spent under the next.
    this.fill(false);
    this.policy = policy;
    this.fill(isNew);
  }

  look(): void {
    const { gate, waiting } = this;
    if (gate.waiting !== waiting.size) this.say(`${gate.waiting} calls wait, it says; ${waiting.size} do`);
    const queue = this.policy.queue ?? DEFAULT_QUEUE;
    // Without a queue a call may still wait for the turn, if nothing else keeps it.
    const free = queue === 0 ? Math.max(0, this.limit - this.running) : 0;
    if (waiting.size > Math.max(queue + free, this.waitingBefore)) this.say(`${waiting.size} wait, limit ${queue}`);
    this.waitingBefore = waiting.size;
    this.checkOverdue();
    this.checkIdle();
  }

  checkEmpty(): void {
    const { gate } = this;
    const { running, waiting, started, succeeded, failed, logged, rejected } = gate.stats();
    if (running !== 0 || waiting !== 0) this.say(`${running} run and ${waiting} wait at the end, it says`);
    if (this.running !== 0 || this.waiting.size !== 0)
      this.say(`${this.running} calls have not ended, ${this.waiting.size} wait for ever`);
    if (started !== this.started) this.say(`counted ${started} starts of ${this.started}`);
    const refused = Object.values(rejected).reduce((sum, count) => sum + count, 0);
    const ended = succeeded + failed + logged + refused;
    if (ended !== this.came)
      this.say(`counted ${ended} ends (${succeeded}, ${failed}, ${logged}, ${refused}) of ${this.came} calls`);
  }

  /** Puts itself between the connections and the gate. */
  private listen(): void {
    const { gate } = this;
    const { admit, start, wait, leave, dismiss, finish, onWaitedTooLong } = gate;
    gate.admit = (backlog) => this.onAdmit(backlog, admit.call(gate, backlog));
    gate.start = (call) => {
      this.onStart(call);
      return start.call(gate, call);
    };
    gate.wait = (call, backlog) => {
      this.onWait(call, backlog);
      wait.call(gate, call, backlog);
    };
    gate.onWaitedTooLong = (call) => {
      this.expiring = call;
      return onWaitedTooLong.call(gate, call);
    };
    gate.leave = (call, isRefused) => {
      this.onLeave(call, isRefused);
      leave.call(gate, call, isRefused);
    };
    gate.dismiss = (call) => {
      this.onDismiss(call);
      dismiss.call(gate, call);
    };
    gate.finish = (call) => {
      this.running--;
      this.watch.running--;
      finish.call(gate, call);
    };
  }

  private onAdmit(backlog: Backlog | undefined, verdict: Admission | RpcError): Admission | RpcError {
    if (verdict === Admission.START && this.waiting.size > 0) this.say("a call is let in past those that wait");
    if (verdict instanceof RpcError) {
      this.came++;
      // Where no call may wait since the last change of the policy, those that wait still do not give way to one that comes.
      if (ROOM_REASONS.test(verdict.message) && this.policy.queue !== 0) this.checkVictim(backlog?.size ?? 0);
    }
    return verdict;
  }

  private onStart(call: IncomingCall): void {
    const { watch, policy } = this;
    const wait = this.waiting.get(call);
    this.running++;
    watch.running++;
    this.started++;
    const workers = watch.pool.limit;
    const { limit } = this;
    if (this.running > limit) this.say(`${this.running} handlers run, limit ${limit}`);
    if (watch.running > workers) this.say(`${watch.running} handlers run in the pool, limit ${workers}`);
    // The time of calls that start as they come is read once for some of them.
    if (call.deadline <= this.nowMs - (wait === undefined ? UNMEASURED_MS : 0))
      this.say("a handler starts after its call's deadline");
    this.fill(false);
    if (policy.rate !== undefined && --this.tokens < -0.01 - (policy.rate * TURN_MS) / 1_000)
      this.say(`a handler starts beyond ${policy.rate} a second`);
    if (wait === undefined) {
      this.came++;
      return;
    }
    this.checkWait(wait);
    this.onTaken(call, wait.backlog);
  }

  /** A call ends that was to start. */
  private onDismiss(call: IncomingCall): void {
    const wait = this.waiting.get(call);
    if (wait === undefined) this.came++;
    else this.onTaken(call, wait.backlog);
  }

  private onTaken(call: IncomingCall, backlog: BacklogWatch): void {
    this.checkTurn(backlog);
    this.checkLane();
    this.remove(call, backlog);
    this.services++;
    if (backlog.backlog.isHeavy) this.heavyServices++;
    this.watch.taken++;
    this.readyAt = this.takenAt = this.watch.taken;
    this.mark(backlog);
  }

  private onWait(call: IncomingCall, key: Backlog): void {
    const remainingMs = call.deadline - this.nowMs;
    const allowedMs = Math.min(remainingMs, this.policy.queueDeadlineMs ?? DEFAULT_QUEUE_DEADLINE_MS);
    if (this.waiting.has(call)) this.say("a call waits twice");
    let backlog = this.backlogs.get(key);
    if (backlog === undefined) {
      backlog = new BacklogWatch(key as CallBacklog);
      this.backlogs.set(key, backlog);
    }
    this.came++;
    if (backlog.size++ === 0) {
      this.joins++;
      this.inUse++;
      this.mark(backlog);
    }
    this.waiting.set(call, { backlog, sinceMs: this.nowMs, allowedMs });
  }

  private onLeave(call: IncomingCall, isRefused: boolean): void {
    const wait = this.waiting.get(call);
    if (wait === undefined) {
      this.say("a call leaves that does not wait");
      return;
    }
    this.remove(call, wait.backlog);
    if (isRefused && call !== this.expiring) this.checkVictim(wait.backlog.size);
    this.expiring = undefined;
  }

  private remove(call: IncomingCall, backlog: BacklogWatch): void {
    this.waiting.delete(call);
    if (--backlog.size === 0) this.inUse--;
  }

  /** A call is refused for lack of room beside `size` others of its connection. */
  private checkVictim(size: number): void {
    let longest = 0;
    for (const backlog of this.backlogs.values()) if (backlog.size > longest) longest = backlog.size;
    if (longest > 8 * (size + 1))
      this.say(`a call beside ${size} of its own is refused, while ${longest} of another wait`);
  }

  private checkWait({ sinceMs, allowedMs }: Waiting): void {
    const lateMs = this.lateness(sinceMs + allowedMs);
    if (lateMs > LATE_MS) this.say(`a call starts ${lateMs.toFixed(1)} ms later than it may wait`);
  }

  /** A backlog has its turn. */
  private checkTurn({ backlog, wasHeavy, services, heavyServices, joins, others }: BacklogWatch): void {
    const allowed = 2 * (others + this.joins - joins) + 2;
    const passed = wasHeavy ? this.heavyServices - heavyServices : this.services - services;
    // One that has become one of the others meanwhile has changed lines.
    if (backlog.isHeavy !== wasHeavy) return;
    if (passed > allowed) this.say(`a backlog was passed over ${passed} times, by ${allowed / 2 - 1} others`);
    const passedInAll = this.services - services;
    if (passedInAll > HEAVY_TURN * (allowed + 1)) this.say(`a backlog was passed over ${passedInAll} times`);
  }

  private mark(backlog: BacklogWatch): void {
    backlog.wasHeavy = backlog.backlog.isHeavy;
    backlog.services = this.services;
    backlog.heavyServices = this.heavyServices;
    backlog.joins = this.joins;
    backlog.others = this.inUse;
  }

  private checkLane(): void {
    const { watch, gate } = this;
    if (this.isTokenNew) this.readyAt = watch.taken;
    const passed = watch.taken - this.readyAt;
    const crowd = watch.crowdIn(gate.method.priority, this.readyAt);
    if (this.wasReady && passed > LANE_TURN * (crowd + 1)) this.say(`its lane was passed over ${passed} times`);
  }

  /** True if the gate may not have heard yet that there is a token: a timer tells it, which is late after a stall. */
  private get isTokenNew(): boolean {
    const { host } = this.watch;
    return this.policy.rate !== undefined && host.worldNow - Math.max(this.readySinceMs, host.awakeSinceMs) <= SLACK_MS;
  }

  private checkOverdue(): void {
    for (const { sinceMs, allowedMs } of this.waiting.values()) {
      const lateMs = this.lateness(sinceMs + allowedMs);
      if (lateMs > LATE_MS) this.say(`a call waits ${lateMs.toFixed(1)} ms longer than it may`);
      // Those behind it came later: in most policies they are due later.
      break;
    }
  }

  /** No worker is idle while a call waits that it may take. */
  private checkIdle(): void {
    const { watch, policy, limit } = this;
    const { pool, host } = watch;
    const workers = pool.limit;
    this.fill(false);
    const isReady = this.waiting.size > 0 && this.running < limit && (policy.rate === undefined || this.tokens >= 1);
    const now = host.worldNow;
    if (isReady && !this.wasReady) {
      this.readyAt = watch.taken;
      this.readySinceMs = now;
    }
    this.wasReady = isReady;
    this.checkLane();
    if (!isReady || watch.running >= workers) this.idleSinceMs = Number.POSITIVE_INFINITY;
    else this.idleSinceMs = Math.min(this.idleSinceMs, now);
    const idleMs = now - Math.max(this.idleSinceMs, host.awakeSinceMs);
    if (idleMs > SLACK_MS) {
      this.say(`${this.waiting.size} calls wait for ${idleMs.toFixed(1)} ms beside a free worker`);
      this.idleSinceMs = now;
    }
  }

  /** How late it is for what was due at a time, the process's own stalls aside. */
  private lateness(dueMs: number): number {
    const { host } = this.watch;
    const dueWorldMs = dueMs - host.originMs;
    // A timer that is a little late may meet a stall that has begun since it was due.
    return host.now() - host.originMs - afterStalls(dueWorldMs + SLACK_MS, host.stalls);
  }

  private fill(anew: boolean): void {
    const { rate, burst } = this.policy;
    if (rate === undefined) return;
    const most = burst ?? Math.max(1, Math.floor(rate / 10));
    const now = this.nowMs;
    this.tokens = anew ? most : Math.min(most, this.tokens + ((now - this.filledMs) * rate) / 1_000);
    this.filledMs = now;
  }

  private get nowMs(): number {
    return this.watch.host.now();
  }

  private say(text: string): void {
    this.watch.say(`${this.gate.method.path}: ${text}`);
  }
}
