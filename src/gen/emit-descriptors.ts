// The file of the descriptors: the manifests as protobuf describes them to other programs, for servers that tell (reflection).
// It is a file of its own, which no generated code imports, so that whoever does not need it does not load it.

import type { DeclaredFile } from "./declare.js";
import { FileDescriptorProto } from "./descriptor/descriptor.js";
import { toRuntimeDescriptor } from "./descriptor/to-descriptor.js";
import { literal } from "./printer.js";
import { header } from "./target.js";

/** Where it is, relative to the output folder. */
export const DESCRIPTORS_PATH = "descriptors.ts";

const DOC = `/**
 * The manifests of this folder's code and all that they import, as protobuf describes them: an encoded FileDescriptorProto
 * each, in base64, imports first. It is what \`serveReflection\` of \`sluice/reflection\` takes.
 */`;

/** Its text. `files` has the named manifests and everything they import, imports first. */
export function emitDescriptors(files: readonly DeclaredFile[], names: readonly string[]): string {
  const entries = withImports(files, names).map((file) => {
    const bytes = FileDescriptorProto.toBytes(toRuntimeDescriptor(file));
    return `  // ${literal(file.model.name).slice(1, -1)}\n  "${Buffer.from(bytes).toString("base64")}",\n`;
  });
  const list = `export const descriptors: readonly string[] = [\n${entries.join("")}];`;
  return `${header("with --descriptors")}\n\n${DOC}\n${list}\n`;
}

/** Compiling reads descriptor.proto in any case; here it is only where it is imported. */
function withImports(files: readonly DeclaredFile[], names: readonly string[]): DeclaredFile[] {
  const needed = new Set(names);
  for (const { model, syntax } of files.toReversed()) {
    if (needed.has(model.name)) for (const { path } of syntax.imports) needed.add(path.text);
  }
  return files.filter(({ model }) => needed.has(model.name));
}
