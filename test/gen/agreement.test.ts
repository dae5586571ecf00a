// The generated codec and protobufjs by reflection agree: what one writes the other reads, for every message type of
// the torture manifest and many random messages. A failure prints the seed; SEED=<number> repeats it.

import { readFileSync } from "node:fs";
import type protobuf from "protobufjs";
import { beforeAll, describe, expect, it } from "vitest";
import type { MessageType } from "../../src/codec/message.js";
import { testSeed } from "../support/seed.js";
import { encodeByReflection, normalize, randomFrom, randomMessage, readByReflection } from "./random-message.js";
import { importGenerated, messageType, reflect } from "./support.js";

const MESSAGES = ["Leaf", "Scalars", "Optionals", "Lists", "Maps", "Choice", "Wrapped", "WellKnown", "Everything"];
const ROUNDS = 1000;
const seed = testSeed();
const manifest = readFileSync(new URL("./torture.proto", import.meta.url), "utf8");

let generated: Record<string, unknown>;
let root: protobuf.Root;

beforeAll(async () => {
  generated = await importGenerated("torture", manifest);
  root = reflect({ "test.proto": manifest });
});

describe(`agreement with protobufjs (SEED=${seed})`, () => {
  it.each(MESSAGES)("%s: what we write, protobufjs reads as we do", (name) => {
    forEachMessage(name, (type, reflected, message) => {
      const bytes = type.toBytes(message);
      expect(readByReflection(reflected, bytes)).toEqual(normalize(reflected, type.fromBytes(bytes)));
    });
  });

  it.each(MESSAGES)("%s: what protobufjs writes, we read as it does", (name) => {
    forEachMessage(name, (type, reflected, message) => {
      const bytes = encodeByReflection(reflected, message);
      expect(normalize(reflected, type.fromBytes(bytes))).toEqual(readByReflection(reflected, bytes));
    });
  });

  it.each(MESSAGES)("%s: what was decoded encodes to something that decodes the same", (name) => {
    forEachMessage(name, (type, _reflected, message) => {
      const decoded = type.fromBytes(type.toBytes(message));
      expect(type.fromBytes(type.toBytes(decoded))).toEqual(decoded);
    });
  });
});

function forEachMessage(
  name: string,
  check: (
    type: MessageType<Record<string, unknown>>,
    reflected: protobuf.Type,
    message: Record<string, unknown>,
  ) => void,
): void {
  const random = randomFrom(seed);
  const type = messageType(generated, name);
  const reflected = root.lookupType(`torture.v1.${name}`);
  for (let round = 0; round < ROUNDS; round++) check(type, reflected, randomMessage(reflected, random));
}
