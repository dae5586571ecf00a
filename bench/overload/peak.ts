// The search for the highest offered rate that a server keeps up with: up in coarse steps until it does not, then halving
// what lies between. Near the peak chance decides, so a rate has two tries.

/** How a search goes. */
export interface Search {
  /** A rate that the server keeps up with for sure. */
  readonly from: number;
  /** Each coarse step is so many times the last. */
  readonly factor: number;
  /** How often what lies between the last two is halved. */
  readonly halvings: number;
}

/** Calls at one rate. */
export interface Probe {
  readonly perSecond: number;
  /** The share that succeeded. */
  readonly success: number;
}

/** More than this many coarse steps are a server that is not the bottleneck. */
const MOST_STEPS = 40;
const TRIES = 2;

/**
 * The highest rate found at which `probe` gave a share of at least `least`. Throws if that is not so at `from`, or if it
 * still is after forty steps.
 */
export async function findPeak(
  { from, factor, halvings }: Search,
  least: number,
  probe: (perSecond: number) => Promise<number>,
): Promise<number> {
  const keepsUp = async (perSecond: number): Promise<boolean> => {
    for (let attempt = 1; attempt <= TRIES; attempt++) if ((await probe(perSecond)) >= least) return true;
    return false;
  };
  if (!(await keepsUp(from))) throw new Error(`the server does not even keep up with ${from} calls/s`);
  let [good, bad] = [from, from * factor];
  for (let step = 1; await keepsUp(bad); step++) {
    if (step === MOST_STEPS) throw new Error(`the server still keeps up with ${bad} calls/s`);
    [good, bad] = [bad, bad * factor];
  }
  for (let halving = 0; halving < halvings; halving++) {
    const middle = (good + bad) / 2;
    if (await keepsUp(middle)) good = middle;
    else bad = middle;
  }
  return good;
}

/** How many probes a search takes at most until it has gone `times` its first rate. */
export function mostProbes({ factor, halvings }: Search, times: number): number {
  return TRIES * (2 + Math.ceil(Math.log(times) / Math.log(factor)) + halvings);
}
