// How many attempts more than calls there may be, so that retries never bury a server that is down: a share of the calls
// of the last while, and a few for those who make few calls (Finagle's and tower's budgets). `shared-budgets.ts` says who shares one.

import type { Clock } from "../transport/clock.js";
import { WindowCount } from "./window-count.js";

/** What a {@link RetryBudget} allows. */
export interface BudgetLimits {
  /** Attempts more, as a share of the calls in the window. */
  readonly ratio: number;
  /** Attempts more a second, whatever the calls. */
  readonly perSecond: number;
}

/** The window that budgets look at, in milliseconds. */
export const BUDGET_WINDOW_MS = 10_000;
/** Retries: a fifth of the calls, and ten a second. */
export const RETRY_LIMITS: BudgetLimits = Object.freeze({ ratio: 0.2, perSecond: 10 });
/** Second attempts of hedged calls: a tenth of the calls. */
export const HEDGE_LIMITS: BudgetLimits = Object.freeze({ ratio: 0.1, perSecond: 0 });

/** Allows `ratio * calls + perSecond * window` attempts more in any window of {@link BUDGET_WINDOW_MS}. */
export class RetryBudget {
  private readonly clock: Clock;
  private readonly ratio: number;
  private readonly reserve: number;
  private readonly calls = new WindowCount(BUDGET_WINDOW_MS);
  private readonly spent = new WindowCount(BUDGET_WINDOW_MS);
  /** Attempts that the budget did not allow. */
  refused = 0;

  constructor(clock: Clock, { ratio, perSecond }: BudgetLimits) {
    this.clock = clock;
    this.ratio = ratio;
    this.reserve = (perSecond * BUDGET_WINDOW_MS) / 1_000;
  }

  /** A call was made. */
  onCall(): void {
    this.calls.add(this.clock.now());
  }

  /** Takes one attempt more from the budget; false if it is used up. */
  spend(): boolean {
    const now = this.clock.now();
    const allowed = this.ratio * this.calls.total(now) + this.reserve;
    if (this.spent.total(now) + 1 > allowed) {
      this.refused++;
      return false;
    }
    this.spent.add(now);
    return true;
  }
}
