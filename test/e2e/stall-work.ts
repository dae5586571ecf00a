// What the processes of the stall test have in common: the method that is called, and what they tell each other.

import { Method, Service } from "sluice/runtime";
import { Message, type MessageInit } from "../support/gen/support/v1/echo.js";

/** The policy under test. */
export const POLICY = { concurrency: 256, queue: 1024, deadlineMs: 1000 } as const;

type Work = Method<Message, MessageInit, Message, MessageInit>;

/** What implements {@link Stalling}. */
export interface StallingHandlers {
  work(request: Message): Promise<MessageInit>;
}

/** A service whose handler asks a dependency. */
export const Stalling: Service<StallingHandlers, { readonly work: Work }> = new Service("support.v1.Stalling", {
  work: new Method("support.v1.Stalling", {
    ...{ name: "Work", localName: "work", input: Message, output: Message },
    ...{ deadlineMs: POLICY.deadlineMs, idempotency: "idempotent" },
    server: { concurrency: POLICY.concurrency, queue: POLICY.queue },
    client: { failure: "retry" },
  }),
});

/** What the server process says of itself, since it began. */
export interface ServerReport {
  readonly type: "report";
  readonly heapBytes: number;
  readonly connections: number;
  /** Handlers that run now, and calls that wait for one. */
  readonly running: number;
  readonly waiting: number;
  readonly mostRunning: number;
  readonly mostWaiting: number;
  /** Calls refused before they ran, and handlers started for calls that had no time left. */
  readonly refused: number;
  readonly expiredStarted: number;
}

/** What the client process says of itself, since it began. */
export interface ClientReport {
  readonly type: "report";
  readonly heapBytes: number;
  readonly calls: number;
  readonly succeeded: number;
  /** Calls that failed, by the names of their codes. */
  readonly failed: { readonly [code: string]: number };
  /** Calls that have not ended. */
  readonly pending: number;
  /** What was given to connections, retries among it. */
  readonly attempts: number;
  /** How long the slowest call took beyond its deadline, in milliseconds; negative if none took so long. */
  readonly latestMs: number;
}

/** What either process tells the test. */
export type FromProcess<Report> = Report | { readonly type: "ready"; readonly address: string };
