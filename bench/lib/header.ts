// Where the numbers of a run come from: the machine, the moment, the versions, and the command that makes them again.

import { readFileSync } from "node:fs";
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
  /** Of this package and those that it is compared with. */
  readonly versions?: Readonly<Record<string, string>>;
}

/** Packages of the project's own that it is compared with; `bench/package.json` has the others. */
const PEERS = ["@grpc/grpc-js", "protobufjs"];

/** Describes this machine, and the run that the npm script `script` makes of `args`. */
export function makeHeader(script: string, args: readonly string[]): Header {
  return {
    command: [`npm run ${script} --`, ...args].join(" "),
    date: new Date().toISOString(),
    node: process.version,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    pinned: canPin,
    versions: readVersions(),
  };
}

/** What the project's folder, in which npm runs its scripts, says; nothing elsewhere. */
function readVersions(): Record<string, string> {
  try {
    const own = readPackage("package.json");
    const peers = PEERS.flatMap((name) => (own.devDependencies?.[name] ? [[name, own.devDependencies[name]]] : []));
    return { [own.name]: own.version, ...Object.fromEntries(peers), ...readPackage("bench/package.json").dependencies };
  } catch {
    return {};
  }
}

interface Package {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

function readPackage(path: string): Package {
  return JSON.parse(readFileSync(path, "utf8")) as Package;
}

/** The lines that show a header to a person. */
export function formatHeader({ node, cpu, cores, pinned, date, command }: Header): string[] {
  const pinning = pinned ? "client and server on a core each" : "not pinned";
  return [command, `Node ${node}, ${cpu}, ${cores} cores, ${pinning}`, date];
}
