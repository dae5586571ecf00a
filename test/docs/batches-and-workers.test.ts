// The examples of docs/batches.md and docs/workers.md run, and print what these say.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const project = join(root, "build/docs-batches-and-workers");

function blocks(file: string, language: string): string[] {
  const text = readFileSync(join(root, "docs", file), "utf8");
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)]
    .filter(([, found]) => found === language)
    .map(([, , block]) => block as string);
}

const [ledgerProto] = blocks("batches.md", "proto");
const [ledger] = blocks("batches.md", "ts");
const [primesProto] = blocks("workers.md", "proto");
const [worker, primes] = blocks("workers.md", "ts");

const files = {
  "ledger.proto": ledgerProto,
  "primes.proto": primesProto,
  "ledger.ts": ledger,
  "primes.worker.ts": worker,
  "primes.ts": primes,
};

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
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text ?? "");
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  run(join(root, "dist/cli/main.js"), "generate", "ledger.proto", "primes.proto", "-I", ".", "--out", "gen");
  run(join(root, "node_modules/typescript/bin/tsc"), "-p", ".");
}, 60_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

test.each([
  ["batches.md", "ledger"],
  ["workers.md", "primes"],
])("the example of docs/%s prints what it says", (file, program) => {
  expect(run(`out/${program}.js`)).toBe(blocks(file, "")[0]);
});

test("the examples have at most 40 lines", () => {
  for (const text of Object.values(files)) expect(text?.split("\n").length).toBeLessThanOrEqual(40);
});
