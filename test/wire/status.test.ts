// Section 8 of PROTOCOL.md: the Status message and the numbers of the codes.

import { describe, expect, it } from "vitest";
import { DecodeError } from "../../src/codec/message.js";
import { codeFrom, codeName } from "../../src/codec/status.js";
import { Writer } from "../../src/codec/writer.js";
import { decodeStatus, encodeStatus } from "../../src/transport/status-frame.js";
import { errorOf, statusOf } from "./end.js";
import { decodeStatus as decodeByReference, encodeStatus as encodeByReference, FormatError } from "./reference.js";
import { named, status } from "./vectors.js";

const CONTEXT = "context";

function decode(hex: string): ReturnType<typeof statusOf> {
  const bytes = Buffer.from(hex, "hex");
  return statusOf(decodeStatus(bytes, 0, bytes.length, 13, CONTEXT, "never"));
}

describe("a Status", () => {
  it.each(named(status.vectors))("%s", (_, { hex, status: fields }) => {
    expect(decodeByReference(hex)).toEqual(fields);
    expect(encodeByReference(fields)).toBe(hex);
    const writer = new Writer();
    encodeStatus(errorOf("INTERNAL", fields), writer, 1_000);
    expect(writer.buf.toString("hex", 0, writer.pos)).toBe(hex);
    const { message = "", ...rest } = fields;
    const text = fields.origin === "ORIGIN_USER" ? { message } : { message: `${message} (${CONTEXT})` };
    expect(decode(hex)).toEqual({ ...text, ...rest });
  });

  it.each(named(status.invalid))("%s: does not decode", (_, { hex }) => {
    expect(() => decodeByReference(hex)).toThrow(FormatError);
    expect(() => decode(hex)).toThrow(DecodeError);
  });
});

it.each(status.codes)("$arg is $code", ({ arg, code }) => {
  expect(codeName(codeFrom(arg))).toBe(code);
});
