// What flow control logs through: pino's interface, of which it uses one function.

/** A logger that takes warnings; every pino logger is one. */
export interface Logger {
  warn(fields: object, text: string): void;
}
