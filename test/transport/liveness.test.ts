// Heartbeats, slow readers, unfinished frames and ping floods, on virtual time.

import { describe, expect, it } from "vitest";
import { CloseReason, FrameType } from "../../src/codec/frame.js";
import { Code } from "../../src/index.js";
import { EchoClient } from "../support/gen/support/v1/echo.js";
import { frame, hello, method, request, ScriptedPeer } from "../support/peer.js";
import { ADDRESS, failure, useRig } from "../support/rig.js";

const rig = useRig();
const pass = (ms = 0): Promise<void> => rig.current.clock.advance(ms);
const dial = (): Promise<ScriptedPeer> => ScriptedPeer.dial(rig.current.network, rig.current.clock, ADDRESS);

/** A scripted server that answers pings while `answers` is true. */
class Quiet extends ScriptedPeer {
  answers = true;
  readonly pings: number[] = [];

  override onData(buf: Buffer, start: number, end: number): void {
    const before = this.of(FrameType.PING).length;
    super.onData(buf, start, end);
    for (let i = before; i < this.of(FrameType.PING).length; i++) {
      this.pings.push(rig.current.clock.now());
      if (this.answers) this.send(frame(FrameType.PONG));
    }
  }
}

async function quietServer(minPingIntervalMs = 0): Promise<Quiet[]> {
  const peers: Quiet[] = [];
  await rig.current.network.listen({ kind: "memory", name: ADDRESS.slice(7) }, (pipe) => {
    const peer = new Quiet(pipe);
    peer.send(hello({ minPingIntervalMs }));
    peers.push(peer);
  });
  return peers;
}

describe("the heartbeat", () => {
  it("pings an idle connection every 30 s by default, and keeps one that answers", async () => {
    const peers = await quietServer();
    const channel = rig.current.connect();
    await pass(200_000);
    const [peer] = peers as [Quiet];
    expect(peer.pings).toEqual([30_000, 60_000, 90_000, 120_000, 150_000, 180_000]);
    expect(channel.stats()).toMatchObject({ connectionsOpened: 1, connections: 1 });
  });

  it("looks once when the time has come, at whatever fraction of a millisecond", async () => {
    const peers = await quietServer();
    // 30,000 ms later it is 29,999.999999999996 ms later.
    await pass(2_768.0047056);
    rig.current.connect();
    await pass(30_000);
    await pass(1);
    expect(peers[0]?.pings).toHaveLength(1);
  });

  it("finds an idle peer dead that does not answer, 5 s after the ping, by name", async () => {
    const peers = await quietServer();
    const channel = rig.current.connect();
    await pass();
    const lost: [number, string][] = [];
    channel.on("disconnect", (_, error) => lost.push([rig.current.clock.now(), error.message]));
    (peers[0] as Quiet).answers = false;
    await pass(60_000);
    expect(lost[0]?.[0]).toBe(35_000);
    expect(lost[0]?.[1]).toContain("HEARTBEAT_TIMEOUT: nothing was received for 35000 ms, nor an answer to a ping");
  });

  it.each([0, 1, 2_500, 4_999, 7_300])(
    "finds a dead peer within 5 s + 5 s of its last byte while a call is pending, made after %i ms",
    async (madeAfter) => {
      const peers = await quietServer();
      const channel = rig.current.connect();
      await pass(20_010);
      const [peer] = peers as [Quiet];
      peer.send(frame(200));
      await pass(madeAfter);
      peer.answers = false;
      const error = failure(new EchoClient(channel).echo({}));
      const madeAt = rig.current.clock.now();
      let endedAt = 0;
      void error.then(() => {
        endedAt = rig.current.clock.now();
      });
      await pass(20_000);
      expect(await error).toMatchObject({ code: Code.UNAVAILABLE, retry: "unsafe" });
      expect(endedAt - madeAt).toBeLessThanOrEqual(10_000);
    },
  );

  it("takes any byte as life: it does not ping a peer that sends something", async () => {
    const peers = await quietServer();
    const channel = rig.current.connect();
    await pass();
    const [peer] = peers as [Quiet];
    peer.answers = false;
    for (let i = 0; i < 60; i++) {
      peer.send(frame(200));
      await pass(4_000);
    }
    expect(peer.pings).toEqual([]);
    expect(channel.stats().connectionsOpened).toBe(1);
  });

  it("is never faster than the peer allows", async () => {
    const peers = await quietServer(20_000);
    const channel = rig.current.connect({ pendingHeartbeatIntervalMs: 1_000, heartbeatIntervalMs: 1_000 });
    const call = failure(new EchoClient(channel).echo({}, { timeoutMs: 100_000 }));
    await pass(100_000);
    await call;
    const [peer] = peers as [Quiet];
    expect(peer.pings.length).toBeGreaterThan(2);
    for (const [i, at] of peer.pings.slice(1).entries())
      expect(at - (peer.pings[i] as number)).toBeGreaterThanOrEqual(20_000);
  });

  it("is run by the server too", async () => {
    const server = await rig.current.serve();
    const peer = await dial();
    peer.send(hello());
    await pass(30_000);
    expect(peer.of(FrameType.PING)).toHaveLength(1);
    await pass(5_000);
    expect(peer.goAway?.reason).toBe(CloseReason.HEARTBEAT_TIMEOUT);
    expect(server.stats().connections).toBe(0);
  });
});

describe("pings that come too often", () => {
  it("are tolerated twice, then the connection ends with LIMIT_EXCEEDED, and nothing is thrown", async () => {
    await rig.current.serve({}, { minPingIntervalMs: 1_000 });
    const peer = await dial();
    peer.send(hello(), frame(FrameType.PING));
    for (let i = 0; i < 2; i++) {
      await pass(999);
      peer.send(frame(FrameType.PING));
    }
    await pass();
    expect(peer.of(FrameType.PONG)).toHaveLength(3);
    expect(peer.goAway).toBeUndefined();
    await pass(999);
    peer.send(frame(FrameType.PING));
    await pass();
    expect(peer.goAway).toEqual({ reason: CloseReason.LIMIT_EXCEEDED, message: "pings closer together than 1000 ms" });
    expect(peer.ended).toBe(true);
    peer.send(frame(FrameType.PING), frame(FrameType.PING));
    await pass(2_000);
    expect(peer.closed).toBe(true);
  });

  it("are forgiven after one that came in time", async () => {
    await rig.current.serve();
    const peer = await dial();
    peer.send(hello());
    for (let i = 0; i < 20; i++) {
      peer.send(frame(FrameType.PING));
      await pass(i % 3 === 2 ? 1_000 : 500);
    }
    expect(peer.goAway).toBeUndefined();
    expect(peer.of(FrameType.PONG)).toHaveLength(20);
    peer.pipe.destroy();
  });
});

describe("a peer that reads nothing", () => {
  it("stops being read when maxUnsentBytes wait for it, and is cut off after slowReaderTimeoutMs", async () => {
    const server = await rig.current.serve({}, { maxUnsentBytes: 65_536, slowReaderTimeoutMs: 3_000 });
    const beside = rig.current.client();
    await rig.current.now(beside.echo({}));
    const peer = await dial();
    peer.pipe.pause();
    const payload = new Uint8Array(20_000);
    peer.send(hello(), method(1, "support.v1.Echo/Echo"));
    for (let id = 0; id < 400; id += 2) {
      peer.send(request(id, 1, { payload }));
      await pass();
      if (server.stats().callsServed < id / 2 - 2) break;
    }
    const { callsServed } = server.stats();
    expect(callsServed).toBeLessThan(20);
    await pass(2_000);
    expect(server.stats().connections).toBe(2);
    await pass(7_000);
    expect(server.stats()).toMatchObject({ connections: 1, callsServed });
    await rig.current.now(beside.echo({}));
    peer.pipe.destroy();
  });

  it("that goes on reading is served to the end", async () => {
    await rig.current.serve({}, { maxUnsentBytes: 65_536 });
    const peer = await dial();
    peer.pipe.pause();
    peer.send(hello(), method(1, "support.v1.Echo/Hold"));
    const payload = new Uint8Array(2_000);
    for (let id = 0; id < 200; id += 2) {
      peer.send(request(id, 1, { payload }));
      await pass();
    }
    rig.current.releaseHeld();
    await pass(1_000);
    peer.pipe.resume();
    await pass();
    expect(peer.of(FrameType.RESPONSE)).toHaveLength(100);
    peer.pipe.destroy();
  });
});

describe("a frame that is never finished", () => {
  it("ends the connection after frameTimeoutMs, with what is held of it given back", async () => {
    await rig.current.serve({}, { frameTimeoutMs: 1_000, heartbeatIntervalMs: 60_000 });
    const peer = await dial();
    peer.send(hello(), request(0, 1, { payload: new Uint8Array(50_000) }).subarray(0, 20_000));
    await pass(900);
    expect(peer.goAway).toBeUndefined();
    await pass(1_200);
    expect(peer.goAway?.reason).toBe(CloseReason.LIMIT_EXCEEDED);
    expect(peer.goAway?.message).toMatch(/^a frame was not complete after \d+ ms$/);
  });

  it("is not taken for one that is slow and whole, one after the other", async () => {
    await rig.current.serve({}, { frameTimeoutMs: 1_000 });
    const peer = await dial();
    const bytes = request(0, 1, { payload: new Uint8Array(1_000) });
    peer.send(hello(), method(1, "support.v1.Echo/Echo"));
    for (let i = 0; i < 20; i++) {
      peer.send(bytes.subarray(0, 500));
      await pass(400);
      peer.send(bytes.subarray(500));
      await pass();
    }
    expect(peer.of(FrameType.RESPONSE)).toHaveLength(20);
    peer.pipe.destroy();
  });
});
