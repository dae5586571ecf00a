// What the system must allow for a run: open files for the server and for each client, and source ports for all connections
// to one address. A run that would fail on the way is refused before it begins, with what to do.

import { readFileSync } from "node:fs";
import { cut } from "./options.js";

/** Files and ports that a process or the machine needs beside the connections. */
const SPARE = 200;

/** Numbers of the system; Infinity where it does not say. */
export interface Ceilings {
  /** Files that a process may have open. */
  readonly openFiles: number;
  /** Ports that connections to one address may come from. */
  readonly sourcePorts: number;
}

/** Reads this system's. */
export function readCeilings(): Ceilings {
  const limits = read("/proc/self/limits");
  const ports = read("/proc/sys/net/ipv4/ip_local_port_range").match(/^(\d+)\s+(\d+)/);
  return {
    openFiles: Number(limits.match(/^Max open files\s+(\d+)/m)?.[1] ?? Number.POSITIVE_INFINITY),
    sourcePorts: ports === null ? Number.POSITIVE_INFINITY : Number(ports[2]) - Number(ports[1]) + 1,
  };
}

function read(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}

/** Throws an error that says what to do if so many connections from so many processes cannot be. */
export function checkCeilings(connections: number, clients: number, { openFiles, sourcePorts }: Ceilings): void {
  const each = Math.max(...cut(connections, clients));
  if (connections + SPARE > openFiles) {
    throw new Error(
      `${connections} connections need ${connections + SPARE} open files in the server, and ${openFiles} are allowed: ` +
        `raise the limit (\`ulimit -n ${connections + SPARE}\`), or take --connections ${Math.max(1, openFiles - SPARE)} or less`,
    );
  }
  if (each + SPARE > openFiles) {
    throw new Error(
      `${each} connections a client need ${each + SPARE} open files: take more --clients than ${clients}`,
    );
  }
  if (connections + SPARE > sourcePorts) {
    throw new Error(
      `${connections} connections to one address need as many source ports, and there are ${sourcePorts}: widen ` +
        `net.ipv4.ip_local_port_range (\`sysctl -w\`), or take --connections ${Math.max(1, sourcePorts - SPARE)} or less`,
    );
  }
}
