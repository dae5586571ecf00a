// Section 7 of PROTOCOL.md: metadata blocks.

import { describe, expect, it } from "vitest";
import { DecodeError } from "../../src/codec/message.js";
import { decodeMetadata, encodeMetadata, type Metadata, metadataBlockBytes } from "../../src/codec/metadata.js";
import { Writer } from "../../src/codec/writer.js";
import { entriesOf, metadataOf } from "./end.js";
import { decodeMetadata as decodeByReference, encodeMetadata as encodeByReference, FormatError } from "./reference.js";
import { metadata, named } from "./vectors.js";

const LIMIT = 65_535;

/** Reads a block as a receiver does: its length against the frame and the limit, then its entries. */
function decode(hex: string): Metadata {
  const frame = Buffer.concat([Buffer.from("in front"), Buffer.from(hex, "hex")]);
  expect(metadataBlockBytes(frame, 8, frame.length, LIMIT)).toBe(hex.length / 2);
  return decodeMetadata(frame, 8);
}

describe("a valid block", () => {
  it.each(named(metadata.valid))("%s", (_, { hex, entries }) => {
    expect(decodeByReference(hex)).toEqual(entries);
    expect(encodeByReference(entries)).toBe(hex);
    expect(entriesOf(decode(hex))).toEqual(entries);
    const writer = new Writer();
    encodeMetadata(metadataOf(entries), writer, LIMIT);
    expect(writer.buf.toString("hex", 0, writer.pos)).toBe(hex);
  });
});

describe("an invalid block", () => {
  it.each(named(metadata.invalid))("%s", (_, { hex }) => {
    expect(() => decodeByReference(hex)).toThrow(FormatError);
    expect(() => decode(hex)).toThrow(DecodeError);
  });
});

it("a limit counts what the length of the block counts", () => {
  const block = Buffer.from(encodeByReference([{ key: "k", value: "v".repeat(96) }]), "hex");
  expect(metadataBlockBytes(block, 0, block.length, 100)).toBe(102);
  expect(() => metadataBlockBytes(block, 0, block.length, 99)).toThrow(DecodeError);
});
