// Finds and reads manifests: the files a user names and, through `import`, what those need. It owns the promise that
// nothing outside the given roots is read: names are relative, `..` and NUL are refused, and a symbolic link must end
// inside its root. Sizes and counts are bounded.

import { type Dirent, existsSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { didYouMean, MAX_GUESSES, nearest } from "./nearest.js";
import { parse } from "./parser.js";
import { type Diagnostics, type Position, SourceFile } from "./source.js";
import type { FileSyntax } from "./syntax.js";

/** A manifest may have this many bytes. */
export const MAX_MANIFEST_BYTES = 16_777_216;
/** This many manifests may take part in one run. */
export const MAX_MANIFESTS = 50_000;

/** A search for what a missing import may mean looks at no more entries of a folder than this. */
const MAX_ENTRIES_LISTED = 20_000;

/** What an import that comes with the package is relative to. */
export const BUNDLED_ROOT: string = fileURLToPath(new URL("../../proto/", import.meta.url));

/** Gives the text of manifests by the names that imports use. */
export interface ManifestReader {
  /** The manifest, undefined if there is none, or why it must not be read. */
  read(name: string): SourceFile | { readonly refused: string } | undefined;
  /** Where it looks, for messages. */
  readonly places: readonly string[];
  /** Names that it has, for messages: some of them may be left out. */
  names(): Iterable<string>;
}

/** Reads from folders, the first that has a file winning; the manifests bundled with the package come last. */
export class FolderReader implements ManifestReader {
  readonly places: readonly string[];
  /** The folders of every manifest that was read, those bundled with the package aside. */
  readonly foldersRead: Set<string> = new Set();
  private readonly roots: readonly string[];

  constructor(roots: readonly string[]) {
    this.places = roots;
    this.roots = [...roots, BUNDLED_ROOT];
  }

  read(name: string): SourceFile | { readonly refused: string } | undefined {
    const flaw = nameFlaw(name);
    if (flaw !== undefined) return { refused: flaw };
    for (const root of this.roots) {
      const path = join(root, name);
      if (!existsSync(path)) continue;
      if (root !== BUNDLED_ROOT) this.foldersRead.add(dirname(path));
      return readWithin(root, path, name);
    }
    return undefined;
  }

  names(): Iterable<string> {
    return this.roots.flatMap((root) => namesBelow(root));
  }
}

/** Reads manifests held in memory; for tests and for tools that have the text already. */
export class MemoryReader implements ManifestReader {
  readonly places: readonly string[] = ["memory"];
  private readonly texts: ReadonlyMap<string, string>;
  private readonly bundled = new FolderReader([]);

  constructor(texts: Readonly<Record<string, string>>) {
    this.texts = new Map(Object.entries(texts));
  }

  read(name: string): SourceFile | { readonly refused: string } | undefined {
    const text = this.texts.get(name);
    return text === undefined ? this.bundled.read(name) : new SourceFile(name, text);
  }

  names(): Iterable<string> {
    return [...this.texts.keys(), ...this.bundled.names()];
  }
}

/** Why a manifest's name cannot be used, or undefined. Names are relative, with `/`, and stay below their root. */
export function nameFlaw(name: string): string | undefined {
  if (/\p{Cc}|[\u2028\u2029\\]/u.test(name)) return "its name has a backslash or a control character";
  if (name.startsWith("/") || /^[A-Za-z]:/.test(name)) return "its name is not relative to a root";
  const parts = name.split("/");
  if (parts.includes("..") || parts.includes(".") || parts.includes(""))
    return 'its name has "..", "." or an empty part';
  return undefined;
}

/** Loads the named manifests and everything they import, each once, imports before what imports them. */
export function load(names: readonly string[], reader: ManifestReader, diagnostics: Diagnostics): FileSyntax[] {
  return new Loader(reader, diagnostics).run(names);
}

class Loader {
  private readonly reader: ManifestReader;
  private readonly diagnostics: Diagnostics;
  private readonly loaded: FileSyntax[] = [];
  private readonly states = new Map<string, "open" | "done">();
  private existing: readonly string[] | undefined;
  private guesses = 0;

  constructor(reader: ManifestReader, diagnostics: Diagnostics) {
    this.reader = reader;
    this.diagnostics = diagnostics;
  }

  run(names: readonly string[]): FileSyntax[] {
    for (const name of names) this.visit(name);
    return this.loaded;
  }

  /** Depth first with a stack of its own: a chain of imports may be longer than the call stack is deep. */
  private visit(name: string): void {
    const stack: { syntax: FileSyntax; next: number }[] = [];
    const enter = (wanted: string, from: Position | undefined): void => {
      const syntax = this.open(wanted, from);
      if (syntax !== undefined) stack.push({ syntax, next: 0 });
    };
    enter(name, undefined);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const { syntax } = top;
      const wanted = syntax.imports[top.next++];
      if (wanted !== undefined) {
        enter(wanted.path.text, { file: syntax.source, offset: wanted.path.offset });
        continue;
      }
      stack.pop();
      this.states.set(syntax.source.name, "done");
      this.loaded.push(syntax);
    }
  }

  private open(name: string, from: Position | undefined): FileSyntax | undefined {
    const state = this.states.get(name);
    if (state === "open") this.diagnostics.error(from, `"${name}" imports itself, through this import`);
    if (state !== undefined) return undefined;
    this.states.set(name, "open");
    const source = this.read(name, from);
    if (source === undefined) return undefined;
    const syntax = parse(source, this.diagnostics);
    source.release();
    return syntax;
  }

  /** Folders are searched once, for the first import that is missing. */
  private nearest(name: string): string | undefined {
    if (this.guesses++ >= MAX_GUESSES) return undefined;
    this.existing ??= [...this.reader.names()];
    return likeliest(name, this.existing);
  }

  private read(name: string, from: Position | undefined): SourceFile | undefined {
    if (this.states.size > MAX_MANIFESTS) {
      this.diagnostics.error(from, `more than ${MAX_MANIFESTS} manifests`);
      return undefined;
    }
    const found = this.reader.read(name);
    if (found instanceof SourceFile) return found;
    const reason =
      found === undefined
        ? `was not found; looked in ${this.reader.places.join(", ") || "no folder (-I names one)"}${didYouMean(this.nearest(name))}`
        : `cannot be read: ${found.refused}`;
    this.diagnostics.error(from, `manifest ${JSON.stringify(name)} ${reason}`);
    return undefined;
  }
}

/** What the system says against reading a file (no permission, a loop of links) is told like any other refusal. */
function readWithin(root: string, path: string, name: string): SourceFile | { readonly refused: string } {
  try {
    return readChecked(root, path, name);
  } catch (error) {
    return { refused: (error as Error).message };
  }
}

function readChecked(root: string, path: string, name: string): SourceFile | { readonly refused: string } {
  const real = realpathSync(path);
  if (isOutside(realpathSync(root), real)) return { refused: `it is a link that leads out of ${root}` };
  const stat = statSync(real);
  if (!stat.isFile()) return { refused: "it is not a file" };
  if (stat.size > MAX_MANIFEST_BYTES)
    return { refused: `it has ${stat.size} bytes, the limit is ${MAX_MANIFEST_BYTES}` };
  const shownAs = root === BUNDLED_ROOT ? name : path;
  return new SourceFile(name, readFileSync(real, "utf8"), shownAs, () => readIfThere(real));
}

/** The text once more, mostly for diagnostics; nothing if it is gone by now. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** The names of manifests below a folder; a search that finds more entries than a person would list gives up. */
function namesBelow(root: string): string[] {
  const names: string[] = [];
  const open = [""];
  for (let entries = 0; open.length > 0 && entries < MAX_ENTRIES_LISTED; ) {
    const folder = open.pop()!;
    for (const entry of entriesOf(join(root, folder))) {
      entries++;
      const name = folder + entry.name;
      if (entry.isDirectory() && !/^(\.|node_modules$)/.test(entry.name)) open.push(`${name}/`);
      else if (entry.isFile() && name.endsWith(".proto")) names.push(name);
    }
  }
  return names;
}

/** What is in a folder; nothing if it cannot be read. */
export function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** The name that was meant: one in another folder, or one that differs in a few letters. */
function likeliest(name: string, existing: readonly string[]): string | undefined {
  const inFolder = existing.find((other) => other.endsWith(`/${name}`) || name.endsWith(`/${other}`));
  return inFolder ?? nearest(name, existing, (other) => other);
}

/** True if `path` is not below `root`; both must be real paths. */
export function isOutside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === ".." || way.startsWith(`..${sep}`) || /^[A-Za-z]:|^\//.test(way);
}
