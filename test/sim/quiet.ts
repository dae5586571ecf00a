// What must hold of a connection over which nothing is under way: no call, no message and no part of one is left, and what
// each side may send is what the other one allows it. Credit that was lost or counted twice shows here.

import type { Session } from "../../src/transport/session.js";
import type { Timer } from "../../src/transport/timers.js";

/** What no user sees of a connection's flow control. */
interface FlowInside {
  readonly credit: number;
  readonly allowance: number;
  readonly owed: number;
  readonly window: number;
  readonly buffered: number;
  readonly waiting: number;
  readonly ready: { readonly length: number };
  readonly senders: { readonly size: number };
}

/** Everything that is wrong with a connection, whose two ends are open. */
export function findLeftovers(client: Session, server: Session): string[] {
  return [...leftovers("client", client, server), ...leftovers("server", server, client)];
}

/** True for a connection that is closed and whose heartbeat is still to look at it: in a few seconds nobody could tell. */
export function hasTimersLeft(session: Session): boolean {
  const { heartbeat } = session as unknown as { readonly heartbeat: Timer };
  return session.state === "closed" && heartbeat.next !== undefined;
}

function leftovers(side: string, session: Session, peer: Session): string[] {
  const flow = session.flow as unknown as FlowInside;
  const { allowance } = peer.flow as unknown as FlowInside;
  const counts: Readonly<Record<string, number>> = {
    "calls pending": session.outgoing.pending,
    "calls unanswered": session.incoming.unanswered,
    "incomplete messages": session.assembler.isEmpty ? 0 : 1,
    "bytes of incomplete messages": (session.assembler as unknown as { readonly announced: number }).announced,
    "bytes that wait for readers": flow.buffered,
    "bytes that wait to be sent": flow.waiting,
    "senders that wait": flow.senders.size,
    "senders in line": flow.ready.length,
    "bytes of credit beyond what the peer allows": flow.credit - allowance,
    "bytes of its window that it neither allows nor owes": flow.window - flow.allowance - flow.owed,
  };
  const left = Object.entries(counts).filter(([, count]) => count !== 0);
  return left.map(([what, count]) => `the ${side}'s end has ${count} ${what}`);
}
