// When the calls of an open loop are due: a Poisson process whose rate changes from phase to phase. What came before says
// nothing about when the next call comes, so a phase begins with a gap of its own.

import type { Random } from "sluice";
import type { Schedule } from "./open-loop.js";

/** A time with one rate of calls. */
export interface Phase {
  readonly perSecond: number;
  readonly seconds: number;
}

/** The times at which calls are due. */
export class Arrivals implements Schedule {
  nextMs = 0;
  private readonly phases: readonly Phase[];
  private readonly random: Random;
  private phase = 0;
  private phaseEndsMs: number;

  constructor(phases: readonly Phase[], random: Random) {
    this.phases = phases;
    this.random = random;
    this.phaseEndsMs = (phases[0]?.seconds ?? 0) * 1000;
    this.advance();
  }

  advance(): void {
    let from = this.nextMs;
    for (; this.phase < this.phases.length; this.phase++) {
      const { perSecond } = this.phases[this.phase]!;
      this.nextMs = from - (Math.log(1 - this.random()) * 1000) / perSecond;
      if (this.nextMs < this.phaseEndsMs) return;
      from = this.phaseEndsMs;
      this.phaseEndsMs += (this.phases[this.phase + 1]?.seconds ?? 0) * 1000;
    }
    this.nextMs = Number.POSITIVE_INFINITY;
  }
}
