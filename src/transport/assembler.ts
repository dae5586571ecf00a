// Puts the messages together that came in fragments (PROTOCOL.md section 11). What comes out is a frame as if no limit
// had cut it: whoever reads frames need not know that there are fragments. Memory is set aside as bytes arrive, never by
// what a first frame announces; the sum of what is announced is bounded.

import { CloseReason, Flag, FrameError, FrameType, HEADER_BYTES, idText, readId, readUint32 } from "../codec/frame.js";
import { Code, localError, type RpcError } from "../codec/status.js";
import { LENGTH_BYTES } from "./message-sender.js";
import type { ConnectionLimits } from "./settings.js";

/** A message of which fragments are still to come. */
interface Assembly {
  /** The frame so far; undefined where nobody wants it and the bytes are dropped as they come. */
  frame: Buffer | undefined;
  readonly type: number;
  /** The length of the whole frame, and how much of it has arrived. */
  readonly total: number;
  received: number;
  /** When the first frame arrived, and the last one, in the clock's milliseconds. */
  readonly arrivedAt: number;
  progressAt: number;
}

/** A whole message: a frame without MORE, that of type RESPONSE or MESSAGE without bytes if nobody wanted them. */
export interface Assembled {
  readonly type: number;
  readonly frame: Buffer | undefined;
  readonly bytes: number;
  readonly arrivedAt: number;
}

/** The incomplete messages of one connection, by call. */
export class Assembler {
  private readonly limits: ConnectionLimits;
  private readonly assemblies = new Map<number, Assembly>();
  /** The size of the map, which every frame asks for. */
  private incomplete = 0;
  /** The announced bytes of those that are kept. */
  private announced = 0;

  constructor(limits: ConnectionLimits) {
    this.limits = limits;
  }

  /** True while no message is incomplete. */
  get isEmpty(): boolean {
    return this.incomplete === 0;
  }

  /** Why a payload of `bytes` for call `id` cannot be taken; undefined if it can. Throws {@link FrameError} if one is incomplete. */
  refusalOf(id: number, bytes: number): RpcError | undefined {
    const { maxMessageBytes, maxInFlightBytes } = this.limits;
    this.expectNone(id);
    if (bytes > maxMessageBytes) return full(`a message of ${bytes} bytes; the limit is ${maxMessageBytes}`, "never");
    if (this.announced + bytes > maxInFlightBytes)
      return full(`too many bytes of incomplete messages: the limit is ${maxInFlightBytes}`, "safe");
    return undefined;
  }

  /** Begins with the first frame of a message. It is kept if somebody wants it; otherwise only its end is waited for. */
  begin(buf: Buffer, start: number, end: number, now: number, isWanted: boolean): void {
    const total = HEADER_BYTES + announcedBytes(buf, start, end);
    const assembly: Assembly = {
      frame: isWanted ? Buffer.allocUnsafeSlow(Math.min(total, 2 * (end - start))) : undefined,
      type: buf[start + 4] as number,
      total,
      received: end - start - LENGTH_BYTES,
      arrivedAt: now,
      progressAt: now,
    };
    if (assembly.frame !== undefined) {
      buf.copy(assembly.frame, 0, start, start + HEADER_BYTES);
      assembly.frame[5] = (buf[start + 5] as number) & ~Flag.MORE;
      buf.copy(assembly.frame, HEADER_BYTES, start + HEADER_BYTES + LENGTH_BYTES, end);
      this.announced += total;
    }
    this.assemblies.set(readId(buf, start), assembly);
    this.incomplete = this.assemblies.size;
  }

  /** Throws {@link FrameError} if a message of this call is incomplete. */
  expectNone(id: number): void {
    if (this.assemblies.has(id)) throw broken(`call ${idText(id)} begins a message before its last one is complete`);
  }

  /** True while a message of this call is incomplete. */
  has(id: number): boolean {
    return this.assemblies.has(id);
  }

  /** FRAGMENT: the whole message if this was the last one. Throws {@link FrameError} if the lengths do not add up. */
  append(buf: Buffer, start: number, end: number, now: number): Assembled | undefined {
    const id = readId(buf, start);
    const assembly = this.assemblies.get(id) as Assembly;
    const bytes = end - start - HEADER_BYTES;
    const isLast = ((buf[start + 5] as number) & Flag.MORE) === 0;
    const received = assembly.received + bytes;
    if (isLast ? received !== assembly.total : received >= assembly.total)
      throw broken(
        `the fragments of call ${idText(id)} do not add up to the ${assembly.total - HEADER_BYTES} bytes announced`,
      );
    if (assembly.frame !== undefined) {
      if (assembly.frame.length < received) assembly.frame = grown(assembly.frame, assembly, received);
      buf.copy(assembly.frame, assembly.received, start + HEADER_BYTES, end);
    }
    assembly.received = received;
    assembly.progressAt = now;
    if (!isLast) return undefined;
    const { type, frame, total, arrivedAt } = assembly;
    this.forget(id);
    return { type, frame, bytes: total, arrivedAt };
  }

  /** Nobody wants the message any more: what has arrived is dropped. Of a response the end is waited for. */
  discard(id: number): void {
    const assembly = this.assemblies.get(id);
    if (assembly === undefined) return;
    this.drop(assembly);
    if (assembly.type !== FrameType.RESPONSE) this.remove(id);
  }

  /** No fragment of this call is waited for any more. */
  forget(id: number): void {
    const assembly = this.assemblies.get(id);
    if (assembly === undefined) return;
    this.drop(assembly);
    this.remove(id);
  }

  /** The calls whose messages have not grown since `time`. */
  stalledSince(time: number): number[] {
    return [...this.assemblies].filter(([, { progressAt }]) => progressAt <= time).map(([id]) => id);
  }

  /** The kind of frame that a call's incomplete message began with; undefined without one. */
  typeOf(id: number): number | undefined {
    return this.assemblies.get(id)?.type;
  }

  /** The connection is gone. */
  clear(): void {
    this.assemblies.clear();
    this.incomplete = 0;
    this.announced = 0;
  }

  private remove(id: number): void {
    this.assemblies.delete(id);
    this.incomplete = this.assemblies.size;
  }

  private drop(assembly: Assembly): void {
    if (assembly.frame !== undefined) this.announced -= assembly.total;
    assembly.frame = undefined;
  }
}

/** True for the first frame of a message that goes on in fragments; those of one-way calls never do. */
export function isCut(type: number, flags: number): boolean {
  return (flags & Flag.MORE) !== 0 && !isOneWay(type, flags);
}

/** True for a REQUEST that is not answered: its id names no call. */
export function isOneWay(type: number, flags: number): boolean {
  return type === FrameType.REQUEST && (flags & Flag.ONE_WAY) !== 0;
}

/** The length of the whole payload, which the first frame of a cut message announces. Throws {@link FrameError}. */
export function announcedBytes(buf: Buffer, start: number, end: number): number {
  if (end - start < HEADER_BYTES + LENGTH_BYTES) throw broken("a frame with MORE has no length");
  const bytes = readUint32(buf, start + HEADER_BYTES);
  if (end - start - HEADER_BYTES - LENGTH_BYTES < bytes) return bytes;
  throw broken(`call ${idText(readId(buf, start))}: MORE, but all ${bytes} bytes came`);
}

/** A larger copy of what has arrived, for at least `bytes`: it doubles, and never beyond the whole. */
function grown(frame: Buffer, { total, received }: Assembly, bytes: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.min(total, Math.max(2 * frame.length, bytes)));
  frame.copy(larger, 0, 0, received);
  return larger;
}

function broken(text: string): FrameError {
  return new FrameError(CloseReason.PROTOCOL_ERROR, text);
}

function full(text: string, retry: "safe" | "never"): RpcError {
  return localError(Code.RESOURCE_EXHAUSTED, text, retry);
}
