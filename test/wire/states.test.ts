// Every frame type in every state, for both sides: the two tables of section 4 of PROTOCOL.md, read from the document and
// tried on the real Session. A cell whose text nobody here knows how to check fails the test.

import { describe, expect, it } from "vitest";
import { chapter, table } from "./document.js";
import { End, type MadeCall } from "./end.js";
import { decodeFrame, encodeFrame, type Payload, PREFACE_HEX, type ReferenceFrame, splitFrames } from "./reference.js";
import type { SideName } from "./vectors.js";

const PATH = "echo.v1.Echo/Say";
const GENERATION = 0x2_0000;
const OK = 0;
const CANCELLED = 1;
const PROTOCOL_ERROR = 1;

type Build = Partial<Pick<ReferenceFrame, "flags" | "arg" | "id">> & { readonly payload?: Payload };

function frame(type: string, { flags = [], arg = 0, id = 0, payload = {} }: Build = {}): string {
  return encodeFrame({ type, flags, arg, id, payload });
}

const SETTINGS = frame("SETTINGS", { payload: { settings: { min_version: 1, max_version: 1 } } });
const DRAIN = frame("GOAWAY", { payload: { status: {} } });
const UNKNOWN = "03000000c8ffffffffffffff616263";
const method = (arg: number): string => frame("METHOD", { arg, payload: { path: PATH } });
const request = (id: number, arg = 1): string =>
  frame("REQUEST", { flags: ["END"], arg, id, payload: { message: "" } });

/** A valid frame of each type, about the call `id` where it is about one. */
const sample: { readonly [type: string]: (id: number) => string } = {
  SETTINGS: () => SETTINGS,
  METHOD: () => method(2),
  REQUEST: (id) => request(id),
  RESPONSE: (id) => frame("RESPONSE", { flags: ["END"], id, payload: { message: "" } }),
  MESSAGE: (id) => frame("MESSAGE", { id, payload: { message: "" } }),
  FRAGMENT: (id) => frame("FRAGMENT", { id, payload: { bytes: "00" } }),
  CANCEL: (id) => frame("CANCEL", { arg: CANCELLED, id }),
  CREDIT: (id) => frame("CREDIT", { id, payload: { increment: 1 } }),
  PING: () => frame("PING"),
  PONG: () => frame("PONG"),
  GOAWAY: () => DRAIN,
  LEASE: () => frame("LEASE", { payload: { ttlMs: 1, count: 1 } }),
  "of an unknown type": () => UNKNOWN,
};

const SIDES: readonly SideName[] = ["dialing", "accepting"];
/** Bit 0 of the ids of the calls that a side begins. */
const bitOf = (side: SideName): number => (side === "dialing" ? 0 : 1);
const other = (side: SideName): SideName => (side === "dialing" ? "accepting" : "dialing");

const sent = (end: End): ReferenceFrame[] => splitFrames(end.take()).map(decodeFrame);

/** A connection past the handshake, with method 1 named by the peer and nothing left to be read of what was sent. */
async function connected(side: SideName): Promise<End> {
  const end = new End(side);
  await end.feed(PREFACE_HEX + SETTINGS + method(1));
  end.take();
  return end;
}

async function expectFatal(end: End): Promise<void> {
  expect(sent(end)).toMatchObject([{ type: "GOAWAY", arg: PROTOCOL_ERROR }]);
  expect(end.pipe.ended).toBe(true);
}

/** Nothing was sent, and the connection answers a PING. */
async function expectIgnored(end: End): Promise<void> {
  expect(sent(end)).toEqual([]);
  await end.feed(frame("PING"));
  expect(sent(end)).toMatchObject([{ type: "PONG" }]);
}

// States of a call

/** A connection with a call in some state, as the receiver of the next frame sees it. */
interface Situation {
  readonly end: End;
  readonly id: number;
  readonly made?: MadeCall;
}

/** How a receiver comes to have a call in a state; the column of the table that it belongs to. */
interface CallState {
  readonly name: string;
  readonly column: string;
  readonly role: "callee" | "caller";
  readonly make: (side: SideName) => Promise<Situation>;
}

async function serving(side: SideName): Promise<Situation> {
  const end = await connected(side);
  const id = bitOf(other(side));
  await end.feed(request(id));
  expect(end.served).toHaveLength(1);
  return { end, id };
}

async function calling(side: SideName): Promise<Situation & { made: MadeCall }> {
  const end = await connected(side);
  const made = end.call({ path: PATH, message: "" });
  await end.clock.advance(0);
  expect(sent(end).map(({ type }) => type)).toEqual(["METHOD", "REQUEST"]);
  return { end, id: made.call.id, made };
}

const CALL_STATES: readonly CallState[] = [
  {
    name: "idle",
    column: "idle or closed",
    role: "callee",
    make: async (side) => ({ end: await connected(side), id: bitOf(other(side)) }),
  },
  {
    name: "answered",
    column: "idle or closed",
    role: "callee",
    make: async (side) => {
      const situation = await serving(side);
      situation.end.served[0]?.answer({ message: "" });
      await situation.end.clock.advance(0);
      expect(sent(situation.end)).toMatchObject([{ type: "RESPONSE", arg: OK }]);
      return situation;
    },
  },
  {
    name: "answered UNIMPLEMENTED, its stream still coming",
    column: "idle or closed",
    role: "callee",
    make: async (side) => {
      const end = await connected(side);
      const id = bitOf(other(side));
      await end.feed(frame("REQUEST", { arg: 1, id, payload: { message: "" } }));
      expect(sent(end)).toMatchObject([{ type: "RESPONSE", arg: 12 }]);
      return { end, id };
    },
  },
  { name: "served", column: "half-closed", role: "callee", make: serving },
  {
    name: "idle",
    column: "idle or closed",
    role: "caller",
    make: async (side) => ({ end: await connected(side), id: bitOf(side) }),
  },
  {
    name: "answered",
    column: "idle or closed",
    role: "caller",
    make: async (side) => {
      const { end, id, made } = await calling(side);
      await end.feed(frame("RESPONSE", { flags: ["END"], id, payload: { message: "" } }));
      expect(made.code).toBe("OK");
      return { end, id };
    },
  },
  {
    name: "given up",
    column: "idle or closed",
    role: "caller",
    make: async (side) => {
      const { end, id, made } = await calling(side);
      made.controller.abort();
      await end.clock.advance(0);
      expect(sent(end)).toMatchObject([{ type: "CANCEL", id, arg: CANCELLED }]);
      return { end, id };
    },
  },
  { name: "under way", column: "open", role: "caller", make: calling },
];

/** What each text of the table means for an implementation of unary calls. */
const callOutcomes: { readonly [text: string]: (situation: Situation, type: string) => Promise<void> } = {
  PROTOCOL_ERROR: ({ end }) => expectFatal(end),
  "more of a message; PROTOCOL_ERROR if none is incomplete": ({ end }) => expectFatal(end),
  ignored: ({ end }) => expectIgnored(end),
  "adds credit": ({ end }) => expectIgnored(end),
  "counted, ignored": async ({ end }) => {
    await expectIgnored(end);
    expect(end.counters.unknownResponses + end.counters.lateResponses).toBe(1);
  },
  "begins a call": async ({ end, id }) => {
    expect(sent(end)).toEqual([]);
    end.served.at(-1)?.answer({ message: "" });
    await end.clock.advance(0);
    expect(sent(end)).toMatchObject([{ type: "RESPONSE", id, arg: OK }]);
  },
  "ends the call": async ({ end, made }) => {
    expect(made?.code).toBe("OK");
    await expectIgnored(end);
  },
  cancels: async ({ end, id }) => {
    expect(sent(end)).toMatchObject([{ type: "RESPONSE", id, arg: CANCELLED }]);
    expect(end.served[0]?.cancelled.error).toBeDefined();
  },
  "a message of the stream": async ({ end, id, made }) => {
    expect(flatText("14. Streams")).toContain(
      "A caller that wants one message and receives a MESSAGE ends the call INTERNAL and sends CANCEL.",
    );
    expect(made?.code).toBe("INTERNAL");
    expect(sent(end)).toMatchObject([{ type: "CANCEL", id, arg: CANCELLED }]);
    await expectIgnored(end);
  },
};

function flatText(heading: string): string {
  return chapter(heading).replace(/\s+/g, " ");
}

describe("states of a call", () => {
  const cases = table("States of a call", "frame received").flatMap((row) => {
    const [, type = "", to] = /^(\w+)(?: \(to the (\w+)\))?$/.exec(row["frame received"] ?? "") ?? [];
    return CALL_STATES.filter(({ role }) => to === undefined || role === to).flatMap((state) =>
      SIDES.map((side) => [type, state.role, side, state.name, row[state.column] ?? "", state] as const),
    );
  });

  it("are those of the document", () => {
    expect(cases).toHaveLength(2 * (4 + 4 + 3 * 8 + 4));
  });

  it.each(cases)("%s to the %s (the %s side) of a call that is %s: %s", async (type, _, side, __, text, state) => {
    const situation = await state.make(side);
    await situation.end.feed(sample[type]!(situation.id));
    await callOutcomes[text]!(situation, type);
    await situation.end.close();
  });

  it.each(SIDES)("frames to the wrong one: a REQUEST with the id of the %s side is fatal to it", async (side) => {
    const { end, id } = await calling(side);
    await end.feed(request(id));
    await expectFatal(end);
    await end.close();
  });

  it.each(SIDES)("frames to the wrong one: a RESPONSE or CANCEL names no call of the %s side", async (side) => {
    const served = await serving(side);
    await served.end.feed(sample.RESPONSE!(served.id));
    await expectIgnored(served.end);
    expect(served.end.counters.unknownResponses).toBe(1);
    await served.end.close();
    const { end, id, made } = await calling(side);
    await end.feed(sample.CANCEL!(id));
    await expectIgnored(end);
    expect(made.code).toBeUndefined();
    await end.close();
  });

  it.each(SIDES)(
    "the answer of a call that the %s side has given up frees its slot, and nothing before does",
    async (side) => {
      const { end, id, made } = await calling(side);
      made.controller.abort();
      for (const type of ["MESSAGE", "FRAGMENT", "CREDIT"]) await end.feed(sample[type]!(id));
      expect(end.call({ path: PATH, message: "" }).call.id).toBe(id + 2);
      await end.feed(sample.RESPONSE!(id));
      expect(end.call({ path: PATH, message: "" }).call.id).toBe(id + GENERATION);
      await end.close();
    },
  );
});

// States of a connection

/** How a connection comes to be in a state; the column of the table that it belongs to. */
interface ConnectionState {
  readonly name: string;
  readonly column: string;
  /** With a call of the peer under way, so that a connection that drains stays. */
  readonly make: (side: SideName) => Promise<Situation>;
}

const CONNECTION_STATES: readonly ConnectionState[] = [
  {
    name: "before SETTINGS",
    column: "before the peer's SETTINGS",
    make: async (side) => {
      const end = new End(side);
      await end.feed(PREFACE_HEX);
      end.take();
      return { end, id: bitOf(other(side)) };
    },
  },
  { name: "open", column: "open, or draining", make: serving },
  {
    name: "draining",
    column: "open, or draining",
    make: async (side) => {
      const situation = await serving(side);
      situation.end.session.drain();
      await situation.end.clock.advance(0);
      expect(sent(situation.end).map(({ type }) => type)).toEqual(["GOAWAY", "PING"]);
      return situation;
    },
  },
  {
    name: "drained by the peer",
    column: "open, or draining",
    make: async (side) => {
      const situation = await serving(side);
      await situation.end.feed(DRAIN);
      return situation;
    },
  },
  {
    name: "closed by this side",
    column: "ended",
    make: async (side) => {
      const situation = await serving(side);
      await situation.end.feed(SETTINGS);
      await expectFatal(situation.end);
      return situation;
    },
  },
  {
    name: "ended by this side",
    column: "ended",
    make: async (side) => {
      const end = await connected(side);
      await end.feed(DRAIN);
      expect(end.pipe.ended).toBe(true);
      return { end, id: bitOf(other(side)) };
    },
  },
];

const connectionOutcomes: { readonly [text: string]: (situation: Situation, type: string) => Promise<void> } = {
  PROTOCOL_ERROR: ({ end }) => expectFatal(end),
  ignored: ({ end }) => expectIgnored(end),
  "a lease; ignored if the sender has not announced `leases`": ({ end }) => expectIgnored(end),
  "not read": async ({ end }) => {
    const { length } = end.served;
    expect(sent(end)).toEqual([]);
    await end.feed(method(3) + request(bitOf("dialing") + 2, 3) + frame("PING"));
    expect(sent(end)).toEqual([]);
    expect(end.served).toHaveLength(length);
  },
  "opens the connection": async ({ end }) => {
    expect(end.session.state).toBe("open");
    await expectIgnored(end);
  },
  "names a method": async ({ end, id }) => {
    await end.feed(request(id + 2, 2));
    expect(end.served.map(({ path }) => path)).toEqual([PATH, PATH]);
    await expectIgnored(end);
  },
  "by the state of the call": async ({ end }, type) => {
    // The table of call states says what happens; here, that the call under way is found.
    if (type === "CANCEL") expect(sent(end)).toMatchObject([{ type: "RESPONSE", arg: CANCELLED }]);
    else if (type === "RESPONSE" || type === "CREDIT") await expectIgnored(end);
    else await expectFatal(end);
  },
  answered: async ({ end }) => {
    expect(sent(end)).toMatchObject([{ type: "PONG" }]);
  },
  "answers the oldest PING; ignored without one": async ({ end }) => {
    await expectIgnored(end);
    expect(end.pipe.ended).toBe(false);
  },
  "section 9": async ({ end }) => {
    await expectIgnored(end);
    expect(end.session.isUsable).toBe(false);
    end.served[0]?.answer({ message: "" });
    await end.clock.advance(0);
    expect(sent(end)).toMatchObject([{ type: "RESPONSE", arg: OK }]);
    expect(end.pipe.ended).toBe(true);
  },
};

describe("states of a connection", () => {
  const cases = table("States of a connection", "frame received").flatMap((row) =>
    (row["frame received"] ?? "")
      .split(", ")
      .flatMap((type) =>
        CONNECTION_STATES.flatMap((state) =>
          SIDES.map((side) => [type, side, state.name, row[state.column] ?? "", state] as const),
        ),
      ),
  );

  it("are those of the document, for every frame type", () => {
    expect(new Set(cases.map(([type]) => type))).toEqual(new Set(Object.keys(sample)));
    expect(cases).toHaveLength(13 * CONNECTION_STATES.length * 2);
  });

  it.each(cases)("%s to the %s side, %s: %s", async (type, side, _, text, state) => {
    const situation = await state.make(side);
    await situation.end.feed(sample[type]!(situation.id));
    await connectionOutcomes[text]!(situation, type);
    await situation.end.close();
  });

  it.each(SIDES)("a PONG that nobody asked for does not hide that of a drain from the %s side", async (side) => {
    const end = await connected(side);
    await end.feed(frame("PONG"));
    end.session.drain();
    await end.clock.advance(0);
    expect(end.pipe.ended).toBe(false);
    await end.feed(frame("PONG"));
    expect(end.pipe.ended).toBe(true);
    await end.close();
  });
});
