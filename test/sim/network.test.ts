// The simulator itself: what it does to bytes is what a network may do to them, and a seed gives one run.

import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../src/testing.js";
import { type Pipe, type PipeSink, parseAddress } from "../../src/transport/pipe.js";
import { Dice } from "./dice.js";
import { StrikeLog } from "./faults.js";
import { Host } from "./host.js";
import { FaultyNetwork } from "./network.js";
import { Trace } from "./trace.js";

const ADDRESS = parseAddress("memory:s");

/** Writes a known byte sequence for as long as it may, and checks that what it reads is a prefix of the same sequence. */
class Talker implements PipeSink {
  received = 0;
  wrong = 0;
  ended = false;
  closed = 0;
  afterClose = 0;
  private sent = 0;
  private waiting = false;
  private readonly pipe: Pipe;
  private readonly total: number;

  constructor(pipe: Pipe, total: number) {
    this.pipe = pipe;
    this.total = total;
    pipe.open(this);
    this.talk();
  }

  talk(): void {
    while (!this.waiting && this.sent < this.total && this.closed === 0) {
      const bytes = Buffer.from(
        Array.from({ length: Math.min(997, this.total - this.sent) }, (_, i) => byteAt(this.sent + i)),
      );
      this.sent += bytes.length;
      this.waiting = !this.pipe.write(bytes, 0, bytes.length);
      if (!this.waiting) bytes.fill(0);
    }
    if (!this.waiting && this.sent === this.total) this.pipe.end();
  }

  onData(buf: Buffer, start: number, end: number): void {
    this.afterClose += this.closed;
    for (let at = start; at < end; at++) if (buf[at] !== byteAt(this.received++)) this.wrong++;
  }
  onDrain(): void {
    this.afterClose += this.closed;
    this.waiting = false;
    this.talk();
  }
  onEnd(): void {
    this.ended = true;
  }
  onClose(): void {
    this.closed++;
  }
}

function byteAt(position: number): number {
  return (position * 31 + (position >> 8) * 7) & 0xff;
}

interface Run {
  readonly world: VirtualClock;
  readonly network: FaultyNetwork;
  readonly client: Host;
  readonly server: Host;
  readonly trace: Trace;
  readonly strikes: StrikeLog;
}

function newRun(seed: number): Run {
  const dice = new Dice(seed);
  const world = new VirtualClock();
  const trace = new Trace(world, true);
  const strikes = new StrikeLog();
  const network = new FaultyNetwork(world, dice.fork(), trace, strikes);
  const client = new Host("c", world, dice.fork());
  const server = new Host("s", world, dice.fork());
  return { world, network, client, server, trace, strikes };
}

async function talk(run: Run, total: number): Promise<[Talker, Talker]> {
  const { network, client, server, world } = run;
  let far!: Talker;
  await network.at(server).listen(ADDRESS, (pipe) => {
    far = new Talker(pipe, total);
  });
  const dialing = network.at(client).dial(ADDRESS);
  await world.advance(20);
  return [new Talker(await dialing.pipe, total), far];
}

describe("the faulty network", () => {
  it("delivers every byte in order when nothing breaks, whatever the weather", async () => {
    for (let seed = 0; seed < 30; seed++) {
      const run = newRun(seed);
      const talkers = await talk(run, 60_000);
      run.network.cast("slice", run.client, run.server, 50, { maxSliceBytes: 40 });
      run.network.cast("slow-reader", run.client, run.server, 400, { windowBytes: 700, bytesPerMs: 50 });
      run.network.cast("silence", run.client, run.server, 100);
      run.client.stall(30);
      await run.world.advance(60_000);
      for (const { received, wrong, ended, closed, afterClose } of talkers) {
        expect({ seed, received, wrong, ended, closed, afterClose }).toEqual({
          seed,
          received: 60_000,
          wrong: 0,
          ended: true,
          closed: 1,
          afterClose: 0,
        });
      }
      expect(run.network.openEnds).toBe(0);
    }
  });

  it("delivers exactly the bytes before a cut, then closes both ends", async () => {
    for (let seed = 0; seed < 60; seed++) {
      const run = newRun(seed);
      const offset = seed < 3 ? seed : seed * 137;
      const cut = talk(run, 50_000);
      await run.network.at(run.server).listen(parseAddress("memory:other"), () => undefined);
      run.network.onClientWrite = () => {
        run.network.onClientWrite = () => undefined;
        run.network.linksOf(run.client)[0]!.dialer.breakAfter("cut", offset);
      };
      const [near, far] = await cut;
      await run.world.advance(60_000);
      expect({ seed, received: far.received, wrong: far.wrong + near.wrong }).toEqual({
        seed,
        received: offset,
        wrong: 0,
      });
      expect([near.closed, far.closed, run.network.openEnds]).toEqual([1, 1, 0]);
      expect(run.strikes.met("c", 0, 1e9)).toEqual(new Set(["cut"]));
    }
  });

  it("half-closes one direction at a byte and carries on with the other", async () => {
    const run = newRun(5);
    const [near, far] = await talk(run, 50_000);
    run.network.linksOf(run.client)[0]!.dialer.breakAfter("half-close", 1234);
    await run.world.advance(60_000);
    expect(far.ended).toBe(true);
    expect(far.received).toBeLessThan(50_000);
    expect(near.received).toBe(50_000);
  });

  it("tells nobody of a dead link, and still closes an end that is destroyed", async () => {
    const run = newRun(6);
    const { network, client, world } = run;
    await network.at(run.server).listen(ADDRESS, () => undefined);
    const dialing = network.at(client).dial(ADDRESS);
    await world.advance(20);
    const pipe = await dialing.pipe;
    network.silence(network.linksOf(client)[0]!, "dead-link");
    const near = new Talker(pipe, 1_000_000);
    await world.advance(100_000);
    expect([near.received, near.closed, near.ended]).toEqual([0, 0, false]);
    pipe.destroy();
    await world.advance(10);
    expect([near.closed, network.openEnds]).toEqual([1, 1]);
  });

  it("refuses, hangs and mutes dials while told to", async () => {
    const run = newRun(8);
    const { network, client, server, world } = run;
    await network.at(server).listen(ADDRESS, () => undefined);
    network.cast("refuse", client, server, 100);
    const refused = expect(network.at(client).dial(ADDRESS).pipe).rejects.toThrow("memory:s: connection refused");
    await world.advance(101);
    await refused;
    network.cast("dial-hang", client, server, 100);
    const hung = network.at(client).dial(ADDRESS);
    const givenUp = expect(hung.pipe).rejects.toThrow("memory:s: dial given up");
    await world.advance(60_000);
    hung.cancel();
    await givenUp;
    network.cast("mute", client, server, 100);
    const mute = network.at(client).dial(ADDRESS);
    await world.advance(100);
    const near = new Talker(await mute.pipe, 10);
    await world.advance(60_000);
    expect([near.received, near.closed]).toEqual([0, 0]);
  });

  it("kills a server with resets, or without a word", async () => {
    for (const kind of ["crash", "power-loss"] as const) {
      const run = newRun(9);
      const [near, far] = await talk(run, 1_000_000);
      run.network.kill(run.server, kind);
      await run.world.advance(60_000);
      expect([kind, near.closed, far.closed]).toEqual([kind, kind === "crash" ? 1 : 0, 1]);
      const again = expect(run.network.at(run.client).dial(ADDRESS).pipe).rejects.toThrow("refused");
      await run.world.advance(10);
      await again;
    }
  });

  it("gives the same trace for the same seed", async () => {
    const traceOf = async (seed: number): Promise<string> => {
      const run = newRun(seed);
      await talk(run, 20_000);
      run.network.cast("slice", run.client, run.server, 30, { maxSliceBytes: 100 });
      await run.world.advance(10_000);
      return run.trace.digest();
    };
    expect(await traceOf(1)).toBe(await traceOf(1));
    expect(await traceOf(1)).not.toBe(await traceOf(2));
  });
});

describe("a host", () => {
  it("runs what became due in a stall late, timers before I/O before turns", async () => {
    const { world, client } = newRun(1);
    const order: string[] = [];
    const note = (what: string) => (): void => void order.push(`${what} ${Math.round(world.now())}`);
    client.setTimer(note("timer"), 50, true);
    world.setTimer(() => client.io(note("io")), 20, true);
    world.setTimer(() => client.nextTurn(note("turn")), 10, true);
    client.stall(100);
    await world.advance(200);
    expect(order).toEqual(["timer 100", "io 100", "turn 100"]);
    expect(client.pendingTimers).toBe(0);
  });

  it("forgets a timer that is cleared while it is overdue", async () => {
    const { world, client } = newRun(1);
    let fired = false;
    const first = (): void => client.clearTimer(second);
    client.setTimer(first, 10, true);
    const second = client.setTimer(() => (fired = true), 50, true);
    client.stall(100);
    await world.advance(200);
    expect(fired).toBe(false);
    expect(client.pendingTimers).toBe(0);
  });
});
