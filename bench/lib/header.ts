// Where the numbers of a run come from: the machine, the moment, and the command that makes them again.

import { availableParallelism, cpus } from "node:os";
import { canPin } from "./child.js";

/** Where rows come from. */
export interface Header {
  readonly command: string;
  readonly date: string;
  readonly node: string;
  readonly cpu: string;
  readonly cores: number;
  /** Whether client and server were kept on a core each. */
  readonly pinned: boolean;
}

/** Describes this machine, and the run that the npm script `script` makes of `args`. */
export function makeHeader(script: string, args: readonly string[]): Header {
  return {
    command: [`npm run ${script} --`, ...args].join(" "),
    date: new Date().toISOString(),
    node: process.version,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    pinned: canPin,
  };
}

/** The lines that show a header to a person. */
export function formatHeader({ node, cpu, cores, pinned, date, command }: Header): string[] {
  const pinning = pinned ? "client and server on a core each" : "not pinned";
  return [command, `Node ${node}, ${cpu}, ${cores} cores, ${pinning}`, date];
}
