// What the task pool does for a call that need not wait: it is let in, started, and ends. Beside it what a gate costs that lets in
// everything and keeps no account, as in the benchmark of what the pool costs.

import { TaskPool } from "../../src/flow/task-pool.js";
import { Admission, type Gate } from "../../src/transport/gate.js";
import { type Endpoint, IncomingCall } from "../../src/transport/incoming-call.js";
import type { Session } from "../../src/transport/session.js";
import { TimerWheel } from "../../src/transport/timers.js";
import { Echo } from "../gen/bench/v1/echo.js";
import type { MicroCase } from "../lib/micro.js";
import { openGates } from "../pool-cost/open-gate.js";
import { StageClock } from "./stage.js";

const WORKERS = 1000;
/** Calls in a turn of the event loop. */
const TURN = 64;

function pass(clock: StageClock, gate: Gate): MicroCase["run"] {
  const call = new IncomingCall();
  call.begin({} as Session, {} as Endpoint, 0, false);
  return (times) => {
    for (let i = 1; i <= times; i++) {
      // Where the machine held this process up the pool takes the turn for over.
      while (gate.admit(undefined) !== Admission.START) clock.end();
      const startedAt = gate.start(call);
      if (startedAt !== 0) gate.onYield(startedAt);
      gate.finish(call);
      if (i % TURN === 0) clock.end();
    }
  };
}

/** The cases. */
export function taskPoolCases(): MicroCase[] {
  const clock = new StageClock();
  const pool = new TaskPool(new TimerWheel(clock), WORKERS);
  const gate = pool.newGate(Echo.methods.echo);
  const close = openGates(TaskPool);
  const open = pool.newGate(Echo.methods.echo);
  close();
  const subject = "let a call in, start it, end it";
  return [
    { subject, way: "task pool", run: pass(clock, gate) },
    { subject, way: "open gate", run: pass(clock, open) },
  ];
}
