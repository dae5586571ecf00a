// A worker process as the primary process sees it: starting, ready, draining, ended, in this order. It answers questions while
// it lives, and one that does not end in time is killed.

import type { Worker } from "node:cluster";
import { Code, RpcError } from "../codec/status.js";
import type { StatsInit } from "../ops/admin.js";
import { type Change, isOurs, type Question, readError, type ToPrimary, type ToWorker } from "./messages.js";

/** How long a worker has for an answer, in milliseconds: the deadline of the admin service's calls is 5 s. */
const ANSWER_MS = 2_000;
/** How long a worker has to exit beyond the grace of its calls, in milliseconds. */
const EXIT_MS = 5_000;
/** How long one that could not start has to print why, in milliseconds. */
const FAREWELL_MS = 1_000;

/** How long after the end of a process what it said last is waited for, in milliseconds. */
const LAST_WORDS_MS = 250;

/** What a worker process is doing. */
export type WorkerState = "starting" | "ready" | "draining" | "ended";

interface Asked {
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: RpcError) => void;
}

/** One worker process. */
export class Member {
  readonly pid: number;
  /** Resolves when it listens; rejects if it ends before, or takes too long. */
  readonly ready: Promise<void>;
  /** Resolves when its process is gone, with how it went: `code 1`, `SIGKILL`. */
  readonly ended: Promise<string>;
  state: WorkerState = "starting";
  /** Where it listens. */
  addresses: readonly string[] = [];
  /** When it got ready, in milliseconds of `performance.now()`. */
  readyAt = 0;
  /** The last reading of its counters. */
  stats: StatsInit | undefined = undefined;
  /** It was told of the changes until then, and is to be told of those that follow. */
  wasGreeted = false;
  private readonly worker: Worker;
  private readonly changes: () => readonly Change[];
  private readonly asked = new Map<number, Asked>();
  private lastId = 0;
  /** It cannot serve, has said so, and ends by itself once it has printed why. */
  private hasFailed = false;
  private settleReady: { resolve: () => void; reject: (error: RpcError) => void } = { resolve() {}, reject() {} };

  /** `changes` are those of policies until now. A worker that is not ready after `startMs` is killed. */
  constructor(worker: Worker, startMs: number, changes: () => readonly Change[]) {
    this.worker = worker;
    this.pid = worker.process.pid ?? 0;
    this.changes = changes;
    this.ready = new Promise((resolve, reject) => {
      this.settleReady = { resolve, reject };
    });
    this.ready.catch(() => {});
    const timer = setTimeout(() => this.giveUp(`it did not listen within ${startMs} ms`, 0), startMs);
    this.ready.then(
      () => clearTimeout(timer),
      () => clearTimeout(timer),
    );
    worker.on("message", (message) => {
      if (isOurs<ToPrimary>(message)) this.onMessage(message);
    });
    // Without a listener an error of the channel, such as that of a process which was killed, would end this one.
    worker.on("error", () => {});
    this.ended = this.follow();
  }

  /** Asks the process; rejects UNAVAILABLE if it is gone, DEADLINE_EXCEEDED if it does not answer within 2 s. */
  ask<T>(question: Question, request?: unknown, by?: string): Promise<T> {
    const id = ++this.lastId;
    return new Promise<T>((resolve, reject) => {
      const text = `the worker process ${this.pid} does not answer`;
      const timer = setTimeout(() => done(() => reject(new RpcError(Code.DEADLINE_EXCEEDED, text))), ANSWER_MS);
      const done = (then: () => void): void => {
        clearTimeout(timer);
        this.asked.delete(id);
        then();
      };
      this.asked.set(id, {
        resolve: (reply) => done(() => resolve(reply as T)),
        reject: (error) => done(() => reject(error)),
      });
      if (this.state === "ended") this.asked.get(id)?.reject(gone(this.pid));
      else this.tell({ sluice: "ask", id, question, request, by });
    });
  }

  /** Tells it of changes that others have made. */
  tellChanges(changes: readonly Change[]): void {
    if (this.wasGreeted) this.tell({ sluice: "changes", changes });
  }

  /** Drains it; resolves when its process is gone. */
  async drain(graceMs: number): Promise<void> {
    if (this.state === "starting" && !this.hasFailed) this.kill();
    else if (this.state === "ready") {
      this.state = "draining";
      this.tell({ sluice: "drain", graceMs });
    }
    const timer = setTimeout(() => this.kill(), graceMs + EXIT_MS);
    await this.ended;
    clearTimeout(timer);
  }

  /** Ends it at once. */
  kill(): void {
    this.worker.process.kill("SIGKILL");
  }

  private onMessage(message: ToPrimary): void {
    switch (message.sluice) {
      case "hello":
        this.wasGreeted = true;
        this.tell({ sluice: "start", changes: this.changes() });
        break;
      case "ready":
        this.addresses = message.addresses;
        if (this.state === "starting") this.state = "ready";
        this.readyAt = performance.now();
        this.settleReady.resolve();
        break;
      case "failed":
        this.hasFailed = true;
        this.giveUp(message.text, FAREWELL_MS);
        break;
      case "answer":
        if (message.error === undefined) this.asked.get(message.id)?.resolve(message.reply);
        else this.asked.get(message.id)?.reject(readError(message.error));
        break;
      case "ended":
        this.stats = message.stats;
    }
  }

  /** Resolves when the process is gone and all that it said was heard. */
  private async follow(): Promise<string> {
    const { process } = this.worker;
    const silent = new Promise<void>((resolve) => {
      process.once("disconnect", resolve);
    });
    const how = await new Promise<string>((resolve) => {
      process.once("exit", (code, signal) => resolve(signal ?? `code ${code}`));
    });
    // Node does not always tell that a channel is closed over which it was just handing a connection.
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LAST_WORDS_MS);
    });
    await Promise.race([silent, late]);
    clearTimeout(timer);
    this.state = "ended";
    this.settleReady.reject(new RpcError(Code.UNAVAILABLE, `it ended before it was ready: ${how}`));
    for (const { reject } of [...this.asked.values()]) reject(gone(this.pid));
    return how;
  }

  private giveUp(text: string, delayMs: number): void {
    this.settleReady.reject(new RpcError(Code.UNAVAILABLE, text));
    const timer = setTimeout(() => this.kill(), delayMs);
    void this.ended.then(() => clearTimeout(timer));
  }

  private tell(message: ToWorker): void {
    // That the channel is closed is seen by `follow`.
    if (this.worker.process.connected) this.worker.process.send(message, () => {});
  }
}

function gone(pid: number): RpcError {
  return new RpcError(Code.UNAVAILABLE, `the worker process ${pid} has ended`);
}
