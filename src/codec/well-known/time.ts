// google.protobuf.Timestamp and Duration beside what JavaScript has for time. Both count nanoseconds, `Date` and
// milliseconds do not: going to them loses what is finer, and these functions are where that happens.

import type { Duration } from "./duration.js";
import type { Timestamp } from "./timestamp.js";

const NANOS_PER_MS = 1_000_000;

/** The timestamp of a `Date`, or of milliseconds since the epoch. Throws `RangeError` for an invalid date. */
export function timestampFrom(date: Date | number): Timestamp {
  const ms = typeof date === "number" ? date : date.getTime();
  if (!Number.isFinite(ms)) throw new RangeError(`timestampFrom: ${String(date)} is not a time`);
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * NANOS_PER_MS) };
}

/** The `Date` of a timestamp, rounded down to a millisecond. */
export function timestampToDate({ seconds, nanos }: Timestamp): Date {
  return new Date(Number(seconds) * 1000 + Math.floor(nanos / NANOS_PER_MS));
}

/** The duration of a number of milliseconds. Throws `RangeError` if it is not finite. */
export function durationFromMs(ms: number): Duration {
  if (!Number.isFinite(ms)) throw new RangeError(`durationFromMs: ${ms} is not a duration`);
  const seconds = Math.trunc(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * NANOS_PER_MS) };
}

/** The milliseconds of a duration, fractions included. */
export function durationToMs({ seconds, nanos }: Duration): number {
  return Number(seconds) * 1000 + nanos / NANOS_PER_MS;
}
