// The free list of the calls that are served, beside a new object for each call. 64 are in use at once, or one; each is set up
// as the transport does it and has a context of its own, which is new in both ways.

import { FreeList } from "../../src/codec/free-list.js";
import { type Endpoint, IncomingCall, type IncomingContext } from "../../src/transport/incoming-call.js";
import type { Session } from "../../src/transport/session.js";
import type { MicroCase } from "../lib/micro.js";

const MAX_FREE = 4096;

function useCalls(inUse: number, take: () => IncomingCall, give: (call: IncomingCall) => void): MicroCase["run"] {
  const session = {} as Session;
  const endpoint = {} as Endpoint;
  const calls: (IncomingCall | undefined)[] = new Array(inUse).fill(undefined);
  return (times) => {
    for (let done = 0; done < times; done += inUse) {
      for (let i = 0; i < inUse; i++) {
        const call = take();
        call.begin(session, endpoint, i, false);
        call.context = { call } as unknown as IncomingContext;
        calls[i] = call;
      }
      for (let i = 0; i < inUse; i++) {
        const call = calls[i]!;
        calls[i] = undefined;
        call.context = undefined;
        give(call);
      }
    }
  };
}

/** The cases. */
export function freeListCases(): MicroCase[] {
  return [1, 64].flatMap((inUse) => {
    const free = new FreeList(() => new IncomingCall(), MAX_FREE);
    const subject = `a call that is served, ${inUse} at once`;
    const pooled = useCalls(
      inUse,
      () => free.take(),
      (call) => free.give(call),
    );
    const fresh = useCalls(
      inUse,
      () => new IncomingCall(),
      () => {},
    );
    return [
      { subject, way: "free list", isPool: true, run: pooled },
      { subject, way: "new object", run: fresh },
    ];
  });
}
