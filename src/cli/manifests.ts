// Which manifests a command line means: the folders that imports are relative to, and the names of the files below them.
// What does not exist or cannot be a manifest is wrong usage, with a text that says what to change.

import { existsSync, readdirSync, statSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { isOutside } from "../gen/load.js";
import { UsageError } from "./usage.js";

/** What a run compiles. */
export interface Manifests {
  /** The folders that imports are relative to. */
  readonly roots: readonly string[];
  /** The names by which imports would name the manifests; sorted, each once. */
  readonly names: readonly string[];
  /** What was asked for, as names: of a file its own, of a folder how the names below it begin (see {@link isWanted}). */
  readonly wanted: readonly string[];
}

/** True for a name that a command line's files and folders cover, whether or not there is such a file now. */
export function isWanted(name: string, wanted: readonly string[]): boolean {
  return wanted.some((asked) => asked === "" || asked === name || (asked.endsWith("/") && name.startsWith(asked)));
}

/** The names of all manifests below a folder, relative to it. */
export function manifestNames(folder: string): string[] {
  return manifestsIn(folder).map((file) => relative(folder, file).split(sep).join("/"));
}

/** The manifests that `paths` (files and folders) are, with imports relative to `includes` or else to the folders given. */
export function findManifests(command: string, paths: readonly string[], includes: readonly string[]): Manifests {
  const finder = new Finder(command);
  const roots = finder.roots(paths, includes);
  const names = paths.flatMap((path) => finder.names(path, roots));
  if (names.length === 0) throw new UsageError(`${command}: no .proto files in ${paths.join(", ")}`);
  const wanted = paths.map((path) => finder.wanted(path, roots));
  return { roots, names: [...new Set(names)].sort(), wanted };
}

class Finder {
  private readonly command: string;

  constructor(command: string) {
    this.command = command;
  }

  roots(paths: readonly string[], includes: readonly string[]): string[] {
    for (const path of [...paths, ...includes]) {
      if (!existsSync(path)) throw this.error(`"${path}" does not exist`);
    }
    for (const include of includes) {
      if (!isFolder(include)) throw this.error(`-I takes a folder; "${include}" is none`);
    }
    if (includes.length > 0) return [...includes];
    return [...new Set(paths.map((path) => (isFolder(path) ? path : ".")))];
  }

  names(path: string, roots: readonly string[]): string[] {
    if (isFolder(path)) return manifestsIn(path).map((file) => this.name(file, roots));
    if (!path.endsWith(".proto")) throw this.error(`"${path}" is no manifest: their names end in .proto`);
    return [this.name(path, roots)];
  }

  wanted(path: string, roots: readonly string[]): string {
    const name = this.name(path, roots);
    return isFolder(path) && name !== "" ? `${name}/` : name;
  }

  /** A manifest's name: its path relative to the first root that holds it. */
  private name(file: string, roots: readonly string[]): string {
    for (const root of roots) {
      const way = relative(resolve(root), resolve(file));
      if (!isOutside(resolve(root), resolve(file))) return way.split(sep).join("/");
    }
    throw this.error(
      `"${file}" is in none of the folders that imports are relative to (${roots.join(", ")}); add one with -I`,
    );
  }

  private error(text: string): UsageError {
    return new UsageError(`${this.command}: ${text}`);
  }
}

function isFolder(path: string): boolean {
  return statSync(path).isDirectory();
}

function manifestsIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".proto"))
    .map((entry) => join(entry.parentPath, entry.name));
}
