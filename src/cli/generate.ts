// `sluice generate`: from paths on the command line to files in the output folder. It reads the options and runs the
// steps: find the manifests (manifests.ts), have them compiled, say what is wrong (report.ts), write (output.ts).

import { parseArgs } from "node:util";
import { DEFAULT_EMIT_OPTIONS, generate } from "../gen/generate.js";
import { FolderReader } from "../gen/load.js";
import type { ImportExtension } from "../gen/printer.js";
import { findManifests } from "./manifests.js";
import { check, write } from "./output.js";
import { report } from "./report.js";
import { UsageError } from "./usage.js";

const HELP = `sluice generate <files or folders>... --out <dir>

Makes TypeScript of protobuf manifests (.proto): types, codecs, clients and handler interfaces.

  -I, --include <dir>      a folder that imports are relative to; may be repeated. Without it: each folder given, and
                           the current folder for files. google/protobuf/*.proto and sluice/options.proto are built in.
  -o, --out <dir>          where the files go: push/v1/register.proto becomes <dir>/push/v1/register.ts
      --check              write nothing; exit with 1 if a file would change (for CI)
      --import-extension   how generated files import each other: .js (default), .ts or none
      --json               proto3 JSON too: <dir>/push/v1/register.json.ts, beside the code, which does not import it
      --unknown-fields     messages keep the fields that their manifest does not have, and write them again
      --runtime <module>   what generated code imports instead of "sluice/runtime"; a path that begins with "." is
                           relative to the output folder
  -h, --help

Exit codes: 0 done; 1 the manifests have errors, or --check found a difference; 2 wrong usage.`;

const EXTENSIONS: readonly string[] = [".js", ".ts", "none"] satisfies ImportExtension[];

/** Runs the command; the result is its exit code. */
export function generateCommand(args: string[]): number {
  const { values, positionals } = parse(args);
  if (values.help === true) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  if (positionals.length === 0)
    throw new UsageError("generate: name the manifests, or folders of them (see sluice generate --help)");
  if (values.out === undefined) throw new UsageError("generate: say where the files go with --out <dir>");
  const { roots, names } = findManifests("generate", positionals, values.include ?? []);
  const options = {
    runtime: values.runtime ?? DEFAULT_EMIT_OPTIONS.runtime,
    importExtension: extensionOf(values["import-extension"]),
    unknownFields: values["unknown-fields"] === true,
    json: values.json === true,
  };
  const { files, diagnostics } = generate(names, new FolderReader(roots), options);
  report(diagnostics);
  if (diagnostics.errorCount > 0) return 1;
  if (values.check === true) return check(values.out, files);
  write(values.out, files);
  return 0;
}

function parse(args: string[]): ReturnType<typeof parseKnown> {
  try {
    return parseKnown(args);
  } catch (error) {
    throw new UsageError(`generate: ${(error as Error).message}`);
  }
}

const OPTIONS = {
  include: { type: "string", short: "I", multiple: true },
  out: { type: "string", short: "o" },
  check: { type: "boolean" },
  "import-extension": { type: "string" },
  json: { type: "boolean" },
  "unknown-fields": { type: "boolean" },
  runtime: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

function parseKnown(
  args: string[],
): ReturnType<typeof parseArgs<{ args: string[]; options: typeof OPTIONS; allowPositionals: true }>> {
  return parseArgs({ args, options: OPTIONS, allowPositionals: true });
}

function extensionOf(text: string | undefined): ImportExtension {
  if (text === undefined) return DEFAULT_EMIT_OPTIONS.importExtension;
  if (!EXTENSIONS.includes(text))
    throw new UsageError(`generate: --import-extension is one of ${EXTENSIONS.join(", ")}, not "${text}"`);
  return text as ImportExtension;
}
