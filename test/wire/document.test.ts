// PROTOCOL.md says what the code does: its examples, tables and limits equal the constants.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { availableCompressions, compressionNumbers } from "../../src/codec/compression.js";
import {
  CloseReason,
  Flag,
  FrameType,
  HEADER_BYTES,
  PING_FRAME,
  PONG_FRAME,
  PREFACE,
  PROTOCOL_VERSION,
} from "../../src/codec/frame.js";
import { MAX_MESSAGE_DEPTH } from "../../src/codec/message.js";
import { MAX_METADATA_ENTRIES } from "../../src/codec/metadata.js";
import { Code } from "../../src/codec/status.js";
import { AGENT } from "../../src/transport/agent.js";
import { FRAGMENT_BYTES } from "../../src/transport/message-sender.js";
import { LINGER_MS } from "../../src/transport/session.js";
import {
  announcement,
  beforeSettings,
  LIMITS,
  MAX_CREDIT,
  MAX_METHOD_PATH_BYTES,
  MAX_NAME_BYTES,
  MAX_PING_STRIKES,
  resolveLimits,
} from "../../src/transport/settings.js";
import { MAX_STATUS_TEXT } from "../../src/transport/status-frame.js";
import { chapter, protocol, table } from "./document.js";
import { FLAGS, joinFrames, TYPES } from "./reference.js";
import { cut, exchanges, frames, malformed, metadata, settings, states, status, type Vector } from "./vectors.js";

const number = (text: string): number => Number(text.replaceAll(",", ""));
/** A text as one line with single spaces. */
const flat = (text: string): string => text.replace(/\s+/g, " ");

describe("the examples", () => {
  const examples = [...protocol.matchAll(/^ {4}((?:[0-9a-f]{2} ?)+(?: {2,}(?:[0-9a-f]{2} ?)+)*)/gm)].flatMap((match) =>
    (match[1] as string).split(/ {2,}/).map((hex) => hex.replaceAll(" ", "")),
  );

  it("are the preface, PING and PONG of the code, and a request that is cut up", () => {
    const ours = [PREFACE, PING_FRAME, PONG_FRAME].map((bytes) => bytes.toString("hex"));
    expect(examples.slice(0, 3)).toEqual(ours);
    expect(Buffer.from(joinFrames(examples.slice(3)), "hex").toString("latin1", HEADER_BYTES)).toBe("0123456789");
  });

  it("are among the vectors", () => {
    const sent = exchanges.flatMap(({ steps }) => steps.flatMap(({ sends = [] }) => sends.map(({ hex }) => hex)));
    for (const hex of examples) expect(sent).toContain(hex);
  });
});

describe("the tables", () => {
  it("of the header adds up", () => {
    const fields = table("3. Frames", "field");
    expect(fields.map(({ field }) => field)).toEqual(["length", "type", "flags", "arg", "id"]);
    expect(fields.reduce((sum, { bytes }) => sum + Number(bytes), 0)).toBe(HEADER_BYTES);
  });

  const types = table("4. Frame types", "type");

  it("of frame types is the code's", () => {
    expect(Object.fromEntries(types.map(({ type, name }) => [name, Number(type)]))).toEqual(FrameType);
    expect(types.map(({ name }) => name)).toEqual(TYPES.slice(1));
  });

  it("of frame types gives each type the flags that it has", () => {
    for (const { name = "", flags = "" } of types)
      expect(flags.split(" ").filter(Boolean), name).toEqual((FLAGS[name] ?? []).map(([, flag]) => flag));
  });

  it("of flags is the code's", () => {
    const flags = table("4. Frame types", "bit");
    expect(Object.fromEntries(flags.map(({ bit, name }) => [name, Number(bit)]))).toEqual(Flag);
    const described = Object.fromEntries(flags.map(({ bit, name }) => [name, Number(bit)]));
    for (const list of Object.values(FLAGS)) for (const [bit, name] of list) expect(described[name], name).toBe(bit);
  });

  it("of reasons is the code's", () => {
    const reasons = table("9. Liveness", "reason");
    expect(Object.fromEntries(reasons.map(({ reason, name }) => [name, Number(reason)]))).toEqual(CloseReason);
  });

  it("of status codes, a sentence, is the code's", () => {
    const sentence = /gRPC's numbers: (.*?16 UNAUTHENTICATED)/.exec(flat(chapter("8. Status")))?.[1] ?? "";
    const codes = [...sentence.matchAll(/(\d+) ([A-Z_]+)/g)].map((match) => [match[2], Number(match[1])]);
    expect(Object.fromEntries(codes)).toEqual(Code);
  });
});

describe("the table of settings", () => {
  const rows = table("5. Settings", "field");
  const row = (field: string): Record<string, string> => rows.find((each) => each.field === field) ?? {};

  it("has the fields of wire.proto, in their order", () => {
    const manifest = readFileSync(new URL("../../proto/sluice/wire.proto", import.meta.url), "utf8");
    const body = /message Settings \{(.*?)\n\}/s.exec(manifest)?.[1] ?? "";
    const fields = [...body.matchAll(/^ {2}(?:repeated )?\w+ (\w+) = \d+;/gm)].map((match) => match[1]);
    expect(rows.flatMap(({ field = "" }) => field.split(", "))).toEqual(fields);
  });

  const limits = [
    ["max_frame_bytes", "maxFrameBytes", "maxFrameBytes"],
    ["max_calls", "maxCalls", "maxCallsPerConnection"],
    ["max_metadata_bytes", "maxMetadataBytes", "maxMetadataBytes"],
    ["max_methods", "maxMethods", "maxMethods"],
    ["stream_window_bytes", "streamWindowBytes", "streamWindowBytes"],
    ["connection_window_bytes", "connectionWindowBytes", "connectionWindowBytes"],
    ["min_ping_interval_ms", "minPingIntervalMs", "minPingIntervalMs"],
  ] as const;

  it.each(limits)("%s: initial value, range and announcement are the code's", (field, name, limit) => {
    const { initial = "", range = "", "this implementation announces": announced = "" } = row(field);
    expect(number(initial)).toBe(beforeSettings[name]);
    expect(range.split(" to ").map(number)).toEqual(LIMITS[limit].slice(1));
    expect(number(announced)).toBe(announcement(resolveLimits(), "", "", false)[name]);
    expect(number(announced)).toBe(LIMITS[limit][0]);
  });

  it("what is kept by closing the connection cannot be announced below its initial value", () => {
    expect(LIMITS.maxFrameBytes[1]).toBe(beforeSettings.maxFrameBytes);
    expect(LIMITS.maxMethods[1]).toBe(beforeSettings.maxMethods);
    expect(LIMITS.streamWindowBytes[1]).toBe(beforeSettings.streamWindowBytes);
    expect(LIMITS.connectionWindowBytes[1]).toBe(beforeSettings.connectionWindowBytes);
  });

  it("the rest of the announcement is the code's", () => {
    const announced = announcement(resolveLimits(), "me", AGENT, false);
    expect(announced).toMatchObject({ minVersion: PROTOCOL_VERSION, maxVersion: PROTOCOL_VERSION });
    expect(row("min_version, max_version")["this implementation announces"]).toBe("1, 1");
    const longest = row("max_message_bytes");
    expect(number(longest["this implementation announces"] ?? "")).toBe(announced.maxMessageBytes);
    expect(longest.range).toBe(`max_frame_bytes to ${LIMITS.maxMessageBytes[2].toLocaleString("en-US")}`);
    expect(beforeSettings.maxMessageBytes).toBe(beforeSettings.maxFrameBytes);
    expect(row("leases")).toMatchObject({ initial: "false", "this implementation announces": "false" });
    expect(announced.leases).toBe(false);
    expect(announced.compressions).toEqual(availableCompressions);
    for (const name of Object.keys(compressionNumbers))
      expect(row("compressions")["this implementation announces"]).toContain(name);
    for (const field of ["peer_id", "agent"]) expect(row(field).range).toBe(`0 to ${MAX_NAME_BYTES} bytes`);
    expect(AGENT).toMatch(/^sluice\/\d/);
  });
});

describe("the limits and times in the text", () => {
  const limits = resolveLimits();
  const MIB = 1_048_576;

  it.each([
    ["5. Settings", `A method path has 1 to ${MAX_METHOD_PATH_BYTES} bytes`],
    ["6. Calls", `longer than ${MAX_METHOD_PATH_BYTES} bytes`],
    ["5. Settings", `a metadata block has at most ${MAX_METADATA_ENTRIES} entries`],
    ["5. Settings", `nested at most ${MAX_MESSAGE_DEPTH} deep`],
    ["5. Settings", `cuts a status text at ${MAX_STATUS_TEXT.toLocaleString("en-US")} UTF-16 units`],
    ["5. Settings", `${MAX_PING_STRIKES} pings may come too early`],
    ["5. Settings", `REQUESTs of unanswered calls on a connection take at most ${limits.maxInFlightBytes / MIB} MiB`],
    ["5. Settings", `still to come take at most ${limits.maxInFlightBytes / MIB} MiB`],
    ["5. Settings", `While more than ${limits.maxStreamBufferBytes / MIB} MiB of streams wait for their readers`],
    ["5. Settings", `While more than ${limits.maxUnsentBytes / MIB} MiB wait to be sent`],
    ["5. Settings", `while more than ${(2 * limits.maxUnsentBytes) / MIB} MiB do`],
    ["5. Settings", `beyond ${(2 * limits.maxUnsentBytes) / MIB} MiB and the peer's \`max_frame_bytes\``],
    ["5. Settings", `reading stops only ${limits.maxUnsentBytes / MIB} MiB above that`],
    ["5. Settings", `for ${limits.streamStallTimeoutMs / 1000} s (\`streamStallTimeoutMs\`)`],
    ["5. Settings", `Windows grow to at most ${limits.maxWindowBytes / MIB} MiB`],
    ["10. Credit", `or above ${MAX_CREDIT.toLocaleString("en-US")} is a PROTOCOL_ERROR`],
    ["10. Credit", `by ${HEADER_BYTES} and the length of its whole payload`],
    ["11. Fragments", `longer than ${FRAGMENT_BYTES.toLocaleString("en-US")} bytes, and`],
    ["5. Settings", `takes no byte for ${limits.slowReaderTimeoutMs / 1000} s`],
    ["2. Connection preface", `within ${limits.handshakeTimeoutMs / 1000} s (\`handshakeTimeoutMs\`)`],
    ["3. Frames", `complete ${limits.frameTimeoutMs / 1000} s (\`frameTimeoutMs\`)`],
    ["9. Liveness", `nothing was read for ${limits.heartbeatIntervalMs / 1000} s`],
    ["9. Liveness", `or for ${limits.pendingHeartbeatIntervalMs / 1000} s with calls of its own pending`],
    ["9. Liveness", `sends nothing for ${limits.heartbeatTimeoutMs / 1000} s after a PING`],
    ["9. Liveness", `still waits, up to ${LINGER_MS / 1000} s`],
  ])("section %s: %s", (heading, sentence) => {
    expect(flat(chapter(heading))).toContain(sentence);
  });
});

describe("the table of compressions", () => {
  it("is the code's", () => {
    const rows = table("12. Compression", "first byte");
    expect(Object.fromEntries(rows.map((row) => [row.name, Number(row["first byte"])]))).toEqual(compressionNumbers);
  });
});

describe("the tables of call states", () => {
  it.each(["callee", "caller"] as const)("to the %s: every cell has vectors, and they say what it says", (to) => {
    const first = `frame to the ${to}`;
    const cells = table("States of a call", first).flatMap((row) =>
      Object.entries(row)
        .filter(([column]) => column !== first)
        .map(([state, outcome]) => ({ to, state, frame: row[first], outcome })),
    );
    expect(cells.length).toBe({ callee: 8, caller: 7 }[to] * 6);
    const tried = states.map(({ cell }) => cell).filter((cell) => cell.to === to);
    expect(tried).toEqual(expect.arrayContaining(cells));
    expect(cells).toEqual(expect.arrayContaining(tried));
  });
});

it("every vector names a section that there is, and every name is used once in its file", () => {
  const files: (readonly Vector[])[] = [
    frames,
    cut,
    states,
    [...metadata.valid, ...metadata.invalid],
    [...status.vectors, ...status.invalid],
    [...settings.valid, ...settings.invalid],
    exchanges,
    malformed,
  ];
  for (const file of files) {
    expect(new Set(file.map(({ name }) => name)).size).toBe(file.length);
    for (const { section } of file) expect(protocol).toContain(`\n## ${section}. `);
  }
});
