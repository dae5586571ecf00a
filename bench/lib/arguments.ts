// The command line of a benchmark: options with values, each either what it should be or refused with a sentence that
// names the option. Which options there are, and what they mean, is each benchmark's own.

import { type ParseArgsConfig, parseArgs } from "node:util";

/** A command line that cannot be followed; the message says why. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

type Options = NonNullable<ParseArgsConfig["options"]>;

/** The values of `options` in `args`. Throws {@link UsageError} for any other option. */
export function readValues<const T extends Options>(
  args: readonly string[],
  options: T,
): ReturnType<typeof parseArgs<{ args: string[]; options: T }>>["values"] {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** The parts of a comma-separated list; `none` and the empty text are the empty list. */
export function list(text: string): string[] {
  return text === "" || text === "none" ? [] : text.split(",").map((part) => part.trim());
}

/** A number between `least` and `most`. Throws {@link UsageError}. */
export function number(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= least && value <= most)) {
    throw new UsageError(`${option} takes a number from ${least} to ${most}, not ${JSON.stringify(text)}`);
  }
  return value;
}

/** A whole number between `least` and `most`. Throws {@link UsageError}. */
export function integer(option: string, text: string, least: number, most: number): number {
  const value = number(option, text, least, most);
  if (!Number.isInteger(value)) throw new UsageError(`${option} takes whole numbers, not ${JSON.stringify(text)}`);
  return value;
}

/** One of the words in `known`. Throws {@link UsageError}. */
export function oneOf<T extends string>(option: string, text: string, known: readonly T[]): T {
  const word = known.find((each) => each === text);
  if (word !== undefined) return word;
  throw new UsageError(`${option} takes ${known.join(", ")} or none, not ${JSON.stringify(text)}`);
}

/**
 * Runs a program on the arguments of this process. `run` gives the exit code; an error is told in a line, one of usage with
 * `usage` after it, and makes the exit code 1.
 */
export async function runProgram(usage: string, run: (args: readonly string[]) => Promise<number>): Promise<void> {
  try {
    process.exitCode = await run(process.argv.slice(2));
  } catch (error) {
    const help = error instanceof UsageError ? `\n${usage}` : "";
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}${help}\n`);
    process.exitCode = 1;
  }
}
