// The connections of a generator process: a channel each.

import { type Channel, connect } from "sluice";
import { WorkClient } from "../gen/bench/v1/work.js";
import { within } from "../lib/bounded.js";

const CONNECT_MS = 10_000;

/** Clients with a connection each, all open. */
export interface Clients {
  readonly all: readonly WorkClient[];
  close(): Promise<void>;
}

/** Opens `count` connections to `address`. */
export async function connectClients(address: string, count: number): Promise<Clients> {
  const channels: Channel[] = Array.from({ length: count }, () => connect(address));
  await within(Promise.all(channels.map((channel) => channel.ready())), CONNECT_MS, `${count} connections`);
  return {
    all: channels.map((channel) => new WorkClient(channel)),
    close: async () => {
      await Promise.all(channels.map((channel) => channel.close({ graceMs: 0 })));
    },
  };
}
