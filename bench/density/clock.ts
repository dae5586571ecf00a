// A clock that all processes of a machine share, so that a time taken in one can be compared in another.

/** Milliseconds since some moment in the past, the same for all processes here; it never goes back. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1e6;
}
