// The systems whose streams are compared, by name. Each is loaded only in the processes that run it.

import type { System } from "../macro/peers.js";
import type { StreamPeer } from "./peer.js";

const loaders: { readonly [system in System]: () => Promise<StreamPeer> } = {
  sluice: async () => (await import("./sluice.js")).sluice,
  floor: async () => (await import("./floor.js")).floor,
  "grpc-js": async () => (await import("./grpc-js.js")).grpcJs,
};

/** Loads a system. */
export async function loadStreamPeer(system: System): Promise<StreamPeer> {
  return await loaders[system]();
}
