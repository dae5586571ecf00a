// `sluice/testing`: what a test needs to run clients and servers without sockets and without waiting. Time stands still
// until the test moves it, randomness comes from a seed, and connections live in memory. Ours and our users'.
// Nothing here reads the real clock. The real event loop is used only to let promise continuations and ticks run out
// between two events of virtual time, which makes a run repeatable: the same calls give the same order.

import { type Channel, connect } from "./client/channel.js";
import type { ConnectOptions } from "./client/options.js";
import { SlabPool } from "./codec/slab.js";
import type { ServerOptions } from "./server/options.js";
import { createServer, type Server } from "./server/server.js";
import type { Clock, Random, TimerHandle } from "./transport/clock.js";
import { MemoryNetwork } from "./transport/memory.js";

export { CloseReason, Flag, FrameType } from "./codec/frame.js";
export { type Frame, type FrameInit, FrameReader, frames } from "./testing/frames.js";
export { ScriptedPeer } from "./testing/scripted-peer.js";
export type { Clock, Random, TimerHandle } from "./transport/clock.js";
export { DEFAULT_MEMORY_PIPE_BYTES, MemoryNetwork } from "./transport/memory.js";

/** Callbacks that may run at one instant before {@link VirtualClock.advance} takes it for a loop that never ends. */
const MAX_CALLBACKS_AT_ONE_INSTANT = 100_000;
/** The longest delay that `setTimeout` takes; a longer one would fire at once there. */
const MAX_DELAY_MS = 2_147_483_647;

/**
 * A clock that moves only when told to. Timers fire in the order of their times, each at exactly its own time, and
 * whatever a callback leaves behind (promise chains of any length, ticks, turns) runs out before the next one.
 *
 *     const clock = new VirtualClock();
 *     const call = client.bind({ userId: 1n }, { timeoutMs: 100 });
 *     await clock.advance(100);
 *     await expect(call).rejects.toMatchObject({ code: Code.DEADLINE_EXCEEDED });
 */
export class VirtualClock implements Clock {
  private timeMs = 0;
  private readonly timers = new TimerHeap();
  private readonly turns: (() => void)[] = [];
  private advancing = false;
  private callbacksAtInstant = 0;

  /** Virtual milliseconds since the clock was made. */
  now(): number {
    return this.timeMs;
  }

  /** How many timers are set and have neither fired nor been cleared: 0 when nothing was left behind. */
  get pendingTimers(): number {
    return this.timers.live;
  }

  /** Throws `RangeError` for a delay that `setTimeout` would not take. */
  setTimer(callback: () => void, delayMs: number, _keepAlive: boolean): TimerHandle {
    if (!(delayMs <= MAX_DELAY_MS))
      throw new RangeError(`a timer's delay is at most ${MAX_DELAY_MS} ms, not ${delayMs}`);
    return this.timers.add(this.timeMs + Math.max(delayMs, 0), callback);
  }

  clearTimer(timer: TimerHandle): void {
    this.timers.cancel(timer as Timer);
  }

  endOfTick(callback: () => void): void {
    queueMicrotask(() => process.nextTick(callback));
  }

  nextTurn(callback: () => void): void {
    this.turns.push(callback);
  }

  /**
   * Moves the time `ms` forward and resolves when everything due by then has run. `advance(0)` lets the present run out.
   * Rejects with what a callback threw; with an error if an earlier advance has not ended, or if callbacks at one
   * instant keep scheduling each other so that time cannot pass.
   */
  async advance(ms: number): Promise<void> {
    if (this.advancing) throw new Error("VirtualClock.advance: the last advance has not ended; await it first");
    this.advancing = true;
    try {
      const end = this.timeMs + ms;
      await this.stepUntil(end);
      this.timeMs = Math.max(this.timeMs, end);
      this.callbacksAtInstant = 0;
    } finally {
      this.advancing = false;
    }
  }

  /**
   * What computing for `ms` does to the time: it moves on while nothing else runs. Timers that come due meanwhile are late. For
   * handlers that are to look busy.
   */
  spend(ms: number): void {
    this.timeMs += ms;
  }

  /** Calls `callback` in a later turn of the real event loop: by then all continuations and ticks that were due have run. */
  protected afterRunOut(callback: () => void): void {
    setImmediate(callback);
  }

  private stepUntil(end: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        try {
          if (this.step(end)) this.afterRunOut(turn);
          else resolve();
        } catch (error) {
          reject(error);
        }
      };
      this.afterRunOut(turn);
    });
  }

  /** Runs the next callback due by `end`. False: there is none. */
  private step(end: number): boolean {
    // After `spend` timers may be late: as in a real event loop they go before the next turn.
    if (this.turns.length > 0 && this.timers.nextAt < this.timeMs && this.fireTimer(Math.min(end, this.timeMs)))
      return true;
    const turn = this.turns.shift();
    if (turn === undefined) return this.fireTimer(end);
    this.countCallback();
    turn();
    return true;
  }

  private fireTimer(end: number): boolean {
    const timer = this.timers.takeDue(end);
    if (timer === undefined) return false;
    if (timer.atMs > this.timeMs) this.callbacksAtInstant = 0;
    this.timeMs = Math.max(this.timeMs, timer.atMs);
    this.countCallback();
    timer.callback();
    return true;
  }

  private countCallback(): void {
    if (++this.callbacksAtInstant <= MAX_CALLBACKS_AT_ONE_INSTANT) return;
    throw new Error(
      `VirtualClock: ${MAX_CALLBACKS_AT_ONE_INSTANT} callbacks ran at ${this.timeMs} ms and more are due: ` +
        "something schedules itself without letting time pass",
    );
  }
}

type TimerState = "set" | "fired" | "cleared";

/** One timer. `order` keeps timers of the same time in the order in which they were set. */
class Timer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
  state: TimerState = "set";

  constructor(atMs: number, order: number, callback: () => void) {
    this.atMs = atMs;
    this.order = order;
    this.callback = callback;
  }

  isBefore(other: Timer): boolean {
    return this.atMs < other.atMs || (this.atMs === other.atMs && this.order < other.order);
  }
}

/** A binary heap of timers, the earliest on top. Cleared ones stay until they come up. */
class TimerHeap {
  /** Timers that are set. */
  live = 0;
  private readonly heap: Timer[] = [];
  private count = 0;

  add(atMs: number, callback: () => void): Timer {
    const timer = new Timer(atMs, this.count++, callback);
    this.heap.push(timer);
    this.live++;
    this.siftUp(this.heap.length - 1);
    return timer;
  }

  cancel(timer: Timer): void {
    if (timer.state !== "set") return;
    timer.state = "cleared";
    this.live--;
  }

  /** When the earliest timer is due, which may have been cleared; Infinity without one. */
  get nextAt(): number {
    return this.heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  /** Takes out the earliest timer that is set, if its time is at most `endMs`. */
  takeDue(endMs: number): Timer | undefined {
    let top = this.heap[0];
    while (top !== undefined && (top.state === "cleared" || top.atMs <= endMs)) {
      this.removeTop();
      if (top.state === "set") {
        top.state = "fired";
        this.live--;
        return top;
      }
      top = this.heap[0];
    }
    return undefined;
  }

  private removeTop(): void {
    const last = this.heap.pop()!;
    if (this.heap.length === 0) return;
    this.heap[0] = last;
    this.siftDown(0);
  }

  private siftUp(from: number): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.heap[index]!.isBefore(this.heap[parent]!)) return;
      this.swap(index, parent);
      index = parent;
    }
  }

  private siftDown(from: number): void {
    for (let index = from; ; ) {
      let least = index;
      const left = 2 * index + 1;
      for (let child = left; child <= left + 1 && child < this.heap.length; child++) {
        if (this.heap[child]!.isBefore(this.heap[least]!)) least = child;
      }
      if (least === index) return;
      this.swap(index, least);
      index = least;
    }
  }

  private swap(a: number, b: number): void {
    const timer = this.heap[a]!;
    this.heap[a] = this.heap[b]!;
    this.heap[b] = timer;
  }
}

/**
 * Numbers in [0, 1) that depend on the seed alone: give a channel or server this as its random source, and a run can be
 * repeated. The generator is sfc32 (a 128-bit state; passes PractRand), not for secrets.
 */
export function seededRandom(seed: number): Random {
  let [a, b, c, d] = [seed | 0, Math.floor(seed / 4_294_967_296) | 0, 0x9e37_79b9, 1];
  const next = (): number => {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return (sum >>> 0) / 4_294_967_296;
  };
  for (let round = 0; round < 12; round++) next();
  return next;
}

/** How a {@link pair} is set up. */
export interface PairOptions {
  readonly client?: ConnectOptions;
  readonly server?: ServerOptions;
  /** Where jitter comes from: the same seed gives the same run. Default 1. */
  readonly seed?: number;
}

/** A client and a server in this process. */
export interface Pair {
  readonly channel: Channel;
  readonly server: Server;
  /** The time of both; nothing happens until it is advanced. */
  readonly clock: VirtualClock;
  /** The network between them: more channels and servers may be put on it. */
  readonly network: MemoryNetwork;
  /**
   * Closes both, letting as much virtual time pass as that takes. Rejects with what was left behind, if anything was:
   * connections, buffers, timers.
   */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const PAIR_ADDRESS = "memory:pair";
/** What closing takes at most: the grace period of 0 and the time that a connection lingers. */
const CLOSING_MS = 2_000;

/**
 * A channel that is connected to a server, in memory and on virtual time:
 *
 *     const { channel, server, clock } = pair();
 *     server.handle(Register, fakeRegister);
 *     const call = new RegisterClient(channel).bind({ userId: 1n });
 *     await clock.advance(10);
 *     expect(await call).toEqual({ generation: 7n });
 *
 * Calls and connections take no virtual time of their own: `advance(0)` carries a call there and back.
 */
export function pair(options: PairOptions = {}): Pair {
  const clock = new VirtualClock();
  const network = new MemoryNetwork(clock);
  const slabs = new SlabPool({ debug: true });
  const shared = { network, clock, slabs, random: seededRandom(options.seed ?? 1) };
  const server = createServer({ ...shared, ...options.server });
  // It fails only if the pair is closed before time has passed.
  server.listen(PAIR_ADDRESS).catch(() => {});
  const channel = connect(PAIR_ADDRESS, { ...shared, ...options.client });
  const close = async (): Promise<void> => {
    const closing = Promise.all([channel.close({ graceMs: 0 }), server.close({ graceMs: 0 })]);
    await clock.advance(CLOSING_MS);
    await closing;
    checkLeftovers({ pipes: network.openPipes, buffers: slabs.leased, timers: clock.pendingTimers });
  };
  return { channel, server, clock, network, close, [Symbol.asyncDispose]: close };
}

function checkLeftovers(counts: Readonly<Record<string, number>>): void {
  const left = Object.entries(counts).filter(([, count]) => count !== 0);
  if (left.length > 0)
    throw new Error(`left after close: ${left.map(([name, count]) => `${count} ${name}`).join(", ")}`);
}
