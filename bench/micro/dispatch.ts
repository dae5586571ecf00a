// A server's whole way with a call, from bytes to bytes, without a socket: 64 requests come in one chunk, are decoded, served by an
// echo and answered, and the answers are written at the end of the tick. With the package's pools, and with slabs that are
// allocated.

import { UnaryEndpoint } from "../../src/call/unary-endpoint.js";
import { Flag } from "../../src/codec/frame.js";
import { SlabPool } from "../../src/codec/slab.js";
import { TaskPool } from "../../src/flow/task-pool.js";
import { frames } from "../../src/testing/frames.js";
import { Counters } from "../../src/transport/hooks.js";
import { Session, type SessionOwner, Side } from "../../src/transport/session.js";
import { resolveLimits } from "../../src/transport/settings.js";
import { TimerWheel } from "../../src/transport/timers.js";
import { Echo, EchoMessage } from "../gen/bench/v1/echo.js";
import type { MicroCase } from "../lib/micro.js";
import { noSlabs, StageClock, StagePipe } from "./stage.js";

const CALLS = 64;
const WORKERS = 1000;
/** Enough turns of the microtask queue for the answer of an `async` handler that awaits nothing. */
const MICROTASKS = 4;

const OWNER: SessionOwner = {
  onOpen() {},
  onDraining() {},
  onRoom() {},
  onUnsent() {},
  onRefused: () => false,
  onClosed(_, error) {
    throw error;
  },
};

interface Stage {
  readonly clock: StageClock;
  readonly pipe: StagePipe;
  readonly session: Session;
}

/** An open connection whose `Echo` is served by `handler`. */
function connect(slabs: SlabPool, handler: (message: unknown) => unknown): Stage {
  const clock = new StageClock();
  const wheel = new TimerWheel(clock);
  const method = Echo.methods.echo;
  const endpoint = new UnaryEndpoint(method, handler, new TaskPool(wheel, WORKERS).newGate(method));
  const hooks = { counters: new Counters(), handlerFailed() {}, callRefused() {} };
  const pipe = new StagePipe();
  const session = new Session({
    ...{ pipe, side: Side.ACCEPTED, owner: OWNER, acceptor: { find: () => endpoint }, wheel, slabs },
    ...{ limits: resolveLimits({}), hooks, compression: undefined, leases: false, peerId: "micro", agent: "micro" },
  });
  const greeting = Buffer.concat([frames.hello(), frames.method(1, method.path)]);
  session.onData(greeting, 0, greeting.length);
  clock.end();
  return { clock, pipe, session };
}

/** Requests with a deadline of half a minute, as calls have by default. */
function makeChunk(): Buffer {
  const deadline = Buffer.alloc(4);
  deadline.writeUInt32LE(30_000);
  const message = EchoMessage.toBytes({ id: 7n, name: "0123456789", payload: new Uint8Array(100) });
  const payload = Buffer.concat([deadline, message]);
  return Buffer.concat(
    Array.from({ length: CALLS }, (_, i) => frames.request(2 * i, 1, payload, Flag.END | Flag.DEADLINE)),
  );
}

function serve(slabs: SlabPool): MicroCase["run"] {
  const { session, clock, pipe } = connect(slabs, (message) => message);
  const chunk = makeChunk();
  return (times) => {
    const before = pipe.written;
    for (let done = 0; done < times; done += CALLS) {
      session.onData(chunk, 0, chunk.length);
      clock.end();
    }
    checkAnswers(pipe.written - before, times);
  };
}

function serveLater(slabs: SlabPool): MicroCase["run"] {
  const { session, clock, pipe } = connect(slabs, async (message) => message);
  const chunk = makeChunk();
  return async (times) => {
    const before = pipe.written;
    for (let done = 0; done < times; done += CALLS) {
      session.onData(chunk, 0, chunk.length);
      // More than once if the machine held this process up, and the pool took the turn for over.
      while (session.incoming.unanswered > 0) {
        for (let i = 0; i < MICROTASKS; i++) await undefined;
        clock.end();
      }
    }
    checkAnswers(pipe.written - before, times);
  };
}

/** Something that fails fast must not be taken for something fast. */
function checkAnswers(bytes: number, calls: number): void {
  if (bytes < calls * 100) throw new Error(`${calls} calls were answered with ${bytes} bytes only`);
}

/** The cases. */
export function dispatchCases(): MicroCase[] {
  const subject = "serve a call, bytes to bytes";
  return [
    { subject, way: "slab pool", isPool: true, run: serve(new SlabPool({ debug: false })) },
    { subject, way: "slab allocated", run: serve(noSlabs()) },
    { subject: `${subject}, async handler`, way: "slab pool", run: serveLater(new SlabPool({ debug: false })) },
  ];
}
