// Credit: how far a connection's streams and fragments may run ahead (PROTOCOL.md section 10). It owns the connection's
// credit both ways, the turns of the senders that wait, and the count of what waits here for its reader.
//
//    senders that wait, in turn:  [a] [b] [c] --one frame each--> outbox     while the pipe takes bytes and credit is above 0
//
// Invariants: bulk goes to the outbox only while the pipe is not blocked, and at most MAX_WRITE_BYTES and a frame in a tick,
// so that a small call never has more than a connection window of bulk ahead of it, and a stream that never waits for
// anything lets others have their turns; credit is given back as frames arrive, and withheld only while more than
// `maxStreamBufferBytes` wait for their readers.

import { beginFrame, CloseReason, endFrame, FrameError, FrameType, writeUint32 } from "../codec/frame.js";
import type { MessageSender } from "./message-sender.js";
import { MAX_WRITE_BYTES } from "./outbox.js";
import type { Session } from "./session.js";
import { INITIAL, MAX_CREDIT } from "./settings.js";
import { WindowTuner } from "./window-tuner.js";

/** A CREDIT frame whose arg is this is for the connection, not for a stream. */
const CONNECTION = 1;

/** The flow control of one {@link Session}. */
export class Flow {
  private readonly session: Session;
  private readonly onTurn = (): void => {
    this.isTurnDue = false;
    this.pump();
  };
  /** What may still be sent; a frame may be begun while it is above 0. */
  private credit: number = INITIAL.connectionWindowBytes;
  /** Senders that have something to send and, if they need it, credit of their own. */
  private ready: MessageSender[] = [];
  /** Senders in which messages wait, and how many bytes. */
  private readonly senders = new Set<MessageSender>();
  private waiting = 0;
  private isTurnDue = false;
  /** What was sent under credit in this tick. */
  private spent = 0;
  /** What the peer may still send. */
  private allowance: number;
  readonly windows: WindowTuner;
  /** What the connection's window was when credit was given back last. */
  private window: number;
  /** Received, and not given back. */
  private owed = 0;
  /** Received, and not taken by their readers. */
  private buffered = 0;

  constructor(session: Session) {
    this.session = session;
    this.windows = new WindowTuner(session);
    this.allowance = this.window = this.windows.connectionWindow;
  }

  /** Bytes of messages that wait to be sent in frames that need credit. */
  get waitingBytes(): number {
    return this.waiting;
  }

  /** True while a stream's message may be written at once. */
  get isOpen(): boolean {
    return this.spent < MAX_WRITE_BYTES && this.mayWrite;
  }

  /**
   * True while messages may be written in this tick or the next one: never before the peer has announced its limits, because a call
   * that turns out to be one too many can be made again only while nothing but its REQUEST has left.
   */
  private get mayWrite(): boolean {
    return this.credit > 0 && !this.session.outbox.isBlocked && this.session.wasOpen;
  }

  /** A tick begins in which frames are written. */
  onTick(): void {
    this.spent = 0;
  }

  /** The peer has announced its limits. */
  onPeerLimits(): void {
    this.credit += this.session.peer.connectionWindowBytes - INITIAL.connectionWindowBytes;
    if (this.ready.length > 0) this.pumpLater();
  }

  /** A frame of `bytes` that needs credit was written. */
  spend(bytes: number): void {
    this.credit -= bytes;
    this.spent += bytes;
  }

  /** `bytes` more wait in `sender`. */
  addWaiting(sender: MessageSender, bytes: number): void {
    this.senders.add(sender);
    this.waiting += bytes;
  }

  /** `bytes` of `sender` wait no more; `isEmpty` if none do. */
  removeWaiting(sender: MessageSender, bytes: number, isEmpty: boolean): void {
    if (isEmpty) this.senders.delete(sender);
    this.waiting -= bytes;
  }

  /** `sender` has something to send: it gets its turns. */
  enqueue(sender: MessageSender): void {
    this.ready.push(sender);
    if (this.mayWrite) this.pumpLater();
  }

  /** `sender` sends no more. */
  dequeue(sender: MessageSender): void {
    this.ready = this.ready.filter((each) => each !== sender);
  }

  /** Ends the streams whose readers have taken nothing for too long. */
  checkStalls(now: number): void {
    for (const sender of this.senders) sender.checkStall(now);
  }

  /** Lets the senders that wait write, a frame each in turn, as far as the pipe and the credit go. */
  pump(): void {
    let at = 0;
    if (this.ready.length > 0 && this.mayWrite) this.session.touch();
    while (at < this.ready.length && this.isOpen) {
      const sender = this.ready[at++] as MessageSender;
      sender.writeNext();
      if (sender.staysInLine()) this.ready.push(sender);
    }
    this.ready.splice(0, at);
    if (this.ready.length > 0 && this.mayWrite) this.pumpLater();
    this.session.outgoing.noticeRoom();
  }

  /** CREDIT for the connection. Throws {@link FrameError} above {@link MAX_CREDIT}. */
  onCredit(bytes: number): void {
    this.credit += bytes;
    if (this.credit > MAX_CREDIT) throw tooMuchCredit("the connection", this.credit);
    if (this.ready.length > 0) this.pump();
  }

  /** A frame of `bytes` that needs credit has arrived. Throws {@link FrameError} if the peer had none. */
  onReceived(bytes: number): void {
    if (this.allowance <= 0)
      throw new FrameError(CloseReason.PROTOCOL_ERROR, "a frame came without credit of the connection");
    this.allowance -= bytes;
    this.owed += bytes;
    this.windows.onBytes(bytes);
    this.giveBack();
  }

  /** `bytes` wait for their reader. */
  hold(bytes: number): void {
    this.buffered += bytes;
  }

  /** A reader has taken `bytes`, or nobody will. */
  release(bytes: number): void {
    this.buffered -= bytes;
    this.giveBack();
  }

  /** Returns what is owed once it is half of the window, but for what waits here beyond the limit. */
  private giveBack(): void {
    // Twice a message of a stream it comes here, mostly for nothing.
    if (this.owed * 2 < this.window) return;
    const { limits, outbox } = this.session;
    const { connectionWindow } = this.windows;
    const withheld = Math.max(0, this.buffered - limits.maxStreamBufferBytes);
    const returned = this.owed - withheld;
    if (returned * 2 < this.window || !this.session.isOpen) return;
    const bytes = returned + connectionWindow - this.window;
    this.window = connectionWindow;
    this.owed = withheld;
    this.allowance += bytes;
    this.session.touch();
    beginFrame(outbox);
    writeIncrement(this.session, bytes);
    endFrame(outbox, FrameType.CREDIT, 0, CONNECTION, 0);
  }

  private pumpLater(): void {
    if (this.isTurnDue) return;
    this.isTurnDue = true;
    this.session.wheel.clock.nextTurn(this.onTurn);
  }
}

/** Gives the peer `bytes` more credit for the stream with this id. */
export function writeCredit(session: Session, id: number, bytes: number): void {
  session.touch();
  beginFrame(session.outbox);
  writeIncrement(session, bytes);
  endFrame(session.outbox, FrameType.CREDIT, 0, 0, id);
}

/** The error for credit above {@link MAX_CREDIT}. */
export function tooMuchCredit(whose: string, bytes: number): FrameError {
  return new FrameError(CloseReason.PROTOCOL_ERROR, `credit of ${whose} is ${bytes} bytes; at most ${MAX_CREDIT}`);
}

/** True for a CREDIT frame that is for the connection. */
export function isForConnection(arg: number): boolean {
  return arg === CONNECTION;
}

function writeIncrement({ outbox }: Session, bytes: number): void {
  outbox.reserve(4);
  writeUint32(outbox.buf, outbox.pos, bytes);
  outbox.pos += 4;
}
