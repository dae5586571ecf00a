// Sections 2, 6, 8 and 9 of PROTOCOL.md: the real Session plays each side of the recorded exchanges. It must send exactly
// the bytes of its side, and see what the other side's bytes mean, however they are cut.

import { describe, expect, it } from "vitest";
import { End, errorOf, type MadeCall, type ServedCall, statusOf } from "./end.js";
import { decodeFrame, PREFACE_HEX } from "./reference.js";
import { type Exchange, exchanges, named, type SentFrame, type SideName, type Step } from "./vectors.js";

const SIDES: readonly SideName[] = ["dialing", "accepting"];

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
    this.end = new End(side, limits);
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
    expect(this.sent + this.end.take(), "sent and not in the vector").toBe("");
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
    else if (step.sees !== undefined) this.check(step);
    else await this.expectSent(step);
    // Calls that are made one after the other belong to one tick.
    if (step.does !== "call") await this.end.clock.advance(0);
  }

  private act(step: Step): void {
    const name = step.call as string;
    if (step.does === "call") {
      const { method: path = "", message = "", deadlineMs, metadata, oneWay } = step;
      this.made.set(name, this.end.call({ path, message, deadlineMs, metadata, oneWay }));
    } else if (step.does === "cancel") {
      this.made.get(name)!.controller.abort();
    } else if (step.does === "drain") {
      this.end.session.drain();
    } else {
      const { message = "", code, status = {}, headers, trailers } = step;
      const outcome = code === undefined ? { message } : { error: errorOf(code, status) };
      this.served.get(name)!.answer({ ...outcome, headers, trailers });
    }
  }

  private check(step: Step): void {
    if (step.sees === "call") this.checkServed(step);
    else if (step.sees === "result") this.checkResult(step);
    else expect(this.served.get(step.call as string)!.cancelled.error).toBeDefined();
  }

  private checkServed(step: Step): void {
    const call = this.end.served[this.served.size];
    expect(call).toMatchObject({
      path: step.method,
      message: step.message,
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
    if (!anyText) {
      expect(this.sent.slice(0, hex.length), frame).toBe(hex);
      this.sent = this.sent.slice(hex.length);
      return;
    }
    const chars = 2 * (12 + Buffer.from(this.sent.slice(0, 8), "hex").readUInt32LE(0));
    expect(withoutText(this.sent.slice(0, chars))).toEqual(withoutText(hex));
    this.sent = this.sent.slice(chars);
  }
}

function withoutText(hex: string): unknown {
  const { payload, ...frame } = decodeFrame(hex);
  const { message: _, ...status } = payload.status ?? {};
  return { ...frame, payload: { ...payload, status } };
}

describe.each(SIDES)("as the %s side", (side) => {
  const played = exchanges.filter((exchange) => exchange.alive?.includes(side) ?? true);

  it.each(named(played))("%s", async (_, exchange) => {
    await new Replay(exchange, side, Number.POSITIVE_INFINITY).run(exchange.steps);
  });

  it.each(named(played))("%s, one byte at a time", async (_, exchange) => {
    await new Replay(exchange, side, 1).run(exchange.steps);
  });
});

describe("the exchanges themselves", () => {
  it.each(named(exchanges))("%s: every frame decodes by the reference and is what its name says", (_, { steps }) => {
    for (const { frame, hex } of steps.flatMap((step) => step.sends ?? [])) {
      if (frame === "preface") expect(hex).toBe(PREFACE_HEX);
      else expect(decodeFrame(hex).type).toBe(frame);
    }
  });
});
