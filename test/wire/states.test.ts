// Every frame in every state, for both sides: the tables of section 4 of PROTOCOL.md, read from the document and tried on
// the real Session. A cell whose text nobody here knows how to check fails the test.

import { describe, expect, it } from "vitest";
import { chapter, table } from "./document.js";
import { End, type MadeCall, type ServedCall } from "./end.js";
import {
  cutFrame,
  decodeFrame,
  encodeFrame,
  type Payload,
  PREFACE_HEX,
  type ReferenceFrame,
  splitFrames,
} from "./reference.js";
import type { SideName } from "./vectors.js";

const PATH = "echo.v1.Echo/Say";
const GENERATION = 0x2_0000;
const OK = 0;
const CANCELLED = 1;
const RESOURCE_EXHAUSTED = 8;
const PROTOCOL_ERROR = 1;

const UNIMPLEMENTED = 12;
/** What the message of a sample is: 10 bytes, of which a first frame has 6. */
const TEN = "30313233343536373839";
/** A message that takes the initial credit of a stream, 65,536 bytes, to -34,476. */
const BULK = "61".repeat(100_000);
const MISSING_CREDIT = 34_477;
/** A response that is cut and does not fit the credit of the connection: its last fragments wait. */
const LONG = "62".repeat(1_200_000);

type Build = Partial<Pick<ReferenceFrame, "flags" | "arg" | "id">> & { readonly payload?: Payload };

function frame(type: string, { flags = [], arg = 0, id = 0, payload = {} }: Build = {}): string {
  return encodeFrame({ type, flags, arg, id, payload });
}

const SETTINGS = frame("SETTINGS", {
  payload: { settings: { min_version: 1, max_version: 1, max_message_bytes: 4_000_000 } },
});
const DRAIN = frame("GOAWAY", { payload: { status: {} } });
const UNKNOWN = "03000000c8ffffffffffffff616263";
const METHODS = ["Say", "List", "Collect", "Chat"];
const pathOf = (name: string): string => `echo.v1.Echo/${name}`;
const argOf = (name: string): number => METHODS.indexOf(name) + 1;
const method = (arg: number): string => frame("METHOD", { arg, payload: { path: pathOf(METHODS[arg - 1] ?? "Say") } });
const request = (id: number, arg = 1): string =>
  frame("REQUEST", { flags: ["END"], arg, id, payload: { message: "" } });
const withId = (type: string, flags: string[], id: number): string =>
  frame(type, { flags, id, payload: { message: TEN } });
const first = (whole: string): string => cutFrame(whole, 6)[0]!;
const last = (whole: string): string => cutFrame(whole, 6)[1]!;
const whole: { readonly [type: string]: (id: number) => string } = {
  REQUEST: (id) => frame("REQUEST", { flags: ["END"], arg: 1, id, payload: { message: TEN } }),
  MESSAGE: (id) => withId("MESSAGE", [], id),
  RESPONSE: (id) => withId("RESPONSE", ["END"], id),
};

/** A valid frame of each kind, about the call `id` where it is about one. */
const sample: { readonly [type: string]: (id: number) => string } = {
  SETTINGS: () => SETTINGS,
  METHOD: () => method(5),
  ...whole,
  "REQUEST, MORE": (id) => first(whole.REQUEST!(id)),
  "MESSAGE, MORE": (id) => first(whole.MESSAGE!(id)),
  "RESPONSE, MORE": (id) => first(whole.RESPONSE!(id)),
  "FRAGMENT, MORE": (id) => frame("FRAGMENT", { flags: ["MORE"], id, payload: { bytes: "3637" } }),
  FRAGMENT: (id) => frame("FRAGMENT", { id, payload: { bytes: "36373839" } }),
  CANCEL: (id) => frame("CANCEL", { arg: CANCELLED, id }),
  CREDIT: (id) => frame("CREDIT", { id, payload: { increment: MISSING_CREDIT } }),
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

/** What was sent, but for the pings that measure the way. */
const sent = (end: End): ReferenceFrame[] =>
  splitFrames(end.take())
    .map(decodeFrame)
    .filter(({ type }) => type !== "PING");

/** A connection past the handshake, with every method named by the peer and nothing left to be read of what was sent. */
async function connected(side: SideName): Promise<End> {
  const end = new End(side);
  await end.feed(PREFACE_HEX + SETTINGS + METHODS.map((_, i) => method(i + 1)).join(""));
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
  readonly served?: ServedCall;
}

/** How a receiver comes to have a call in a state; the column of the table that it belongs to. */
interface CallState {
  readonly name: string;
  readonly column: string;
  readonly make: (side: SideName) => Promise<Situation>;
}

/** The peer has called: `requests` are the frames, for the id that it has. */
async function serving(side: SideName, ...requests: readonly ((id: number) => string)[]): Promise<Situation> {
  const end = await connected(side);
  const id = bitOf(other(side));
  await end.feed((requests.length === 0 ? [request] : requests).map((make) => make(id)).join(""));
  const [served] = end.served;
  return served === undefined ? { end, id } : { end, id, served };
}

const begun = (name: string): ((id: number) => string) =>
  name === "Collect" || name === "Chat"
    ? (id) => frame("REQUEST", { flags: ["NO_MESSAGE"], arg: argOf(name), id })
    : (id) => request(id, argOf(name));

async function calling(side: SideName, name = "Say"): Promise<Situation & { made: MadeCall }> {
  const end = await connected(side);
  const made = end.call({ path: pathOf(name) });
  await end.clock.advance(0);
  expect(sent(end).map(({ type }) => type)).toEqual(["METHOD", "REQUEST"]);
  return { end, id: made.call.id, made };
}

async function givingUp(situation: Promise<Situation>): Promise<Situation> {
  const { end, id, made } = await situation;
  made!.controller.abort();
  await end.clock.advance(0);
  expect(sent(end)).toMatchObject([{ type: "CANCEL", id, arg: CANCELLED }]);
  expect(made!.code).toBe("CANCELLED");
  return { end, id };
}

/** The peer sends `bytes` for the call that is made. */
async function hearing(
  situation: Promise<Situation & { made: MadeCall }>,
  make: (id: number) => string,
): Promise<Situation & { made: MadeCall }> {
  const all = await situation;
  await all.end.feed(make(all.id));
  expect(sent(all.end)).toEqual([]);
  return all;
}

const CALLEE: readonly CallState[] = [
  {
    name: "idle",
    column: "idle or closed",
    make: async (side) => ({ end: await connected(side), id: bitOf(other(side)) }),
  },
  ...METHODS.map((name) => ({
    name: `closed: ${name} was answered`,
    column: "idle or closed",
    make: async (side: SideName) => {
      const { end, id, served } = await serving(side, begun(name));
      served!.answer({ message: "" });
      await end.clock.advance(0);
      expect(sent(end)).toMatchObject([{ type: "RESPONSE", arg: OK }]);
      return { end, id };
    },
  })),
  {
    name: "closed: answered UNIMPLEMENTED, its stream still coming",
    column: "idle or closed",
    make: async (side) => {
      const { end, id } = await serving(side, (id) => frame("REQUEST", { arg: 1, id, payload: { message: "" } }));
      expect(sent(end)).toMatchObject([{ type: "RESPONSE", arg: UNIMPLEMENTED }]);
      return { end, id };
    },
  },
  {
    name: "closed: its REQUEST was refused by the first frame",
    column: "idle or closed",
    make: async (side) => {
      const { end, id } = await serving(side, (id) =>
        frame("REQUEST", { flags: ["END", "MORE"], arg: 1, id, payload: { totalBytes: 0xffff_ffff, bytes: "00" } }),
      );
      expect(sent(end)).toMatchObject([{ type: "RESPONSE", arg: RESOURCE_EXHAUSTED, flags: ["END"] }]);
      return { end, id };
    },
  },
  { name: "arriving", column: "arriving", make: (side) => serving(side, sample["REQUEST, MORE"]!) },
  ...["Collect", "Chat"].flatMap((name) => [
    { name: `open: ${name}`, column: "open", make: (side: SideName) => serving(side, begun(name)) },
    {
      name: `receiving: ${name}`,
      column: "receiving",
      make: (side: SideName) => serving(side, begun(name), sample["MESSAGE, MORE"]!),
    },
    {
      name: `half-closed: ${name} after END`,
      column: "half-closed",
      make: (side: SideName) =>
        serving(side, begun(name), (id) => frame("MESSAGE", { flags: ["END", "NO_MESSAGE"], id })),
    },
  ]),
  ...["Say", "List"].map((name) => ({
    name: `half-closed: ${name}`,
    column: "half-closed",
    make: (side: SideName) => serving(side, begun(name)),
  })),
  {
    name: "half-closed: Chat with a REQUEST that has END",
    column: "half-closed",
    make: (side) => serving(side, (id) => request(id, argOf("Chat"))),
  },
  ...["Say", "Collect"].map((name) => ({
    name: `leaving: ${name}`,
    column: "leaving",
    make: async (side: SideName) => {
      const { end, id, served } = await serving(side, begun(name));
      served!.answer({ message: LONG });
      await end.clock.advance(0);
      const frames = sent(end);
      expect(frames[0]).toMatchObject({ type: "RESPONSE", flags: ["END", "MORE"] });
      expect(frames.at(-1)).toMatchObject({ type: "FRAGMENT", flags: ["MORE"] });
      return { end, id };
    },
  })),
];

const CALLER: readonly CallState[] = [
  { name: "idle", column: "idle or closed", make: async (side) => ({ end: await connected(side), id: bitOf(side) }) },
  {
    name: "closed: answered",
    column: "idle or closed",
    make: async (side) => {
      const { end, id, made } = await hearing(calling(side), whole.RESPONSE!);
      expect(made.code).toBe("OK");
      return { end, id };
    },
  },
  {
    name: "closed: answered while a MESSAGE was incomplete",
    column: "idle or closed",
    make: async (side) => {
      const { end, id, made } = await hearing(
        calling(side, "List"),
        (id) => first(whole.MESSAGE!(id)) + frame("RESPONSE", { flags: ["END", "NO_MESSAGE"], id }),
      );
      expect(made.code).toBe("OK");
      return { end, id };
    },
  },
  ...METHODS.map((name) => ({
    name: `open: ${name}`,
    column: "open",
    make: (side: SideName) => calling(side, name),
  })),
  ...["List", "Chat"].map((name) => ({
    name: `receiving: ${name}`,
    column: "receiving",
    make: (side: SideName) => hearing(calling(side, name), sample["MESSAGE, MORE"]!),
  })),
  ...["Say", "Collect"].flatMap((name) => [
    {
      name: `ending: ${name}`,
      column: "ending",
      make: (side: SideName) => hearing(calling(side, name), sample["RESPONSE, MORE"]!),
    },
    {
      name: `given up while ending: ${name}`,
      column: "given up, ending",
      make: (side: SideName) => givingUp(hearing(calling(side, name), sample["RESPONSE, MORE"]!)),
    },
    {
      name: `given up, then ending: ${name}`,
      column: "given up, ending",
      make: async (side: SideName) => {
        const { end, id } = await givingUp(calling(side, name));
        await end.feed(sample["RESPONSE, MORE"]!(id));
        return { end, id };
      },
    },
  ]),
  ...METHODS.map((name) => ({
    name: `given up: ${name}`,
    column: "given up",
    make: (side: SideName) => givingUp(calling(side, name)),
  })),
  {
    name: "given up while a MESSAGE was incomplete",
    column: "given up",
    make: (side) => givingUp(hearing(calling(side, "Chat"), sample["MESSAGE, MORE"]!)),
  },
  {
    name: "given up because a MESSAGE was too long",
    column: "given up",
    make: async (side) => {
      const { end, id, made } = await calling(side, "List");
      const payload = { totalBytes: 0xffff_ffff, bytes: "00" };
      await end.feed(frame("MESSAGE", { flags: ["MORE"], id, payload }));
      expect(sent(end)).toMatchObject([{ type: "CANCEL", id, arg: CANCELLED }]);
      expect(made.code).toBe("RESOURCE_EXHAUSTED");
      return { end, id };
    },
  },
];

/** True if the end of the situation sends a stream in the call, and so has credit for it. */
function hasCredit({ made, served }: Situation): boolean {
  const { path = "" } = made?.call.method ?? served ?? {};
  return new RegExp(made === undefined ? "List|Chat" : "Collect|Chat").test(path);
}

/** Sends a message that takes all the credit, and one that then waits. */
async function exhaust({ end, made, served }: Situation): Promise<void> {
  for (const message of [BULK, "0801"]) {
    made?.stream?.send(message).catch(() => {});
    served?.responses?.push(message);
  }
  await end.clock.advance(0);
  const frames = sent(end);
  expect(frames[0]).toMatchObject({ type: "MESSAGE", flags: ["MORE"], payload: { totalBytes: 100_000 } });
  expect(frames.at(-1)).toMatchObject({ type: "FRAGMENT", flags: [] });
}

/** The next message that has arrived for the call. */
async function arrived({ end, made, served }: Situation): Promise<unknown> {
  const taken = (made?.stream ?? served?.requests)?.next();
  await end.clock.advance(0);
  return (await Promise.race([taken, Promise.resolve({ value: "nothing" })]))?.value;
}

async function expectMessage(situation: Situation): Promise<void> {
  const { end, id, made } = situation;
  if (made === undefined || /List|Chat/.test(made.call.method.path)) {
    expect(await arrived(situation)).toBe(TEN);
    return;
  }
  expect(flatText("14. Streams")).toContain("ends the call INTERNAL and sends CANCEL");
  expect(made.code).toBe("INTERNAL");
  expect(sent(end)).toMatchObject([{ type: "CANCEL", id, arg: CANCELLED }]);
  await expectIgnored(end);
}

async function expectServed({ end, id }: Situation): Promise<void> {
  expect(sent(end)).toEqual([]);
  expect(end.served.at(-1)).toMatchObject({ path: pathOf("Say"), message: TEN });
  end.served.at(-1)!.answer({ message: "" });
  await end.clock.advance(0);
  expect(sent(end)).toMatchObject([{ type: "RESPONSE", id, arg: OK }]);
}

function expectEnded({ made }: Situation): void {
  // A stream of responses ends without a message.
  expect(made!.code).toBe(/List|Chat/.test(made!.call.method.path) ? "INTERNAL" : "OK");
  if (made!.code === "OK") expect(made!.message).toBe(TEN);
}

/** The slot of the call that was given up is free, and was not before. */
function expectFreed({ end, id }: Situation): void {
  expect(end.call({ path: pathOf("Say") }).call.id).toBe((id + GENERATION) >>> 0);
}

/** The frame that follows the sample, with the rest of the payload. */
const rest: { readonly [type: string]: (id: number) => string } = {
  "REQUEST, MORE": (id) => last(whole.REQUEST!(id)),
  "MESSAGE, MORE": (id) => last(whole.MESSAGE!(id)),
  "RESPONSE, MORE": (id) => last(whole.RESPONSE!(id)),
  "FRAGMENT, MORE": (id) => frame("FRAGMENT", { id, payload: { bytes: "3839" } }),
};

/** What each text of the tables means. */
const callOutcomes: { readonly [text: string]: (situation: Situation, type: string, column: string) => Promise<void> } =
  {
    PROTOCOL_ERROR: ({ end }) => expectFatal(end),
    ignored: ({ end }) => expectIgnored(end),
    "counted, ignored": async ({ end }) => {
      await expectIgnored(end);
      expect(end.counters.unknownResponses + end.counters.lateResponses).toBe(1);
    },
    "begins a call": expectServed,
    "begins to arrive": async (situation, type) => {
      await expectIgnored(situation.end);
      await situation.end.feed(rest[type]!(situation.id));
      await expectServed(situation);
    },
    "a message": expectMessage,
    "begins a message": async (situation, type) => {
      const { end, id, made } = situation;
      if (made?.code !== "INTERNAL") {
        await expectIgnored(end);
        await end.feed(rest[type]!(id));
      }
      await expectMessage(situation);
    },
    "goes on": async (situation, type, column) => {
      const { end, id } = situation;
      await expectIgnored(end);
      await end.feed(rest[type]!(id));
      if (column === "arriving") await expectServed(situation);
      else if (column === "receiving") await expectMessage(situation);
      else if (column === "ending") expectEnded(situation);
      else expectFreed(situation);
    },
    cancels: async ({ end, id, served }) => {
      expect(sent(end)).toMatchObject([{ type: "RESPONSE", id, arg: CANCELLED, flags: ["END"] }]);
      if (served !== undefined) expect(served.cancelled.error).toBeDefined();
      await end.feed(frame("CREDIT", { arg: 1, payload: { increment: 0x7000_0000 } }));
      await expectIgnored(end);
    },
    "adds credit": async (situation) => {
      const { end, id } = situation;
      if (!hasCredit(situation)) return expectIgnored(end);
      expect(sent(end)).toMatchObject([{ type: "MESSAGE", id, payload: { message: "0801" } }]);
    },
    "ends the call": async (situation) => {
      expectEnded(situation);
      await expectIgnored(situation.end);
    },
    "begins the end": async (situation, type, column) => {
      const { end, id } = situation;
      await expectIgnored(end);
      await end.feed(rest[type]!(id));
      if (column === "open") expectEnded(situation);
      else expectFreed(situation);
    },
    "frees the slot": async (situation) => expectFreed(situation),
  };

function flatText(heading: string): string {
  return chapter(heading).replace(/\s+/g, " ");
}

describe.each([
  ["callee", CALLEE, 8],
  ["caller", CALLER, 7],
] as const)("states of a call at its %s", (role, states, rows) => {
  const header = `frame to the ${role}`;
  const cells = table("States of a call", header).flatMap((row) =>
    states.flatMap((state) =>
      SIDES.map((side) => [row[header] ?? "", side, state.name, row[state.column] ?? "", state] as const),
    ),
  );

  it("are those of the document", () => {
    expect(cells).toHaveLength(rows * states.length * 2);
    const [row] = table("States of a call", header);
    expect(new Set(states.map(({ column }) => column))).toEqual(new Set(Object.keys(row!).slice(1)));
  });

  it.each(cells)("%s (to the %s side), %s: %s", async (type, side, _, text, state) => {
    const situation = await state.make(side);
    if (text === "adds credit" && hasCredit(situation)) await exhaust(situation);
    await situation.end.feed(sample[type]!(situation.id));
    await callOutcomes[text]!(situation, type, state.column);
    await situation.end.close();
  });
});

describe("frames to the wrong one", () => {
  it.each(SIDES)("a REQUEST with the id of the %s side is fatal to it, whole or cut up", async (side) => {
    for (const type of ["REQUEST", "REQUEST, MORE"]) {
      const { end, id } = await calling(side);
      await end.feed(sample[type]!(id));
      await expectFatal(end);
      await end.close();
    }
  });

  const served = CALLEE.filter(({ column }) => column !== "idle or closed");

  it.each(SIDES.flatMap((side) => served.map((state) => [state.name, side, state] as const)))(
    "a RESPONSE names no call of its sender: %s (at the %s side)",
    async (_, side, state) => {
      for (const type of ["RESPONSE", "RESPONSE, MORE"]) {
        const { end, id } = await state.make(side);
        await end.feed(sample[type]!(id));
        await expectIgnored(end);
        expect(end.counters.unknownResponses).toBe(1);
        // The call is there as before.
        await end.feed(sample.CANCEL!(id));
        expect(sent(end)).toMatchObject([{ type: "RESPONSE", id, arg: CANCELLED }]);
        await end.close();
      }
    },
  );

  it.each(SIDES)("a CANCEL names no call of the %s side", async (side) => {
    const { end, id, made } = await calling(side);
    await end.feed(sample.CANCEL!(id));
    await expectIgnored(end);
    expect(made.code).toBeUndefined();
    await end.close();
  });
});

describe("slots", () => {
  it.each(SIDES)(
    "the answer of a call that the %s side has given up frees its slot, and nothing before does",
    async (side) => {
      const { end, id, made } = await calling(side);
      made.controller.abort();
      for (const type of ["MESSAGE", "FRAGMENT", "CREDIT"]) await end.feed(sample[type]!(id));
      expect(end.call({ path: PATH }).call.id).toBe(id + 2);
      await end.feed(sample.RESPONSE!(id));
      expect(end.call({ path: PATH }).call.id).toBe(id + GENERATION);
      await end.close();
    },
  );

  it.each(SIDES.flatMap((side) => CALLEE.map((state) => [state.name, side, state] as const)))(
    "another generation of a slot is the same slot: %s (at the %s side)",
    async (_, side, state) => {
      for (const type of ["REQUEST", "REQUEST, MORE"]) {
        const situation = await state.make(side);
        const { end, id } = situation;
        await end.feed(sample[type]!(id + GENERATION));
        if (state.column !== "idle or closed") await expectFatal(end);
        else if (type === "REQUEST") await expectServed({ end, id: id + GENERATION });
        else await expectIgnored(end);
        await end.close();
      }
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
  { name: "open", column: "open, or draining", make: (side) => serving(side) },
  {
    name: "draining",
    column: "open, or draining",
    make: async (side) => {
      const situation = await serving(side);
      situation.end.session.drain();
      await situation.end.clock.advance(0);
      expect(splitFrames(situation.end.take()).map((each) => decodeFrame(each).type)).toEqual(["GOAWAY", "PING"]);
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
    await end.feed(method(6) + request(bitOf("dialing") + 2, 6) + frame("PING"));
    expect(sent(end)).toEqual([]);
    expect(end.served).toHaveLength(length);
  },
  "opens the connection": async ({ end }) => {
    expect(end.session.state).toBe("open");
    await expectIgnored(end);
  },
  "names a method": async ({ end, id }) => {
    await end.feed(request(id + 2, 5));
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
    const types = Object.keys(sample).filter((type) => !type.includes(","));
    expect(new Set(cases.map(([type]) => type))).toEqual(new Set(types));
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
