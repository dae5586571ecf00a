// pair(): a client and a server in one process, as `sluice/testing` offers it to users.

import { describe, expect, it } from "vitest";
import { Code } from "../src/index.js";
import { type PairOptions, pair, type VirtualClock } from "../src/testing.js";
import { Echo, EchoClient, type EchoHandlers, type Message } from "./support/gen/support/v1/echo.js";

/** What the handlers need: the calls that `hold` has begun, to be ended by the test. */
interface EchoPair extends AsyncDisposable {
  readonly client: EchoClient;
  readonly clock: VirtualClock;
  readonly held: ((reply: Message) => void)[];
  close(): Promise<void>;
}

function echoPair(options?: PairOptions): EchoPair {
  const { channel, server, clock, close } = pair(options);
  const held: ((reply: Message) => void)[] = [];
  const handlers: EchoHandlers = {
    echo: (request) => request,
    echoSoon: async (request) => request,
    hold: () => new Promise((resolve) => held.push(resolve)),
    fail: () => {
      throw new Error("no");
    },
    note: () => ({}),
  };
  server.handle(Echo, handlers);
  return { client: new EchoClient(channel), clock, held, close, [Symbol.asyncDispose]: close };
}

describe("pair", () => {
  it("carries a call there and back without any time passing", async () => {
    await using rig = echoPair();
    const call = rig.client.echo({ id: 1n, text: "hello" });
    await rig.clock.advance(0);
    expect(await call).toMatchObject({ id: 1n, text: "hello" });
    expect(rig.clock.now()).toBe(0);
  });

  it("ends a call at its deadline, and not before", async () => {
    await using rig = echoPair();
    let code: number | undefined;
    rig.client.hold({}, { timeoutMs: 100 }).catch((error) => {
      code = error.code;
    });
    await rig.clock.advance(99);
    expect(code).toBeUndefined();
    await rig.clock.advance(1);
    expect(code).toBe(Code.DEADLINE_EXCEEDED);
    rig.held[0]?.({ id: 0n, text: "", payload: new Uint8Array() });
  });

  it("takes the options of both sides", async () => {
    await using rig = echoPair({ client: { mode: "short" }, server: { maxCalls: 1, policy: { queue: 0 } } });
    const calls = [rig.client.hold({}), rig.client.hold({})];
    const outcomes = Promise.allSettled(calls);
    await rig.clock.advance(0);
    rig.held[0]?.({ id: 7n, text: "", payload: new Uint8Array() });
    await rig.clock.advance(0);
    expect(await outcomes).toMatchObject([
      { status: "fulfilled", value: { id: 7n } },
      { status: "rejected", reason: { code: Code.RESOURCE_EXHAUSTED } },
    ]);
  });

  it("closes with calls under way, and says what was left behind", async () => {
    const rig = echoPair();
    const call = rig.client.hold({});
    const failed = expect(call).rejects.toMatchObject({ code: Code.UNAVAILABLE });
    await rig.clock.advance(0);
    rig.clock.setTimer(() => undefined, 60_000, false);
    await expect(rig.close()).rejects.toThrow("left after close: 1 timers");
    await failed;
  });
});
