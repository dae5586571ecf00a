// Trees of manifests to compare with: a folder, or a commit of git. Git is run without a shell, with arguments that
// cannot be options, and is only asked to read: a ref becomes a commit id, the id a list of blobs, the blobs texts.
// A root of which the commit has nothing (an installed package, say) is read as it is now.

import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { FolderReader, type ManifestReader, nameFlaw } from "../gen/load.js";
import { SourceFile } from "../gen/source.js";
import { manifestNames } from "./manifests.js";
import { UsageError } from "./usage.js";

/** Manifests as they were. */
export interface Tree {
  /** Every manifest below the roots. */
  readonly names: readonly string[];
  readonly reader: ManifestReader;
}

/** What git may answer with; more is refused. */
const MAX_GIT_BYTES = 512 * 1024 * 1024;
const GIT_TIMEOUT_MS = 60_000;
/** Branches, tags, ids, and what is counted from them: `main`, `v1.2.0`, `HEAD~3`, `origin/main@{yesterday}`. */
const REF = /^[A-Za-z0-9_@][A-Za-z0-9_./~^@{}+-]*$/;

/** The tree that `--against` names: a folder in place of the first root, or a git ref for all of them. */
export function openTree(against: string, roots: readonly string[]): Tree {
  if (statSync(against, { throwIfNoEntry: false })?.isDirectory() === true)
    return { names: manifestNames(against), reader: new FolderReader([against, ...roots.slice(1)]) };
  return openCommit(against, roots);
}

function openCommit(ref: string, roots: readonly string[]): Tree {
  if (!REF.test(ref) || ref.includes(".."))
    throw new UsageError(`breaking: --against takes a folder or a git ref; ${JSON.stringify(ref)} is neither`);
  const texts = new Map<string, SourceFile>();
  const others: string[] = [];
  for (const root of roots) {
    const found = readCommit(ref, root);
    if (found.length === 0) others.push(root);
    for (const source of found) if (!texts.has(source.name)) texts.set(source.name, source);
  }
  if (texts.size === 0) throw new UsageError(`breaking: ${ref} has no manifests in ${roots.join(", ")}`);
  return { names: [...texts.keys()], reader: new CommitReader(ref, texts, new FolderReader(others)) };
}

class CommitReader implements ManifestReader {
  readonly places: readonly string[];
  private readonly texts: ReadonlyMap<string, SourceFile>;
  private readonly others: ManifestReader;

  constructor(ref: string, texts: ReadonlyMap<string, SourceFile>, others: ManifestReader) {
    this.places = [ref, ...others.places];
    this.texts = texts;
    this.others = others;
  }

  read(name: string): SourceFile | { readonly refused: string } | undefined {
    return this.texts.get(name) ?? this.others.read(name);
  }

  names(): Iterable<string> {
    return [...this.texts.keys(), ...this.others.names()];
  }
}

/** The manifests below a folder in a commit; none if the folder is in no repository. */
function readCommit(ref: string, root: string): SourceFile[] {
  if (git(root, ["rev-parse", "--is-inside-work-tree"]) === undefined) return [];
  const commit = git(root, ["rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`]);
  if (commit === undefined) throw new UsageError(`breaking: "${ref}" is neither a folder nor a commit of ${root}`);
  const listed = git(root, ["ls-tree", "-r", "-z", commit.toString().trim(), "."]) ?? Buffer.alloc(0);
  const blobs = listed.toString().split("\0").flatMap(blobOf);
  const texts = readBlobs(
    root,
    blobs.map(({ id }) => id),
  );
  return blobs.map(({ name }, index) => new SourceFile(name, texts[index]!, `${ref}:${name}`));
}

/** `100644 blob <id>\t<path>`: ordinary files that are manifests; links and submodules are left out. */
function blobOf(entry: string): { id: string; name: string }[] {
  const found = /^100\d{3} blob ([0-9a-f]+)\t(.+\.proto)$/s.exec(entry);
  return found === null || nameFlaw(found[2]!) !== undefined ? [] : [{ id: found[1]!, name: found[2]! }];
}

/** The contents of blobs, by one process: `<id> blob <size>`, a line feed, the content, a line feed. */
function readBlobs(root: string, ids: readonly string[]): string[] {
  if (ids.length === 0) return [];
  const answer = git(root, ["cat-file", "--batch"], `${ids.join("\n")}\n`) ?? Buffer.alloc(0);
  let at = 0;
  return ids.map((id) => {
    const lineEnd = answer.indexOf("\n", at);
    const size = Number(answer.toString("latin1", at, lineEnd).split(" ")[2]);
    if (lineEnd === -1 || !Number.isInteger(size)) throw new UsageError(`breaking: git cannot read the object ${id}`);
    at = lineEnd + size + 2;
    return answer.toString("utf8", lineEnd + 1, lineEnd + 1 + size);
  });
}

/** What git prints, or undefined if it fails. */
function git(folder: string, args: readonly string[], input = ""): Buffer | undefined {
  const { status, stdout, error } = spawnSync("git", ["--no-pager", ...args], {
    cwd: folder,
    input,
    maxBuffer: MAX_GIT_BYTES,
    timeout: GIT_TIMEOUT_MS,
    stdio: ["pipe", "pipe", "ignore"],
  });
  if (error !== undefined) throw new UsageError(`breaking: git could not be run: ${error.message}`);
  return status === 0 ? stdout : undefined;
}
