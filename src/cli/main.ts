#!/usr/bin/env node
// The `sluice` command: finds the subcommand, runs it, and turns what it threw into a line and an exit code.
// 0: done. 1: the input has errors. 2: the command was used wrongly, or could not do its work.

import { readFileSync } from "node:fs";
import { didYouMean, nearest } from "../gen/nearest.js";
import { breakingCommand } from "./breaking.js";
import { generateCommand } from "./generate.js";
import { UsageError } from "./usage.js";

const HELP = `sluice: typed RPC from protobuf manifests

  sluice generate <files or folders> --out <dir>    TypeScript for manifests
  sluice breaking <files or folders> --against <dir or git ref>    changes that old programs would not understand
  sluice policy <address> [method] [--set <field>=<value>]    what a running process does under pressure, and changes to it
  sluice stats <address> [--watch]    what a running process has counted
  sluice queue ls|peek|replay|purge <path> [queue]    the durable queues in a folder
  sluice <command> --help                           what a command takes
  sluice --version`;

const COMMANDS: Readonly<Record<string, (args: string[]) => number | Promise<number>>> = {
  breaking: breakingCommand,
  generate: generateCommand,
  // They bring the whole of a client, which the others can start without.
  policy: async (args) => (await import("./policy.js")).policyCommand(args),
  queue: async (args) => (await import("./queue.js")).queueCommand(args),
  stats: async (args) => (await import("./stats.js")).statsCommand(args),
};

process.exitCode = await run(process.argv.slice(2));

async function run(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === "--version") return print(version());
  if (name === undefined || name === "--help" || name === "-h" || name === "help") return print(HELP);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    const names = Object.keys(COMMANDS);
    const hint = didYouMean(nearest(name, names, (other) => other));
    return complain(`unknown command "${name}"; commands are ${names.join(", ")}${hint}`);
  }
  try {
    return await command(rest);
  } catch (error) {
    if (error instanceof UsageError || isSystemError(error)) return complain(error.message);
    throw error;
  }
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

function complain(text: string): number {
  process.stderr.write(`sluice: ${text}\n`);
  return 2;
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return (manifest as { version: string }).version;
}

/** What the operating system refused: a full disk, a missing permission. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error;
}
