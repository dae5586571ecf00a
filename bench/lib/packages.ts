// Packages that only some benchmarks need: those of bench/package.json, which scripts/install-peers.mjs installs into a
// folder of their own. They are loaded from there by whoever needs one, from wherever this module runs.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const MANIFEST = locate("bench/package.json");
const requireInstalled = createRequire(MANIFEST);

/** Loads a package of bench/package.json. `T` is what is used of it. Throws when it is not installed. */
export function loadPackage<T>(name: string): T {
  return requireInstalled(name) as T;
}

/** Whether a package of bench/package.json is installed. */
export function isInstalled(name: string): boolean {
  return versionOf(name) !== undefined;
}

/** The version of a package of bench/package.json that is installed; undefined when it is not. */
export function versionOf(name: string): string | undefined {
  const manifest = join(dirname(MANIFEST), "node_modules", name, "package.json");
  if (!existsSync(manifest)) return undefined;
  return (JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string }).version;
}

/** Finds a file of this project from wherever this module runs: as a source, or compiled into a folder of its own. */
export function locate(path: string): string {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, path))) return join(folder, path);
  }
  throw new Error(`${path} is in no folder above ${import.meta.dirname}`);
}
