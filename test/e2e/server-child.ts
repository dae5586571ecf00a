// Starts `server-process.ts` as a child, compiled, and follows its life.

import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Report } from "./server-process.js";

const root = join(import.meta.dirname, "../..");
const build = join(root, "build/e2e");
const START_TIMEOUT_MS = 10_000;

/**
 * Compiles the programs of tests, those in `from`, into `build/<folder>`, which is a package of its own, so that nothing else
 * that builds gets in its way; returns where that is.
 */
export function compilePrograms(folder: string, from: string = import.meta.dirname): string {
  const into = join(root, "build", folder);
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const args = [tsc, "-p", from, "--outDir", into];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`the programs do not compile:\n${stdout}`);
  const exports = { ".": "./src/index.js", "./runtime": "./src/runtime.js", "./cluster": "./src/cluster.js" };
  writeFileSync(join(into, "package.json"), JSON.stringify({ name: "sluice", type: "module", exports }));
  return into;
}

/** Compiles the server. */
export function compileServer(): void {
  compilePrograms("e2e");
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A server in a process of its own. */
export class ServerChild {
  /** What it failed to catch. */
  readonly uncaught: string[] = [];
  /** Where it listens. */
  addresses: readonly string[] = [];
  private readonly child: ChildProcess;
  private readonly gone: Promise<unknown[]>;

  private constructor(child: ChildProcess) {
    this.child = child;
    this.gone = once(child, "exit");
    running.add(child);
    child.once("exit", () => running.delete(child));
    child.on("message", (report: Report) => {
      if (report.type === "uncaught") this.uncaught.push(report.text);
      else this.addresses = report.addresses;
    });
  }

  /** Resolves when the server listens. */
  static async start(...addresses: readonly string[]): Promise<ServerChild> {
    const server = new ServerChild(fork(join(build, "test/e2e/server-process.js"), addresses, { execArgv: [] }));
    const ended = server.gone.then(([code]) => Promise.reject(new Error(`the server ended with ${String(code)}`)));
    ended.catch(() => {});
    await Promise.race([once(server.child, "message", { signal: AbortSignal.timeout(START_TIMEOUT_MS) }), ended]);
    return server;
  }

  /** The only address. */
  get address(): string {
    return this.addresses[0] as string;
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
