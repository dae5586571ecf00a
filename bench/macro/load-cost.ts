// What the closed loop itself allocates for a call: loops and checks with no system behind them. Every call is answered by a
// promise that was there before, so what is left is the load's own: the continuation of its worker, its clock readings.

import { AllocationCount } from "../lib/allocation.js";
import { Load } from "./load.js";
import type { EchoCaller, EchoMessage } from "./peer.js";

/** Calls before those that are counted, in which every message gets its answer, and code is compiled. */
const CALLS_BEFORE = 20_000;
const CALLS = 50_000;

/** Answers at once, and ends the load after so many calls. */
class Answers implements EchoCaller {
  calls = 0;
  count: AllocationCount | undefined = undefined;
  private readonly made = new Map<EchoMessage, Promise<EchoMessage>>();
  private readonly onEnd: () => void;

  constructor(onEnd: () => void) {
    this.onEnd = onEnd;
  }

  echo(message: EchoMessage): Promise<EchoMessage> {
    const calls = ++this.calls;
    if (calls === CALLS_BEFORE) this.count = new AllocationCount();
    else if (calls === CALLS_BEFORE + CALLS) this.onEnd();
    const made = this.made.get(message);
    if (made !== undefined) return made;
    const answer = Promise.resolve(message);
    this.made.set(message, answer);
    return answer;
  }

  close(): void {}
}

/** Bytes of heap that a closed loop with `outstanding` calls in flight allocates for each of its own. */
export async function loadCost(payloadBytes: number, outstanding: number): Promise<number> {
  return await new Promise((resolve) => {
    const answers = new Answers(() => {
      void load.stop();
      resolve(answers.count!.stopBytes() / CALLS);
    });
    const load = new Load(answers, payloadBytes, outstanding);
    load.start();
  });
}
