// Choices of the simulation, all from one seed. Forks are independent of each other: one more throw in the network does
// not change what the clients do.

import { seededRandom } from "../../src/testing.js";
import type { Random } from "../../src/transport/clock.js";

/** A seeded source of choices. */
export class Dice {
  readonly random: Random;
  private readonly seed: number;
  private forks = 0;

  constructor(seed: number) {
    this.seed = seed;
    this.random = seededRandom(seed);
  }

  /** A source of its own for another part. */
  fork(): Dice {
    this.forks++;
    return new Dice(this.seed + this.forks * 0x1_0000_0000);
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.random() < p;
  }

  /** A number in [low, high). */
  between(low: number, high: number): number {
    return low + this.random() * (high - low);
  }

  /** An integer in [low, high]. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  /** One of `items`. */
  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)]!;
  }
}
