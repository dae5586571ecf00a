// The demo, quickly: all of `npm run demo` from building to the last message, in a copy of what it needs, so that nothing
// is written where other tests read.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const copy = mkdtempSync(join(tmpdir(), "demo-"));
const TIMEOUT_MS = 90_000;

beforeAll(() => {
  const needed = ["package.json", "tsconfig.json", "tsconfig.build.json", "tsconfig.tools.json"];
  for (const path of [...needed, "proto", "src", "bench", "examples", "scripts", "test/sim"]) {
    cpSync(join(root, path), join(copy, path), { recursive: true });
  }
  rmSync(join(copy, "examples/push/gen"), { recursive: true, force: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
});

afterAll(() => rmSync(copy, { recursive: true }));

function run(script: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [script, ...args], { cwd: copy, encoding: "utf8", timeout: TIMEOUT_MS });
}

describe("npm run demo", () => {
  it(
    "builds, generates, compares the three modes, publishes, and ends with 0",
    () => {
      const { status, stdout, stderr } = run("scripts/demo.mjs", "--seconds", "0.05", "--messages", "25");
      expect(status, stdout + stderr).toBe(0);
      for (const mode of ["short", "pooled", "pipelined"]) {
        for (const outstanding of [1, 64, 1024]) {
          // Calls per second, two percentiles, connections, and CPU in three columns.
          const row = `^ +${outstanding}  ${mode} +[\\d.]+( [kM])?( +[\\d.]+ (us|ms|s)){2}( +[\\d.,]+){4}$`;
          expect(stdout).toMatch(new RegExp(row, "m"));
        }
      }
      expect(stdout).toMatch(/^ +0 wrong replies and 0 failed calls among all [1-9]/m);
      expect(stdout).toContain("25 of 25 arrived exactly once and intact");
      expect(stdout).toContain("All was right.");
      // Not a terminal: no colours, no moving cursor; and narrow enough for one.
      expect(stdout).not.toContain("\x1b");
      expect(stdout).not.toContain("\r");
      expect(stdout.split("\n").filter((line) => line.length > 100)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    "ends with 1 and says what was wrong when a reply does not follow from its request",
    () => {
      spoil("register.js", "return { room, ticket: ticketFor(userId, room) };", "return { room, ticket: 1 };");
      const { status, stdout } = run("build/examples/push/demo.js", "--seconds", "0.02", "--messages", "1");
      expect(status).toBe(1);
      expect(stdout).toContain("the first: wrong reply to lookup");
      expect(stdout).not.toContain("All was right.");
    },
    TIMEOUT_MS,
  );
});

/** Changes a compiled file of the example. */
function spoil(file: string, before: string, after: string): void {
  const path = join(copy, "build/examples/push", file);
  const text = readFileSync(path, "utf8");
  expect(text).toContain(before);
  writeFileSync(path, text.replace(before, after));
}
