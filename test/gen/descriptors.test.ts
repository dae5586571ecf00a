// --descriptors: one more file, with the descriptors of the manifests and what they import, as other compilers make them.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  CodeGeneratorRequest,
  CodeGeneratorResponse,
  FileDescriptorProto,
  FileDescriptorSet,
} from "../../src/gen/descriptor/descriptor.js";
import { toDescriptor, toRuntimeDescriptor } from "../../src/gen/descriptor/to-descriptor.js";
import { DEFAULT_EMIT_OPTIONS, generate } from "../../src/gen/generate.js";
import { DESCRIPTOR_MANIFEST, link } from "../../src/gen/link.js";
import { FolderReader, load, type ManifestReader, MemoryReader } from "../../src/gen/load.js";
import { runPlugin } from "../../src/gen/plugin.js";
import { Diagnostics } from "../../src/gen/source.js";
import type { EmitOptions } from "../../src/gen/target.js";
import { diagnose, generateInto, importFile } from "./support.js";

const OPTIONS: EmitOptions = { ...DEFAULT_EMIT_OPTIONS, descriptors: true };
const FOLDER = fileURLToPath(new URL("./link/torture", import.meta.url));
const MANIFESTS = {
  "a/one.proto": 'syntax = "proto3"; package a; import "a/two.proto"; service One { rpc Call(Two) returns (Two); }',
  "a/two.proto": 'syntax = "proto3"; package a; import "google/protobuf/empty.proto"; message Two {}',
  "b.proto": 'syntax = "proto3"; message B {}',
};

/** The descriptors in the file that is generated. */
async function descriptorsOf(
  folder: string,
  names: readonly string[],
  reader: ManifestReader,
): Promise<FileDescriptorProto[]> {
  const root = generateInto(folder, names, reader, OPTIONS);
  const { descriptors } = await importFile(`${root}/descriptors.ts`);
  return (descriptors as string[]).map((text) => FileDescriptorProto.fromBytes(Buffer.from(text, "base64")));
}

describe("--descriptors", () => {
  it("describes what was named and all that it imports, imports first, and nothing else", async () => {
    const files = await descriptorsOf("descriptors", ["a/one.proto"], new MemoryReader(MANIFESTS));
    expect(files.map(({ name }) => name)).toEqual(["google/protobuf/empty.proto", "a/two.proto", "a/one.proto"]);
    expect(files[2]?.service[0]?.method[0]).toMatchObject({ name: "Call", inputType: ".a.Two", outputType: ".a.Two" });
  });

  it("describes it as protoc does (link.test.ts compares field by field)", async () => {
    const theirs = FileDescriptorSet.fromBytes(readFileSync(`${FOLDER}.binpb`)).file.map(({ name }) => name!);
    const files = await descriptorsOf("descriptors-torture", theirs, new FolderReader([FOLDER]));
    const syntaxes = load([DESCRIPTOR_MANIFEST, ...theirs], new FolderReader([FOLDER]), new Diagnostics());
    const linked = link(syntaxes, new Diagnostics()).files;
    expect(files).toEqual(linked.map((file) => FileDescriptorProto.create(toRuntimeDescriptor(file))));
  });

  it("changes no other file", () => {
    const names = Object.keys(MANIFESTS);
    const texts = (options: EmitOptions): [string, string][] =>
      generate(names, new MemoryReader(MANIFESTS), options).files.map(({ path, text }) => [path, text]);
    const plain = texts(DEFAULT_EMIT_OPTIONS);
    expect(texts(OPTIONS).filter(([path]) => path !== "descriptors.ts")).toEqual(plain);
    expect(plain.map(([path]) => path)).not.toContain("descriptors.ts");
  });

  it("is a parameter of the plugin, too, to the byte", () => {
    const names = ["a/one.proto", "b.proto"];
    const syntaxes = load(names, new MemoryReader(MANIFESTS), new Diagnostics());
    const described = link(
      [...load([DESCRIPTOR_MANIFEST], new FolderReader([]), new Diagnostics()), ...syntaxes],
      new Diagnostics(),
    ).files.map(toDescriptor);
    const request = { fileToGenerate: names, parameter: "descriptors", protoFile: described };
    const { file } = CodeGeneratorResponse.fromBytes(runPlugin(CodeGeneratorRequest.toBytes(request)).response);
    const ours = generate(names, new MemoryReader(MANIFESTS), OPTIONS).files;
    for (const { name, content } of file) expect(content).toBe(ours.find(({ path }) => path === name)?.text);
    expect(file.map(({ name }) => name)).toEqual(["a/one.ts", "b.ts", "descriptors.ts"]);
  });

  it("refuses a manifest that would be the same file", () => {
    const texts = { "descriptors.proto": 'syntax = "proto3"; message A {}' };
    expect(diagnose(texts)).toEqual([]);
    expect(generate(["descriptors.proto"], new MemoryReader(texts), OPTIONS).diagnostics.lines()).toEqual([
      "descriptors.proto:1:1: error: would be generated as descriptors.ts, which is also the file of the descriptors",
    ]);
  });
});
