// `sluice breaking`: compares manifests with what they were, in another folder or in a commit, and exits with 1 if
// programs that were built from the old ones would misread the new ones (or the other way round).

import { parseArgs } from "node:util";
import { findBreakingChanges } from "../gen/breaking.js";
import { compile } from "../gen/generate.js";
import { FolderReader, type ManifestReader } from "../gen/load.js";
import type { FileModel } from "../gen/model.js";
import { Diagnostics } from "../gen/source.js";
import { findManifests, isWanted } from "./manifests.js";
import { report } from "./report.js";
import { openTree } from "./trees.js";
import { UsageError } from "./usage.js";

const HELP = `sluice breaking <files or folders>... --against <dir or git ref>

Finds changes that break programs made from the old manifests, on the wire or in JSON: numbers, types, names and
defaults of fields, numbers and names of enum values, oneofs, what was removed without "reserved", rpcs, packages, files.

      --against <dir|ref>  the manifests as they were: a folder that stands for the first root, or a branch, tag or commit
  -I, --include <dir>      a folder that imports are relative to; may be repeated (as for sluice generate)
  -h, --help

Exit codes: 0 nothing breaks; 1 something does, or the manifests have errors; 2 wrong usage.`;

const OPTIONS = {
  against: { type: "string" },
  include: { type: "string", short: "I", multiple: true },
  help: { type: "boolean", short: "h" },
} as const;

/** Runs the command; the result is its exit code. */
export function breakingCommand(args: string[]): number {
  const { values, positionals } = parse(args);
  if (values.help === true) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  if (positionals.length === 0) throw new UsageError("breaking: name the manifests, or folders of them");
  if (values.against === undefined)
    throw new UsageError("breaking: say with what to compare: --against <dir or git ref>");
  const { roots, names, wanted } = findManifests("breaking", positionals, values.include ?? []);
  const tree = openTree(values.against, roots);
  const before = read(
    tree.names.filter((name) => isWanted(name, wanted)),
    tree.reader,
  );
  const after = before && read(names, new FolderReader(roots));
  return before === undefined || after === undefined ? 1 : compare(before, after);
}

function parse(
  args: string[],
): ReturnType<typeof parseArgs<{ args: string[]; options: typeof OPTIONS; allowPositionals: true }>> {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`breaking: ${(error as Error).message}`);
  }
}

/** The models of the named manifests; undefined if they have errors, which are then shown. */
function read(names: readonly string[], reader: ManifestReader): FileModel[] | undefined {
  const diagnostics = new Diagnostics();
  const models = compile(names, reader, diagnostics);
  if (diagnostics.errorCount === 0) return models.filter(({ name }) => names.includes(name));
  report(diagnostics);
  return undefined;
}

function compare(before: readonly FileModel[], after: readonly FileModel[]): number {
  const findings = new Diagnostics();
  findBreakingChanges(before, after, findings);
  report(findings);
  return findings.errorCount === 0 ? 0 : 1;
}
