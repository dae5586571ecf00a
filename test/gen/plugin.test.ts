// The plugin of protoc and buf makes, byte for byte, what the command line makes of the same manifests. First from descriptors
// that other compilers made (link.test.ts says how), then through the installed protoc and buf themselves.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  CodeGeneratorRequest,
  type CodeGeneratorRequestInit,
  CodeGeneratorResponse,
  FileDescriptorSet,
} from "../../src/gen/descriptor/descriptor.js";
import { toDescriptor } from "../../src/gen/descriptor/to-descriptor.js";
import { DEFAULT_EMIT_OPTIONS, generate } from "../../src/gen/generate.js";
import { DESCRIPTOR_MANIFEST, link } from "../../src/gen/link.js";
import { BUNDLED_ROOT, FolderReader, load } from "../../src/gen/load.js";
import { runPlugin } from "../../src/gen/plugin.js";
import { Diagnostics } from "../../src/gen/source.js";
import type { EmitOptions } from "../../src/gen/target.js";

const FOLDER = fileURLToPath(new URL("./link/", import.meta.url));
const BUILT = fileURLToPath(new URL("../../dist/cli/protoc-gen-sluice.js", import.meta.url));
const BUF = fileURLToPath(new URL("../../node_modules/.bin/buf", import.meta.url));
const TORTURE = fileURLToPath(new URL("./", import.meta.url));
const ALL: EmitOptions = { ...DEFAULT_EMIT_OPTIONS, importExtension: ".ts", json: true, int64: "string" };
const hasProtoc = existsSync(BUILT) && spawnSync("protoc", ["--version"]).status === 0;
const hasBuf = existsSync(BUILT) && spawnSync(BUF, ["--version"]).status === 0;

describe("protoc-gen-sluice", () => {
  it.each(["torture", "editions"])(
    "makes of the descriptors of link/%s what the command line makes of the text",
    (folder) => {
      const request = requestOf(folder);
      for (const [parameter, options] of [
        ["", DEFAULT_EMIT_OPTIONS],
        ["import_extension=.ts,json,int64=string", ALL],
      ] as const) {
        const { file, error } = ask({ ...request, parameter });
        expect(error).toBeUndefined();
        const texts = Object.fromEntries(file.map(({ name, content }) => [name, content]));
        expect(texts).toEqual(fromText(join(FOLDER, folder), request.fileToGenerate as string[], options));
      }
    },
  );

  it("says which features and editions it knows", () => {
    expect(ask({})).toMatchObject({ supportedFeatures: 3n, minimumEdition: 998, maximumEdition: 1002, file: [] });
  });

  it.each([
    ["import_extension=.mjs", 'parameter "import_extension=.mjs": it is one of .js, .ts, none'],
    ["json=maybe", 'parameter "json=maybe": it is true or false'],
    [
      "colour=red",
      'parameter "colour=red": known are descriptors, import_extension, int64, json, unknown_fields, runtime',
    ],
    ["__proto__=1", 'parameter "__proto__=1": known are'],
  ])("refuses the parameter %s", (parameter, text) => {
    expect(ask({ parameter }).error).toContain(text);
  });

  it("reports what is wrong in the response, with positions of the manifest", () => {
    const field = { name: "constructor", number: 0, type: 9, label: 1 };
    const location = [{ path: [4, 0, 2, 0, 1], span: [6, 10, 21] }];
    const file = { name: "a.proto", syntax: "proto3", messageType: [{ name: "A", field: [field] }] };
    const protoFile = [{ ...file, sourceCodeInfo: { location } }];
    expect(ask({ fileToGenerate: ["a.proto"], protoFile }).error).toMatch(/^a\.proto:7:11: error: a field's number/);
    expect(ask({ protoFile: [{ name: "b.proto", syntax: "editions", edition: 9999 }] }).error).toBe(
      "b.proto: edition 9999 is not known",
    );
  });
});

describe("through other compilers", () => {
  let home: string;
  let out: string;
  /** As npm installs it: an executable file. */
  let plugin: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "sluice-plugin-"));
    out = join(home, "out");
    mkdirSync(out);
    plugin = join(home, "protoc-gen-sluice");
    writeFileSync(plugin, `#!/bin/sh\nexec "${process.execPath}" "${BUILT}"\n`, { mode: 0o755 });
  });
  afterEach(() => rmSync(home, { recursive: true }));

  it.skipIf(!hasProtoc)(
    "protoc --sluice_out makes what the command line makes (skipped without protoc or dist/)",
    () => {
      const args = [`--plugin=protoc-gen-sluice=${plugin}`, "-I", TORTURE, "-I", BUNDLED_ROOT];
      execFileSync("protoc", [...args, "--sluice_out", out, "--sluice_opt=import_extension=.ts", "torture.proto"]);
      const options: EmitOptions = { ...DEFAULT_EMIT_OPTIONS, importExtension: ".ts" };
      expect(readTexts(out)).toEqual(fromText(TORTURE, ["torture.proto"], options));
    },
  );

  it.skipIf(!hasProtoc)("protoc shows our errors and fails", () => {
    const args = [`--plugin=protoc-gen-sluice=${plugin}`, "-I", TORTURE, "-I", BUNDLED_ROOT];
    const { status, stderr } = spawnSync("protoc", [...args, "--sluice_out", out, "--sluice_opt=x", "torture.proto"], {
      encoding: "utf8",
    });
    expect(status).not.toBe(0);
    expect(stderr).toContain('--sluice_out: protoc-gen-sluice: parameter "x": known are');
  });

  it.skipIf(!hasBuf)("buf generate makes what the command line makes (skipped without buf or dist/)", () => {
    const template = {
      version: "v2",
      plugins: [{ local: plugin, out: "gen", opt: ["import_extension=none", "json"] }],
    };
    const input = join(out, "proto");
    mkdirSync(input);
    writeFileSync(join(out, "buf.gen.yaml"), JSON.stringify(template));
    for (const name of readdirSync(join(FOLDER, "editions"))) {
      writeFileSync(join(input, name), readFileSync(join(FOLDER, "editions", name)));
    }
    execFileSync(BUF, ["generate", "proto"], { cwd: out });
    const options: EmitOptions = { ...DEFAULT_EMIT_OPTIONS, importExtension: "none", json: true };
    expect(readTexts(join(out, "gen"))).toEqual(fromText(input, readdirSync(input), options));
  });
});

function ask(request: CodeGeneratorRequestInit): CodeGeneratorResponse {
  return CodeGeneratorResponse.fromBytes(runPlugin(CodeGeneratorRequest.toBytes(request)).response);
}

/** The descriptors that another compiler made of a folder; those of bundled manifests are ours. */
function requestOf(folder: string): CodeGeneratorRequestInit {
  const theirs = FileDescriptorSet.fromBytes(readFileSync(join(FOLDER, `${folder}.binpb`))).file;
  const names = theirs.map(({ name }) => name!);
  const syntaxes = load([DESCRIPTOR_MANIFEST, ...names], new FolderReader([join(FOLDER, folder)]), new Diagnostics());
  const { files } = link(syntaxes, new Diagnostics());
  const bundled = files.filter(({ model }) => !names.includes(model.name)).map(toDescriptor);
  return { fileToGenerate: names, protoFile: [...bundled, ...theirs] };
}

function fromText(root: string, names: readonly string[], options: EmitOptions): Record<string, string> {
  const { files, diagnostics } = generate(names, new FolderReader([root]), options);
  expect(diagnostics.lines().filter((line) => line.includes("error"))).toEqual([]);
  const isNamed = (path: string): boolean => names.includes(path.replace(/(\.json)?\.ts$/, ".proto"));
  return Object.fromEntries(files.filter(({ path }) => isNamed(path)).map(({ path, text }) => [path, text]));
}

function readTexts(folder: string): Record<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
  return Object.fromEntries(paths.map((path) => [path, readFileSync(join(folder, path), "utf8")]));
}
