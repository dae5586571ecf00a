// The linker against protoc, field by field: manifests of every construct in link/, and the descriptors that other
// compilers made of them. torture.binpb is of protoc 3.21, editions.binpb of buf 1.75 (Debian's protoc knows no editions):
//   protoc --include_source_info -o ../torture.binpb *.proto       buf build --exclude-imports -o ../editions.binpb
// Where protoc is installed, it is asked again.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { DeclaredFile } from "../../src/gen/declare.js";
import { FileDescriptorSet } from "../../src/gen/descriptor/descriptor.js";
import { formatDouble, formatFloat } from "../../src/gen/descriptor/float-text.js";
import { DESCRIPTOR_MANIFEST, link } from "../../src/gen/link.js";
import { BUNDLED_ROOT, FolderReader, load } from "../../src/gen/load.js";
import { Diagnostics } from "../../src/gen/source.js";
import { validate } from "../../src/gen/validate.js";
import { diffDescriptors } from "./descriptor-diff.js";

const FOLDER = fileURLToPath(new URL("./link/", import.meta.url));
const hasProtoc = spawnSync("protoc", ["--version"]).status === 0;

describe("descriptors", () => {
  it.each(["torture", "editions"])("of link/%s are what other compilers make, field by field", (folder) => {
    const theirs = FileDescriptorSet.fromBytes(readFileSync(join(FOLDER, `${folder}.binpb`))).file;
    expect(theirs.map(({ name }) => name).sort()).toEqual(manifestsIn(folder));
    expect(diffDescriptors(linkFolder(folder), theirs)).toEqual([]);
  });

  it.skipIf(!hasProtoc)("of link/torture are what the installed protoc makes (skipped without protoc)", () => {
    const out = mkdtempSync(join(tmpdir(), "sluice-link-"));
    const set = join(out, "set.binpb");
    const roots = ["-I", join(FOLDER, "torture"), "-I", BUNDLED_ROOT];
    execFileSync("protoc", [...roots, "--include_imports", "-o", set, ...manifestsIn("torture")], { stdio: "ignore" });
    const theirs = FileDescriptorSet.fromBytes(readFileSync(set)).file;
    rmSync(out, { recursive: true });
    expect(theirs.length).toBeGreaterThan(manifestsIn("torture").length);
    expect(diffDescriptors(linkFolder("torture"), theirs)).toEqual([]);
  });

  it("tell a difference where there is one", () => {
    const theirs = FileDescriptorSet.fromBytes(readFileSync(join(FOLDER, "torture.binpb"))).file;
    const file = theirs.find(({ name }) => name === "proto3.proto")!;
    file.messageType[0]!.field[0]!.typeName = ".torture.three.Level.M.State";
    file.messageType[1]!.options = Uint8Array.of(0x18, 0);
    expect(diffDescriptors(linkFolder("torture"), theirs).map((line) => line.split(": ")[0])).toEqual([
      "proto3.proto:.messageType[Level].field[s].typeName",
      "proto3.proto:.messageType[Options].options",
    ]);
  });

  it.each([
    [1e20, "1e+20", "1e+20"],
    [0.1, "0.1", "0.1"],
    [0.30000000000000004, "0.30000000000000004", "0.3"],
    [1e-7, "1e-07", "1e-07"],
    [-123456.75, "-123456.75", "-123456.75"],
    [-0, "-0", "-0"],
    [Number.NEGATIVE_INFINITY, "-inf", "-inf"],
  ])("spell %d as C does", (value, double, float) => {
    expect([formatDouble(value), formatFloat(value)]).toEqual([double, float]);
  });
});

function manifestsIn(folder: string): string[] {
  return readdirSync(join(FOLDER, folder)).sort();
}

function linkFolder(folder: string): readonly DeclaredFile[] {
  const diagnostics = new Diagnostics();
  const reader = new FolderReader([join(FOLDER, folder)]);
  const { files } = link(load([DESCRIPTOR_MANIFEST, ...manifestsIn(folder)], reader, diagnostics), diagnostics);
  for (const file of files) validate(file, diagnostics);
  expect(diagnostics.lines().filter((line) => line.includes("error"))).toEqual([]);
  return files;
}
