// Every micro-benchmark.

import type { MicroCase } from "../lib/micro.js";
import { callTableCases } from "./call-table.js";
import { dispatchCases } from "./dispatch.js";
import { frameCases } from "./frame.js";
import { freeListCases } from "./free-list.js";
import { messageCases } from "./message.js";
import { outboxCases } from "./outbox.js";
import { slabCases } from "./slab.js";
import { splitterCases } from "./splitter.js";
import { taskPoolCases } from "./task-pool.js";
import { timerCases } from "./timers.js";

/** Every case, in the order of the report. */
export function allCases(): MicroCase[] {
  return [
    ...[frameCases, messageCases, splitterCases, slabCases, freeListCases, callTableCases, timerCases].flatMap(
      (cases) => cases(),
    ),
    ...[taskPoolCases, outboxCases, dispatchCases].flatMap((cases) => cases()),
  ];
}
