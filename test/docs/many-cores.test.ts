// The examples of docs/many-cores.md run, its commands too, and print what it says.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const project = join(root, "build/docs-many-cores");
const sluice = join(root, "dist/cli/main.js");
const text = readFileSync(join(root, "docs/many-cores.md"), "utf8");

function blocks(language: string): string[] {
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)]
    .filter(([, found]) => found === language)
    .map(([, , block]) => block as string);
}

const [manifest] = blocks("proto");
const programs = blocks("ts");
const [session] = blocks("console");
const [output] = blocks("");

const compilerOptions = {
  ...{ module: "nodenext", target: "es2023", strict: true, exactOptionalPropertyTypes: true },
  ...{ noUncheckedIndexedAccess: true, verbatimModuleSyntax: true, erasableSyntaxOnly: true },
  ...{ rootDir: ".", outDir: "out", types: ["node"] },
};

function run(...args: string[]): string {
  return execFileSync(process.execPath, args, { cwd: project, encoding: "utf8", timeout: 30_000 });
}

beforeAll(() => {
  rmSync(project, { recursive: true, force: true });
  mkdirSync(project, { recursive: true });
  writeFileSync(join(project, "shop.proto"), manifest ?? "");
  for (const [i, name] of ["server.ts", "client.ts"].entries()) writeFileSync(join(project, name), programs[i] ?? "");
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  run(sluice, "generate", "shop.proto", "-I", ".", "--out", "gen");
  run(join(root, "node_modules/typescript/bin/tsc"), "-p", ".");
}, 60_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

test("the server, the client and the session at the terminal print what it says", async () => {
  const server = spawn(process.execPath, ["out/server.js"], { cwd: project, stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [line] = await once(createInterface({ input: server.stdout }), "line");
    expect(line).toBe("listening on tcp://127.0.0.1:7470, 2 workers");
    expect(run("out/client.js")).toBe(output);
    const commands = [...(session ?? "").matchAll(/^\$ npx sluice (.*)$/gm)].map(([, words]) => words as string);
    let printed = "";
    for (const words of commands) {
      const { stdout, stderr } = spawnSync(process.execPath, [sluice, ...words.split(" ")], { encoding: "utf8" });
      printed += `$ npx sluice ${words}\n${stdout}${stderr}`;
    }
    expect(printed).toBe(session);
    const exit = once(server, "exit");
    server.kill("SIGTERM");
    expect(await exit).toEqual([0, null]);
  } finally {
    server.kill("SIGKILL");
  }
}, 60_000);

test("the programs have at most 60 lines", () => {
  for (const program of programs) expect(program.split("\n").length).toBeLessThanOrEqual(60);
});
