import { describe, expect, it } from "vitest";
import { Flag, FrameType } from "../../src/codec/frame.js";
import { Message } from "../support/gen/support/v1/echo.js";
import { Streams } from "../support/gen/support/v1/streams.js";
import { frame, hello, method, ScriptedPeer } from "../support/peer.js";
import { ADDRESS, useRig } from "../support/rig.js";

const rig = useRig();
const ID = 0;
const MESSAGE = frame(FrameType.MESSAGE, {
  id: ID,
  payload: Buffer.from(Message.toBytes({ payload: new Uint8Array(9_980) })),
});

/** A stream of requests to a server that reads all of them at once. */
async function open(
  options = {},
): Promise<{ peer: ScriptedPeer; send(count: number): Promise<void>; credit(arg: number): number }> {
  const server = await rig.current.serve({}, options);
  server.handle(Streams, {
    list: () => [],
    chat: () => [],
    async collect(requests) {
      let id = 0n;
      for await (const _ of requests) id++;
      return { id };
    },
  });
  const peer = await ScriptedPeer.dial(rig.current.network, rig.current.clock, ADDRESS);
  peer.send(hello(), method(1, Streams.methods.collect.path));
  peer.send(frame(FrameType.REQUEST, { flags: Flag.NO_MESSAGE, arg: 1, id: ID }));
  const send = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      peer.send(MESSAGE);
      await rig.current.clock.advance(0);
    }
  };
  const credit = (arg: number): number =>
    peer
      .of(FrameType.CREDIT)
      .filter((each) => each.arg === arg)
      .reduce((sum, { payload }) => sum + payload.readUInt32LE(0), 0);
  return { peer, send, credit };
}

describe("the windows of a connection", () => {
  it("grow to twice what arrives in the least time to the peer and back", async () => {
    const { peer, send, credit } = await open();
    await send(20);
    expect(peer.of(FrameType.PING).length).toBe(1);
    await rig.current.clock.advance(10);
    await send(100);
    peer.send(frame(FrameType.PONG));
    await send(100);
    // 1 MB in 10 ms, so the windows become 2 MB; what is not given back yet is less than half of them.
    const sent = 220 * MESSAGE.length;
    expect(credit(1) + 1_048_576 - sent).toBeGreaterThan(1_000_000);
    expect(credit(0) + 262_144 - sent).toBeGreaterThan(1_000_000);
    expect(credit(0) + 262_144 - sent).toBeLessThanOrEqual(2_010_000);
  });

  it("grow no further than maxWindowBytes", async () => {
    const { peer, send, credit } = await open({ maxWindowBytes: 1_048_576 });
    await send(20);
    await rig.current.clock.advance(10);
    await send(100);
    peer.send(frame(FrameType.PONG));
    await send(100);
    const sent = 220 * MESSAGE.length;
    expect(credit(1) + 1_048_576 - sent).toBeLessThanOrEqual(1_048_576);
    expect(credit(0) + 262_144 - sent).toBeLessThanOrEqual(1_048_576);
  });

  it("stay as they are where little travels, and are measured no more often than every 1.5 s", async () => {
    const { peer, send, credit } = await open();
    for (let i = 0; i < 30; i++) {
      await send(1);
      peer.send(...peer.of(FrameType.PING).map(() => frame(FrameType.PONG)));
      await rig.current.clock.advance(100);
    }
    expect(peer.of(FrameType.PING).length).toBe(2);
    expect(credit(1)).toBe(0);
  });
});
