// The messages that one side of a call receives, as an async iterable: decoded as they arrive, kept in order until they
// are taken. Credit goes back as they are taken, so a reader that stops makes its writer stop.
//
// Invariants: each message is given out once; the end, or the error, comes after the messages and is told once, to the
// first who asks; after `return` nothing is kept.

import type { MessageType } from "../codec/message.js";
import type { RpcError } from "../codec/status.js";
import type { Stream } from "../transport/stream.js";

/** What awaits the next message. */
interface Waiter<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: RpcError) => void;
}

/** The list of waiting messages is cut when it has this many taken ones at its beginning, and they are half of it. */
const COMPACT_AT = 1_024;

const DONE: IteratorResult<never, undefined> = Object.freeze({ done: true, value: undefined });

/** The received messages of one stream. */
export class MessageReader<T> implements AsyncIterableIterator<T, undefined, undefined> {
  private readonly type: MessageType<T, never>;
  private readonly onReturn: () => void;
  /** The messages from `head` on wait, and their bytes. */
  private values: T[] = [];
  private bytes: number[] = [];
  private head = 0;
  private waiters: Waiter<T>[] = [];
  private stream: Stream | undefined = undefined;
  private hasEnded = false;
  private error: RpcError | undefined = undefined;

  /** `onReturn` is called when the reader's user wants no more. */
  constructor(type: MessageType<T, never>, onReturn: () => void) {
    this.type = type;
    this.onReturn = onReturn;
  }

  /** Where credit goes back to. */
  open(stream: Stream): void {
    this.stream = stream;
  }

  /** Takes a message. Throws what decoding throws. */
  push(buf: Buffer, start: number, end: number, bytes: number): void {
    const value = this.type.decode(buf, start, end, 0);
    const waiter = this.hasEnded ? undefined : this.waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve({ done: false, value });
    } else if (!this.hasEnded) {
      this.stream?.hold(bytes);
      this.values.push(value);
      this.bytes.push(bytes);
      return;
    }
    this.stream?.consume(bytes);
  }

  /** No message follows; `error` says why, unless all is well. Those that wait are still given out. */
  end(error?: RpcError | undefined): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.error = error;
    for (const { resolve, reject } of this.waiters.splice(0)) {
      if (this.error === undefined) {
        resolve(DONE);
      } else {
        reject(this.error);
        this.error = undefined;
      }
    }
  }

  /** What waits is not given out. With an `error`, its reader hears of that instead, even if all of it had come. */
  drop(error?: RpcError | undefined): void {
    if (this.head < this.values.length && this.hasEnded) this.error ??= error;
    for (let at = this.head; at < this.bytes.length; at++) this.stream?.take(this.bytes[at] as number);
    this.values = [];
    this.bytes = [];
    this.head = 0;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.head < this.values.length) return Promise.resolve({ done: false, value: this.shift() });
    if (!this.hasEnded) return new Promise((resolve, reject) => this.waiters.push({ resolve, reject }));
    const { error } = this;
    this.error = undefined;
    return error === undefined ? Promise.resolve(DONE) : Promise.reject(error);
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.drop();
    this.end();
    this.error = undefined;
    this.onReturn();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private shift(): T {
    const at = this.head++;
    const value = this.values[at] as T;
    const bytes = this.bytes[at] as number;
    if (this.head === this.values.length) {
      this.values.length = this.bytes.length = this.head = 0;
    } else {
      this.values[at] = undefined as T;
      if (this.head > COMPACT_AT && this.head * 2 > this.values.length) this.compact();
    }
    this.stream?.take(bytes);
    return value;
  }

  private compact(): void {
    this.values = this.values.slice(this.head);
    this.bytes = this.bytes.slice(this.head);
    this.head = 0;
  }
}
