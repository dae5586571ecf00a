// What flow control logs through: pino's interface, of which it uses two functions.

/** A logger that takes warnings and, if it has the function, news; every pino logger is one. */
export interface Logger {
  info?(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}
