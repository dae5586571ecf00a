// The budgets of channels that lead to the same place: a server that is down is not to be buried by a process because it
// has many channels. They are shared by the channels of one process, which is to say of one clock, while any of them is open.

import type { TimerWheel } from "../transport/timers.js";
import { HEDGE_LIMITS, RETRY_LIMITS, RetryBudget } from "./retry-budget.js";

/** How many attempts more than calls there may be. */
export interface Budgets {
  readonly retries: RetryBudget;
  readonly hedges: RetryBudget;
}

interface Shared extends Budgets {
  users: number;
}

const byWheel = new WeakMap<TimerWheel, Map<string, Shared>>();

/** The budgets for a destination, to be given back with {@link releaseBudgets}; new ones for one that has no name. */
export function acquireBudgets(wheel: TimerWheel, destination: string | undefined): Budgets {
  if (destination === undefined) return newBudgets(wheel);
  let shared = byWheel.get(wheel);
  if (shared === undefined) {
    shared = new Map();
    byWheel.set(wheel, shared);
  }
  const budgets = shared.get(destination) ?? newBudgets(wheel);
  shared.set(destination, budgets);
  budgets.users++;
  return budgets;
}

/** A user of the budgets for a destination is gone. */
export function releaseBudgets(wheel: TimerWheel, destination: string | undefined): void {
  if (destination === undefined) return;
  const shared = byWheel.get(wheel);
  const budgets = shared?.get(destination);
  if (budgets !== undefined && --budgets.users === 0) shared?.delete(destination);
}

function newBudgets({ clock }: TimerWheel): Shared {
  return { retries: new RetryBudget(clock, RETRY_LIMITS), hedges: new RetryBudget(clock, HEDGE_LIMITS), users: 0 };
}
