// A client and a server in one process, over memory and on virtual time, for tests of what a user sees. After each test
// everything is closed, and the test fails if a pipe, a timer, a slab, a call or a handler is left.

import { afterEach, beforeEach, expect } from "vitest";
import {
  type Channel,
  type ConnectOptions,
  connect,
  createServer,
  RpcError,
  type Server,
  SlabPool,
} from "../../src/index.js";
import type { ServerOptions } from "../../src/server/options.js";
import { MemoryNetwork, seededRandom, VirtualClock } from "../../src/testing.js";
import { wheelOf } from "../../src/transport/timers.js";
import { Echo, EchoClient, type EchoHandlers, type Message, type MessageInit } from "./gen/support/v1/echo.js";

/** Where {@link Rig.serve} listens and {@link Rig.connect} connects unless told otherwise. */
export const ADDRESS = "memory:server";
/** Longer than any grace period or linger that closing may take. */
const CLOSING_MS = 20_000;

/** The error that `promise` must reject with. Attaches to the promise at once, so that time may pass before it is awaited. */
export function failure(promise: Promise<unknown>): Promise<RpcError> {
  return promise.then(
    (value) => {
      throw new Error(`it succeeded with ${String(value)}`);
    },
    (error: unknown) => {
      expect(error).toBeInstanceOf(RpcError);
      return error as RpcError;
    },
  );
}

/** One test's clock, network, servers and channels. */
export class Rig {
  readonly clock: VirtualClock = new VirtualClock();
  readonly slabs: SlabPool = new SlabPool({ debug: true });
  readonly network: MemoryNetwork;
  /** Ends each call to `Hold` that has begun, in order. */
  readonly held: { readonly request: Message; readonly reply: (message: MessageInit) => void }[] = [];
  private readonly servers: Server[] = [];
  private readonly channels: Channel[] = [];

  /** `pipeBytes` is how much a pipe holds before its writer is blocked. */
  constructor(pipeBytes?: number) {
    this.network = new MemoryNetwork(this.clock, pipeBytes);
  }

  /** A server of the Echo service; methods that `handlers` lacks echo, hold or fail as their names say. */
  createServer(handlers: Partial<EchoHandlers> = {}, options: ServerOptions = {}): Server {
    const { network, clock, slabs } = this;
    const all: EchoHandlers = { ...this.handlers(), ...handlers };
    const server = createServer({ network, clock, slabs, ...options }).handle(Echo, all);
    this.servers.push(server);
    return server;
  }

  /** The same, listening. */
  async serve(
    handlers: Partial<EchoHandlers> = {},
    options: ServerOptions = {},
    address: string = ADDRESS,
  ): Promise<Server> {
    const server = this.createServer(handlers, options);
    await server.listen(address);
    return server;
  }

  connect(options: ConnectOptions = {}, addresses: string | readonly string[] = ADDRESS): Channel {
    const { network, clock, slabs } = this;
    const channel = connect(addresses, { network, clock, slabs, random: seededRandom(1), ...options });
    this.channels.push(channel);
    return channel;
  }

  /** A client on a channel of its own. */
  client(options: ConnectOptions = {}, addresses: string | readonly string[] = ADDRESS): EchoClient {
    return new EchoClient(this.connect(options, addresses));
  }

  /** Lets `ms` of virtual time pass and returns what `promise` has come to by then; fails if it has not settled. */
  async after<T>(ms: number, promise: Promise<T>): Promise<T> {
    const pending = Symbol("pending");
    promise.catch(() => {});
    await this.clock.advance(ms);
    const outcome = await Promise.race([promise, Promise.resolve(pending)]);
    if (outcome === pending) throw new Error(`not settled after ${ms} ms`);
    return outcome as T;
  }

  /** What `promise` comes to without any time passing. */
  now<T>(promise: Promise<T>): Promise<T> {
    return this.after(0, promise);
  }

  /** Ends every call that a handler holds. */
  releaseHeld(): void {
    for (const { request, reply } of this.held.splice(0)) reply(request);
  }

  /** Closes everything and fails the test if something is left. */
  async close(): Promise<void> {
    this.releaseHeld();
    const closing = Promise.all([
      ...this.channels.map((channel) => channel.close({ graceMs: 1_000 })),
      ...this.servers.map((server) => server.close({ graceMs: 1_000 })),
    ]);
    await this.after(CLOSING_MS, closing);
    this.releaseHeld();
    await this.clock.advance(0);
    for (const channel of this.channels)
      expect(channel.stats()).toMatchObject({ connections: 0, pending: 0, waiting: 0 });
    for (const server of this.servers) expect(server.stats()).toMatchObject({ connections: 0, running: 0 });
    expect(this.network.openPipes, "open pipes").toBe(0);
    expect(this.slabs.leaks(), "leased slabs").toEqual([]);
    expect(wheelOf(this.clock).size, "timers in the wheel").toBe(0);
    expect(this.clock.pendingTimers, "timers of the clock").toBe(0);
  }

  private handlers(): EchoHandlers {
    return {
      echo: (request) => request,
      echoSoon: (request) => request,
      hold: (request) => new Promise((reply) => this.held.push({ request, reply })),
      fail: () => {
        throw new Error("secret");
      },
      note: () => ({}),
    };
  }
}

/** A rig for each test of the file, closed and checked after it. */
export function useRig(make: () => Rig = () => new Rig()): { readonly current: Rig } {
  let rig: Rig;
  beforeEach(() => {
    rig = make();
  });
  afterEach(() => rig.close());
  return {
    get current() {
      return rig;
    },
  };
}
