// Warming up: some systems need a few hundred calls until their code is compiled, others many thousands.

import { setTimeout as sleep } from "node:timers/promises";

/** Warm-up goes in steps of this length. */
const STEP_MS = 200;
/** It is over when this many steps in a row were hardly faster than the fastest before them. */
const LEVEL_STEPS = 3;
const HARDLY = 1.05;

/** Lets the load run until what `progress` counts rises no faster any more, at most for `longestMs`. */
export async function warmUp(progress: () => number, longestMs: number): Promise<void> {
  let fastest = 0;
  let level = 0;
  for (let spentMs = 0; spentMs < longestMs && level < LEVEL_STEPS; spentMs += STEP_MS) {
    const before = progress();
    await sleep(Math.min(STEP_MS, longestMs - spentMs));
    const done = progress() - before;
    level = done <= fastest * HARDLY ? level + 1 : 0;
    fastest = Math.max(fastest, done);
  }
}
