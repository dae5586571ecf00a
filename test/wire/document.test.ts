// PROTOCOL.md says what the code does: its examples, tables and limits equal the constants.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
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
import { FLAGS, TYPES } from "./reference.js";
import { exchanges, frames, malformed, metadata, settings, status, type Vector } from "./vectors.js";

const number = (text: string): number => Number(text.replaceAll(",", ""));
/** A text as one line with single spaces. */
const flat = (text: string): string => text.replace(/\s+/g, " ");

describe("the examples", () => {
  const examples = [...protocol.matchAll(/^ {4}((?:[0-9a-f]{2} ?)+(?: {2,}(?:[0-9a-f]{2} ?)+)*)/gm)].flatMap((match) =>
    (match[1] as string).split(/ {2,}/).map((hex) => hex.replaceAll(" ", "")),
  );

  it("are the preface, PING and PONG of the code", () => {
    const ours = [PREFACE, PING_FRAME, PONG_FRAME].map((bytes) => bytes.toString("hex"));
    expect(examples.filter((hex) => hex !== "")).toEqual(ours);
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
    ["min_ping_interval_ms", "minPingIntervalMs", "minPingIntervalMs"],
  ] as const;

  it.each(limits)("%s: initial value, range and announcement are the code's", (field, name, limit) => {
    const { initial = "", range = "", "this implementation announces": announced = "" } = row(field);
    expect(number(initial)).toBe(beforeSettings[name]);
    expect(range.split(" to ").map(number)).toEqual(LIMITS[limit].slice(1));
    expect(number(announced)).toBe(announcement(resolveLimits(), "", "")[name]);
    expect(number(announced)).toBe(LIMITS[limit][0]);
  });

  it("what is kept by closing the connection cannot be announced below its initial value", () => {
    expect(LIMITS.maxFrameBytes[1]).toBe(beforeSettings.maxFrameBytes);
    expect(LIMITS.maxMethods[1]).toBe(beforeSettings.maxMethods);
  });

  it("the rest of the announcement is the code's", () => {
    const announced = announcement(resolveLimits(), "me", AGENT);
    expect(announced).toMatchObject({ minVersion: PROTOCOL_VERSION, maxVersion: PROTOCOL_VERSION });
    expect(row("min_version, max_version")["this implementation announces"]).toBe("1, 1");
    expect(announced.maxMessageBytes).toBe(announced.maxFrameBytes);
    expect(row("max_message_bytes")["this implementation announces"]).toBe("max_frame_bytes");
    for (const field of ["stream_window_bytes", "connection_window_bytes"]) {
      expect(row(field)["this implementation announces"]).toBe("0");
      expect(row(field).range?.split(" to ").map(number)).toEqual([1, MAX_CREDIT]);
    }
    expect(Object.keys(announced)).not.toContain("streamWindowBytes");
    for (const field of ["peer_id", "agent"]) expect(row(field).range).toBe(`0 to ${MAX_NAME_BYTES} bytes`);
    expect(AGENT).toMatch(/^sluice\/\d/);
  });
});

describe("the limits and times in the text", () => {
  const limits = resolveLimits();
  const MIB = 1_048_576;

  it.each([
    ["5. Settings", `a method path has 1 to ${MAX_METHOD_PATH_BYTES} bytes`],
    ["6. Calls", `longer than ${MAX_METHOD_PATH_BYTES} bytes`],
    ["5. Settings", `a metadata block has at most ${MAX_METADATA_ENTRIES} entries`],
    ["5. Settings", `nested at most ${MAX_MESSAGE_DEPTH} deep`],
    ["5. Settings", `cuts a status text at ${MAX_STATUS_TEXT.toLocaleString("en-US")} UTF-16 units`],
    ["5. Settings", `${MAX_PING_STRIKES} pings may come too early`],
    ["5. Settings", `take at most ${limits.maxInFlightBytes / MIB} MiB`],
    ["5. Settings", `more than ${limits.maxUnsentBytes / MIB} MiB wait to be sent`],
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

it("every vector names a section that there is, and every name is used once in its file", () => {
  const files: (readonly Vector[])[] = [
    frames,
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
