// The programs of docs/policies.md run, and print what it says.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const project = join(root, "build/docs-policies");

/** The blocks of a text, by language. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)]
    .filter(([, found]) => found === language)
    .map(([, , block]) => block as string);
}

const [head, ...sections] = readFileSync(join(root, "docs/policies.md"), "utf8").split(/^## /m);
const [messages] = blocks(head as string, "proto");

/** The sections that have a program. */
const examples = sections
  .map((text) => ({
    name: (/^\w+/.exec(text)?.[0] ?? "").toLowerCase(),
    proto: `${messages}service Records {\n${blocks(text, "proto").join("")}}\n`,
    program: blocks(text, "ts")[0],
    output: blocks(text, "")[0],
  }))
  .filter(({ program }) => program !== undefined);

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
  for (const { name, proto, program } of examples) {
    writeFileSync(join(project, `${name}.proto`), proto.replace("demo.v1", `demo.${name}.v1`));
    writeFileSync(join(project, `${name}.ts`), program ?? "");
  }
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  const manifests = examples.map(({ name }) => `${name}.proto`);
  run(join(root, "dist/cli/main.js"), "generate", ...manifests, "-I", ".", "--out", "gen");
  run(join(root, "node_modules/typescript/bin/tsc"), "-p", ".");
}, 60_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

test("each policy of calls has a program of at most 40 lines", () => {
  expect(examples.map(({ name }) => name)).toEqual(["reject", "block", "retry", "hedge", "log", "queue"]);
  for (const { program } of examples) expect(program?.split("\n").length).toBeLessThanOrEqual(40);
});

test.each(examples)("the program of $name prints what docs/policies.md says", ({ name, output }) => {
  expect(run(`out/${name}.js`).replaceAll(`demo.${name}.v1`, "demo.v1")).toBe(output);
});
