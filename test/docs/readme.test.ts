// README's code runs: its manifest is generated, its programs are compiled with every strict flag, and they print what it says.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const project = join(root, "build/readme");
const readme = readFileSync(join(root, "README.md"), "utf8");
const blocks = [...readme.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, text]) => ({
  language,
  text: text as string,
}));
const [proto, roomProto] = blocks.filter(({ language }) => language === "proto");
const [server, client, streams, json, testing, scripted, details, standard] = blocks.filter(
  ({ language }) => language === "ts",
);
const [output, streamsOutput] = blocks.filter(({ language }) => language === "");

const compilerOptions = {
  module: "nodenext",
  target: "es2023",
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  verbatimModuleSyntax: true,
  erasableSyntaxOnly: true,
  rootDir: ".",
  outDir: "out",
  types: ["node"],
};

function run(...args: string[]): string {
  return execFileSync(process.execPath, args, { cwd: project, encoding: "utf8", timeout: 30_000 });
}

beforeAll(() => {
  rmSync(project, { recursive: true, force: true });
  mkdirSync(project, { recursive: true });
  const files = {
    "greeter.proto": proto,
    "room.proto": roomProto,
    "server.ts": server,
    "client.ts": client,
    "streams.ts": streams,
    "json.ts": json,
    "testing.ts": testing,
    "scripted.ts": scripted,
    "details.ts": details,
    "standard.ts": standard,
  };
  for (const [name, block] of Object.entries(files)) writeFileSync(join(project, name), block?.text ?? "");
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  run(
    join(root, "dist/cli/main.js"),
    "generate",
    "greeter.proto",
    "room.proto",
    "-I",
    ".",
    "--out",
    "gen",
    "--json",
    "--descriptors",
  );
  run(join(root, "node_modules/typescript/bin/tsc"), "-p", ".");
}, 60_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

test("the five-minute start prints what README says", async () => {
  const process_: ChildProcess = spawn(process.execPath, ["out/server.js"], {
    cwd: project,
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = await once(createInterface({ input: process_.stdout as NodeJS.ReadableStream }), "line");
    expect(line).toBe("listening on tcp://127.0.0.1:7450");
    expect(run("out/client.js")).toBe(output?.text);
    const exit = once(process_, "exit");
    process_.kill("SIGTERM");
    expect(await exit).toEqual([0, null]);
  } finally {
    process_.kill("SIGKILL");
  }
}, 30_000);

test("the example of streams prints what README says", () => {
  expect(run("out/streams.js")).toBe(streamsOutput?.text);
});

test("the testing example prints what its comment says", () => {
  const expected = /console\.log\(await call\); \/\/ (.*)/.exec(testing?.text ?? "")?.[1];
  expect(run("out/testing.js")).toBe(`${expected}\n`);
});

test("the example of a scripted peer prints what its comment says", () => {
  const expected = /console\.log\(peer.* \/\/ (.*)/.exec(scripted?.text ?? "")?.[1];
  expect(run("out/scripted.js")).toBe(`${expected}\n`);
});

test("the JSON example prints what its comment says", () => {
  const expected = /console\.log\(text.* \/\/ (.*)/.exec(json?.text ?? "")?.[1];
  expect(run("out/json.js")).toBe(`${expected}\n`);
});

test("the example of error details prints what its comment says", () => {
  const expected = /console\.log\(field.* \/\/ (.*)/.exec(details?.text ?? "")?.[1];
  expect(run("out/details.js")).toBe(`${expected}\n`);
});

test("the example of health and reflection prints what its comment says", () => {
  const expected = /console\.log\(status\); \/\/ (\d+)/.exec(standard?.text ?? "")?.[1];
  expect(run("out/standard.js")).toBe(`${expected}\n`);
});

test("every file that README links to exists", () => {
  for (const [, target] of readme.matchAll(/\]\(([^)#:]+)\)/g))
    expect(() => readFileSync(join(root, target as string))).not.toThrow(/ENOENT/);
});
