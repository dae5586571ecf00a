// Builds the simulation once, and for each mutant a copy of it in which one source file is changed; runs the copy in a
// process of its own until an invariant breaks.

import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Mutant } from "./mutants.js";

const run = promisify(execFile);
const HUNT_SEEDS = 1_000;
const HUNT_MS = 100_000;
const COMPILE = ["--noCheck", "--noResolve", "--ignoreConfig", "--module", "nodenext", "--target", "es2023"];

/** What became of a mutant. */
export interface Hunt {
  /** True if the simulation reported a broken invariant. */
  readonly found: boolean;
  readonly output: string;
}

/** The place where mutants are built and run. */
export class MutantWorkshop {
  private readonly root: string;
  private readonly folder: string;

  /** `root` is the folder of the project. */
  constructor(root: string) {
    this.root = root;
    this.folder = join(root, "build", "mutants");
  }

  /** Compiles the unchanged simulation. */
  async build(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
    await mkdir(this.folder, { recursive: true });
    const config = {
      extends: "../../tsconfig.json",
      compilerOptions: {
        rootDir: "../..",
        outDir: "base",
        noEmit: false,
        declaration: false,
        isolatedDeclarations: false,
        noCheck: true,
      },
      include: ["../../src", "../../test/sim"],
      exclude: ["../../test/sim/*.test.ts"],
    };
    await writeFile(join(this.folder, "tsconfig.json"), JSON.stringify(config));
    await this.compile(["-p", this.folder]);
  }

  /** The source with the bug in it. Throws if the text to replace does not occur exactly once. */
  async mutate({ name, file, find, replace }: Mutant): Promise<string> {
    const source = await readFile(join(this.root, "src", file), "utf8");
    const times = source.split(find).length - 1;
    if (times !== 1) throw new Error(`mutant "${name}": its text occurs ${times} times in src/${file}`);
    return source.replace(find, () => replace);
  }

  /** Builds a mutant and runs the simulation on it. */
  async hunt(mutant: Mutant, index: number): Promise<Hunt> {
    const copy = join(this.folder, String(index));
    await cp(join(this.folder, "base"), copy, { recursive: true });
    const source = join(copy, "source", "src", mutant.file);
    await mkdir(dirname(source), { recursive: true });
    await writeFile(source, await this.mutate(mutant));
    await this.compile([...COMPILE, "--rootDir", join(copy, "source"), "--outDir", copy, source]);
    return await this.simulate(copy, mutant.from ?? 1, HUNT_SEEDS);
  }

  /** Runs seeds on the unchanged simulation: it must find nothing. */
  async control(seeds: number): Promise<Hunt> {
    return await this.simulate(join(this.folder, "base"), 1, seeds);
  }

  private async simulate(copy: string, base: number, seeds: number): Promise<Hunt> {
    const args = [
      join(copy, "test", "sim", "main.js"),
      "--base",
      String(base),
      "--seeds",
      String(seeds),
      "--stop",
      "--processes",
      "1",
    ];
    try {
      const { stdout } = await run(process.execPath, args, { timeout: HUNT_MS });
      return { found: false, output: stdout };
    } catch (error) {
      const { stdout } = error as { stdout: string };
      return { found: /^seed \d+ failed/m.test(stdout), output: stdout || String(error) };
    }
  }

  private async compile(args: readonly string[]): Promise<void> {
    await run(process.execPath, [join(this.root, "node_modules", "typescript", "bin", "tsc"), ...args]);
  }
}
