// What becomes of random messages in JSON and back: what they were. For the types of the torture manifest whose every value
// has JSON. SEED=<number> repeats a failure.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type protobuf from "protobufjs";
import { beforeAll, expect, it } from "vitest";
import { DEFAULT_EMIT_OPTIONS } from "../../src/gen/generate.js";
import { MemoryReader } from "../../src/gen/load.js";
import type { JsonMessage } from "../../src/json.js";
import { testSeed } from "../support/seed.js";
import { randomFrom, randomMessage } from "./random-message.js";
import { generateInto, importFile, reflect } from "./support.js";

const MESSAGES = ["Leaf", "Scalars", "Optionals", "Lists", "Maps", "Choice"];
const STYLES = ["bigint", "string"] as const;
const ROUNDS = 200;
const manifest = readFileSync(new URL("./torture.proto", import.meta.url), "utf8");
const modules = new Map<string, Record<string, unknown>>();
let root: protobuf.Root;

beforeAll(async () => {
  root = reflect({ "test.proto": manifest });
  for (const int64 of STYLES) {
    const options = { ...DEFAULT_EMIT_OPTIONS, json: true, int64 };
    const folder = generateInto(
      `json-torture-${int64}`,
      ["test.proto"],
      new MemoryReader({ "test.proto": manifest }),
      options,
    );
    modules.set(int64, await importFile(join(folder, "test.json.ts")));
  }
});

it.each(STYLES.flatMap((int64) => MESSAGES.map((name) => [name, int64] as const)))(
  `%s, with 64-bit integers as %s (SEED=${testSeed()})`,
  (name, int64) => {
    const json = modules.get(int64)![`${name}Json`] as JsonMessage;
    const bigintType = (modules.get("bigint")![`${name}Json`] as JsonMessage).type;
    const reflected = root.lookupType(`torture.v1.${name}`);
    const random = randomFrom(testSeed());
    for (let round = 0; round < ROUNDS; round++) {
      const message = json.type.fromBytes(bigintType.toBytes(randomMessage(reflected, random)));
      expect(json.parse(json.stringify(message))).toEqual(message);
      expect(json.fromJson(json.toJson(message, { defaults: true, originalNames: true }))).toEqual(message);
      expect(json.type.toBytes(json.fromJson(json.toJson(message)))).toEqual(json.type.toBytes(message));
    }
  },
);
