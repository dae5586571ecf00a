// How a call fails: the status codes (gRPC's, by number and meaning) and the one error class. It owns no wire format;
// `frame.ts` and PROTOCOL.md say how a status travels.

/** The status codes, with gRPC's numbers. */
export const Code = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** One of the status codes. */
export type Code = (typeof Code)[keyof typeof Code];

const codeNames: readonly string[] = Object.keys(Code);

/** `"UNAVAILABLE"` for 14; `"CODE_99"` for a number that is no code. */
export function codeName(code: number): string {
  return codeNames[code] ?? `CODE_${code}`;
}

/** The code with this number; UNKNOWN for a number that is none, as gRPC reads it. */
export function codeFrom(number: number): Code {
  return number >= 0 && number < codeNames.length ? (number as Code) : Code.UNKNOWN;
}

/** Who made the error: a handler, this process's library, or the peer's library. */
export type ErrorOrigin = "user" | "local" | "remote";

/**
 * Whether the call may be made again: `safe` (it provably did not run), `unsafe` (it may have run: only an idempotent
 * method may be called again), `never` (it would fail the same way).
 */
export type RetrySafety = "safe" | "unsafe" | "never";

/** One typed detail of a status, in the shape of `google.protobuf.Any`. */
export interface ErrorDetail {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** What an {@link RpcError} may carry beside its code and text. */
export interface RpcErrorOptions {
  readonly details?: readonly ErrorDetail[] | undefined;
  readonly cause?: unknown;
  /** Default `"user"`: an error that nobody marked was thrown by user code. */
  readonly origin?: ErrorOrigin | undefined;
  /** Default `"never"`. */
  readonly retry?: RetrySafety | undefined;
  /** Milliseconds to wait before another attempt, where the failing side knows. */
  readonly retryAfterMs?: number | undefined;
}

/** The error of every failed call. Handlers throw it to choose what the caller sees. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: Code;
  /** Typed details, as the failing side sent them. */
  readonly details: readonly ErrorDetail[];
  readonly origin: ErrorOrigin;
  readonly retry: RetrySafety;
  /** Milliseconds to wait before another attempt; undefined where the failing side did not say. */
  readonly retryAfterMs: number | undefined;

  constructor(code: Code, message: string, options: RpcErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? [];
    this.origin = options.origin ?? "user";
    this.retry = options.retry ?? "never";
    this.retryAfterMs = options.retryAfterMs;
  }

  /**
   * Anything that was thrown, as an `RpcError`: one passes through, everything else becomes UNKNOWN with the thrown value
   * as its cause. The text stays masked, because a plain error's text may hold what a caller must not see.
   */
  static from(thrown: unknown): RpcError {
    if (thrown instanceof RpcError) return thrown;
    return new RpcError(Code.UNKNOWN, "the handler failed", { cause: thrown, origin: "user" });
  }

  /** `UNAVAILABLE push.v1.Register/Bind: connection lost`. */
  override toString(): string {
    return `${codeName(this.code)} ${this.message}`;
  }
}

/** An error made by this process's library. */
export function localError(code: Code, message: string, retry: RetrySafety, cause?: unknown): RpcError {
  return new RpcError(code, message, { origin: "local", retry, cause });
}

/**
 * The error of a call that is refused for want of room. It has no stack: capturing one costs several times as much as
 * everything else of a refusal, when there is least time for it, and would show nothing but this library.
 */
export function refusalError(message: string, retryAfterMs: number): RpcError {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const error = new RpcError(Code.RESOURCE_EXHAUSTED, message, { origin: "local", retry: "safe", retryAfterMs });
  Error.stackTraceLimit = stackTraceLimit;
  return error;
}
