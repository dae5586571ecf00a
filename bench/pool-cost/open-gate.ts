// A server without a task pool, to compare with: a call is started when it comes, as if nothing bounded how many run,
// nobody were to be fair to and nothing were measured. The product has no such switch, so it is put in from outside.

import type { MethodGate } from "../../src/flow/method-gate.js";
import type { TaskPool } from "../../src/flow/task-pool.js";
import type { Admission, Backlog, Gate } from "../../src/transport/gate.js";

const START: typeof Admission.START = 0;

/** Starts every call, and keeps no account of it. */
class OpenGate implements Gate {
  readonly answersRefused: boolean = false;

  admit(): typeof START {
    return START;
  }

  start(): number {
    return 0;
  }

  onYield(): void {}

  finish(): void {}

  dismiss(): void {}

  newBacklog(): Backlog {
    throw new Error("nothing waits at an open gate");
  }

  wait(): void {
    throw new Error("nothing waits at an open gate");
  }

  leave(): void {
    throw new Error("nothing waits at an open gate");
  }

  onWaitedTooLong(): never {
    throw new Error("nothing waits at an open gate");
  }
}

/** From now on the pools of this class have open gates; what is returned undoes it. */
export function openGates({ prototype }: { readonly prototype: Pick<TaskPool, "newGate"> }): () => void {
  const { newGate } = prototype;
  const gate: Gate = new OpenGate();
  // What a gate has beyond this is for what watches and changes policies: nobody does here.
  prototype.newGate = () => gate as MethodGate;
  return () => {
    prototype.newGate = newGate;
  };
}
