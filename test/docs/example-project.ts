// A project that is made of the examples of a document: its manifests are generated, its programs are compiled with every
// strict flag, and run. It lies in build/, and is removed at the end.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const root = resolve(import.meta.dirname, "../..");
const command = join(root, "dist/cli/main.js");
/** How long compiling the examples, or a test that starts several processes, may take, in milliseconds. */
export const SLOW_MS = 60_000;

const compilerOptions = {
  ...{ module: "nodenext", target: "es2023", strict: true, exactOptionalPropertyTypes: true },
  ...{ noUncheckedIndexedAccess: true, verbatimModuleSyntax: true, erasableSyntaxOnly: true },
  ...{ rootDir: ".", outDir: "out", types: ["node"] },
};

/** The text of a file of the repository. */
export function readText(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** The code blocks of a text in one language, in order; "" for those that name none, which hold what programs print. */
export function blocksOf(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)]
    .filter(([, found]) => found === language)
    .map(([, , block]) => block as string);
}

/** See the head of this file. */
export class ExampleProject {
  private readonly folder: string;

  /** `name` is that of its folder in build/. */
  constructor(name: string) {
    this.folder = join(root, "build", name);
  }

  /** Writes the files, generates the manifests among them and compiles all. */
  build(files: { readonly [name: string]: string | undefined }, ...flags: string[]): void {
    this.remove();
    mkdirSync(this.folder, { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.folder, name), text ?? "");
    writeFileSync(join(this.folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    const manifests = Object.keys(files).filter((name) => name.endsWith(".proto"));
    this.sluice("generate", ...manifests, "-I", ".", "--out", "gen", ...flags);
    this.node(join(root, "node_modules/typescript/bin/tsc"), "-p", ".");
  }

  /** Runs a compiled program to its end; what it has printed. Throws if it fails. */
  run(program: string): string {
    return this.node(`out/${program}.js`);
  }

  /** Runs the command to its end; what it has printed. Throws if it fails. */
  sluice(...args: string[]): string {
    return this.node(command, ...args);
  }

  /** Runs `work` while a compiled server runs, which is to print `greeting` first, and to end well on SIGTERM. */
  async whileServing(program: string, greeting: string, work: () => void): Promise<void> {
    const server = spawn(process.execPath, [`out/${program}.js`], {
      cwd: this.folder,
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const [line] = await once(createInterface({ input: server.stdout }), "line");
      if (line !== greeting) throw new Error(`${program} says ${line}, not ${greeting}`);
      work();
      const exit = once(server, "exit");
      server.kill("SIGTERM");
      const [code, signal] = await exit;
      if (code !== 0) throw new Error(`${program} ended with ${code ?? signal}`);
    } finally {
      server.kill("SIGKILL");
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private node(...args: string[]): string {
    return execFileSync(process.execPath, args, { cwd: this.folder, encoding: "utf8", timeout: 30_000 });
  }
}

/** What a terminal shows when the commands of `session` are given again: `$ npx sluice ...`, and what each prints. */
export function replaySession(session: string): string {
  const commands = [...session.matchAll(/^\$ npx sluice (.*)$/gm)].map(([, words]) => words as string);
  return commands
    .map((words) => {
      const { stdout, stderr } = spawnSync(process.execPath, [command, ...words.split(" ")], { encoding: "utf8" });
      return `$ npx sluice ${words}\n${stdout}${stderr}`;
    })
    .join("");
}

/** The lines of a program. */
export function lineCount(program: string): number {
  return program.split("\n").length;
}
