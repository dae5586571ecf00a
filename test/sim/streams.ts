// The streaming service of simulated processes, which servers and clients serve alike. Each message says whose it is and
// which one it is, so that one that is lost, doubled, out of order, changed or another call's is noticed where it arrives.
// The stage keeps what both ends of each call have seen.

import { DecodeError, MessageType } from "../../src/codec/message.js";
import { Method, Service } from "../../src/codec/method.js";
import { RpcError } from "../../src/codec/status.js";
import type { Writer } from "../../src/codec/writer.js";
import type { Context } from "../../src/index.js";
import type { VirtualClock } from "../../src/testing.js";
import type { Clock } from "../../src/transport/clock.js";
import { type LanePlan, STREAM_WINDOW_BYTES, type StreamPlan } from "./stream-plans.js";
import { pattern, REFUSAL, SECRET, sum } from "./work.js";

/** Towards the callee, and back. */
export type Direction = 0 | 1;

/** A message of a stream, or the one of a call without. */
export interface Verse {
  readonly nonce: number;
  readonly direction: Direction;
  readonly index: number;
  /** Of an answer to a stream: the sum of all that was received. */
  readonly sum: number;
  readonly payload: Buffer;
}

/** Names the call in the metadata of its request. */
export const NONCE_KEY = "sim-nonce";

const FIXED_BYTES = 16;
/** What an answer's sum tells of each message; the rest was compared when it came. */
const SUMMED_BYTES = 64;
const VerseType: MessageType<Verse> = new MessageType("sim.v1.Verse", encodeVerse, decodeVerse);

type VerseMethod = Method<Verse, Verse, Verse, Verse>;

const types = { input: VerseType, output: VerseType };
const service = "sim.v1.Choir";

/** The methods, by kind. */
export const methods: Readonly<Record<StreamPlan["kind"], VerseMethod>> = {
  listen: new Method(service, { ...types, name: "Listen", localName: "listen", kind: "server-streaming" }),
  tell: new Method(service, { ...types, name: "Tell", localName: "tell", kind: "client-streaming" }),
  sing: new Method(service, { ...types, name: "Sing", localName: "sing", kind: "bidi-streaming" }),
  ask: new Method(service, { ...types, name: "Ask", localName: "ask" }),
};

type Verses = AsyncIterableIterator<Verse, undefined, undefined>;

/** What a process does for callers. */
export interface ChoirHandlers {
  listen(request: Verse, context: Context): AsyncIterable<Verse>;
  tell(requests: Verses, context: Context): Promise<Verse>;
  sing(requests: Verses, context: Context): AsyncIterable<Verse>;
  ask(request: Verse, context: Context): Promise<Verse>;
}

/** The service. */
export const Choir: Service<ChoirHandlers> = new Service(service, { ...methods });

/** What was written and read of one direction of a call. */
export class Lane {
  readonly plan: LanePlan;
  /** Messages that the writer has given, and that have left, as far as it knows. */
  given = 0;
  left = 0;
  /** Messages that the reader has taken. */
  taken = 0;
  /** The sum of what the reader has taken. */
  sum = 0;
  /** The reader was told that all messages have come. */
  hasEnded = false;
  /** Nobody reads any more, so that nobody is to be waited for. */
  isFree = false;
  private readonly nonce: number;
  private readonly direction: Direction;
  private readonly complain: (text: string) => void;
  private leftBytes = 0;
  private takenBytes = 0;

  constructor(plan: StreamPlan, direction: Direction, complain: (text: string) => void) {
    this.nonce = plan.nonce;
    this.direction = direction;
    this.plan = direction === 0 ? plan.up : plan.down;
    this.complain = complain;
  }

  /** The next message to write; undefined once there are no more. */
  next(answerSum = 0): Verse | undefined {
    const bytes = this.plan.sizes[this.given];
    if (bytes === undefined) return undefined;
    const { nonce, direction } = this;
    const index = this.given++;
    return { nonce, direction, index, sum: answerSum, payload: pattern(keyOf(nonce, direction, index), bytes) };
  }

  /** A message has left its writer: it may not be further ahead of the reader than a window and itself. */
  onLeft(): void {
    const bytes = this.plan.sizes[this.left++] as number;
    this.leftBytes += bytes;
    const ahead = this.leftBytes - this.takenBytes;
    if (!this.isFree && ahead > STREAM_WINDOW_BYTES + bytes)
      this.say(`its writer is ${ahead} bytes ahead of its reader`);
  }

  /** The reader has been given a message. */
  onTaken({ nonce, direction, index, payload }: Verse): void {
    const expected = this.taken++;
    this.takenBytes += payload.length;
    this.sum = (Math.imul(this.sum, 31) + Math.imul(payload.length, 17) + sum(payload.subarray(0, SUMMED_BYTES))) | 0;
    if (nonce !== this.nonce || direction !== this.direction) this.say(`message ${index} of call ${nonce} came`);
    else if (index !== expected) this.say(`message ${index} came where ${expected} was due`);
    else if (index >= this.given) this.say(`message ${index} came, which nobody has sent`);
    else if (!payload.equals(pattern(keyOf(nonce, direction, index), this.plan.sizes[index] as number)))
      this.say(`message ${index} came with other bytes`);
  }

  private say(text: string): void {
    this.complain(`call ${this.nonce}, ${this.direction === 0 ? "requests" : "replies"}: ${text}`);
  }
}

/** A call as both ends have seen it. */
export class Show {
  readonly plan: StreamPlan;
  readonly up: Lane;
  readonly down: Lane;
  /** How often a handler began. */
  runs = 0;
  /** When the handler ended; Infinity while it runs, 0 if there was none. */
  handlerEndMs = 0;
  /** How the handler ended; `given up` if something else ended it. */
  handlerEnd: "none" | "done" | "threw" | "given up" = "none";

  constructor(plan: StreamPlan, complain: (text: string) => void) {
    this.plan = plan;
    this.up = new Lane(plan, 0, complain);
    this.down = new Lane(plan, 1, complain);
  }
}

/** The calls of a run, by nonce. */
export class Stage {
  readonly shows: Map<number, Show> = new Map();
  readonly world: VirtualClock;
  private readonly complain: (text: string) => void;

  constructor(world: VirtualClock, complain: (text: string) => void) {
    this.world = world;
    this.complain = complain;
  }

  /** A call is about to be made. */
  add(plan: StreamPlan): Show {
    const show = new Show(plan, this.complain);
    this.shows.set(plan.nonce, show);
    return show;
  }

  /** The handlers of one process, whose time is `clock`. */
  handlers(clock: Clock): ChoirHandlers {
    return {
      listen: (request, context) => this.listen(this.begin(context), request, context, clock),
      tell: (requests, context) => this.play(this.begin(context), (show) => tell(show, requests, context, clock)),
      sing: (requests, context) => this.sing(this.begin(context), requests, context, clock),
      ask: (request, context) => this.play(this.begin(context), (show) => ask(show, request, context, clock)),
    };
  }

  private begin({ metadata }: Context): Show {
    const show = this.shows.get(Number(metadata.get(NONCE_KEY)));
    if (show === undefined) throw new Error(`a call without a nonce: ${metadata.get(NONCE_KEY)}`);
    show.runs++;
    show.handlerEnd = "given up";
    return show;
  }

  private async play(show: Show, run: (show: Show) => Promise<Verse>): Promise<Verse> {
    show.handlerEndMs = Number.POSITIVE_INFINITY;
    try {
      const answer = await run(show);
      show.handlerEnd = "done";
      return answer;
    } catch (error) {
      show.handlerEnd = endOf(error);
      throw error;
    } finally {
      this.end(show);
    }
  }

  private async *listen(show: Show, request: Verse, context: Context, clock: Clock): AsyncGenerator<Verse> {
    show.handlerEndMs = Number.POSITIVE_INFINITY;
    try {
      show.up.onTaken(request);
      yield* replies(show, context, clock);
      show.handlerEnd = "done";
    } catch (error) {
      show.handlerEnd = endOf(error);
      throw error;
    } finally {
      this.end(show);
    }
  }

  private async *sing(show: Show, requests: Verses, context: Context, clock: Clock): AsyncGenerator<Verse> {
    show.handlerEndMs = Number.POSITIVE_INFINITY;
    const reading = readRequests(show, requests, context, clock);
    reading.catch(() => {});
    try {
      yield* replies(show, context, clock);
      await reading;
      show.handlerEnd = "done";
    } catch (error) {
      show.handlerEnd = endOf(error);
      throw error;
    } finally {
      this.end(show);
    }
  }

  private end(show: Show): void {
    show.handlerEndMs = this.world.now();
    show.up.isFree = true;
  }
}

/** Resolves after `ms`; rejects when the signal is aborted before. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clock.clearTimer(timer);
      reject(signal?.reason);
    };
    const onTime = (): void => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    };
    const timer = clock.setTimer(onTime, ms, true);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
  });
}

async function tell(show: Show, requests: Verses, context: Context, clock: Clock): Promise<Verse> {
  await readRequests(show, requests, context, clock);
  await finish(show, context);
  return show.down.next(show.up.sum) as Verse;
}

async function ask(show: Show, request: Verse, context: Context, clock: Clock): Promise<Verse> {
  show.up.onTaken(request);
  if (show.plan.endsAfter > 1) await sleep(clock, show.plan.endsAfter, context.signal);
  await finish(show, context);
  return show.down.next(show.up.sum) as Verse;
}

/** Reads what comes as the plan says: all of it, or until the reader leaves, or stops until the call is over. */
async function readRequests({ up, plan }: Show, requests: Verses, context: Context, clock: Clock): Promise<void> {
  const { readPauseMs, readsUntil, afterwards } = up.plan;
  const throwsAt = plan.kind === "tell" && isThrown(plan) ? plan.endsAfter : Number.POSITIVE_INFINITY;
  for (;;) {
    if (up.taken >= throwsAt) return;
    if (up.taken >= readsUntil) {
      if (afterwards === "stop") await untilAborted(context.signal);
      up.isFree = true;
      await requests.return?.();
      return;
    }
    const next = await requests.next();
    if (next.done === true) break;
    up.onTaken(next.value);
    if (readPauseMs > 0) await sleep(clock, readPauseMs, context.signal);
  }
  up.hasEnded = true;
}

async function* replies(show: Show, context: Context, clock: Clock): AsyncGenerator<Verse> {
  const { down, plan } = show;
  const endsAt = isThrown(plan) ? plan.endsAfter : Number.POSITIVE_INFINITY;
  for (let verse = nextReply(down, endsAt); verse !== undefined; verse = nextReply(down, endsAt)) {
    yield verse;
    down.onLeft();
    if (down.plan.writePauseMs > 0) await sleep(clock, down.plan.writePauseMs, context.signal);
  }
  await finish(show, context);
}

function nextReply(down: Lane, endsAt: number): Verse | undefined {
  return down.given >= endsAt ? undefined : down.next();
}

function isThrown({ ending }: StreamPlan): boolean {
  return ending === "throw" || ending === "refuse";
}

/** The end of a handler that has done its part. */
async function finish({ plan: { ending, nonce } }: Show, { signal }: Context): Promise<void> {
  if (ending === "throw") throw new Error(SECRET);
  if (ending === "refuse") throw new RpcError(REFUSAL, `not today, ${nonce}`);
  if (ending === "hang") await untilAborted(signal);
}

async function untilAborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  throw signal.reason;
}

function endOf(error: unknown): "threw" | "given up" {
  const isOwn = error instanceof RpcError ? error.code === REFUSAL : (error as Error).message === SECRET;
  return isOwn ? "threw" : "given up";
}

function keyOf(nonce: number, direction: Direction, index: number): number {
  return (Math.imul(nonce, 0x85eb_ca6b) + 2 * index + direction) | 0;
}

function encodeVerse({ nonce, direction, index, sum: total, payload }: Verse, writer: Writer): void {
  writer.reserve(FIXED_BYTES + payload.length);
  const { buf } = writer;
  let pos = buf.writeUInt32LE(nonce, writer.pos);
  pos = buf.writeUInt32LE(direction, pos);
  pos = buf.writeUInt32LE(index, pos);
  pos = buf.writeInt32LE(total, pos);
  writer.pos = pos + payload.copy(buf, pos);
}

function decodeVerse(buf: Buffer, start: number, end: number): Verse {
  if (end - start < FIXED_BYTES) throw new DecodeError("sim.v1.Verse: too short");
  return {
    nonce: buf.readUInt32LE(start),
    direction: buf.readUInt32LE(start + 4) as Direction,
    index: buf.readUInt32LE(start + 8),
    sum: buf.readInt32LE(start + 12),
    payload: Buffer.from(buf.subarray(start + FIXED_BYTES, end)),
  };
}
