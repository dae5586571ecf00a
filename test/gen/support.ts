// For tests of the generator: manifests given as text become generated files in a folder that git ignores, and their
// modules are imported from there, so that what a test runs is exactly what a user would.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import protobuf from "protobufjs";
import type { MessageType } from "../../src/codec/message.js";
import { DEFAULT_EMIT_OPTIONS, generate } from "../../src/gen/generate.js";
import { BUNDLED_ROOT, FolderReader, type ManifestReader, MemoryReader } from "../../src/gen/load.js";
import type { EmitOptions } from "../../src/gen/target.js";

const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));
const OUTPUT = join(REPOSITORY, "build/test-gen");

/** The generated text of test.proto, given as text, alone or with what it imports. Fails if a manifest has errors. */
export function generateText(
  manifest: string | Readonly<Record<string, string>>,
  options: EmitOptions = DEFAULT_EMIT_OPTIONS,
): string {
  const texts = typeof manifest === "string" ? { "test.proto": manifest } : manifest;
  const { files, diagnostics } = generate(["test.proto"], new MemoryReader(texts), options);
  if (diagnostics.errorCount > 0) throw new Error(diagnostics.lines().join("\n"));
  return files.find(({ path }) => path === "test.ts")!.text;
}

/** What the compiler says about manifests given as text; the first is the one that is generated. */
export function diagnose(manifests: string | Readonly<Record<string, string>>): string[] {
  const texts = typeof manifests === "string" ? { "test.proto": manifests } : manifests;
  return generate([Object.keys(texts)[0]!], new MemoryReader(texts)).diagnostics.lines();
}

/** Generates into a folder named `folder` and gives its path. */
export function generateInto(
  folder: string,
  names: readonly string[],
  reader: ManifestReader,
  options: EmitOptions = DEFAULT_EMIT_OPTIONS,
): string {
  const { files, diagnostics } = generate(names, reader, { ...options, importExtension: ".ts" });
  if (diagnostics.errorCount > 0) throw new Error(diagnostics.lines().join("\n"));
  const root = join(OUTPUT, folder);
  for (const { path, text } of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

/** The module generated from manifests given as text. */
export async function importGenerated(
  folder: string,
  manifests: string | Readonly<Record<string, string>>,
  options: EmitOptions = DEFAULT_EMIT_OPTIONS,
): Promise<Record<string, unknown>> {
  const texts = typeof manifests === "string" ? { "test.proto": manifests } : manifests;
  const first = Object.keys(texts)[0]!;
  const root = generateInto(folder, [first], new MemoryReader(texts), options);
  return importFile(join(root, first.replace(/\.proto$/, ".ts")));
}

/** True if protoc is installed; it is the other opinion about what a manifest means. */
export const hasProtoc: boolean = spawnSync("protoc", ["--version"]).status === 0;

/** What the installed protoc says of test.proto, given as text, alone or with what it imports. */
export function askProtoc(manifests: string | Readonly<Record<string, string>>): { accepted: boolean; said: string } {
  const texts = typeof manifests === "string" ? { "test.proto": manifests } : manifests;
  const folder = mkdtempSync(join(tmpdir(), "sluice-protoc-"));
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, name), text);
  const args = ["-I", folder, "-I", BUNDLED_ROOT, "-o", join(folder, "set.binpb"), "test.proto"];
  const { status, stderr } = spawnSync("protoc", args, { encoding: "utf8" });
  rmSync(folder, { recursive: true });
  return { accepted: status === 0, said: stderr };
}

/** What the compiler has against the files of a generated folder, under every flag that this project sets. */
export function compileErrors(folder: string): string[] {
  const config = {
    extends: join(REPOSITORY, "tsconfig.json"),
    compilerOptions: {
      paths: {
        "sluice/runtime": [join(REPOSITORY, "src/runtime.ts")],
        "sluice/json": [join(REPOSITORY, "src/json.ts")],
      },
      allowImportingTsExtensions: true,
    },
    include: ["**/*.ts"],
    exclude: [],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const inFolder = (line: string): boolean => line.startsWith(relative(REPOSITORY, folder));
  return typeCheck(folder).filter((line) => inFolder(line) || line.startsWith("error TS"));
}

function typeCheck(project: string): string[] {
  const args = [join(REPOSITORY, "node_modules/typescript/bin/tsc"), "-p", project];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: REPOSITORY, encoding: "utf8" });
  if (status !== 0 && !stdout.includes("error TS")) throw new Error(`tsc failed: ${stderr}`);
  return stdout.split("\n");
}

/** Imports a generated file. */
export async function importFile(path: string): Promise<Record<string, unknown>> {
  return (await import(/* @vite-ignore */ pathToFileURL(path).href)) as Record<string, unknown>;
}

/** A message type of a generated module. */
export function messageType(module: Record<string, unknown>, name: string): MessageType<Record<string, unknown>> {
  return module[name] as MessageType<Record<string, unknown>>;
}

/** protobufjs's reflection over manifests given as text: the other opinion about what bytes mean. */
export function reflect(manifests: Readonly<Record<string, string>>): protobuf.Root {
  const root = new protobuf.Root();
  const seen = new Set<string>();
  const add = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const text = manifests[name] ?? readFileSync(join(BUNDLED_ROOT, name), "utf8");
    for (const imported of protobuf.parse(text, root, { keepCase: true }).imports ?? []) add(imported);
  };
  for (const name of Object.keys(manifests)) add(name);
  root.resolveAll();
  return root;
}

/** Reads from the folders of installed packages that carry Google's manifests. */
export function googleReader(): FolderReader {
  const modules = fileURLToPath(new URL("../../node_modules/", import.meta.url));
  return new FolderReader([
    join(modules, "@google-cloud/pubsub/build/protos"),
    join(modules, "google-gax/build/protos"),
  ]);
}
