// The service that simulated clients call. A request carries a nonce and says what the server shall do; the reply is
// computed from the nonce and from every byte of the request, so that a wrong or foreign reply is noticed. The ledger
// counts, by nonce, how often a server began a call.

import { DecodeError, MessageType } from "../../src/codec/message.js";
import { Method, Service } from "../../src/codec/method.js";
import { Code, RpcError } from "../../src/codec/status.js";
import type { Writer } from "../../src/codec/writer.js";
import type { VirtualClock } from "../../src/testing.js";
import type { Host } from "./host.js";

/** What a handler may be asked to do. */
export const BEHAVIOURS = [
  "answer", // the reply, in the same turn or after `delayMs`
  "throw", // a plain error, whose text must not travel
  "refuse", // an RpcError with a code of its own
  "hang", // nothing until it is cancelled
  "garble", // the request does not decode
  "compute", // the reply, after `delayMs` in which nothing else runs
] as const;
/** One of the things a handler may be asked to do. */
export type Behaviour = (typeof BEHAVIOURS)[number];

/** A request. */
export interface WorkRequest {
  readonly nonce: number;
  readonly behaviour: Behaviour;
  /** 0: a handler that returns its reply; otherwise one that takes this long. */
  readonly delayMs: number;
  readonly replyBytes: number;
  readonly payload: Buffer;
}

/** A reply. */
export interface WorkReply {
  readonly nonce: number;
  readonly requestSum: number;
  readonly payload: Buffer;
}

/** Begins every request on the wire, so that the network can tell which ones it carried. */
export const REQUEST_MARK: Buffer = Buffer.from("\u0007sim-request\u0007", "latin1");
/** Ends every reply on the wire, followed by its nonce. */
export const REPLY_MARK: Buffer = Buffer.from("\u0007sim-reply\u0007", "latin1");
/** The text of a handler's plain error; no client may see it. */
export const SECRET = "the password is swordfish";
/** The code that a refusing handler chooses. */
export const REFUSAL: Code = Code.FAILED_PRECONDITION;

const REQUEST_FIXED_BYTES = REQUEST_MARK.length + 13;
const REPLY_FIXED_BYTES = 8 + REPLY_MARK.length;

/** The type of requests. */
export const WorkRequestType: MessageType<WorkRequest> = new MessageType(
  "sim.v1.WorkRequest",
  encodeRequest,
  decodeRequest,
);
/** The type of replies. */
export const WorkReplyType: MessageType<WorkReply> = new MessageType("sim.v1.WorkReply", encodeReply, decodeReply);

/** A method of one request and one reply. */
export type WorkMethod = Method<WorkRequest, WorkRequest, WorkReply, WorkReply>;

const types = { input: WorkRequestType, output: WorkReplyType };
/** The method that servers serve. */
export const perform: WorkMethod = new Method("sim.v1.Work", { ...types, name: "Perform", localName: "perform" });
/** A method that no server serves. */
export const missing: WorkMethod = new Method("sim.v1.Elsewhere", { ...types, name: "Missing", localName: "missing" });

/** A method without a response. */
export const note: WorkMethod = new Method("sim.v1.Work", { ...types, name: "Note", localName: "note", oneWay: true });

/** What a handler needs of its call's context. */
export interface WorkContext {
  readonly signal: AbortSignal;
}

/** What a server of {@link Work} does with a request. */
export interface WorkHandlers {
  perform(request: WorkRequest, context: WorkContext): WorkReply | Promise<WorkReply>;
  note(request: WorkRequest, context: WorkContext): WorkReply | Promise<WorkReply>;
}

/** The service that servers serve. */
export const Work: Service<WorkHandlers, { perform: WorkMethod; note: WorkMethod }> = new Service("sim.v1.Work", {
  perform,
  note,
});

/** When handlers began and ended, by nonce, over all servers. */
export class Ledger {
  private readonly world: VirtualClock;
  private readonly runs = new Map<number, number>();
  private readonly ends = new Map<number, number>();

  constructor(world: VirtualClock) {
    this.world = world;
  }

  /** A handler has begun. */
  begin(nonce: number): void {
    this.runs.set(nonce, this.runsOf(nonce) + 1);
    this.ends.set(nonce, this.world.now());
  }

  /** The handler goes on until `reply` settles. */
  track(nonce: number, reply: Promise<unknown>): void {
    const end = (): void => void this.ends.set(nonce, this.world.now());
    this.ends.set(nonce, Number.POSITIVE_INFINITY);
    reply.then(end, end);
  }

  /** When the last handler with this nonce ended, in world time; Infinity if it has not, 0 if there was none. */
  endOf(nonce: number): number {
    return this.ends.get(nonce) ?? 0;
  }

  /** How often a handler has begun with this nonce. */
  runsOf(nonce: number): number {
    return this.runs.get(nonce) ?? 0;
  }
}

/** The handlers of one server process. */
export function handlers(host: Host, ledger: Ledger): WorkHandlers {
  const serve: WorkHandlers["perform"] = (request, context) => {
    ledger.begin(request.nonce);
    const reply = handle(request, host, context);
    if (reply instanceof Promise) ledger.track(request.nonce, reply);
    return reply;
  };
  return { perform: serve, note: serve };
}

/** What a request asks for. */
export function handle(request: WorkRequest, host: Host, context: WorkContext): WorkReply | Promise<WorkReply> {
  if (request.behaviour === "throw") throw new Error(SECRET);
  if (request.behaviour === "refuse") throw new RpcError(REFUSAL, `not today, ${request.nonce}`);
  if (request.behaviour === "hang") return untilAborted(context.signal);
  if (request.behaviour === "compute") host.spend(request.delayMs);
  else if (request.delayMs > 0) return replyLater(request, host, context.signal);
  return replyTo(request);
}

/** The only right reply. */
export function replyTo({ nonce, payload, replyBytes }: WorkRequest): WorkReply {
  return { nonce, requestSum: sum(payload), payload: pattern(~nonce, replyBytes) };
}

/** True if `reply` is the right one, to the last byte. */
export function isReplyTo(request: WorkRequest, reply: WorkReply): boolean {
  const right = replyTo(request);
  const samePayload = right.payload.equals(reply.payload);
  return samePayload && right.nonce === reply.nonce && right.requestSum === reply.requestSum;
}

const patternSeed = Buffer.alloc(8);

/** `bytes` bytes that depend on `nonce`. */
export function pattern(nonce: number, bytes: number): Buffer {
  patternSeed.writeInt32LE(nonce | 0, 0);
  patternSeed.writeInt32LE(Math.imul(nonce, 0x9e37_79b1), 4);
  return Buffer.allocUnsafe(bytes).fill(patternSeed);
}

/** A hash of all bytes, four at a time. */
export function sum(bytes: Buffer): number {
  let hash = bytes.length;
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) hash = (Math.imul(hash, 31) + bytes.readInt32LE(at)) | 0;
  for (; at < bytes.length; at++) hash = (Math.imul(hash, 31) + bytes[at]!) | 0;
  return hash;
}

async function untilAborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  throw signal.reason;
}

/** Replies after the request's delay; gives up when nobody waits any more. */
function replyLater(request: WorkRequest, host: Host, signal: AbortSignal): Promise<WorkReply> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      host.clearTimer(timer);
      reject(signal.reason);
    };
    const onTime = (): void => {
      signal.removeEventListener("abort", onAbort);
      resolve(replyTo(request));
    };
    const timer = host.setTimer(onTime, request.delayMs, true);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

function encodeRequest({ nonce, behaviour, delayMs, replyBytes, payload }: WorkRequest, writer: Writer): void {
  writer.reserve(REQUEST_FIXED_BYTES + payload.length);
  const { buf } = writer;
  let { pos } = writer;
  pos += REQUEST_MARK.copy(buf, pos);
  pos = buf.writeUInt32LE(nonce, pos);
  pos = buf.writeUInt8(BEHAVIOURS.indexOf(behaviour), pos);
  pos = buf.writeFloatLE(delayMs, pos);
  pos = buf.writeUInt32LE(replyBytes, pos);
  writer.pos = pos + payload.copy(buf, pos);
}

function decodeRequest(buf: Buffer, start: number, end: number): WorkRequest {
  let at = start + REQUEST_MARK.length;
  if (end - start < REQUEST_FIXED_BYTES || !buf.subarray(start, at).equals(REQUEST_MARK)) {
    throw new DecodeError("sim.v1.WorkRequest: not a request");
  }
  const nonce = buf.readUInt32LE(at);
  const behaviour = BEHAVIOURS[buf.readUInt8(at + 4)];
  if (behaviour === undefined || behaviour === "garble") throw new DecodeError("sim.v1.WorkRequest: garbled");
  const delayMs = buf.readFloatLE(at + 5);
  const replyBytes = buf.readUInt32LE(at + 9);
  at += 13;
  return { nonce, behaviour, delayMs, replyBytes, payload: Buffer.from(buf.subarray(at, end)) };
}

function encodeReply({ nonce, requestSum, payload }: WorkReply, writer: Writer): void {
  writer.reserve(REPLY_FIXED_BYTES + payload.length);
  const { buf } = writer;
  let pos = buf.writeInt32LE(requestSum, writer.pos);
  pos += payload.copy(buf, pos);
  pos += REPLY_MARK.copy(buf, pos);
  writer.pos = buf.writeUInt32LE(nonce, pos);
}

function decodeReply(buf: Buffer, start: number, end: number): WorkReply {
  if (end - start < REPLY_FIXED_BYTES) throw new DecodeError("sim.v1.WorkReply: too short");
  const payload = Buffer.from(buf.subarray(start + 4, end - 4 - REPLY_MARK.length));
  return { nonce: buf.readUInt32LE(end - 4), requestSum: buf.readInt32LE(start), payload };
}
