// What a connection that is lost gives back: each call with its own request.

import { expect, it } from "vitest";
import { Code, connect, createServer } from "../../src/index.js";
import { MemoryNetwork, VirtualClock } from "../../src/testing.js";
import type { Network, PipeSink } from "../../src/transport/pipe.js";
import { note, perform, Work, type WorkRequest } from "../sim/work.js";

const request = (nonce: number, bytes: number): WorkRequest => ({
  nonce,
  behaviour: "answer",
  delayMs: 0,
  replyBytes: 0,
  payload: Buffer.alloc(bytes, nonce),
});

/** A network whose dialing side is told what to do with what it is given. */
class WatchedNetwork implements Network {
  /** What the connection that was dialed last tells its owner. */
  sink: PipeSink | undefined = undefined;
  /** What it is given counts as gone; while this is true it asks for no more. */
  isBlocked = false;
  /** True: what it is given never arrives. */
  isHole = false;
  private readonly memory: MemoryNetwork;

  constructor(memory: MemoryNetwork) {
    this.memory = memory;
  }

  listen(...given: Parameters<MemoryNetwork["listen"]>): ReturnType<Network["listen"]> {
    return this.memory.listen(...given);
  }

  dial(address: Parameters<Network["dial"]>[0]): ReturnType<Network["dial"]> {
    const { pipe, cancel } = this.memory.dial(address);
    const watched = pipe.then((end) => {
      const { open, write } = end;
      end.write = (...given) => (this.isHole || write.apply(end, given)) && !this.isBlocked;
      end.open = (reader) => {
        this.sink = reader;
        open.call(end, reader);
      };
      return end;
    });
    return { pipe: watched, cancel };
  }
}

it("a one-way call is not sent again with the request of a call that was being cut up", async () => {
  const clock = new VirtualClock();
  const memory = new MemoryNetwork(clock);
  const network = new WatchedNetwork(memory);
  const notes: WorkRequest[] = [];
  const performed: WorkRequest[] = [];
  const reply = { nonce: 0, requestSum: 0, payload: Buffer.alloc(0) };
  const server = createServer({ network: memory, clock, maxFrameBytes: 131_072 });
  server.handle(Work, {
    perform(asked) {
      performed.push(asked);
      return reply;
    },
    note(asked) {
      notes.push(asked);
      return reply;
    },
  });
  void server.listen("memory:here");
  const channel = connect("memory:here", { network, clock });
  await clock.advance(10);
  network.isBlocked = true;
  await channel.unary(note, request(0, 10));
  const long = channel.unary(perform, request(1, 200_000));
  const short = channel.unary(note, request(2, 10));
  network.sink?.onClose(new Error("lost before they left"));
  network.isBlocked = false;
  await clock.advance(5_000);
  await Promise.all([long, short]);
  expect(performed.map(({ nonce }) => nonce)).toEqual([1]);
  expect(notes).toEqual([request(0, 10), request(2, 10)]);
});

it("a call is told from one that never left after a connection has carried a gibibyte", async () => {
  const MIB = 1_048_576;
  const clock = new VirtualClock();
  const memory = new MemoryNetwork(clock);
  const network = new WatchedNetwork(memory);
  const performed: number[] = [];
  const reply = { nonce: 0, requestSum: 0, payload: Buffer.alloc(0) };
  const server = createServer({ network: memory, clock, maxFrameBytes: 2 * MIB });
  server.handle(Work, {
    perform(asked) {
      performed.push(asked.nonce);
      return reply;
    },
    note: () => reply,
  });
  void server.listen("memory:here");
  const channel = connect("memory:here", { network, clock });
  await clock.advance(10);
  network.isHole = true;
  const large = request(0, MIB);
  for (let sent = 0; sent < 1023; sent++) await channel.unary(note, large);
  const gone = channel.unary(perform, request(1, 10)).then(
    () => "answered",
    (error: { code: number; retry: string }) => [error.code, error.retry],
  );
  await clock.advance(0);
  // Beyond the gibibyte; the next frame begins with positions that are counted anew.
  for (let sent = 0; sent < 2; sent++) await channel.unary(note, large);
  network.isBlocked = true;
  await channel.unary(note, request(0, 10));
  const kept = channel.unary(perform, request(2, 10));
  network.sink?.onClose(new Error("lost"));
  network.isBlocked = network.isHole = false;
  await clock.advance(5_000);
  expect(await gone).toEqual([Code.UNAVAILABLE, "unsafe"]);
  await kept;
  expect(performed).toEqual([2]);
});
