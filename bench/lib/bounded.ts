// Waiting with an end: everything a benchmark waits for either comes or fails with a sentence that names it.

import { setTimeout as sleep } from "node:timers/promises";

/** What `promise` gives; rejects if that takes longer than `timeoutMs`. `what` completes "timed out waiting for". */
export async function within<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  const abort = new AbortController();
  const timeout = sleep(timeoutMs, undefined, { signal: abort.signal }).then(() => {
    throw new Error(`timed out after ${timeoutMs} ms waiting for ${what}`);
  });
  timeout.catch(() => {});
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    abort.abort();
  }
}
