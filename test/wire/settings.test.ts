// Section 5 of PROTOCOL.md: what a SETTINGS payload means, and which one ends the connection.

import { describe, expect, it } from "vitest";
import { Settings } from "../../src/codec/wire.js";
import { readSettings } from "../../src/transport/settings.js";
import { End } from "./end.js";
import { type Control, decodeFrame, decodeSettings, encodeSettings, PREFACE_HEX, splitFrames } from "./reference.js";
import { named, settings } from "./vectors.js";

/** PREFACE and SETTINGS with this payload. */
function hello(payload: string): string {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(payload.length / 2);
  return `${PREFACE_HEX}${length.toString("hex")}0100000000000000${payload}`;
}

const camel = (name: string): string => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

describe("valid settings", () => {
  it.each(named(settings.valid))("%s", async (_, { hex, settings: fields, means, reencodes = true }) => {
    expect(decodeSettings(hex)).toEqual(fields);
    if (reencodes) {
      expect(encodeSettings(fields)).toBe(hex);
      const init = Object.fromEntries(Object.entries(fields).map(([name, value]) => [camel(name), value]));
      expect(Buffer.from(Settings.toBytes(init)).toString("hex")).toBe(hex);
    }
    const read = readSettings(Settings.fromBytes(Buffer.from(hex, "hex"))) as unknown as Control;
    for (const [name, value] of Object.entries(means))
      if (camel(name) in read) expect(read[camel(name)], name).toEqual(value);
  });

  it.each(["dialing", "accepting"] as const)("open the connection of the %s side", async (side) => {
    for (const { hex, name } of settings.valid) {
      const end = new End(side);
      await end.feed(hello(hex));
      expect(end.session.state, name).toBe("open");
      await end.close();
    }
  });
});

describe("invalid settings", () => {
  it.each(named(settings.invalid))("%s", async (_, { hex, close }) => {
    const end = new End("accepting");
    await end.clock.advance(0);
    end.take();
    await end.feed(hello(hex));
    const reasons = splitFrames(end.take()).map((frame) => decodeFrame(frame));
    expect(reasons).toMatchObject([{ type: "GOAWAY", arg: { PROTOCOL_ERROR: 1, UNSUPPORTED_VERSION: 3 }[close] }]);
    expect(end.pipe.ended).toBe(true);
    await end.close();
  });
});
