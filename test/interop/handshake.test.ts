// Streams that begin before the server has announced what it takes.

import { describe, expect, it as plainIt } from "vitest";
import { FrameType } from "../../src/codec/frame.js";
import { hello, ScriptedPeer } from "../support/peer.js";
import { ADDRESS, Rig, useRig } from "../support/rig.js";
import { TestServiceClient } from "./gen/grpc/testing/test.js";
import { onEachTransport } from "./stage.js";
import { collect, sizesOf } from "./streams.js";

onEachTransport((it) => {
  it("streams beyond the server's limit, which was not known when they began, wait and lose nothing", async (stage) => {
    const { address, server } = await stage.serve({}, { maxCallsPerConnection: 4 });
    const client = new TestServiceClient(stage.connect(address));
    const streams = Array.from({ length: 40 }, () => client.fullDuplexCall());
    const sizes = streams.map(async (stream, i) => {
      const sends = [stream.send({ responseParameters: [{ size: i }] }), stream.close()];
      const responses = await collect(stream);
      await Promise.all(sends);
      return sizesOf(responses);
    });
    expect(await Promise.all(sizes)).toEqual(streams.map((_, i) => [i]));
    expect(server.stats().callsServed).toBe(40);
  });
});

describe("on a line so long that the handshake takes a while", () => {
  const rig = useRig(() => new Rig(16_000_000));

  plainIt(
    "streams begin at once, and their messages go, however many, when the server has announced its limits",
    async () => {
      const peers = await ScriptedPeer.listen(rig.current.network, ADDRESS);
      const client = new TestServiceClient(rig.current.connect());
      const uploads = Array.from({ length: 30 }, () => client.streamingInputCall());
      await rig.current.clock.advance(100);
      for (const upload of uploads)
        for (let i = 0; i < 6; i++) void upload.send({ payload: { body: new Uint8Array(10_000) } });
      await rig.current.clock.advance(100);
      const peer = peers[0] as ScriptedPeer;
      expect(peer.of(FrameType.REQUEST)).toHaveLength(30);
      expect(peer.of(FrameType.MESSAGE)).toHaveLength(0);
      peer.send(hello({ connectionWindowBytes: 8_000_000, streamWindowBytes: 1_000_000 }));
      await rig.current.clock.advance(100);
      expect(peer.of(FrameType.MESSAGE)).toHaveLength(180);
      for (const upload of uploads) upload.cancel();
      peer.pipe.destroy();
    },
  );
});
