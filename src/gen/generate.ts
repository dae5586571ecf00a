// Manifests in, TypeScript out: load -> parse -> link -> validate -> emit. It touches no output file; the command line
// does. Nothing is emitted if there was an error.

import type { DeclaredFile } from "./declare.js";
import { emitDecode } from "./emit-decode.js";
import { DESCRIPTORS_PATH, emitDescriptors } from "./emit-descriptors.js";
import { emitEncode } from "./emit-encode.js";
import { emitExtension, isEmitted } from "./emit-extension.js";
import { emitJsonFile, jsonPath } from "./emit-json.js";
import { emitDefaults, emitEnumOptions, emitMessageOptions } from "./emit-options.js";
import { emitService } from "./emit-service.js";
import { emitEnum, emitMessageTypes } from "./emit-types.js";
import { DESCRIPTOR_MANIFEST, link } from "./link.js";
import { load, type ManifestReader } from "./load.js";
import { allEnums, allExtensions, allMessages, type FileModel } from "./model.js";
import { assignNames } from "./names.js";
import { assignPolicies } from "./policy.js";
import { Diagnostics } from "./source.js";
import type { FileSyntax } from "./syntax.js";
import { DEFAULT_RUNTIME, type EmitOptions, fileHeader, neededFiles, outputPath, Target } from "./target.js";
import { validate } from "./validate.js";
import { reportOptionUse } from "./validate-option-use.js";

/** One generated file; the path is relative to the output folder, with `/`. */
export interface GeneratedFile {
  readonly path: string;
  /** Made anew whenever it is read: the texts of a large tree together would fill memory. */
  readonly text: string;
}

/** What became of a run. */
export interface Generated {
  /** Sorted by path; empty if there was an error. */
  readonly files: readonly GeneratedFile[];
  readonly diagnostics: Diagnostics;
}

/** What generated code looks like unless told otherwise. */
export const DEFAULT_EMIT_OPTIONS: EmitOptions = {
  runtime: DEFAULT_RUNTIME,
  importExtension: ".js",
  int64: "bigint",
  unknownFields: false,
  json: false,
  descriptors: false,
};

/** Generates code for the named manifests and for those of their imports that the code needs. */
export function generate(
  names: readonly string[],
  reader: ManifestReader,
  options: EmitOptions = DEFAULT_EMIT_OPTIONS,
): Generated {
  const diagnostics = new Diagnostics();
  const compiled = compileSyntaxes(loadAll(names, reader, diagnostics), diagnostics);
  const files = modelsOf(compiled, names);
  for (const file of files) reportOptionUse(file, diagnostics);
  const wanted = diagnostics.errorCount > 0 ? [] : withNeeded(files, options);
  return emitAll({ wanted, compiled, names }, options, diagnostics);
}

/** Generates code for the named ones of manifests that were read already, and for no other. */
export function generateFrom(
  syntaxes: readonly FileSyntax[],
  names: readonly string[],
  options: EmitOptions,
): Generated {
  const diagnostics = new Diagnostics();
  const compiled = compileSyntaxes(syntaxes, diagnostics);
  return emitAll({ wanted: modelsOf(compiled, names), compiled, names }, options, diagnostics);
}

/** What a run has read, and what of it becomes code. */
interface Run {
  /** The names that were asked for. */
  readonly names: readonly string[];
  /** These and everything they import. */
  readonly compiled: readonly DeclaredFile[];
  /** What code is made for. */
  readonly wanted: readonly FileModel[];
}

function emitAll({ wanted, compiled, names }: Run, options: EmitOptions, diagnostics: Diagnostics): Generated {
  refuseClashes(wanted, options, diagnostics);
  if (diagnostics.errorCount > 0) return { files: [], diagnostics };
  const files = wanted.flatMap((file) => emitFiles(file, options));
  if (options.descriptors) files.push(lazyFile(DESCRIPTORS_PATH, () => emitDescriptors(compiled, names)));
  return { files: files.sort((a, b) => (a.path < b.path ? -1 : 1)), diagnostics };
}

/** The model of the named manifests and everything they import. Mistakes go to `diagnostics`. */
export function compile(names: readonly string[], reader: ManifestReader, diagnostics: Diagnostics): FileModel[] {
  return compileSyntaxes(loadAll(names, reader, diagnostics), diagnostics).map(({ model }) => model);
}

function loadAll(names: readonly string[], reader: ManifestReader, diagnostics: Diagnostics): FileSyntax[] {
  return load([DESCRIPTOR_MANIFEST, ...names], reader, diagnostics);
}

function compileSyntaxes(syntaxes: readonly FileSyntax[], diagnostics: Diagnostics): readonly DeclaredFile[] {
  const { files } = link(syntaxes, diagnostics);
  for (const file of files) validate(file, diagnostics);
  for (const { model } of files) {
    assignNames(model);
    for (const service of model.services) assignPolicies(service, diagnostics);
  }
  return files;
}

function modelsOf(compiled: readonly DeclaredFile[], names: readonly string[]): FileModel[] {
  const named = new Set(names);
  return compiled.map(({ model }) => model).filter(({ name }) => named.has(name));
}

/** The files generated for one manifest: the code, and its JSON where that is asked for. */
export function emitFiles(file: FileModel, options: EmitOptions): GeneratedFile[] {
  const code = lazyFile(outputPath(file), () => emitFile(file, options));
  const json = options.json ? emitJsonFile(file, options) : undefined;
  return json === undefined ? [code] : [code, { path: jsonPath(file), text: json }];
}

function lazyFile(path: string, emit: () => string): GeneratedFile {
  return {
    path,
    get text() {
      return emit();
    },
  };
}

/** The text generated for one manifest. */
export function emitFile(file: FileModel, options: EmitOptions): string {
  const target = new Target(file, options);
  for (const declared of allEnums(file)) {
    emitEnum(target, declared);
    emitEnumOptions(target, declared);
  }
  for (const message of allMessages(file)) {
    emitMessageTypes(target, message);
    emitDefaults(target, message);
    emitMessageOptions(target, message);
    emitEncode(target, message);
    emitDecode(target, message);
  }
  if (options.unknownFields) {
    for (const extension of allExtensions(file).filter(isEmitted))
      emitExtension(target, extension, extension.extendee!);
  }
  for (const service of file.services) emitService(target, service);
  return target.printer.finish(fileHeader(file));
}

/** A manifest `a.json.proto` and the JSON of `a.proto` would be one file; `descriptors.proto` has such a name, too. */
function refuseClashes(files: readonly FileModel[], options: EmitOptions, diagnostics: Diagnostics): void {
  const owners = new Map(files.map((file) => [outputPath(file), file]));
  const refuse = (path: string, what: string): void => {
    const owner = owners.get(path);
    if (owner !== undefined) diagnostics.error(owner.position, `would be generated as ${path}, which is also ${what}`);
  };
  if (options.json) for (const file of files) refuse(jsonPath(file), `the JSON of ${file.name}`);
  if (options.descriptors) refuse(DESCRIPTORS_PATH, "the file of the descriptors");
}

function withNeeded(files: readonly FileModel[], options: EmitOptions): FileModel[] {
  const wanted = new Set<FileModel>(files);
  for (const file of wanted) for (const needed of neededFiles(file, options)) wanted.add(needed);
  return [...wanted];
}
