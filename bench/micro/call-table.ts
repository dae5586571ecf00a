// The calls that a client waits for: a table whose slots are used again, beside a Map by id. 64 wait at once.

import { CallTable } from "../../src/transport/call-table.js";
import type { OutgoingCall } from "../../src/transport/outgoing-call.js";
import type { MicroCase } from "../lib/micro.js";

const WAITING = 64;
const CALL = { expiresAt: 0 } as OutgoingCall;
const sink: { last: unknown } = { last: undefined };

function inTable(): MicroCase["run"] {
  const table = new CallTable(0);
  const ids: number[] = new Array(WAITING).fill(0);
  return (times) => {
    for (let done = 0; done < times; done += WAITING) {
      for (let i = 0; i < WAITING; i++) ids[i] = table.add(CALL);
      for (let i = 0; i < WAITING; i++) sink.last = table.settle(ids[i]!);
    }
  };
}

function inMap(): MicroCase["run"] {
  const calls = new Map<number, OutgoingCall>();
  let next = 0;
  return (times) => {
    for (let done = 0; done < times; done += WAITING) {
      const first = next;
      for (let i = 0; i < WAITING; i++) calls.set(next++ & 0x7fff_ffff, CALL);
      for (let i = 0; i < WAITING; i++) {
        const id = (first + i) & 0x7fff_ffff;
        sink.last = calls.get(id);
        calls.delete(id);
      }
    }
  };
}

/** The cases. */
export function callTableCases(): MicroCase[] {
  const subject = "remember a call and find it again";
  return [
    { subject, way: "slots used again", isPool: true, run: inTable() },
    { subject, way: "Map", run: inMap() },
  ];
}
