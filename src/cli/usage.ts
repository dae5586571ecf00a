// The error for a command that was used wrongly. Its text is all that the user sees.

/** Thrown by commands; the text says what to do. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
