// Unknown fields, kept on request: what a message does not know comes out of it as it went in, byte for byte.

import { describe, expect, it } from "vitest";
import type { MessageType } from "../../src/codec/message.js";
import { DEFAULT_EMIT_OPTIONS } from "../../src/gen/generate.js";
import { generateText, importGenerated, messageType } from "./support.js";

const KEEP = { ...DEFAULT_EMIT_OPTIONS, unknownFields: true };
const OLD = `syntax = "proto2"; package t;
  enum Size { SMALL = 1; LARGE = 2; }
  enum Mark { UNMARKED = 0; MARKED = 1; OTHER = 2; }
  message Empty {}
  message Old {
    optional int32 id = 1; optional Old inner = 2; optional Size size = 3; repeated Size sizes = 4 [packed = true];
    map<string, Mark> by_name = 5;
  }`;

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex");
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

async function typeOf(name: string): Promise<MessageType<Record<string, unknown>>> {
  return messageType(await importGenerated("unknown-fields", OLD, KEEP), name);
}

/** What `hex` becomes when it is decoded and encoded. */
async function roundTrip(name: string, hex: string): Promise<string> {
  const type = await typeOf(name);
  return hexOf(type.toBytes(type.fromBytes(bytesOf(hex))));
}

describe("unknown fields", () => {
  it.each([
    ["a varint, longer than it needs to be", "0801 5080808000"],
    ["eight bytes", "0801 510102030405060708"],
    ["a length-prefixed value", "0801 520361ff62"],
    ["a group with groups in it", "0801 53 5b 0801 5c 54"],
    ["four bytes of the highest number", "0801 fdffffff0f 01020304"],
    ["a known number with another wire type", "0801 0d 01020304"],
    ["several, in their order", "0801 5001 5a00 5002"],
    ["some in a submessage", "0801 1205 5001 5a0101"],
  ])("are kept: %s", async (_, hex) => {
    expect(await roundTrip("Old", hex)).toBe(hex.replaceAll(" ", ""));
  });

  it("are one element each, after the fields that are known", async () => {
    const old = (await typeOf("Old")).fromBytes(bytesOf("5001 0801 5a0161"));
    expect((old.$unknown as Uint8Array[]).map(hexOf)).toEqual(["5001", "5a0161"]);
    expect(await roundTrip("Old", "5001 0801 5a0161")).toBe("080150015a0161");
  });

  it("of a message without fields are kept too", async () => {
    expect(await roundTrip("Empty", "0801120161")).toBe("0801120161");
  });

  it("of a submessage that comes in two parts are those of both", async () => {
    expect(await roundTrip("Old", "1202 5001 1202 5002")).toBe("120450015002");
  });

  it("are numbers that a closed enum does not have: alone, in a packed list, in a map", async () => {
    expect(await roundTrip("Old", "1809")).toBe("1809");
    expect(await roundTrip("Old", "2203 01 09 02")).toBe("220201022009");
    expect(await roundTrip("Old", "2a05 0a0161 1009")).toBe("2a050a01611009");
  });

  it("share no memory with the bytes that they came in", async () => {
    const type = await typeOf("Old");
    const bytes = bytesOf("5a0161");
    const old = type.fromBytes(bytes);
    bytes.fill(0);
    expect(hexOf(type.toBytes(old))).toBe("5a0161");
  });

  it("that end too early are an error, as they are where nothing is kept", async () => {
    const type = await typeOf("Old");
    for (const hex of ["51010203", "5a05", "53", "5080"]) expect(() => type.fromBytes(bytesOf(hex))).toThrow("t.Old: ");
  });

  it("are not there unless asked for", () => {
    expect(generateText(OLD)).not.toContain("nknown");
    expect(generateText(OLD, KEEP)).toContain("$unknown?: Uint8Array[] | undefined;");
  });
});
