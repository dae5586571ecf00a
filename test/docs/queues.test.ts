// The example of docs/queues.md runs and prints what it says, its commands too, and its limits are those of the code.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const project = join(root, "build/docs-queues");
const main = join(root, "dist/cli/main.js");
const text = readFileSync(join(root, "docs/queues.md"), "utf8");

const blocks = new Map([...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, block]) => [language, block]));

function block(language: string): string {
  return blocks.get(language) ?? "";
}

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
  writeFileSync(join(project, "reports.proto"), block("proto"));
  writeFileSync(join(project, "reports.ts"), block("ts"));
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  run(main, "generate", "reports.proto", "-I", ".", "--out", "gen");
  run(join(root, "node_modules/typescript/bin/tsc"), "-p", ".");
}, 60_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

test("the example prints what it says, and its commands work on what it leaves", () => {
  expect(run("out/reports.js")).toBe(block(""));
  const commands = [...block("sh").matchAll(/^npx sluice (queue .*?) +#/gm)].map(([, command]) => command as string);
  expect(commands).toHaveLength(4);
  for (const command of commands) run(main, ...command.replace(/ --id <id>/, "").split(" "));
  expect(run(main, "queue", "ls", "queues")).toMatch(/^stats +0 +0 +0 +-$/m);
});

test("the example has at most 40 lines", () => {
  expect(block("ts").split("\n").length).toBeLessThanOrEqual(40);
});

test("the limits are the defaults of the code", () => {
  const code = readFileSync(join(root, "src/flow/queue/durable-queue.ts"), "utf8");
  const defaults = /const DEFAULTS = \{(.*?)\n\}/s.exec(code)?.[1] ?? "";
  for (const name of ["maxCalls", "concurrency", "maxAttempts", "maxSetAside"]) {
    const value = Number(new RegExp(`${name}: ([\\d_]+)`).exec(defaults)?.[1]?.replaceAll("_", ""));
    expect(text).toContain(`| \`${name}\` | ${value.toLocaleString("en-US")} |`);
  }
});

test("every file that it links to exists", () => {
  for (const [, target] of text.matchAll(/\]\(([^)#:]+)[^)]*\)/g))
    expect(() => readFileSync(join(root, "docs", target as string))).not.toThrow();
});
