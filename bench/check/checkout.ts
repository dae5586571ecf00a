// A checkout of the project whose speed is compared with another's: it is built, and measured by its own `npm run bench`, so that
// what is compared is what each would say of itself. The options that are used are those that every version of it has.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Report, Row } from "../macro/report.js";

/** The compiled benchmark, below a checkout. */
const PROGRAM = "build/bench/macro/main.js";
const BUILD_MS = 300_000;
/** What a measurement may take beyond its window and its warm-up. */
const PATIENCE_MS = 60_000;

/** A folder with the project in it. */
export interface Checkout {
  /** How it is called in what is shown: `A` or `B`. */
  readonly name: string;
  readonly folder: string;
}

/** What is measured, of Sluice's pipelined mode. */
export interface Work {
  readonly payloadBytes: number;
  readonly outstanding: number;
}

/** How it is measured. */
export interface Times {
  readonly seconds: number;
  readonly longestWarmupSeconds: number;
}

/** Builds a checkout that has no build, or whose sources are newer. Throws an error that says what to do. */
export function prepare({ name, folder }: Checkout): void {
  if (!existsSync(join(folder, "bench/macro/main.ts")))
    throw new Error(`${name}: ${folder} is no checkout of the project: it has no bench/macro/main.ts`);
  if (isBuilt(folder)) return;
  if (!existsSync(join(folder, "node_modules")))
    throw new Error(`${name}: ${folder} is neither built nor installed: run npm ci there`);
  process.stderr.write(`${name}: building ${folder}\n`);
  const { status } = spawnSync("npm", ["run", "--silent", "build:all"], {
    ...{ cwd: folder, stdio: ["ignore", "inherit", "inherit"], timeout: BUILD_MS },
  });
  if (status !== 0) throw new Error(`${name}: it cannot be built: run npm run build:all in ${folder} to see why`);
}

/** The commit that is checked out, and whether it was changed; the empty text where git does not know. */
export function commitOf({ folder }: Checkout): string {
  const git = (...args: string[]): string =>
    spawnSync("git", ["-C", folder, ...args], { encoding: "utf8", timeout: 10_000 }).stdout?.trim() ?? "";
  const commit = git("log", "-1", "--format=%h %s");
  return commit === "" || git("status", "--porcelain", "-uno") === "" ? commit : `${commit} (changed)`;
}

/** Measures once, in processes of its own. Throws if that takes too long, or if a call fails. */
export async function measureOnce({ name, folder }: Checkout, work: Work, times: Times): Promise<Row> {
  const results = mkdtempSync(join(tmpdir(), "sluice-check-"));
  const clean = (): void => rmSync(results, { recursive: true, force: true });
  process.once("exit", clean);
  try {
    const file = join(results, "rows.json");
    const code = await runBenchmark(folder, [...argumentsOf(work, times), "--json", file], times);
    if (!existsSync(file)) throw new Error(`${name}: the benchmark ended with ${code} in ${folder}`);
    const row = (JSON.parse(readFileSync(file, "utf8")) as Report).rows[0];
    if (row === undefined || row.errors > 0) throw new Error(`${name}: ${row?.errors ?? "all"} calls failed`);
    return row;
  } finally {
    process.off("exit", clean);
    clean();
  }
}

function argumentsOf({ payloadBytes, outstanding }: Work, { seconds, longestWarmupSeconds }: Times): string[] {
  const options = {
    ...{ payload: payloadBytes, outstanding, seconds, warmup: longestWarmupSeconds },
    ...{ modes: "pipelined", peers: "none", rounds: 1 },
  };
  return Object.entries(options).flatMap(([option, value]) => [`--${option}`, String(value)]);
}

/** Resolves with how it ended. Its own processes end with it. */
async function runBenchmark(folder: string, args: readonly string[], times: Times): Promise<string> {
  const timeout = (times.seconds + times.longestWarmupSeconds) * 1000 + PATIENCE_MS;
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    ...{ cwd: folder, timeout, killSignal: "SIGKILL", stdio: ["ignore", "ignore", "pipe"] },
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  try {
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    if (code !== 0) process.stderr.write(said);
    return signal ?? `exit code ${code}`;
  } finally {
    process.off("exit", kill);
  }
}

function isBuilt(folder: string): boolean {
  const [program, library] = [PROGRAM, "dist/index.js"].map((path) => join(folder, path)) as [string, string];
  if (!existsSync(program) || !existsSync(library)) return false;
  const isNewer = (part: string, built: string): boolean => newest(join(folder, part)) > statSync(built).mtimeMs;
  return !isNewer("src", library) && !isNewer("bench", program);
}

/** When the newest source in a folder was changed. */
function newest(folder: string): number {
  const times = readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => name !== "node_modules" && name !== "results" && name !== "gen")
    .map((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return newest(path);
      return entry.name.endsWith(".ts") ? statSync(path).mtimeMs : 0;
    });
  return Math.max(0, ...times);
}
