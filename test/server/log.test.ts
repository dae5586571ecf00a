// The server's log: what is logged, that each event is one bounded line of JSON whatever a peer sends, and that refusals
// and handler errors are rate-limited.

import { type Logger, pino } from "pino";
import { expect, it } from "vitest";
import { EchoClient, OtherClient } from "../support/gen/support/v1/echo.js";
import { hello, method, request, ScriptedPeer } from "../support/peer.js";
import { ADDRESS, failure, useRig } from "../support/rig.js";

const rig = useRig();
const HOSTILE = [
  '\r\n{"level":60}',
  "\u001b[31m",
  "\u2028\u2029",
  '"'.repeat(300),
  "\\".repeat(300),
  "\0",
  "é😀".repeat(100),
];

function memoryLog(): { readonly lines: string[]; readonly logger: Logger } {
  const lines: string[] = [];
  return { lines, logger: pino({}, { write: (line: string) => void lines.push(line) }) };
}

function checkLines(lines: readonly string[]): Record<string, unknown>[] {
  return lines.map((line) => {
    expect(line.endsWith("\n")).toBe(true);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    expect(Buffer.byteLength(line)).toBeLessThanOrEqual(1_024);
    return JSON.parse(line) as Record<string, unknown>;
  });
}

it("names connections when they come and go, with the reason", async () => {
  const { lines, logger } = memoryLog();
  await rig.current.serve({}, { logger });
  const channel = rig.current.connect({ peerId: "client-1" });
  await rig.current.now(channel.ready());
  await rig.current.now(channel.close());
  const events = checkLines(lines);
  expect(events.map(({ msg }) => msg)).toEqual(["listening", "connected", "disconnected"]);
  expect(events[0]).toMatchObject({ address: ADDRESS });
  expect(events[1]).toMatchObject({ peer: "client-1" });
  expect(events[2]?.reason).toContain("the connection was closed");
});

it("keeps the error of a handler, with its stack, which the caller does not see", async () => {
  const { lines, logger } = memoryLog();
  await rig.current.serve({}, { logger });
  await rig.current.now(failure(rig.current.client().fail({})));
  const event = checkLines(lines).find(({ msg }) => msg === "handler failed");
  expect(event).toMatchObject({ path: "support.v1.Echo/Fail", error: { type: "Error", message: "secret" } });
  expect((event as { error: { stack: string } }).error.stack).toContain(" at ");
});

it("keeps the error of a one-way handler, which nobody else hears of", async () => {
  const { lines, logger } = memoryLog();
  await rig.current.serve({ note: () => Promise.reject(new Error("lost note")) }, { logger });
  await rig.current.now(rig.current.client().note({}));
  await rig.current.clock.advance(10);
  const event = checkLines(lines).find(({ msg }) => msg === "handler failed");
  expect(event).toMatchObject({ path: "support.v1.Echo/Note", error: { message: "lost note" } });
});

it.each(HOSTILE)("writes one bounded line for each event, whatever a peer or an error says: %j", async (text) => {
  const { lines, logger } = memoryLog();
  await rig.current.serve(
    {
      fail: () => {
        const error = new Error(text.repeat(50));
        error.name = text.repeat(50);
        throw error;
      },
    },
    { logger },
  );
  const name = Buffer.from(text).subarray(0, 60).toString("latin1").slice(0, 30);
  const peer = await ScriptedPeer.dial(rig.current.network, rig.current.clock, ADDRESS);
  peer.send(hello({ peerId: name, agent: name }), method(1, text.slice(0, 200)), request(0, 1));
  await rig.current.clock.advance(2_000);
  peer.pipe.destroy();
  await rig.current.now(failure(rig.current.client().fail({})));
  const events = checkLines(lines);
  expect(events.map(({ msg }) => msg)).toEqual(
    expect.arrayContaining(["listening", "connected", "refused", "disconnected", "handler failed"]),
  );
});

it("writes one line a second for refusals and one for handler errors, each saying how many it stands for", async () => {
  const { lines, logger } = memoryLog();
  await rig.current.serve({}, { logger });
  const channel = rig.current.connect();
  const echo = new EchoClient(channel);
  const other = new OtherClient(channel);
  for (let round = 0; round < 3; round++) {
    const errors = Array.from({ length: 100 }, () => [failure(echo.fail({})), failure(other.ask({}))]).flat();
    await rig.current.now(Promise.all(errors));
    await rig.current.clock.advance(1_000);
  }
  const events = checkLines(lines);
  for (const msg of ["handler failed", "refused"]) {
    expect(events.filter((event) => event.msg === msg).map(({ suppressed }) => suppressed)).toEqual([0, 99, 99]);
  }
});
