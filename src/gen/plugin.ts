// The compiler as a plugin of protoc and buf: a CodeGeneratorRequest in, a CodeGeneratorResponse out, both as bytes. The
// manifests come parsed and described; from there on everything is as for `sluice generate`. As those tools expect, code
// is made for the files that they name and not for what those import.

import {
  CodeGeneratorRequest,
  CodeGeneratorResponse,
  type CodeGeneratorResponseInit,
} from "./descriptor/descriptor.js";
import { fromDescriptor } from "./descriptor/from-descriptor.js";
import { EDITION_NUMBERS } from "./features.js";
import { DEFAULT_EMIT_OPTIONS, generateFrom } from "./generate.js";
import { DESCRIPTOR_MANIFEST } from "./link.js";
import { FolderReader, load } from "./load.js";
import type { ImportExtension } from "./printer.js";
import { INT64_STYLES } from "./scalars.js";
import { Diagnostics } from "./source.js";
import type { FileSyntax } from "./syntax.js";
import type { EmitOptions } from "./target.js";

/** CodeGeneratorResponse.Feature: proto3's `optional` (1) and editions (2). */
const SUPPORTED_FEATURES = 1n | 2n;
/** The edition that stands for proto2, the oldest. */
const MINIMUM_EDITION = 998;
const MAXIMUM_EDITION = EDITION_NUMBERS["2026"];

/** What a plugin has to say: the response for protoc, and lines for people. */
export interface PluginResult {
  readonly response: Uint8Array;
  readonly warnings: readonly string[];
}

/** Answers a request. What is wrong with the manifests or the parameters is in the response's `error`, as protoc wants it. */
export function runPlugin(request: Uint8Array): PluginResult {
  const { fileToGenerate, parameter, protoFile } = CodeGeneratorRequest.fromBytes(request);
  const options = parseParameter(parameter ?? "");
  if (typeof options === "string") return failure(options);
  let syntaxes: FileSyntax[];
  try {
    syntaxes = protoFile.map(fromDescriptor);
  } catch (error) {
    if (error instanceof RangeError) return failure(error.message);
    throw error;
  }
  const { files, diagnostics } = generateFrom(withDescriptorManifest(syntaxes), fileToGenerate, options);
  if (diagnostics.errorCount > 0) return failure(diagnostics.lines().join("\n"));
  const file = files.map(({ path, text }) => ({ name: path, content: text }));
  return { response: respond({ file }), warnings: diagnostics.lines() };
}

function failure(error: string): PluginResult {
  return { response: respond({ error }), warnings: [] };
}

function respond(response: CodeGeneratorResponseInit): Uint8Array {
  return CodeGeneratorResponse.toBytes({
    ...response,
    supportedFeatures: SUPPORTED_FEATURES,
    minimumEdition: MINIMUM_EDITION,
    maximumEdition: MAXIMUM_EDITION,
  });
}

/** Options are read by descriptor.proto, which a request has only if a manifest imports it. */
function withDescriptorManifest(syntaxes: readonly FileSyntax[]): readonly FileSyntax[] {
  if (syntaxes.some(({ source }) => source.name === DESCRIPTOR_MANIFEST)) return syntaxes;
  return [...load([DESCRIPTOR_MANIFEST], new FolderReader([]), new Diagnostics()), ...syntaxes];
}

// Parameters

const EXTENSIONS: readonly ImportExtension[] = [".js", ".ts", "none"];

/** `import_extension=.ts,json`: the options of `sluice generate`, with underscores; or what is wrong with them. */
function parseParameter(parameter: string): EmitOptions | string {
  const options = { ...DEFAULT_EMIT_OPTIONS };
  for (const entry of parameter.split(",").filter((part) => part !== "")) {
    const [name, ...rest] = entry.split("=");
    const set = PARAMETERS[name!.trim().replaceAll("-", "_")];
    const problem =
      set === undefined ? `known are ${Object.keys(PARAMETERS).join(", ")}` : set(options, rest.join("="));
    if (problem !== undefined) return `protoc-gen-sluice: parameter ${JSON.stringify(entry)}: ${problem}`;
  }
  return options;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
/** Sets an option; the result says what is wrong with the value. */
type SetParameter = (options: Mutable<EmitOptions>, value: string) => string | undefined;

const PARAMETERS: Readonly<Record<string, SetParameter>> = Object.assign(Object.create(null), {
  descriptors: flag("descriptors"),
  import_extension: choice("importExtension", EXTENSIONS),
  int64: choice("int64", INT64_STYLES),
  json: flag("json"),
  unknown_fields: flag("unknownFields"),
  runtime(options, value) {
    if (value === "") return "it names a module";
    options.runtime = value;
    return undefined;
  },
} satisfies Record<string, SetParameter>);

function choice<Key extends "importExtension" | "int64">(key: Key, values: readonly EmitOptions[Key][]): SetParameter {
  return (options, value) => {
    const found = values.find((known) => known === value);
    if (found === undefined) return `it is one of ${values.join(", ")}`;
    options[key] = found;
    return undefined;
  };
}

function flag(key: "descriptors" | "json" | "unknownFields"): SetParameter {
  return (options, value) => {
    if (!["", "true", "false"].includes(value)) return "it is true or false";
    options[key] = value !== "false";
    return undefined;
  };
}
