// Runs a program of these tests in a process of its own, compiled.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** Compiles the programs into a folder of their own, which nothing else builds; returns where they are. */
export function compilePrograms(folder: string): string {
  const into = join(root, "build", folder);
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const args = [tsc, "-p", join(import.meta.dirname, "programs"), "--outDir", into];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`the programs do not compile:\n${stdout}`);
  writeFileSync(join(into, "package.json"), JSON.stringify({ type: "module" }));
  return join(into, "test/queue/programs");
}
