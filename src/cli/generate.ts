// `sluice generate`: from paths on the command line to files in the output folder. It reads the options and runs the
// steps: find the manifests (manifests.ts), have them compiled, say what is wrong (report.ts), write (output.ts).

import { parseArgs } from "node:util";
import { DEFAULT_EMIT_OPTIONS, generate } from "../gen/generate.js";
import { FolderReader } from "../gen/load.js";
import type { ImportExtension } from "../gen/printer.js";
import { INT64_STYLES } from "../gen/scalars.js";
import type { EmitOptions } from "../gen/target.js";
import { interruption } from "./interruption.js";
import { findManifests, isWanted } from "./manifests.js";
import { check, write } from "./output.js";
import { report } from "./report.js";
import { UsageError } from "./usage.js";
import { watch } from "./watch.js";

const HELP = `sluice generate <files or folders>... --out <dir>

Makes TypeScript of protobuf manifests (.proto): types, codecs, clients and handler interfaces.

  -I, --include <dir>      a folder that imports are relative to; may be repeated. Without it: each folder given, and
                           the current folder for files. google/protobuf/*.proto and sluice/options.proto are built in.
  -o, --out <dir>          where the files go: push/v1/register.proto becomes <dir>/push/v1/register.ts
      --check              write nothing; exit with 1 if a file would change (for CI)
      --descriptors        <dir>/descriptors.ts too: the manifests and their imports for serveReflection of "sluice/reflection"
      --import-extension   how generated files import each other: .js (default), .ts or none
      --int64 <type>       what 64-bit integers are where jstype does not say: bigint (default), string, or number, which
                           refuses what a number cannot hold exactly, 2^53 and more. Map keys and wrappers stay as they are
      --json               proto3 JSON too: <dir>/push/v1/register.json.ts, beside the code, which does not import it
      --unknown-fields     messages keep the fields that their manifest does not have, and write them again
      --runtime <module>   what generated code imports instead of "sluice/runtime"; a path that begins with "." is
                           relative to the output folder. JSON files import it instead of "sluice/json"
  -w, --watch              generate again when a manifest changes, until interrupted
  -h, --help

Only files that change are written. A generated file in the output folder is removed when its manifest is gone from the
folders given, so an output folder belongs to one command; files that sluice did not make are never touched.

Exit codes: 0 done; 1 the manifests have errors, or --check found a difference; 2 wrong usage.`;

const EXTENSIONS: readonly ImportExtension[] = [".js", ".ts", "none"];

/** What a command line asks for. */
interface Job {
  readonly paths: readonly string[];
  readonly includes: readonly string[];
  readonly out: string;
  readonly isCheck: boolean;
  readonly options: EmitOptions;
}

/** Runs the command; the result is its exit code. With --watch it ends at SIGINT or when `signal` is aborted. */
export function generateCommand(args: string[], signal?: AbortSignal): number | Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help === true) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const job = jobOf(positionals, values);
  if (values.watch !== true) return runJob(job).exitCode;
  if (job.isCheck) throw new UsageError("generate: --watch writes and --check does not; choose one");
  return watchJob(job, signal ?? interruption());
}

function jobOf(paths: readonly string[], values: ReturnType<typeof parse>["values"]): Job {
  if (paths.length === 0)
    throw new UsageError("generate: name the manifests, or folders of them (see sluice generate --help)");
  if (values.out === undefined) throw new UsageError("generate: say where the files go with --out <dir>");
  const options = {
    runtime: values.runtime ?? DEFAULT_EMIT_OPTIONS.runtime,
    importExtension: oneOf("import-extension", EXTENSIONS, values["import-extension"]),
    int64: oneOf("int64", INT64_STYLES, values.int64),
    unknownFields: values["unknown-fields"] === true,
    json: values.json === true,
    descriptors: values.descriptors === true,
  };
  return { paths, includes: values.include ?? [], out: values.out, isCheck: values.check === true, options };
}

function runJob({ paths, includes, out, isCheck, options }: Job): { exitCode: number; folders: Iterable<string> } {
  const { roots, names, wanted } = findManifests("generate", paths, includes);
  const reader = new FolderReader(roots);
  const { files, diagnostics } = generate(names, reader, options);
  report(diagnostics);
  const folders = [...reader.foldersRead, ...roots];
  if (diagnostics.errorCount > 0) return { exitCode: 1, folders };
  const isOurs = (name: string): boolean => isWanted(name, wanted);
  if (isCheck) return { exitCode: check(out, files, isOurs), folders };
  write(out, files, isOurs);
  return { exitCode: 0, folders };
}

// Watching

async function watchJob(job: Job, signal: AbortSignal): Promise<number> {
  let folders: readonly string[] = [];
  const run = (): readonly string[] => {
    folders = runWatched(job, folders);
    return folders;
  };
  await watch({ run, signal });
  return 0;
}

/** What a run cannot do is said, and waits for a change like everything else. */
function runWatched(job: Job, before: readonly string[]): readonly string[] {
  try {
    const { exitCode, folders } = runJob(job);
    process.stderr.write(
      exitCode === 0 ? `generated into ${job.out}; watching\n` : "nothing was generated; watching\n",
    );
    return [...folders];
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`sluice: ${error.message}\n`);
    return before;
  }
}

// Options

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
  descriptors: { type: "boolean" },
  "import-extension": { type: "string" },
  int64: { type: "string" },
  json: { type: "boolean" },
  "unknown-fields": { type: "boolean" },
  runtime: { type: "string" },
  watch: { type: "boolean", short: "w" },
  help: { type: "boolean", short: "h" },
} as const;

function parseKnown(
  args: string[],
): ReturnType<typeof parseArgs<{ args: string[]; options: typeof OPTIONS; allowPositionals: true }>> {
  return parseArgs({ args, options: OPTIONS, allowPositionals: true });
}

/** An option's value, which must be one of the choices; the first is the default. */
function oneOf<Choice extends string>(option: string, choices: readonly Choice[], text: string | undefined): Choice {
  const chosen = text === undefined ? choices[0] : choices.find((choice) => choice === text);
  if (chosen !== undefined) return chosen;
  throw new UsageError(`generate: --${option} is one of ${choices.join(", ")}, not "${text}"`);
}
