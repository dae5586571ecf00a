// Compiles the modules of worker threads: these load files by themselves.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const root = join(import.meta.dirname, "../../..");
const build = join(root, "build/workers");

/** Compiles them into a folder that is a package of its own, so that nothing else that builds gets in its way. */
export function compileWorkers(): void {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", import.meta.dirname], { encoding: "utf8" });
  if (status !== 0) throw new Error(`the workers do not compile:\n${stdout}`);
  const faces = ["runtime", "worker"].map((face) => [`./${face}`, `./src/${face}.js`]);
  const exports = { ".": "./src/index.js", ...Object.fromEntries(faces) };
  writeFileSync(join(build, "package.json"), JSON.stringify({ name: "sluice", type: "module", exports }));
}

/** The compiled module of this name. */
export function workerModule(name: string): URL {
  return pathToFileURL(join(build, `test/server/workers/${name}.worker.js`));
}
