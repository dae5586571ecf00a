// Where a test of this folder runs: clients and a server over TCP, a Unix socket or memory. Over memory time is virtual, and
// passes while the test runs whenever nothing else can happen; over sockets it is the real one, so that tests wait for
// events and never sleep. After each test everything is closed, and the test fails if something is left.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, it } from "vitest";
import {
  type Channel,
  type Clock,
  type ConnectOptions,
  type Network,
  type Server,
  type ServerOptions,
  Service,
} from "../../src/index.js";
import { systemClock } from "../../src/transport/clock.js";
import { socketNetwork } from "../../src/transport/socket.js";
import { Rig } from "../support/rig.js";
import { Tracker, until } from "../support/tracker.js";
import { TestService, TestServiceClient, type TestServiceHandlers } from "./gen/grpc/testing/test.js";
import { implementation } from "./service.js";
import { WireTap } from "./wire-tap.js";

/** What calls travel over. */
export type Transport = "tcp" | "unix" | "memory";
/** The methods that {@link Stage.serve} serves: every one but `UnimplementedCall`. */
export type Handlers = Omit<TestServiceHandlers, "unimplementedCall">;

const TRANSPORTS: readonly Transport[] = ["tcp", "unix", "memory"];
/** A test over memory is stuck if this much virtual time has passed. */
const STUCK_MS = 600_000;

const { unimplementedCall: _, ...served } = TestService.methods;
/** `grpc.testing.TestService` as servers here have it: without the method that no server has. */
const ServedService: Service<Handlers> = new Service<Handlers>(TestService.typeName, served);

/** A server and a client of it. */
export interface Started {
  readonly server: Server;
  readonly address: string;
  readonly channel: Channel;
  readonly client: TestServiceClient;
}

/** How a {@link Stage} is set up. */
export interface StartOptions {
  readonly server?: ServerOptions;
  readonly client?: ConnectOptions;
  /** Take the place of the handlers that do as gRPC's interop server does. */
  readonly handlers?: Partial<Handlers>;
}

/** One test's servers, channels, network and clock. */
export abstract class Stage {
  readonly tap: WireTap = new WireTap();
  abstract readonly clock: Clock;
  /** What servers and channels are on; that of the servers is watched by {@link tap}. */
  abstract readonly network: Network;

  /** A server that does not listen, on a network that {@link tap} watches. */
  abstract createServer(options?: ServerOptions): Server;
  /** Where the next server listens. */
  abstract newAddress(): string;
  abstract connect(address: string, options?: ConnectOptions): Channel;
  /** Runs a test. */
  abstract run<T>(body: () => Promise<T>): Promise<T>;
  /** Closes everything and fails the test if something is left. */
  abstract close(): Promise<void>;

  /** Resolves when `holds` does; rejects if it does not in good time. */
  until(what: string, holds: () => boolean): Promise<void> {
    return until(what, holds);
  }

  /** A server of TestService that listens; resolves with the address as bound. */
  async serve(
    handlers: Partial<Handlers> = {},
    options: ServerOptions = {},
    address: string = this.newAddress(),
  ): Promise<{ server: Server; address: string }> {
    const server = this.createServer(options);
    server.handle(ServedService, { ...implementation(this.clock, this.tap), ...handlers });
    return { server, address: await server.listen(address) };
  }

  /** A server and a client that is connected to it. */
  async start({ server: serverOptions, client, handlers }: StartOptions = {}): Promise<Started> {
    const { server, address } = await this.serve(handlers, serverOptions);
    const channel = this.connect(address, client);
    await channel.ready();
    return { server, address, channel, client: new TestServiceClient(channel) };
  }
}

/** Over real sockets, on the real clock. */
class SocketStage extends Stage {
  readonly clock: Clock = systemClock;
  readonly network: Network = socketNetwork;
  private readonly tracker = new Tracker();
  private readonly nextAddress: () => string;

  constructor(nextAddress: () => string) {
    super();
    this.nextAddress = nextAddress;
  }

  createServer(options: ServerOptions = {}): Server {
    return this.tracker.createServer({ network: this.tap.wrap(this.network), ...options });
  }

  newAddress(): string {
    return this.nextAddress();
  }

  connect(address: string, options: ConnectOptions = {}): Channel {
    return this.tracker.connect(address, options);
  }

  run<T>(body: () => Promise<T>): Promise<T> {
    return body();
  }

  close(): Promise<void> {
    return this.tracker.close();
  }
}

/** Over memory, on virtual time. */
class MemoryStage extends Stage {
  private readonly rig = new Rig();
  private servers = 0;
  private isRunning = false;

  get clock(): Clock {
    return this.rig.clock;
  }

  get network(): Network {
    return this.rig.network;
  }

  createServer(options: ServerOptions = {}): Server {
    return this.rig.createServer({}, { network: this.tap.wrap(this.network), ...options });
  }

  newAddress(): string {
    return `memory:interop-${++this.servers}`;
  }

  connect(address: string, options: ConnectOptions = {}): Channel {
    return this.rig.connect(options, address);
  }

  async run<T>(body: () => Promise<T>): Promise<T> {
    this.isRunning = true;
    const end = (): void => {
      this.isRunning = false;
    };
    const result = body().finally(end);
    result.catch(() => {});
    for (let ms = 0; this.isRunning; ms++) {
      if (ms > STUCK_MS) throw new Error(`the test is stuck: ${STUCK_MS} ms of virtual time have passed`);
      await this.rig.clock.advance(1);
    }
    return result;
  }

  close(): Promise<void> {
    this.isRunning = false;
    return this.rig.close();
  }
}

/** Defines a test, whose body is given its stage. */
export type It = (name: string, body: (stage: Stage) => Promise<void>) => void;

/** Defines the same tests over each transport. */
export function onEachTransport(define: (it: It, transport: Transport) => void): void {
  describe.each(TRANSPORTS)("over %s", (transport) => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-interop-"));
    afterAll(() => rmSync(folder, { recursive: true }));
    define(
      useStage(() => makeStage(transport, folder)),
      transport,
    );
  });
}

/** Defines tests that need virtual time, over memory alone. */
export function onVirtualTime(define: (it: It) => void): void {
  describe("on virtual time", () => define(useStage(() => new MemoryStage())));
}

/** A stage for each test of the enclosing `describe`, closed and checked after it. */
function useStage(make: () => Stage): It {
  let stage: Stage;
  beforeEach(() => {
    stage = make();
  });
  afterEach(() => stage.close());
  return (name, body) => it(name, () => stage.run(() => body(stage)));
}

function makeStage(transport: Transport, folder: string): Stage {
  if (transport === "memory") return new MemoryStage();
  let sockets = 0;
  return new SocketStage(() =>
    transport === "tcp" ? "tcp://127.0.0.1:0" : `unix:${join(folder, `${process.pid}-${++sockets}.sock`)}`,
  );
}
