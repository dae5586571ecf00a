// What a server and its worker threads tell each other: one task for each call, one outcome for each task. Everything here is
// copied between threads, except the request and the reply, whose memory moves.

import type { MetadataValue } from "../codec/metadata.js";
import { Code, type ErrorDetail, type ErrorOrigin, localError, type RetrySafety, RpcError } from "../codec/status.js";

/** Metadata on its way. */
export type Entries = readonly (readonly [string, MetadataValue])[];

/** A call, on its way to a thread. */
export interface Task {
  /** The method that is called: `push.v1.Register/Bind`. */
  readonly path: string;
  readonly request: Uint8Array;
  readonly metadata: Entries;
  /** Milliseconds until the deadline, when the task was made. */
  readonly remainingMs: number;
  /** When that was: see {@link threadTime}. */
  readonly sentAt: number;
  /** Shared memory. `cancels[slot]` is 0 while somebody waits for the call, then the code that it has ended with. */
  readonly cancels: Int32Array;
  readonly slot: number;
}

/** An `RpcError`, on its way. */
export interface SentError {
  readonly code: Code;
  readonly message: string;
  readonly details: readonly ErrorDetail[];
  readonly origin: ErrorOrigin;
  readonly retry: RetrySafety;
  readonly retryAfterMs: number | undefined;
}

/** What somebody has to see of an error that no caller may see. */
export interface Thrown {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

/** How a call has ended in a thread: with one of `reply`, `error` and, masked for the caller, `thrown`. */
export interface Outcome {
  /** Tells it from what any other function returns. */
  readonly type: "sluice.outcome";
  readonly reply: Uint8Array | undefined;
  readonly error: SentError | undefined;
  readonly thrown: Thrown | undefined;
  readonly headers: Entries;
  readonly trailers: Entries;
  readonly compress: boolean | undefined;
}

/** True for what a function made by `workerHandler` returns. */
export function isOutcome(value: unknown): value is Outcome {
  return typeof value === "object" && value !== null && (value as Outcome).type === "sluice.outcome";
}

/** Milliseconds from an origin that all threads of the process share. */
export function threadTime(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1e6;
}

export function sendError({ code, message, details, origin, retry, retryAfterMs }: RpcError): SentError {
  return { code, message, details, origin, retry, retryAfterMs };
}

export function receiveError({ code, message, ...options }: SentError): RpcError {
  return new RpcError(code, message, options);
}

export function sendThrown(thrown: unknown): Thrown {
  if (!(thrown instanceof Error)) return { name: "Error", message: String(thrown), stack: "" };
  const { name, message, stack = "" } = thrown;
  return { name, message, stack };
}

export function receiveThrown({ name, message, stack }: Thrown): Error {
  return Object.assign(new Error(message), { name, stack });
}

/** What a call ends with whose caller does not wait any more. */
export function givenUp(code: Code): RpcError {
  const why = code === Code.DEADLINE_EXCEEDED ? "its deadline has passed" : "its caller has given up";
  return localError(code, `the call has ended: ${why}`, "never");
}
