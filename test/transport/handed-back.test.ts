// What a connection that is lost gives back: each call with its own request.

import { expect, it } from "vitest";
import { connect, createServer } from "../../src/index.js";
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

it("a one-way call is not sent again with the request of a call that was being cut up", async () => {
  const clock = new VirtualClock();
  const memory = new MemoryNetwork(clock);
  let sink: PipeSink | undefined;
  let isBlocked = false;
  const network: Network = {
    listen: memory.listen.bind(memory),
    dial(address) {
      const { pipe, cancel } = memory.dial(address);
      const watched = pipe.then((end) => {
        const { open, write } = end;
        // What it has been given counts as gone; from `isBlocked` on it asks for no more.
        end.write = (...given) => write.apply(end, given) && !isBlocked;
        end.open = (reader) => {
          sink = reader;
          open.call(end, reader);
        };
        return end;
      });
      return { pipe: watched, cancel };
    },
  };
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
  isBlocked = true;
  await channel.unary(note, request(0, 10));
  const long = channel.unary(perform, request(1, 200_000));
  const short = channel.unary(note, request(2, 10));
  sink?.onClose(new Error("lost before they left"));
  isBlocked = false;
  await clock.advance(5_000);
  await Promise.all([long, short]);
  expect(performed.map(({ nonce }) => nonce)).toEqual([1]);
  expect(notes).toEqual([request(0, 10), request(2, 10)]);
});
