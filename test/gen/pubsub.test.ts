// A public API that nobody here wrote: Google Pub/Sub's manifests generate, compile under every strict flag with the
// TypeScript of this project, and their messages mean to us what they mean to protobufjs. A failure prints the seed.

import { join } from "node:path";
import protobuf from "protobufjs";
import { beforeAll, describe, expect, it } from "vitest";
import { SourceFile } from "../../src/gen/source.js";
import { testSeed } from "../support/seed.js";
import { encodeByReflection, normalize, randomFrom, randomMessage, readByReflection } from "./random-message.js";
import { compileErrors, generateInto, googleReader, importFile, messageType } from "./support.js";

const MANIFESTS = ["google/pubsub/v1/pubsub.proto", "google/pubsub/v1/schema.proto"];
const ROUNDS = 40;
const seed = testSeed();
let folder: string;

beforeAll(() => {
  folder = generateInto("pubsub", MANIFESTS, googleReader());
});

describe(`Google Pub/Sub (SEED=${seed})`, () => {
  it("compiles under the project's strict flags", () => {
    expect(compileErrors(folder)).toEqual([]);
  }, 60_000);

  it("has all 35 rpcs in its descriptors", async () => {
    const modules = await Promise.all(MANIFESTS.map((name) => importFile(join(folder, name.replace(".proto", ".ts")))));
    const services = modules.flatMap((module) =>
      ["Publisher", "Subscriber", "SchemaService"].map((name) => module[name] as { methods: object } | undefined),
    );
    expect(services.reduce((count, service) => count + Object.keys(service?.methods ?? {}).length, 0)).toBe(35);
  });

  it.each(MANIFESTS)("%s: every message type agrees with protobufjs, both ways", async (name) => {
    const module = await importFile(join(folder, name.replace(".proto", ".ts")));
    const types = messageTypes(reflectGoogle().lookup("google.pubsub.v1") as protobuf.Namespace).filter(
      ({ name: type }) => nameOf(type) in module,
    );
    expect(types.length).toBeGreaterThan(5);
    const random = randomFrom(seed);
    for (const { type } of types) {
      const ours = messageType(module, nameOf(type.fullName.slice("google.pubsub.v1.".length + 1)));
      for (let round = 0; round < ROUNDS; round++) {
        const message = randomMessage(type, random);
        const bytes = ours.toBytes(message);
        expect(readByReflection(type, bytes), `${type.fullName}, SEED=${seed}`).toEqual(
          normalize(type, ours.fromBytes(bytes)),
        );
        const theirs = encodeByReflection(type, message);
        expect(normalize(type, ours.fromBytes(theirs)), `${type.fullName}, SEED=${seed}`).toEqual(
          readByReflection(type, theirs),
        );
      }
    }
  });
});

function reflectGoogle(): protobuf.Root {
  const reader = googleReader();
  const root = new protobuf.Root();
  const seen = new Set<string>();
  const add = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const source = reader.read(name);
    if (!(source instanceof SourceFile)) throw new Error(`${name} was not found`);
    for (const imported of protobuf.parse(source.text, root, { keepCase: true }).imports ?? []) add(imported);
  };
  for (const name of MANIFESTS) add(name);
  root.resolveAll();
  return root;
}

function messageTypes(namespace: protobuf.NamespaceBase, prefix = ""): { type: protobuf.Type; name: string }[] {
  return namespace.nestedArray.flatMap((nested) => {
    if (!(nested instanceof protobuf.Type)) return [];
    return [{ type: nested, name: prefix + nested.name }, ...messageTypes(nested, `${prefix}${nested.name}.`)];
  });
}

function nameOf(name: string): string {
  return name.replaceAll(".", "_");
}
