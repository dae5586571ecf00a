// The systems the benchmark knows, by name. Each is loaded only in the processes that run it, so that none of them
// pays for another's modules.

import type { Peer } from "./peer.js";

const loaders = {
  sluice: async (): Promise<Peer> => (await import("./sluice.js")).sluice,
  floor: async (): Promise<Peer> => (await import("./floor.js")).floor,
  "grpc-js": async (): Promise<Peer> => (await import("./grpc-js.js")).grpcJs,
};

/** The name of a system, as `--peers` takes it and rows show it. */
export type System = keyof typeof loaders;

/** Every system's name. */
export const SYSTEMS: readonly System[] = Object.keys(loaders) as System[];

/** Whether `name` is a system. */
export function isSystem(name: string): name is System {
  return name in loaders;
}

/** Loads a system. */
export async function loadPeer(system: System): Promise<Peer> {
  return await loaders[system]();
}
