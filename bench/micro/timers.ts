// A deadline that is set and taken back before it comes, as nearly all are: on the wheel, and with a timer of Node's for each. 64
// are set at once.

import { systemClock } from "../../src/transport/clock.js";
import { Timer, TimerWheel } from "../../src/transport/timers.js";
import type { MicroCase } from "../lib/micro.js";

const DEADLINE_MS = 30_000;
const SET = 64;

class Deadline extends Timer {
  override expire(): void {}
}

function onWheel(): MicroCase["run"] {
  const wheel = new TimerWheel(systemClock);
  const timers = Array.from({ length: SET }, () => new Deadline());
  return (times) => {
    const now = performance.now();
    for (let done = 0; done < times; done += SET) {
      for (let i = 0; i < SET; i++) wheel.add(timers[i]!, now + DEADLINE_MS + i);
      for (let i = 0; i < SET; i++) wheel.remove(timers[i]!);
    }
  };
}

function onNode(): MicroCase["run"] {
  const timers: NodeJS.Timeout[] = new Array(SET);
  const expire = (): void => {};
  return (times) => {
    for (let done = 0; done < times; done += SET) {
      for (let i = 0; i < SET; i++) timers[i] = setTimeout(expire, DEADLINE_MS + i);
      for (let i = 0; i < SET; i++) clearTimeout(timers[i]);
    }
  };
}

/** The cases. */
export function timerCases(): MicroCase[] {
  const subject = "set a deadline and take it back";
  return [
    { subject, way: "timer wheel", isPool: true, run: onWheel() },
    { subject, way: "setTimeout", run: onNode() },
  ];
}
