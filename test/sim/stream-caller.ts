// Makes one streamed call as its plan says, on a channel or on a peer, and records what the caller has seen of it.

import { RpcError } from "../../src/codec/status.js";
import type { Caller, CallOptions } from "../../src/index.js";
import type { Host } from "./host.js";
import type { StreamPlan } from "./stream-plans.js";
import { type Lane, methods, NONCE_KEY, type Show, type Stage, sleep, type Verse } from "./streams.js";

/** What the caller of a streamed call has seen. Times are those of the world. */
export interface StreamRecord {
  readonly plan: StreamPlan;
  readonly show: Show;
  readonly startMs: number;
  /** When the call ended; Infinity if it has not. */
  endMs: number;
  /** When its caller had nothing more to do for it; Infinity if there is still something. */
  doneMs: number;
  abortedMs: number | undefined;
  /** How the call ended: 0 if it went well. */
  code: number | undefined;
  error: RpcError | undefined;
  /** True if the reader left, which ends the call. */
  left: boolean;
  /** How the reader heard of the end, if it read to the end, and how often it heard of an error. */
  readCode: number | undefined;
  readErrors: number;
  /** The codes of the sends that failed. */
  readonly sendCodes: Set<number>;
  answer: Verse | undefined;
}

/** What the three kinds of stream have in common, as far as they have it. */
interface AnyStream {
  readonly response: Promise<Verse | undefined>;
  send(message: Verse): Promise<void>;
  close(): Promise<void>;
  next(): Promise<IteratorResult<Verse, undefined>>;
  return(): Promise<IteratorResult<Verse, undefined>>;
}

/** Makes the call; `record` is filled in as it goes. */
export async function makeCall(caller: Caller, host: Host, stage: Stage, record: StreamRecord): Promise<void> {
  const { plan } = record;
  const options = optionsOf(host, stage, record);
  const jobs: Promise<unknown>[] = [];
  if (plan.kind === "ask") {
    const { up } = record.show;
    jobs.push(watchEnd(caller.unary(methods.ask, up.next() as Verse, options), stage, record));
  } else {
    const stream = begin(caller, record, options);
    const ended = watchEnd(stream.response, stage, record);
    jobs.push(ended);
    if (plan.kind !== "listen") jobs.push(write(stream, record, host));
    if (plan.kind !== "tell") jobs.push(read(stream, record, host, ended));
  }
  await Promise.all(jobs);
  record.doneMs = stage.world.now();
}

/** A call of which nothing is known yet. */
export function newRecord(plan: StreamPlan, stage: Stage): StreamRecord {
  return {
    plan,
    show: stage.add(plan),
    startMs: stage.world.now(),
    endMs: Number.POSITIVE_INFINITY,
    doneMs: Number.POSITIVE_INFINITY,
    abortedMs: undefined,
    code: undefined,
    error: undefined,
    left: false,
    readCode: undefined,
    readErrors: 0,
    sendCodes: new Set(),
    answer: undefined,
  };
}

function begin(caller: Caller, { plan, show }: StreamRecord, options: CallOptions): AnyStream {
  const { kind } = plan;
  if (kind === "tell") return caller.clientStream(methods.tell, options) as unknown as AnyStream;
  if (kind === "sing") return caller.bidiStream(methods.sing, options) as unknown as AnyStream;
  return caller.serverStream(methods.listen, show.up.next() as Verse, options) as unknown as AnyStream;
}

function optionsOf(host: Host, stage: Stage, record: StreamRecord): CallOptions {
  const { timeoutMs, abortAfterMs, nonce, kind } = record.plan;
  const metadata = { [NONCE_KEY]: String(nonce) };
  // Without a deadline of its own a unary call has the channel's.
  const limitMs = timeoutMs ?? (kind === "ask" ? Number.POSITIVE_INFINITY : undefined);
  if (abortAfterMs === undefined) return { timeoutMs: limitMs, metadata };
  const controller = new AbortController();
  host.setTimer(
    () => {
      record.abortedMs = stage.world.now();
      controller.abort();
    },
    abortAfterMs,
    true,
  );
  return { timeoutMs: limitMs, metadata, signal: controller.signal };
}

async function watchEnd(response: Promise<Verse | undefined>, stage: Stage, record: StreamRecord): Promise<void> {
  const { show } = record;
  try {
    record.answer = await response;
    record.code = 0;
  } catch (error) {
    record.code = codeOf(error);
    record.error = error as RpcError;
  }
  record.endMs = stage.world.now();
  // The callee may have ended well without all requests: then sending does nothing.
  show.up.isFree = true;
}

async function write(stream: AnyStream, record: StreamRecord, host: Host): Promise<void> {
  const { up } = record.show;
  const { awaits, writePauseMs, closes } = up.plan;
  for (let verse = up.next(); verse !== undefined; verse = up.next()) {
    const sending = sendOne(stream, verse, up, record);
    if (awaits && !(await sending)) return;
    if (writePauseMs > 0) await sleep(host, writePauseMs);
    if (record.code !== undefined && record.code !== 0) return;
  }
  if (closes) await settle(stream.close(), record);
}

async function sendOne(stream: AnyStream, verse: Verse, up: Lane, record: StreamRecord): Promise<boolean> {
  const hasLeft = await settle(stream.send(verse), record);
  if (hasLeft) up.onLeft();
  return hasLeft;
}

async function settle(sending: Promise<void>, { sendCodes }: StreamRecord): Promise<boolean> {
  try {
    await sending;
    return true;
  } catch (error) {
    sendCodes.add(codeOf(error));
    return false;
  }
}

async function read(stream: AnyStream, record: StreamRecord, host: Host, ended: Promise<void>): Promise<void> {
  const { down } = record.show;
  const { readPauseMs, readsUntil, afterwards } = down.plan;
  try {
    for (;;) {
      if (down.taken === readsUntil && afterwards === "leave") {
        record.left = true;
        down.isFree = true;
        await stream.return();
        return;
      }
      if (down.taken === readsUntil) await ended;
      const next = await stream.next();
      if (next.done === true) break;
      down.onTaken(next.value);
      if (readPauseMs > 0) await sleep(host, readPauseMs);
    }
    down.hasEnded = true;
    record.readCode = 0;
  } catch (error) {
    record.readErrors++;
    record.readCode = codeOf(error);
  }
  await stream.next().then(
    (after) => (after.done === true ? undefined : record.readErrors++),
    () => record.readErrors++,
  );
}

function codeOf(error: unknown): number {
  if (error instanceof RpcError) return error.code;
  throw error;
}
