// The package as users get it: packed, installed into an empty project, used from TypeScript and from plain JavaScript.

import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AGENT } from "../../src/transport/agent.js";

const root = resolve(import.meta.dirname, "../..");
const bin = (name: string): string => join(root, "node_modules/.bin", name);
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  version: string;
  dependencies: Record<string, string>;
};
let project: string;

const PROTO = `syntax = "proto3";
package hello.v1;
message HelloRequest { string name = 1; }
message HelloReply { string text = 1; }
// Greets.
service Greeter { rpc Hello(HelloRequest) returns (HelloReply); }
`;

const PROGRAM = `import { connect, createServer } from "sluice";
import { Greeter, GreeterClient } from "./gen/hello.js";
const server = createServer().handle(Greeter, { hello: ({ name }) => ({ text: "hello " + name }) });
const channel = connect(await server.listen("tcp://127.0.0.1:0"));
const { text } = await new GreeterClient(channel).hello({ name: "world" });
console.log(text);
await channel.close();
await server.close();
`;

const TSCONFIG = {
  compilerOptions: {
    module: "nodenext",
    target: "es2023",
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    erasableSyntaxOnly: true,
    isolatedDeclarations: true,
    declaration: true,
    outDir: "out",
    rootDir: ".",
    types: ["node"],
  },
  files: ["program.ts"],
};

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    cwd: project,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
}

/** Dependencies come from this checkout, so that the test needs no registry. */
function link(name: string): void {
  const target = join(project, "node_modules", name);
  mkdirSync(resolve(target, ".."), { recursive: true });
  symlinkSync(join(root, "node_modules", name), target);
}

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "sluice-package-"));
  execFileSync("npm", ["pack", "--silent", "--pack-destination", project], { cwd: root, stdio: "pipe" });
  const tarball = readdirSync(project).find((name) => name.endsWith(".tgz")) as string;
  mkdirSync(join(project, "node_modules/sluice"), { recursive: true });
  run("tar", "-xzf", tarball, "-C", "node_modules/sluice", "--strip-components=1");
  for (const name of [...Object.keys(manifest.dependencies), "@types/node"]) link(name);
  writeFileSync(join(project, "package.json"), '{ "type": "module" }');
  writeFileSync(join(project, "hello.proto"), PROTO);
  writeFileSync(join(project, "program.ts"), PROGRAM);
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify(TSCONFIG));
  run("node", "node_modules/sluice/dist/cli/main.js", "generate", "hello.proto", "-I", ".", "--out", "gen");
}, 120_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

test("it works from TypeScript, with every strict flag", () => {
  run(bin("tsc"), "-p", ".");
  expect(run("node", "out/program.js")).toBe("hello world\n");
  expect(existsSync(join(project, "out/gen/hello.d.ts"))).toBe(true);
}, 60_000);

test("it works from plain JavaScript", () => {
  run(bin("tsc"), "-p", ".");
  writeFileSync(join(project, "program.mjs"), PROGRAM.replace("./gen/", "./out/gen/"));
  expect(run("node", "program.mjs")).toBe("hello world\n");
}, 60_000);

test("sluice/worker loads where piscina is installed, and nothing else needs it", () => {
  link("piscina");
  const load = 'import("sluice/worker").then(({ inWorker }) => console.log(typeof inWorker))';
  expect(run("node", "-e", load)).toBe("function\n");
  const others = readdirSync(join(project, "node_modules/sluice/dist"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".js") && !file.startsWith("worker"))
    .filter((file) => readFileSync(join(project, "node_modules/sluice/dist", file), "utf8").includes('"piscina"'));
  expect(others).toEqual([]);
});

test("publint and attw find nothing", () => {
  const tarball = readdirSync(project).find((name) => name.endsWith(".tgz")) as string;
  expect(run(bin("publint"), tarball, "--strict")).toContain("All good!");
  // It exits with 1 where it finds a problem.
  expect(run(bin("attw"), tarball, "--profile", "esm-only")).toContain("sluice");
}, 60_000);

test("the agent that connections announce is the package's version", () => {
  expect(AGENT).toBe(`sluice/${manifest.version}`);
});
