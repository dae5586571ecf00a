// MemoryNetwork: pipes in memory that behave as sockets do, over virtual time.

import { beforeEach, describe, expect, it } from "vitest";
import { MemoryNetwork, seededRandom, VirtualClock } from "../../src/testing.js";
import { type Pipe, type PipeSink, parseAddress } from "../../src/transport/pipe.js";

const ADDRESS = parseAddress("memory:a");
const CAPACITY_BYTES = 16;

/** A sink that writes down what it was told. */
class Recorder implements PipeSink {
  readonly events: string[] = [];
  received = "";
  error: Error | undefined;

  onData(buf: Buffer, start: number, end: number): void {
    const text = buf.toString("latin1", start, end);
    this.received += text;
    this.events.push(`data ${text}`);
  }
  onDrain(): void {
    this.events.push("drain");
  }
  onEnd(): void {
    this.events.push("end");
  }
  onClose(error: Error | undefined): void {
    this.error = error;
    this.events.push("close");
  }
}

let clock: VirtualClock;
let network: MemoryNetwork;
let near: Pipe;
let far: Pipe;
let nearSink: Recorder;
let farSink: Recorder;

const send = (pipe: Pipe, text: string): boolean => {
  const buf = Buffer.from(`<${text}>`, "latin1");
  const taken = pipe.write(buf, 1, buf.length - 1);
  if (taken) buf.fill(0);
  return taken;
};

beforeEach(async () => {
  clock = new VirtualClock();
  network = new MemoryNetwork(clock, CAPACITY_BYTES);
  await network.listen(ADDRESS, (pipe) => {
    far = pipe;
  });
  const dialing = network.dial(ADDRESS);
  await clock.advance(0);
  near = await dialing.pipe;
  nearSink = new Recorder();
  farSink = new Recorder();
  near.open(nearSink);
  far.open(farSink);
});

describe("MemoryNetwork", () => {
  it("refuses a dial where nobody listens, with the address in the error", async () => {
    const dialing = network.dial(parseAddress("memory:nowhere"));
    const failed = expect(dialing.pipe).rejects.toThrow("memory:nowhere: connection refused");
    await clock.advance(0);
    await failed;
  });

  it("refuses a dial once the listener is closed, and lets the name be taken again", async () => {
    const other = parseAddress("memory:b");
    const listener = await network.listen(other, () => undefined);
    await expect(network.listen(other, () => undefined)).rejects.toThrow("memory:b: address already in use");
    await listener.close();
    const failed = expect(network.dial(other).pipe).rejects.toThrow("refused");
    await clock.advance(0);
    await failed;
    await network.listen(other, () => undefined);
  });

  it("gives up a dial that is cancelled, and accepts nothing", async () => {
    const before = network.openPipes;
    const dialing = network.dial(ADDRESS);
    const failed = expect(dialing.pipe).rejects.toThrow("memory:a: dial given up");
    dialing.cancel();
    await clock.advance(0);
    await failed;
    expect(network.openPipes).toBe(before);
  });
});

describe("a memory pipe", () => {
  it("delivers the writes of one turn together, and never within the write", async () => {
    send(near, "ab");
    send(near, "cd");
    expect(farSink.events).toEqual([]);
    await clock.advance(0);
    expect(farSink.events).toEqual(["data abcd"]);
  });

  it("delivers nothing before it is opened", async () => {
    const dialing = network.dial(ADDRESS);
    await clock.advance(0);
    send(await dialing.pipe, "early");
    await clock.advance(0);
    const late = new Recorder();
    far.open(late);
    await clock.advance(0);
    expect(late.events).toEqual(["data early"]);
  });

  it("pushes back on the writer, and drains once the reader has taken the rest", async () => {
    far.pause();
    expect(send(near, "0123456789")).toBe(true);
    expect(send(near, "abcdefghij")).toBe(false);
    expect(() => send(near, "x")).toThrow("write before onDrain");
    await clock.advance(0);
    expect(nearSink.events).toEqual([]);
    far.resume();
    await clock.advance(0);
    expect(farSink.received).toBe("0123456789abcdefghij");
    expect(nearSink.events).toEqual(["drain"]);
  });

  it("moves a write of many times its capacity", async () => {
    const random = seededRandom(3);
    const text = Array.from({ length: 1000 }, () => String.fromCharCode(97 + Math.floor(random() * 26))).join("");
    expect(send(near, text)).toBe(false);
    await clock.advance(0);
    expect(farSink.received).toBe(text);
    expect(nearSink.events).toEqual(["drain"]);
  });

  it("says nothing while paused", async () => {
    far.pause();
    send(near, "a");
    near.end();
    await clock.advance(0);
    expect(farSink.events).toEqual([]);
    far.resume();
    await clock.advance(0);
    expect(farSink.events).toEqual(["data a", "end"]);
  });

  it("ends one direction and keeps the other", async () => {
    send(near, "bye");
    near.end();
    await clock.advance(0);
    expect(farSink.events).toEqual(["data bye", "end"]);
    send(far, "still here");
    await clock.advance(0);
    expect(nearSink.events).toEqual(["data still here"]);
    expect(() => send(near, "x")).toThrow("write after end");
  });

  it("closes without an error once both directions have ended", async () => {
    far.end();
    send(near, "0123456789abcdefghij");
    near.end();
    await clock.advance(0);
    expect(nearSink.events).toEqual(["end", "drain", "close"]);
    expect(farSink.events).toEqual(["data 0123456789abcdef", "data ghij", "end", "close"]);
    expect([nearSink.error, farSink.error]).toEqual([undefined, undefined]);
    expect(network.openPipes).toBe(0);
  });

  it("closes both ends on destroy, in a later tick, after the bytes that were taken", async () => {
    send(near, "last");
    near.destroy();
    expect(nearSink.events).toEqual([]);
    await clock.advance(0);
    expect(nearSink.events).toEqual(["close"]);
    expect(nearSink.error).toBeUndefined();
    expect(farSink.events).toEqual(["data last", "close"]);
    expect(farSink.error?.message).toMatch(/^memory:dialer-1: connection reset by peer$/);
    expect(network.openPipes).toBe(0);
  });

  it("calls a truncated write a reset, even if the writer had ended", async () => {
    far.pause();
    send(near, "0123456789abcdefghij");
    near.end();
    near.destroy();
    far.resume();
    await clock.advance(0);
    expect(farSink.events).toEqual(["data 0123456789abcdef", "close"]);
    expect(farSink.error).toBeInstanceOf(Error);
  });

  it("tells a paused end of a reset when it writes", async () => {
    far.pause();
    near.destroy();
    await clock.advance(0);
    expect(farSink.events).toEqual([]);
    expect(send(far, "x")).toBe(true);
    await clock.advance(0);
    expect(farSink.events).toEqual(["close"]);
  });

  it("tells a sink that opens it after its destruction that it is closed", async () => {
    const dialing = network.dial(ADDRESS);
    await clock.advance(0);
    const pipe = await dialing.pipe;
    pipe.destroy();
    const late = new Recorder();
    pipe.open(late);
    await clock.advance(0);
    expect(late.events).toEqual(["close"]);
  });
});
