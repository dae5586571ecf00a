// The calls that one side has begun on a connection, by slot (PROTOCOL.md section 6). An id is a slot and a generation.
// Invariant: a slot is free, live, or abandoned; an abandoned one (its call was cancelled or timed out here) becomes free
// only when the peer has answered it, so that no id is used again while the peer may still speak of it.

import { GENERATION_STEP, MAX_SLOTS, slotOf } from "../codec/frame.js";
import type { OutgoingCall } from "./outgoing-call.js";

/** What the slot of a call that has been given up holds. */
const ABANDONED = null;

/** What {@link CallTable.settle} found for an id that belongs to no live call. */
export type Stray = "late" | "unknown";

/** Slots and ids of outgoing calls. */
export class CallTable {
  private readonly calls: (OutgoingCall | typeof ABANDONED | undefined)[] = [];
  private readonly ids: number[] = [];
  private free: number[] = [];
  /** Slots at or above this are not used again: the peer does not have them. */
  private maxSlots = MAX_SLOTS;
  /** Slots that were used and are not used again. */
  private retired = 0;
  private readonly side: 0 | 1;

  /** `side` is bit 0 of every id: 0 for the side that dialed, 1 for the side that accepted. */
  constructor(side: 0 | 1) {
    this.side = side;
  }

  /** Slots that are not free. */
  get inUse(): number {
    return this.calls.length - this.free.length - this.retired;
  }

  /** Gives `call` a slot and returns its id. */
  add(call: OutgoingCall): number {
    const slot = this.free.pop() ?? this.grow();
    this.calls[slot] = call;
    return this.ids[slot] as number;
  }

  /** The live call with this id, if there is one. */
  find(id: number): OutgoingCall | undefined {
    const slot = slotOf(id);
    return this.ids[slot] === id ? (this.calls[slot] ?? undefined) : undefined;
  }

  /** True if the peer still has to answer the call with this id, wanted here or not. */
  isInUse(id: number): boolean {
    const slot = slotOf(id);
    return this.ids[slot] === id && this.calls[slot] !== undefined;
  }

  /** Frees the slot that a response names and returns its call; a stray response has none. */
  settle(id: number): OutgoingCall | Stray {
    const slot = slotOf(id);
    const call = this.calls[slot];
    if (this.ids[slot] !== id || call === undefined) return "unknown";
    this.calls[slot] = undefined;
    this.ids[slot] = (id + GENERATION_STEP) | 0;
    if (slot < this.maxSlots) this.free.push(slot);
    else this.retired++;
    return call ?? "late";
  }

  /** The peer has `maxSlots` slots, perhaps fewer than were used before it said so. */
  limit(maxSlots: number): void {
    const usable = this.free.filter((slot) => slot < maxSlots);
    this.retired += this.free.length - usable.length;
    this.free = usable;
    this.maxSlots = maxSlots;
  }

  /** The call has ended here; its slot waits for the peer's answer. */
  abandon(id: number): void {
    this.calls[slotOf(id)] = ABANDONED;
  }

  /** Ends the live calls whose deadline is at or before `now`; returns the earliest deadline of the others. */
  expire(now: number): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const call of this.calls) {
      if (call === undefined || call === ABANDONED) continue;
      if (call.expiresAt <= now) call.expire();
      else if (call.expiresAt < earliest) earliest = call.expiresAt;
    }
    return earliest;
  }

  /** The live calls, in the order of their slots. */
  live(): OutgoingCall[] {
    return this.calls.filter((call) => call !== undefined && call !== ABANDONED);
  }

  /** Empties the table and returns the calls that were live, in the order of their slots. */
  clear(): OutgoingCall[] {
    const live = this.live();
    this.calls.length = this.ids.length = this.free.length = this.retired = 0;
    return live;
  }

  private grow(): number {
    const slot = this.calls.length;
    this.calls.push(undefined);
    this.ids.push((slot << 1) | this.side);
    return slot;
  }
}
