// Whole exchanges of PROTOCOL.md, and every frame in every state of a call: the real Session plays each side. It must send
// exactly the bytes of its side, and see what the other side's bytes mean, however they arrive.

import { describe, expect, it } from "vitest";
import { End, errorOf, type MadeCall, type ServedCall, statusOf } from "./end.js";
import { decodeFrame, encodeFrame, PREFACE_HEX } from "./reference.js";
import { type Exchange, exchanges, named, type SentFrame, type SideName, type Step, states } from "./vectors.js";

const SIDES: readonly SideName[] = ["dialing", "accepting"];
const PING = encodeFrame({ type: "PING", flags: [], arg: 0, id: 0, payload: {} });

/** Follows the steps of one exchange as `side`. */
class Replay {
  private readonly end: End;
  private readonly side: SideName;
  private readonly chunkBytes: number;
  private readonly made = new Map<string, MadeCall>();
  private readonly served = new Map<string, ServedCall>();
  private sent = "";

  constructor(exchange: Exchange, side: SideName, chunkBytes: number) {
    const maxCalls = exchange.accepting?.max_calls as number | undefined;
    const limits = side === "accepting" && maxCalls !== undefined ? { maxCallsPerConnection: maxCalls } : {};
    this.end = new End(side, { limits });
    this.side = side;
    this.chunkBytes = chunkBytes;
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      if (step.waitMs !== undefined) await this.end.clock.advance(step.waitMs);
      else if (step.side === this.side) await this.play(step);
      else if (step.sends !== undefined || step.ends) await this.hear(step);
    }
    await this.end.clock.advance(0);
    this.sent += this.end.take();
    this.skipPings();
    expect(this.sent, "sent and not in the vector").toBe("");
    await this.end.close();
  }

  private async hear({ sends = [], ends = false }: Step): Promise<void> {
    await this.end.feed(sends.map(({ hex }) => hex).join(""), this.chunkBytes);
    if (!ends) return;
    this.end.pipe.feedEnd();
    await this.end.clock.advance(0);
  }

  private async play(step: Step): Promise<void> {
    if (step.does !== undefined) this.act(step);
    else if (step.sees !== undefined) await this.check(step);
    else await this.expectSent(step);
    // Calls that are made one after the other belong to one tick.
    if (step.does !== "call") await this.end.clock.advance(0);
  }

  private act(step: Step): void {
    const name = step.call as string;
    const made = this.made.get(name);
    const served = this.served.get(name);
    const { message = "", headers } = step;
    switch (step.does) {
      case "call": {
        const { method: path = "", deadlineMs, metadata, oneWay } = step;
        this.made.set(name, this.end.call({ path, message, deadlineMs, metadata, oneWay }));
        break;
      }
      case "cancel":
        made?.controller.abort();
        break;
      case "drain":
        this.end.session.drain();
        break;
      case "send":
        // What waits when the replay ends is not sent any more.
        made?.stream?.send(message).catch(() => {});
        served?.responses?.push(message, headers);
        break;
      case "end":
        made?.stream?.close().catch(() => {});
        break;
      case "headers":
        served?.sendHeaders(headers ?? []);
        break;
      default: {
        const { code, status = {}, trailers } = step;
        served?.answer({ ...(code === undefined ? { message } : { error: errorOf(code, status) }), headers, trailers });
      }
    }
  }

  private async check(step: Step): Promise<void> {
    const name = step.call as string;
    if (step.sees === "call") this.checkServed(step);
    else if (step.sees === "result") this.checkResult(step);
    else if (step.sees === "cancel") expect(this.served.get(name)?.cancelled.error).toBeDefined();
    else if (step.sees === "headers") expect(this.made.get(name)?.headers).toEqual(step.headers);
    else expect(await this.next(name)).toEqual(step.sees === "end" ? undefined : step.message);
  }

  /** Takes the next message of a call, which has arrived; undefined at the end of the stream. */
  private async next(name: string): Promise<string | undefined> {
    const messages = this.made.get(name)?.stream ?? this.served.get(name)?.requests;
    const taken = messages?.next().then(({ value }) => ({ value: value as string | undefined }));
    await this.end.clock.advance(0);
    const nothing = { value: "nothing has arrived" };
    return (await Promise.race([taken, Promise.resolve(nothing)]))?.value;
  }

  private checkServed(step: Step): void {
    const call = this.end.served[this.served.size];
    expect(call).toMatchObject({
      path: step.method,
      message: step.message ?? "",
      metadata: step.metadata ?? [],
      deadlineMs: step.deadlineMs ?? Number.POSITIVE_INFINITY,
      isOneWay: step.oneWay ?? false,
    });
    this.served.set(step.call as string, call as ServedCall);
  }

  private checkResult(step: Step): void {
    const result = this.made.get(step.call as string)!;
    expect(result.code).toBe(step.code ?? "OK");
    if (step.message !== undefined) expect(result.message).toBe(step.message);
    if (step.status !== undefined) expect(statusOf(result.error!)).toEqual(step.status);
    if (step.refused) expect(result.error?.retry).toBe("safe");
    if (step.headers !== undefined) expect(result.headers).toEqual(step.headers);
    if (step.trailers !== undefined) expect(result.trailers).toEqual(step.trailers);
  }

  private async expectSent({ sends = [], oneWrite = false, ends = false }: Step): Promise<void> {
    await this.end.clock.advance(0);
    if (oneWrite) expect(this.end.pipe.writes).toHaveLength(1);
    this.sent += this.end.take();
    for (const wanted of sends) this.expectFrame(wanted);
    if (ends) expect(this.end.pipe.ended || this.end.pipe.destroyed, "the stream has ended").toBe(true);
  }

  private expectFrame({ frame, hex, anyText = false }: SentFrame): void {
    if (hex !== PING) this.skipPings();
    if (frame === "SETTINGS") {
      this.expectSettings(hex);
      return;
    }
    if (!anyText) {
      expect(this.sent.slice(0, hex.length), frame).toBe(hex);
      this.sent = this.sent.slice(hex.length);
      return;
    }
    expect(withoutText(this.takeFrame())).toEqual(withoutText(hex));
  }

  /** What can be decompressed depends on the Node.js; the rest of what is announced does not. */
  private expectSettings(hex: string): void {
    const [ours, wanted] = [this.takeFrame(), hex].map((each) => decodeFrame(each).payload.settings);
    expect({ ...ours, compressions: wanted?.compressions }).toEqual(wanted);
    expect(ours?.compressions).toEqual(expect.arrayContaining(wanted?.compressions as string[]));
  }

  /** A side may ping to measure the way to the other one; that is not part of an exchange. */
  private skipPings(): void {
    while (this.sent.startsWith(PING)) this.sent = this.sent.slice(PING.length);
  }

  private takeFrame(): string {
    const chars = 2 * (12 + Buffer.from(this.sent.slice(0, 8), "hex").readUInt32LE(0));
    const frame = this.sent.slice(0, chars);
    this.sent = this.sent.slice(chars);
    return frame;
  }
}

function withoutText(hex: string): unknown {
  const { payload, ...frame } = decodeFrame(hex);
  const { message: _, ...status } = payload.status ?? {};
  return { ...frame, payload: { ...payload, status } };
}

describe.each(SIDES)("as the %s side", (side) => {
  const all: readonly Exchange[] = [...exchanges, ...states];
  const played = all.filter((exchange) => exchange.alive?.includes(side) ?? true);

  it.each(named(played))("%s", async (_, exchange) => {
    await new Replay(exchange, side, Number.POSITIVE_INFINITY).run(exchange.steps);
  });

  it.each(named(played))("%s, in small pieces", async (_, exchange) => {
    await new Replay(exchange, side, pieceBytes(exchange)).run(exchange.steps);
  });
});

/** A byte at a time; somewhat more where that would take long. */
function pieceBytes({ steps }: Exchange): number {
  const chars = steps.reduce((sum, { sends = [] }) => sum + sends.reduce((all, { hex }) => all + hex.length, 0), 0);
  return chars < 100_000 ? 1 : 1_021;
}

describe("the exchanges themselves", () => {
  it.each(named([...exchanges, ...states]))(
    "%s: every frame decodes by the reference and is what its name says",
    (_, { steps }) => {
      for (const { frame, hex } of steps.flatMap((step) => step.sends ?? [])) {
        if (frame === "preface") expect(hex).toBe(PREFACE_HEX);
        else expect(decodeFrame(hex).type).toBe(frame);
      }
    },
  );
});
