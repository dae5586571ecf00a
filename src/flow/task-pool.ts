// The task pool of a server, or of the serving side of a channel: a bounded number of workers, which run handlers, and the
// calls that wait for one, at the gates of their methods. A call that comes while a worker is free and nothing waits is
// started at once, from the read buffer; this costs a few comparisons.
//
//      high    -> gate, gate, ...     Of those that are ready the urgent go first; now and then the
//      normal  -> gate, gate, ...     others do, so that no flood of urgent calls starves them. The
//      low     -> gate, gate, ...     methods of a lane take turns; so do the connections of a method.
//
// Handlers that compute hold the event loop. After about 2 ms of them in one turn of it everything else waits for the
// next turn, so that sockets are read and answers leave, however much is queued.

import type { AnyMethod, Priority } from "../codec/method.js";
import type { ServerPolicy } from "../codec/policy.js";
import type { RpcError } from "../codec/status.js";
import type { TimerWheel } from "../transport/timers.js";
import { MethodGate } from "./method-gate.js";

/** Handlers hold the event loop for no longer in one turn, in milliseconds, as far as their times can be foreseen. */
const TURN_MS = 2;
/** From here on the end of the turn is watched for, in milliseconds: a turn with less to do needs no watching. */
const WATCH_MS = 0.5;
/** Of so many calls that are taken from the gates, one is taken from the lanes that are not the most urgent, if they have one. */
const LEAP = 16;

const LANES: readonly Priority[] = ["high", "normal", "low"];

/** See the head of this file. */
export class TaskPool {
  readonly wheel: TimerWheel;
  /** Handlers that run at once, at most. */
  readonly limit: number;
  /** The gates of the methods that are served, by path. */
  readonly gates: Map<string, MethodGate> = new Map();
  private readonly defaults: ServerPolicy;
  /** Handlers that run. */
  running = 0;
  /** Calls that wait. */
  waiting = 0;
  /** The gates of each lane that were ready when they were looked at last; in turn. */
  private readonly rounds: readonly MethodGate[][] = LANES.map(() => []);
  private readonly onTurn = (): void => this.beginTurn();
  private readonly onTickEnd = (): void => this.endTick();
  /** Gates in the rounds. */
  private ready = 0;
  private taken = 0;
  /** How long handlers have held the loop in this turn, as far as it was measured. */
  private workedMs = 0;
  /** True once that would be more than {@link TURN_MS} with one more handler like the last. */
  private isTurnOver = false;
  private isTurnWatched = false;
  private isTickWatched = false;
  private isRunning = false;

  /** Runs `limit` handlers at once. `defaults` hold where the manifest says nothing, field by field. */
  constructor(wheel: TimerWheel, limit: number, defaults: ServerPolicy = {}) {
    this.wheel = wheel;
    this.limit = limit;
    this.defaults = defaults;
  }

  /**
   * A gate for the calls of `method`. Where its policy says nothing of its concurrency `handlers` run at once, whatever holds
   * for every method.
   */
  newGate(method: AnyMethod, handlers?: number): MethodGate {
    const { concurrency, ...others } = this.defaults;
    const defaults = handlers === undefined ? this.defaults : others;
    const gate = new MethodGate(method, { ...defaults, ...method.server }, this, handlers);
    this.gates.set(method.path, gate);
    return gate;
  }

  /** The methods with these paths, which nobody has called yet, are not served after all. */
  forget(paths: readonly string[]): void {
    for (const path of paths) this.gates.delete(path);
  }

  /** No connection is left: what waits still, which is one-way, ends with `error`. */
  close(error: RpcError): void {
    for (const gate of this.gates.values()) gate.failWaiting(error);
  }

  /** True if a call that has just come may start: a worker is free, nothing that waits is ready, and the turn is not over. */
  get hasTurn(): boolean {
    return this.ready === 0 && this.running < this.limit && !this.isTurnOver;
  }

  /** Handlers that came while a worker was free have held the loop for `workedMs`. */
  onWork(workedMs: number): void {
    // What `run` starts it measures itself.
    if (this.isRunning) return;
    this.spend(workedMs);
    if (this.workedMs >= WATCH_MS) this.watchTurn();
  }

  /** Calls wait at `gate`, or something has changed that may let them go. */
  wake(gate: MethodGate): void {
    if (!this.enter(gate)) return;
    if (this.isTurnOver) this.watchTurn();
    else this.watchTick();
  }

  /** A handler of `gate` has ended, and calls wait. */
  onWorkerFree(gate: MethodGate): void {
    this.enter(gate);
    if (this.ready > 0) this.watchTick();
  }

  private enter(gate: MethodGate): boolean {
    if (!gate.isReady) return false;
    if (!gate.isInRound) {
      gate.isInRound = true;
      this.ready++;
      this.roundOf(gate).push(gate);
    }
    return true;
  }

  private spend(ms: number): void {
    this.workedMs += ms;
    this.isTurnOver = this.workedMs + ms > TURN_MS;
  }

  private watchTick(): void {
    if (this.isTickWatched) return;
    this.isTickWatched = true;
    this.wheel.tick.atEnd(this.onTickEnd);
  }

  private watchTurn(): void {
    if (this.isTurnWatched) return;
    this.isTurnWatched = true;
    this.wheel.clock.nextTurn(this.onTurn);
  }

  private endTick(): void {
    this.isTickWatched = false;
    this.run();
  }

  private beginTurn(): void {
    this.isTurnWatched = false;
    this.workedMs = 0;
    this.isTurnOver = false;
    if (this.ready === 0) return;
    this.wheel.tick.begin();
    this.run();
  }

  /** Starts calls that wait, until no worker is free, none is ready or the turn is over. */
  private run(): void {
    const { clock } = this.wheel;
    this.isRunning = true;
    let now = clock.now();
    while (this.ready > 0 && this.running < this.limit && !this.isTurnOver) {
      const gate = this.next();
      if (gate === undefined) break;
      gate.take(now).resume();
      const then = now;
      now = clock.now();
      this.spend(now - then);
    }
    this.isRunning = false;
    if (this.ready > 0 && this.running < this.limit) this.watchTurn();
  }

  /** The gate whose turn it is; undefined if none is ready. */
  private next(): MethodGate | undefined {
    const leaps = ++this.taken % LEAP === 0;
    // Every other leap begins with the last lane.
    const first = leaps ? 1 + ((this.taken / LEAP) & 1) : 0;
    for (let i = 0; i < LANES.length; i++) {
      const gate = this.nextOf(this.rounds[(first + i) % LANES.length] as MethodGate[]);
      if (gate !== undefined) return gate;
    }
    return undefined;
  }

  private nextOf(round: MethodGate[]): MethodGate | undefined {
    for (let gate = round.shift(); gate !== undefined; gate = round.shift()) {
      if (gate.isReady) {
        round.push(gate);
        return gate;
      }
      gate.isInRound = false;
      this.ready--;
    }
    return undefined;
  }

  private roundOf({ method }: MethodGate): MethodGate[] {
    return this.rounds[LANES.indexOf(method.priority)] as MethodGate[];
  }
}
