// Compiles the programs of tests and runs them as processes of their own, of which none outlives the tests.

import { type ChildProcess, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/**
 * Compiles the programs of tests, those in `from`, into `build/<folder>`, which is a package of its own, so that nothing else
 * that builds gets in its way; returns where that is.
 */
export function compilePrograms(folder: string, from: string): string {
  const into = join(root, "build", folder);
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const args = [tsc, "-p", from, "--outDir", into];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`the programs do not compile:\n${stdout}`);
  const exports = { ".": "./src/index.js", "./runtime": "./src/runtime.js", "./cluster": "./src/cluster.js" };
  writeFileSync(join(into, "package.json"), JSON.stringify({ name: "sluice", type: "module", exports }));
  return into;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A process that a test started. */
export abstract class TestProcess {
  protected readonly child: ChildProcess;
  /** Its exit code and the signal that ended it. */
  protected readonly gone: Promise<unknown[]>;

  protected constructor(child: ChildProcess) {
    this.child = child;
    this.gone = once(child, "exit");
    running.add(child);
    child.once("exit", () => running.delete(child));
  }

  get pid(): number {
    return this.child.pid as number;
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Resolves when the process is gone, with its exit code or the signal that ended it. */
  async ended(): Promise<number | string> {
    const [code, signal] = (await this.gone) as [number | null, string | null];
    return code ?? signal ?? "";
  }

  /** Ends the process at once, stopped or not. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.gone;
  }
}
