// What the processes of the benchmark agree upon.

/** What the server's store has done so far. */
export interface StoreReport {
  readonly trips: number;
  readonly entries: number;
}

/** What the client's window gave; wrong answers are counted from the first call to the last. */
export interface ClientResult {
  readonly calls: number;
  readonly seconds: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Calls that the server refused, as it should have. */
  readonly refused: number;
  /** Replies and errors that were not the call's own. */
  readonly errors: number;
  readonly firstError: string | undefined;
}

/** Every hundredth entry is refused, wherever it stands in its batch. */
export function isRefused(id: bigint): boolean {
  return id % 100n === 99n;
}

/** What the caller of a refused entry is told. */
export function refusalOf(id: bigint): string {
  return `entry ${id} is there`;
}
