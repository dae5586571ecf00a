// The systems whose streams are compared, by name. Each is loaded only in the processes that run it.

import type { StreamPeer } from "./peer.js";

/** Every system's name. */
export const STREAM_SYSTEMS = ["sluice", "floor", "grpc-js"] as const;
/** The name of a system, as `--peers` takes it and rows show it. */
export type StreamSystem = (typeof STREAM_SYSTEMS)[number];

const loaders: { readonly [system in StreamSystem]: () => Promise<StreamPeer> } = {
  sluice: async () => (await import("./sluice.js")).sluice,
  floor: async () => (await import("./floor.js")).floor,
  "grpc-js": async () => (await import("./grpc-js.js")).grpcJs,
};

/** Loads a system. */
export async function loadStreamPeer(system: StreamSystem): Promise<StreamPeer> {
  return await loaders[system]();
}
