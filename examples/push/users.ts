// The demo's work: users who come and go, all at once, each making one call after another. Every reply is compared with
// what follows from its request, so that a reply meant for another call cannot pass.

import { Code, RpcError } from "sluice";
import { Histogram } from "../../bench/lib/histogram.js";
import type { RegisterClient } from "./gen/push/v1/register.js";
import { ticketFor } from "./ticket.js";

/** Beyond what a JavaScript number holds exactly: a lost digit would be seen. */
const FIRST_USER = 2n ** 53n + 1n;
const ROOMS = Array.from({ length: 1000 }, (_, n) => `room-${n}.eu-west.example`);

/** As many calls outstanding as there are users. */
export class Users {
  /** Nanoseconds from call to reply. */
  readonly latencies: Histogram = new Histogram();
  /** Replies that were as they should be. */
  right = 0;
  /** Replies that were not. */
  wrong = 0;
  /** Calls that ended with an error. */
  failed = 0;
  /** The first thing that went wrong. */
  problem: string | undefined;

  private readonly register: RegisterClient;
  private readonly count: number;

  constructor(register: RegisterClient, count: number) {
    this.register = register;
    this.count = count;
  }

  /**
   * Lets all users work for `ms` milliseconds, or until `maxCalls` were answered. Resolves when the last visit has ended,
   * which makes it a little more of either.
   */
  async work(ms: number, maxCalls: number): Promise<void> {
    const until = performance.now() + ms;
    await Promise.all(Array.from({ length: this.count }, (_, n) => this.comeAndGo(n, until, maxCalls)));
  }

  private async comeAndGo(n: number, until: number, maxCalls: number): Promise<void> {
    const userId = FIRST_USER + BigInt(n);
    try {
      let now = performance.now();
      for (let turn = n; now < until && this.right < maxCalls; turn++) now = await this.visit(userId, turn, now);
      await this.checkGone(userId);
    } catch (error) {
      this.failed++;
      this.problem ??= String(error);
    }
  }

  /** One visit of one user, four calls; takes and returns the time, so that a call costs one reading of the clock. */
  private async visit(userId: bigint, turn: number, began: number): Promise<number> {
    const { register } = this;
    const room = ROOMS[turn % ROOMS.length]!;
    const ticket = ticketFor(userId, room);

    const bound = await register.bind({ userId, room });
    let now = this.check("bind", began, bound.ticket === ticket && bound.previousRoom === undefined);

    const found = await register.lookup({ userId });
    now = this.check("lookup", now, found.room === room && found.ticket === ticket);

    const figures = { room, connections: turn, delivered: userId };
    const sums = await register.report({ rooms: [figures, figures] });
    now = this.check("report", now, sums.connections === BigInt(2 * turn) && sums.delivered === 2n * userId);

    const left = await register.unbind({ userId, ticket });
    return this.check("unbind", now, left.room === room);
  }

  /** A failed call rejects with an `RpcError`, whose code says what kind of failure it is. */
  private async checkGone(userId: bigint): Promise<void> {
    const began = performance.now();
    try {
      await this.register.lookup({ userId });
      this.check("lookup of a user who has left", began, false);
    } catch (error) {
      if (!(error instanceof RpcError) || error.code !== Code.NOT_FOUND) throw error;
      this.check("lookup of a user who has left", began, true);
    }
  }

  private check(what: string, began: number, isRight: boolean): number {
    const now = performance.now();
    this.latencies.record((now - began) * 1e6);
    if (isRight) {
      this.right++;
    } else {
      this.wrong++;
      this.problem ??= `wrong reply to ${what}`;
    }
    return now;
  }
}
