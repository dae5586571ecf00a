// Finds what a test over real sockets leaves behind: sockets, servers, timers of the wheel, slabs, calls.

import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, expect } from "vitest";
import {
  type Channel,
  type ConnectOptions,
  connect,
  createServer,
  type Server,
  type ServerOptions,
  SlabPool,
} from "../../src/index.js";
import { systemClock } from "../../src/transport/clock.js";
import { wheelOf } from "../../src/transport/timers.js";

/** How long what was closed may take to be gone. */
const SETTLE_MS = 2_000;

/** Sockets and servers that keep the process up, by kind. */
function sockets(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => /^(TCP|Pipe)/.test(kind));
}

/** Resolves when `holds` does, looking once a turn; throws with `what` after `timeoutMs`. */
export async function until(what: string, holds: () => boolean, timeoutMs: number = SETTLE_MS): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await nextTurn();
  }
}

/** Makes the channels and servers of one test, closes them after it, and fails the test if something is left. */
export class Tracker {
  readonly slabs: SlabPool = new SlabPool({ debug: true });
  private readonly socketsBefore = sockets();
  private readonly channels: Channel[] = [];
  private readonly servers: Server[] = [];

  connect(addresses: string | readonly string[], options: ConnectOptions = {}): Channel {
    const channel = connect(addresses, { slabs: this.slabs, ...options });
    this.channels.push(channel);
    return channel;
  }

  createServer(options: ServerOptions = {}): Server {
    const server = createServer({ slabs: this.slabs, ...options });
    this.servers.push(server);
    return server;
  }

  async close(): Promise<void> {
    await Promise.all(this.channels.map((channel) => channel.close({ graceMs: 500 })));
    await Promise.all(this.servers.map((server) => server.close({ graceMs: 500 })));
    for (const channel of this.channels) {
      expect(channel.stats()).toMatchObject({ connections: 0, pending: 0, waiting: 0 });
    }
    for (const server of this.servers) expect(server.stats().connections).toBe(0);
    await until("no handler runs", () => this.servers.every((server) => server.stats().running === 0));
    expect(this.slabs.leaks(), "leased slabs").toEqual([]);
    expect(wheelOf(systemClock).size, "timers in the wheel").toBe(0);
    await until("all sockets are gone", () => sockets().length <= this.socketsBefore.length).catch((error: Error) => {
      throw new Error(`${error.message}; before: ${this.socketsBefore.join()}; now: ${sockets().join()}`);
    });
  }
}

/** A tracker for each test of the file. */
export function useTracker(): { readonly current: Tracker } {
  let tracker: Tracker;
  beforeEach(() => {
    tracker = new Tracker();
  });
  afterEach(() => tracker.close());
  return {
    get current() {
      return tracker;
    },
  };
}
