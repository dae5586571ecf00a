// `npm run corpora [-- --skip-compile] [google] [envoy]`: all of Google's and Envoy's public manifests, which npm packages carry. For each
// corpus it links the manifests and compares the result with protoc's (buf's for editions, which Debian's protoc does not
// know), generates, compiles what was generated under every strict flag with two versions of TypeScript, and prints counts,
// times and memory. It installs what it needs into build/corpora. Needs `protoc` on the PATH for the comparison.

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ENVOY_STAND_INS, GOOGLE_STAND_INS, standInText } from "./stand-ins.mjs";

const HOME = resolve("build/corpora");
const MODULES = join(HOME, "node_modules");
const OVERLAYS = join(HOME, "overlays");
const PACKAGES = ["google-proto-files@5.0.3", "@grpc/grpc-js-xds@1.14.1", "@bufbuild/buf@1.75.0", "typescript@5.9.3"];
const XDS = join(MODULES, "@grpc/grpc-js-xds/deps");

const GOOGLE = join(MODULES, "google-proto-files");
const RUBY = join(GOOGLE, "google/protobuf/compiler/ruby");

const CORPORA = [
  { name: "google", roots: [GOOGLE, join(OVERLAYS, "google")] },
  // What cannot be compiled with the others is compiled on its own.
  ...["ruby_generated_code", "ruby_generated_code_proto2", "ruby_generated_pkg_implicit"].map((file) => ({
    name: `google-${file}`,
    roots: [RUBY],
    only: `${file}.proto`,
  })),
  {
    name: "envoy",
    roots: [
      join(OVERLAYS, "envoy"),
      ...["envoy-api", "googleapis", "protoc-gen-validate", "xds"].map((folder) => join(XDS, folder)),
    ],
  },
];

/** Manifests that no compiler can take with the others, and why. */
const UNUSABLE = [
  [/\/ruby_generated_code/, "they declare the same names, and import each other relative to their own folder"],
  [/\/ruby_generated_pkg_implicit/, "it declares the names that ruby_generated_pkg_explicit.proto declares"],
];

const COMPILERS = [
  ["TypeScript 7", resolve("node_modules/.bin/tsc")],
  ["TypeScript 5.9", join(MODULES, ".bin/tsc")],
];

/** Has a process say how much memory it took at most. */
const PRINT_MEMORY = `data:text/javascript,${encodeURIComponent(
  'process.on("exit", () => console.log(Math.round(process.resourceUsage().maxRSS / 1024), "MiB at most"));',
)}`;

/** The promise, 1.5 GB: generating all of a corpus takes no more. */
const MOST_MIB = 1430;

/** TypeScript takes gigabytes for all of a corpus at once. */
const FILES_AT_ONCE = 1000;

let failures = 0;
install();
addOverlays();
const wanted = process.argv.slice(2).filter((word) => !word.startsWith("--"));
for (const corpus of CORPORA)
  if (wanted.length === 0 || wanted.some((name) => corpus.name.startsWith(name))) check(corpus);
process.exitCode = failures === 0 ? 0 : 1;

function install() {
  mkdirSync(HOME, { recursive: true });
  writeFileSync(join(HOME, "package.json"), '{ "private": true, "type": "module" }\n');
  const missing = PACKAGES.filter((wanted) => !isInstalled(wanted));
  if (missing.length === 0) return;
  run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", ...PACKAGES], { cwd: HOME });
}

/** What the packages lack: files that theirs import, and a field of protoc-gen-validate that Envoy's set. */
function addOverlays() {
  rmSync(OVERLAYS, { recursive: true, force: true });
  for (const [path, standIn] of Object.entries(GOOGLE_STAND_INS)) addTo("google", path, standInText(path, standIn));
  for (const [path, standIn] of Object.entries(ENVOY_STAND_INS)) addTo("envoy", path, standInText(path, standIn));
  const path = "validate/validate.proto";
  const head = "message StringRules {";
  const text = readFileSync(join(XDS, "protoc-gen-validate", path), "utf8");
  addTo("envoy", path, text.replace(head, `${head}\n    optional bool ignore_empty = 26;`));
}

function addTo(corpus, path, text) {
  const at = join(OVERLAYS, corpus, path);
  mkdirSync(dirname(at), { recursive: true });
  writeFileSync(at, text);
}

function isInstalled(wanted) {
  const at = wanted.lastIndexOf("@");
  const manifest = join(MODULES, wanted.slice(0, at), "package.json");
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).version === wanted.slice(at + 1);
}

function check({ name, roots, only }) {
  const manifests = readManifests(roots);
  const { usable, refused } = only === undefined ? sort(manifests) : alone(only, manifests);
  console.log(`${name}: ${usable.size + refused.size} manifests`);
  const reasons = new Map();
  for (const [, reason] of refused) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  for (const [reason, count] of reasons) console.log(`  left out: ${count}, since ${reason}`);
  const newer = [...usable].filter((file) => closure([file], manifests).some((used) => manifests.get(used)?.isEdition));
  compareWithProtoc(
    name,
    roots,
    [...usable].filter((file) => !newer.includes(file)),
  );
  if (newer.length > 0) compareWithBuf(name, roots, closure(newer, manifests));
  const out = generate(name, roots, [...usable]);
  if (out !== undefined && !process.argv.includes("--skip-compile"))
    for (const compiler of COMPILERS) compile(out, compiler);
}

// Finding manifests

/** Every manifest below the roots by the name that imports use. */
function readManifests(roots) {
  const manifests = new Map();
  for (const root of [...roots, resolve("proto")]) {
    for (const entry of readdirSync(root, { recursive: true, encoding: "utf8" })) {
      if (!entry.endsWith(".proto") || manifests.has(entry)) continue;
      const text = readFileSync(join(root, entry), "utf8");
      const imports = [...text.matchAll(/^import\s+(?:public\s+|weak\s+|option\s+)?["']([^"']+)["']/gm)].map(
        ([, path]) => path,
      );
      manifests.set(entry, { root, imports, isEdition: /^edition\s*=/m.test(text) });
    }
  }
  return manifests;
}

/** The manifests to work on, and those to leave out, each with the reason. */
function sort(manifests) {
  const refused = new Map();
  for (const file of manifests.keys()) {
    const reason = UNUSABLE.find(([pattern]) => pattern.test(`/${file}`))?.[1];
    if (reason !== undefined) refused.set(file, reason);
  }
  const isUsable = ([file, { root }]) => root !== resolve("proto") && !refused.has(file);
  return { usable: new Set([...manifests].filter(isUsable).map(([file]) => file)), refused };
}

/** One manifest and what it imports. */
function alone(file, manifests) {
  return { usable: new Set(closure([file], manifests)), refused: new Map() };
}

/** The files and everything they import. */
function closure(files, manifests) {
  const all = new Set(files);
  for (const file of all) for (const used of manifests.get(file)?.imports ?? []) all.add(used);
  return [...all];
}

// Steps

function compareWithProtoc(name, roots, files) {
  const set = join(HOME, `${name}.binpb`);
  const list = join(HOME, `${name}.txt`);
  const includes = [...roots, resolve("proto")].flatMap((root) => ["-I", root]);
  writeFileSync(list, [...includes, "--include_imports", "-o", set, ...files].join("\n"));
  const { status, error } = spawnSync("protoc", [`@${list}`], { stdio: "ignore" });
  if (error !== undefined) console.log("  NOT compared with protoc: it is not installed");
  else if (status !== 0) fail(`protoc refuses ${name}`);
  else compareLinks("protoc", set, roots);
}

function compareWithBuf(name, roots, files) {
  const folder = join(HOME, `${name}-editions`);
  rmSync(folder, { recursive: true, force: true });
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(pathIn([...roots, resolve("proto")], file), join(folder, file));
  }
  const set = join(HOME, `${name}-editions.binpb`);
  if (run(join(MODULES, ".bin/buf"), ["build", "-o", set], { cwd: folder })) compareLinks("buf", set, [folder]);
}

function compareLinks(by, set, roots) {
  console.log(`  linked as ${by} does:`);
  run(process.execPath, ["build/test/corpora/link.js", set, ...roots, "proto"]);
}

function generate(name, roots, files) {
  const out = join(HOME, "gen", name);
  rmSync(out, { recursive: true, force: true });
  // Relative to the first root where that is possible: absolute paths could be too many for a command line.
  const [home] = roots;
  const paths = files.map((file) => (existsSync(join(home, file)) ? file : pathIn(roots, file)));
  const args = ["generate", ...paths, ...roots.flatMap((root) => ["-I", root]), "--out", out];
  const begun = performance.now();
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", PRINT_MEMORY, resolve("dist/cli/main.js"), ...args],
    { cwd: home, encoding: "utf8", maxBuffer: 1e9 },
  );
  const problems = stderr.split("\n").filter((line) => line !== "" && !line.includes(": warning: "));
  const count = !existsSync(out)
    ? 0
    : readdirSync(out, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts")).length;
  console.log(`  generated ${count} files: ${seconds(performance.now() - begun)}, ${stdout.trim()}`);
  for (const line of problems.slice(0, 20)) console.log(`    ${line}`);
  if (status !== 0) fail(`sluice generate refuses ${name}`);
  if (Number.parseInt(stdout, 10) > MOST_MIB) fail(`sluice generate takes more than ${MOST_MIB} MiB`);
  return status === 0 ? out : undefined;
}

function pathIn(roots, file) {
  return roots.map((root) => join(root, file)).find((path) => existsSync(path));
}

function compile(out, [name, tsc]) {
  const options = {
    target: "es2023",
    lib: ["es2023"],
    module: "nodenext",
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    isolatedDeclarations: true,
    erasableSyntaxOnly: true,
    declaration: true,
    skipLibCheck: true,
    noEmit: true,
    types: ["node"],
    typeRoots: [resolve("node_modules/@types")],
    paths: { "sluice/runtime": [resolve("dist/runtime.d.ts")] },
  };
  writeFileSync(join(out, "package.json"), '{ "type": "module" }\n');
  const begun = performance.now();
  const files = readdirSync(out, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .sort();
  const errors = new Set();
  for (let at = 0; at < files.length; at += FILES_AT_ONCE) {
    const part = { compilerOptions: options, files: files.slice(at, at + FILES_AT_ONCE) };
    writeFileSync(join(out, "tsconfig.json"), JSON.stringify(part));
    for (const line of errorsOf(tsc, out)) errors.add(line);
  }
  console.log(`  ${name}: ${errors.size} errors, ${seconds(performance.now() - begun)}`);
  for (const line of [...errors].slice(0, 20)) console.log(`    ${line}`);
  if (errors.size > 0) fail(`${name} finds errors in the generated code`);
}

function errorsOf(tsc, out) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--max-old-space-size=8000", tsc, "-p", out], {
    encoding: "utf8",
    maxBuffer: 1e9,
  });
  const errors = stdout.split("\n").filter((line) => line.includes("error TS"));
  return status === 0 || errors.length > 0 ? errors : [stderr.slice(0, 500) || `exit code ${status}`];
}

function run(command, args, options = {}) {
  const { status } = spawnSync(command, args, { stdio: "inherit", ...options });
  if (status !== 0) fail(`${command.split("/").at(-1)} ${args[0]} failed`);
  return status === 0;
}

function fail(text) {
  failures++;
  console.error(`  FAILED: ${text}`);
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}
