// What a receiver does with bytes that are wrong or strange: the reason it must close with, the answer it must give, or
// nothing at all, with the connection as good as before. However the bytes are cut.

import { describe, expect, it } from "vitest";
import { Code } from "../../src/codec/status.js";
import { End, type MadeCall } from "./end.js";
import { decodeFrame, encodeFrame, PREFACE_HEX, splitFrames } from "./reference.js";
import { type MalformedVector, malformed, named, type SideName } from "./vectors.js";

const REASONS = ["DRAIN", "PROTOCOL_ERROR", "LIMIT_EXCEEDED", "UNSUPPORTED_VERSION", "HANDSHAKE_TIMEOUT"];
const PING = encodeFrame({ type: "PING", flags: [], arg: 0, id: 0, payload: {} });
const PONG = encodeFrame({ type: "PONG", flags: [], arg: 0, id: 0, payload: {} });

/** What `end` has sent since it was last asked, but for the pings that measure the way. */
const frames = (end: End): string[] => splitFrames(end.take()).filter((frame) => frame !== PING);
const taken = (end: End) => frames(end).map(decodeFrame);

async function prepare(side: SideName, vector: MalformedVector): Promise<{ end: End; made: MadeCall | undefined }> {
  const end = new End(side);
  await end.feed(vector.before);
  const made = vector.receiverCalls && end.call({ path: vector.receiverCalls.method ?? "echo.v1.Echo/Say" });
  await end.clock.advance(0);
  expect(end.take().slice(0, PREFACE_HEX.length)).toBe(PREFACE_HEX);
  if (made !== undefined) expect(made.call.id).toBe(vector.receiverCalls?.id);
  return { end, made };
}

/** A PING is answered: nothing has happened to the connection. */
async function expectAlive(end: End): Promise<void> {
  expect(end.session.state).toBe("open");
  await end.feed(PING);
  expect(frames(end)).toEqual([PONG]);
}

async function check(side: SideName, vector: MalformedVector, chunkBytes: number): Promise<void> {
  const { end, made } = await prepare(side, vector);
  const { close, closed, response, result, sends = "" } = vector.outcome;
  const served = end.served.length;
  await end.feed(vector.hex, chunkBytes);
  if (close !== undefined) {
    expect(taken(end)).toMatchObject([{ type: "GOAWAY", arg: REASONS.indexOf(close) }]);
    expect(end.pipe.ended).toBe(true);
  } else if (closed) {
    expect(end.pipe.ended || end.pipe.destroyed).toBe(true);
  } else {
    if (response === undefined) expect(frames(end).join("")).toBe(sends);
    else {
      const { id, code, flags } = response;
      expect(end.served).toHaveLength(served);
      expect(taken(end)).toMatchObject([{ type: "RESPONSE", id, arg: Code[code as keyof typeof Code], flags }]);
    }
    expect(made?.code).toBe(result);
    await expectAlive(end);
  }
  await end.close();
}

const sidesOf = ({ receiver }: MalformedVector): readonly SideName[] =>
  receiver === "either" ? ["dialing", "accepting"] : [receiver];

describe.each(["dialing", "accepting"] as const)("received by the %s side", (side) => {
  const received = malformed.filter((vector) => sidesOf(vector).includes(side));

  it.each(named(received))("%s", async (_, vector) => {
    await check(side, vector, Number.POSITIVE_INFINITY);
    await check(side, vector, vector.hex.length < 100_000 ? 1 : 1_021);
  });
});
