// Credit and fragments of section 10 and 11 of PROTOCOL.md as two small books: what a side may still send, kept by
// somebody who watches what it sends, and what a receiver has to give back. They share no code with src.

import { expect } from "vitest";
import { decodeFrame, type ReferenceFrame } from "./reference.js";

const HEADER_BYTES = 12;

/** The bytes of a frame. */
function lengthOf(hex: string): number {
  return hex.length / 2;
}

/** True for the frames that cost credit. */
function isCharged({ type, flags }: ReferenceFrame): boolean {
  return type === "FRAGMENT" || (type === "MESSAGE" && !flags.includes("NO_MESSAGE"));
}

/** What a MESSAGE frame costs its stream: its whole payload, of which there may be only the beginning. */
function streamCost(frame: ReferenceFrame, hex: string): number {
  return HEADER_BYTES + (frame.payload.totalBytes ?? lengthOf(hex) - HEADER_BYTES);
}

/** One call that a side sends messages or a long payload for. */
interface Sending {
  credit: number;
  /** Given by the application, and not seen on the wire. */
  readonly waiting: string[];
  /** The payload that is under way: what it is part of, its bytes so far, and how many there will be. */
  cut: { readonly type: string; bytes: string; readonly total: number } | undefined;
  isOver: boolean;
}

/** Watches what one side sends: every frame within its credit, every message whole, unchanged and in order. */
export class SenderBook {
  private credit: number;
  private readonly calls = new Map<number, Sending>();

  /** `credit` is the connection's. */
  constructor(credit: number) {
    this.credit = credit;
  }

  /** A call may be sent for; `credit` is its stream's. */
  open(id: number, credit: number): void {
    this.calls.set(id, { credit, waiting: [], cut: undefined, isOver: false });
  }

  /** The application sends a message. */
  push(id: number, message: string): void {
    this.at(id).waiting.push(message);
  }

  /** CREDIT for a stream, or for the connection without an id. */
  grant(bytes: number, id?: number): void {
    if (id === undefined) this.credit += bytes;
    else this.at(id).credit += bytes;
  }

  /** Nothing more of the call may be seen. */
  close(id: number): void {
    const call = this.at(id);
    call.isOver = true;
    call.waiting.length = 0;
    call.cut = undefined;
  }

  /** What the side has not sent of what its application gave it: messages that were not begun. */
  waiting(id: number): number {
    return this.at(id).waiting.length;
  }

  /** True while a payload of the call is under way. */
  isCutting(id: number): boolean {
    return this.at(id).cut !== undefined;
  }

  /** How much credit the connection has left. */
  get left(): number {
    return this.credit;
  }

  /** A frame of the side. Returns the whole payload that it completes: of a RESPONSE or REQUEST that was cut up. */
  see(hex: string): string | undefined {
    const frame = decodeFrame(hex);
    const { type, id, flags, payload } = frame;
    if (!["MESSAGE", "FRAGMENT", "REQUEST", "RESPONSE"].includes(type)) return undefined;
    const call = this.calls.get(id);
    if (call === undefined) return undefined;
    expect(call.isOver, `${type} for call ${id}, which is over`).toBe(false);
    if (isCharged(frame)) {
      expect(this.credit, `credit of the connection before a ${type}`).toBeGreaterThan(0);
      this.credit -= lengthOf(hex);
      if (type === "MESSAGE") {
        expect(call.credit, `credit of call ${id} before a MESSAGE`).toBeGreaterThan(0);
        call.credit -= streamCost(frame, hex);
      }
    }
    if (type === "FRAGMENT") return this.onFragment(call, frame);
    expect(
      type === "RESPONSE" && payload.totalBytes === undefined ? undefined : call.cut,
      "incomplete",
    ).toBeUndefined();
    if (payload.totalBytes !== undefined) {
      call.cut = { type, bytes: payload.bytes ?? "", total: payload.totalBytes };
    } else if (type === "MESSAGE" && !flags.includes("NO_MESSAGE")) {
      expect(hex.slice(2 * HEADER_BYTES)).toBe(call.waiting.shift());
    }
    return undefined;
  }

  /** Everything that could be sent was sent: what waits has no credit. */
  expectQuiet(): void {
    for (const [id, { credit, waiting, cut }] of this.calls) {
      if (this.credit <= 0) continue;
      expect(cut, `a payload of call ${id} under way with credit`).toBeUndefined();
      if (waiting.length > 0) expect(credit, `credit of call ${id}, whose messages wait`).toBeLessThanOrEqual(0);
    }
  }

  private onFragment(call: Sending, { flags, payload }: ReferenceFrame): string | undefined {
    const { cut } = call;
    if (cut === undefined) throw new Error("a FRAGMENT of nothing");
    cut.bytes += payload.bytes ?? "";
    if (flags.includes("MORE")) {
      expect(lengthOf(cut.bytes)).toBeLessThan(cut.total);
      return undefined;
    }
    expect(lengthOf(cut.bytes)).toBe(cut.total);
    call.cut = undefined;
    if (cut.type !== "MESSAGE") return cut.bytes;
    expect(cut.bytes).toBe(call.waiting.shift());
    return undefined;
  }

  private at(id: number): Sending {
    const call = this.calls.get(id);
    if (call === undefined) throw new Error(`call ${id} is not in the book`);
    return call;
  }
}

/** One call that a side receives messages of. */
interface Receiving {
  /** What the peer may still send. */
  allowance: number;
  /** Taken by the application, and not given back. */
  owed: number;
  /** Arrived, and not taken: the messages and their costs. */
  readonly inbox: { readonly message: string; readonly cost: number }[];
  hasEnded: boolean;
}

/** Keeps what a side that receives has to give back, as this implementation does: all of it once half of a window is owed. */
export class ReceiverBook {
  private readonly connectionWindow: number;
  private readonly streamWindow: number;
  private allowance: number;
  private owed = 0;
  private readonly calls = new Map<number, Receiving>();
  /** The CREDIT that must have been sent: bytes, and for which call. */
  private due: { readonly id: number | undefined; readonly bytes: number }[] = [];

  constructor(connectionWindow: number, streamWindow: number) {
    this.connectionWindow = this.allowance = connectionWindow;
    this.streamWindow = streamWindow;
  }

  /** A call may have messages from the peer. */
  open(id: number): void {
    this.calls.set(id, { allowance: this.streamWindow, owed: 0, inbox: [], hasEnded: false });
  }

  /** True if the peer may send a frame that costs something. */
  get mayFragment(): boolean {
    return this.allowance > 0;
  }

  /** True if the peer may begin a message of this call. */
  mayBegin(id: number): boolean {
    return this.mayFragment && this.at(id).allowance > 0;
  }

  /** The peer sends a frame, for whatever call. */
  sent(hex: string, forStream: boolean): void {
    const frame = decodeFrame(hex);
    if (!isCharged(frame)) return;
    const bytes = lengthOf(hex);
    this.allowance -= bytes;
    this.owed += bytes;
    if (forStream && frame.type === "MESSAGE") this.at(frame.id).allowance -= streamCost(frame, hex);
    if (2 * this.owed < this.connectionWindow) return;
    this.due.push({ id: undefined, bytes: this.owed });
    this.allowance += this.owed;
    this.owed = 0;
  }

  /** A message has arrived, whole; `isFirst`: in its REQUEST, for nothing. */
  arrive(id: number, message: string, isFirst = false): void {
    this.at(id).inbox.push({ message, cost: isFirst ? 0 : HEADER_BYTES + lengthOf(message) });
  }

  /** Messages that wait for the application. */
  inbox(id: number): number {
    return this.at(id).inbox.length;
  }

  /** The application takes a message. */
  take(id: number): string | undefined {
    const call = this.at(id);
    const taken = call.inbox.shift();
    if (taken === undefined) return undefined;
    call.owed += taken.cost;
    if (call.hasEnded || 2 * call.owed < this.streamWindow) return taken.message;
    this.due.push({ id, bytes: call.owed });
    call.allowance += call.owed;
    call.owed = 0;
    return taken.message;
  }

  /** The peer has sent all, or the call is over: nothing is given back to the stream any more. */
  end(id: number): void {
    this.at(id).hasEnded = true;
  }

  /** The application wants none of what has arrived. */
  drop(id: number): void {
    this.at(id).inbox.length = 0;
  }

  /** The CREDIT frames of a step must be those that were due. */
  expectCredit(frames: readonly ReferenceFrame[]): void {
    const given = frames
      .filter(({ type }) => type === "CREDIT")
      .map(({ arg, id, payload }) => ({ id: arg === 1 ? undefined : id, bytes: payload.increment }));
    expect(given).toEqual(this.due);
    this.due = [];
  }

  private at(id: number): Receiving {
    const call = this.calls.get(id);
    if (call === undefined) throw new Error(`call ${id} is not in the book`);
    return call;
  }
}
