// The systems the benchmark knows, by name. Each is loaded only in the processes that run it, so that none of them
// pays for another's modules.

import { isInstalled, versionOf } from "../lib/packages.js";
import type { Peer } from "./peer.js";

/** Every system's name. */
export const SYSTEMS = [
  "sluice",
  "floor",
  "grpc-js",
  "nice-grpc",
  "connect-node",
  "thrift",
  "undici",
  "http-keep-alive",
  "http-close",
] as const;

/** The name of a system, as `--peers` takes it and rows show it. */
export type System = (typeof SYSTEMS)[number];

const loaders: { readonly [system in System]: () => Promise<Peer> } = {
  sluice: async () => (await import("./sluice.js")).sluice,
  floor: async () => (await import("./floor.js")).floor,
  "grpc-js": async () => (await import("./grpc-js.js")).grpcJs,
  "nice-grpc": async () => (await import("./nice-grpc.js")).niceGrpc,
  "connect-node": async () => (await import("./connect-node.js")).connectNode,
  thrift: async () => (await import("./thrift.js")).thrift,
  undici: async () => (await import("./http.js")).undici,
  "http-keep-alive": async () => (await import("./http.js")).httpKeepAlive,
  "http-close": async () => (await import("./http.js")).httpClose,
};

/** The packages of bench/package.json that systems need. */
const PACKAGES: { readonly [system in System]?: string } = {
  "nice-grpc": "nice-grpc",
  "connect-node": "@connectrpc/connect-node",
  thrift: "thrift",
  undici: "undici",
};

/** Whether `name` is a system. */
export function isSystem(name: string): name is System {
  return Object.hasOwn(loaders, name);
}

/** Whether all that a system needs is installed. */
export function isAvailable(system: System): boolean {
  const needed = PACKAGES[system];
  return needed === undefined || isInstalled(needed);
}

/** The versions of those systems that are packages of bench/package.json and are installed. */
export function installedVersions(): { [system: string]: string } {
  const versions: { [system: string]: string } = {};
  for (const system of SYSTEMS) {
    const needed = PACKAGES[system];
    const version = needed === undefined ? undefined : versionOf(needed);
    if (version !== undefined) versions[system] = version;
  }
  return versions;
}

/** Loads a system. */
export async function loadPeer(system: System): Promise<Peer> {
  return await loaders[system]();
}
