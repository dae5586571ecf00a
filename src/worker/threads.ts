// Worker threads that serve the calls of one module: piscina's pool, with what calls need beyond it. Each call under way has a
// slot in memory that all threads share, through which it is given up; as many calls as there are slots can run or wait.
// Methods of the same module and options share their threads, in every server of the process; the last one that lets go
// of them ends them.

import { availableParallelism } from "node:os";
import { Piscina } from "piscina";
import type { CallContext } from "../call/context.js";
import { Code, localError, RpcError } from "../codec/status.js";
import type { Abortable } from "../transport/signals.js";
import { isOutcome, type Outcome, receiveError, receiveThrown, type Task, threadTime } from "./task.js";

const DEFAULT_MAX_QUEUE = 1_024;

/** The threads of a module. */
export interface ThreadOptions {
  /** How many threads. Default: one less than the machine has cores, at least one. */
  readonly threads?: number | undefined;
  /** Calls that may wait for a thread beside those that the method's policy holds back; one more is refused. Default 1,024. */
  readonly maxQueue?: number | undefined;
}

/** {@link ThreadOptions} with the defaults filled in. Throws `RpcError` INVALID_ARGUMENT. */
export function resolveThreadOptions(options: ThreadOptions): { readonly threads: number; readonly maxQueue: number } {
  const { threads = Math.max(1, availableParallelism() - 1), maxQueue = DEFAULT_MAX_QUEUE } = options;
  check("threads", threads, 1, 1_024);
  check("maxQueue", maxQueue, 0, 1_048_576);
  return { threads, maxQueue };
}

function check(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw localError(
    Code.INVALID_ARGUMENT,
    `${name}: ${value} is not a whole number between ${least} and ${most}`,
    "never",
  );
}

/** The threads in use, by module and options. */
const shared = new Map<string, Threads>();

/** See the head of this file. */
export class Threads {
  private readonly key: string;
  private readonly module: string;
  private readonly maxQueue: number;
  private readonly pool: Piscina;
  private readonly cancels: Int32Array;
  private readonly freeSlots: number[];
  private users = 0;

  private constructor(key: string, module: string, threads: number, maxQueue: number) {
    this.key = key;
    this.module = module;
    this.maxQueue = maxQueue;
    // The module is named with each task: a thread whose first module does not load is not replaced.
    this.pool = new Piscina({ minThreads: threads, maxThreads: threads, maxQueue: threads + maxQueue });
    // A thread that ends without a call is replaced; nobody else needs to know.
    this.pool.on("error", () => {});
    const slots = threads + maxQueue;
    this.cancels = new Int32Array(new SharedArrayBuffer(slots * Int32Array.BYTES_PER_ELEMENT));
    this.freeSlots = Array.from({ length: slots }, (_, i) => slots - 1 - i);
  }

  /** The threads for `module`; {@link release} lets go of them. */
  static of(module: URL, options: ThreadOptions): Threads {
    const { threads, maxQueue } = resolveThreadOptions(options);
    const key = `${threads} ${maxQueue} ${module.href}`;
    const found = shared.get(key) ?? new Threads(key, module.href, threads, maxQueue);
    shared.set(key, found);
    found.users++;
    return found;
  }

  /** Ends the threads, if nobody else has them. Resolves when they have ended; what ran there fails. */
  async release(): Promise<void> {
    if (--this.users > 0) return;
    shared.delete(this.key);
    await this.pool.destroy();
  }

  /**
   * Has the export `name` serve a call. `request` is moved: it must have a buffer of its own. Rejects with an `RpcError`, or
   * with what the handler has thrown, as far as it can travel. `log` is told what the caller must not see of other failures.
   */
  async run(
    name: string,
    context: CallContext,
    request: Uint8Array,
    log: (error: unknown) => void,
  ): Promise<Uint8Array> {
    if (context.error !== undefined) throw context.error;
    const slot = this.freeSlots.pop();
    if (slot === undefined) throw this.full();
    const canceller = new Canceller(this.cancels, slot);
    context.adopt(canceller);
    try {
      return receive(context, await this.send(name, makeTask(context, request, canceller)), log);
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
      if (!context.isCancelled) log(error.cause);
      throw localError(Code.INTERNAL, "the worker thread failed while it served the call", "unsafe", error.cause);
    } finally {
      context.release(canceller);
      this.freeSlots.push(slot);
    }
  }

  /** What the export `name` has returned. Throws {@link Broken}: a handler's own errors come as outcomes. */
  private async send(name: string, task: Task): Promise<Outcome> {
    const options = { filename: this.module, name, transferList: [task.request.buffer as ArrayBuffer] };
    let outcome: unknown;
    try {
      outcome = await this.pool.run(task, options);
    } catch (error) {
      throw new Broken(error);
    }
    if (isOutcome(outcome)) return outcome;
    throw new Broken(new Error(`${this.module} exports ${name}, but workerHandler has not made it`));
  }

  /** Why no call can be served now; undefined if one can. */
  get refusal(): RpcError | undefined {
    return this.freeSlots.length > 0 ? undefined : this.full();
  }

  private full(): RpcError {
    const text = `the worker threads' queue is full (${this.maxQueue} waiting, limit ${this.maxQueue})`;
    return localError(Code.RESOURCE_EXHAUSTED, text, "safe");
  }
}

/** A thread, or its module, has failed. */
class Broken extends Error {
  constructor(cause: unknown) {
    super("the worker thread failed", { cause });
  }
}

/** Tells a thread that its call is given up. */
class Canceller implements Abortable {
  readonly cancels: Int32Array;
  readonly slot: number;

  constructor(cancels: Int32Array, slot: number) {
    this.cancels = cancels;
    this.slot = slot;
    Atomics.store(cancels, slot, 0);
  }

  abort(reason: unknown): void {
    Atomics.store(this.cancels, this.slot, reason instanceof RpcError ? reason.code : Code.CANCELLED);
    Atomics.notify(this.cancels, this.slot);
  }
}

function makeTask(context: CallContext, request: Uint8Array, { cancels, slot }: Canceller): Task {
  const { method, metadata, remainingMs } = context;
  return { path: method.path, request, metadata: [...metadata], remainingMs, sentAt: threadTime(), cancels, slot };
}

/** The reply that a thread has sent, with its metadata given to `context`. Throws what it has sent instead. */
function receive(context: CallContext, outcome: Outcome, log: (error: unknown) => void): Uint8Array {
  const { reply, error, thrown, headers, trailers, compress } = outcome;
  for (const [key, value] of headers) context.headers.append(key, value);
  for (const [key, value] of trailers) context.trailers.append(key, value);
  context.compress = compress;
  if (reply !== undefined) return reply;
  const seen = thrown === undefined ? undefined : receiveThrown(thrown);
  if (error === undefined) throw seen;
  if (seen !== undefined) log(seen);
  throw receiveError(error);
}
