// Child processes of a benchmark: messages arrive, waiting ends, and nothing outlives its parent's interest.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { Child, type Message } from "../../bench/lib/child.js";

const folder = mkdtempSync(join(tmpdir(), "child-"));
afterAll(() => rmSync(folder, { recursive: true }));

let modules = 0;
function start(source: string, args: readonly string[] = []): Child<Message> {
  const file = join(folder, `${modules++}.mjs`);
  writeFileSync(file, source);
  return Child.start<Message>(pathToFileURL(file), args, 0);
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe("Child", () => {
  it("passes arguments, and messages both ways; one that was not asked for yet is kept", async () => {
    const child = start(
      `process.on("message", (m) => process.send({ type: m.type, args: process.argv.slice(2) }));
       process.send({ type: "early" }); process.on("disconnect", () => process.exit());`,
      ["a", "b"],
    );
    child.send({ type: "echo" });
    expect(await child.receive("echo", 5000)).toEqual({ type: "echo", args: ["a", "b"] });
    expect(await child.receive("early", 5000)).toEqual({ type: "early" });
    await child.stop();
  });

  it("fails a wait when the process ends, and says how", async () => {
    await expect(start("process.exit(3)").receive("never", 5000)).rejects.toThrow("exit code 3");
  });

  it("fails a wait that takes too long, and says for what", async () => {
    const child = start(`setInterval(() => {}, 1000); process.on("disconnect", () => process.exit());`);
    await expect(child.receive("never", 50)).rejects.toThrow('waiting for "never"');
    await child.stop();
  });

  it("ends a process whose parent had gone before it listened", async () => {
    const lib = pathToFileURL(resolve("build/bench/lib/child.js")).href;
    const child = start(`process.disconnect(); setInterval(() => {}, 1000);
      const { onParent } = await import(${JSON.stringify(lib)}); onParent(() => {});`);
    await expect(child.receive("never", 5000)).rejects.toThrow("exit code 0");
  });

  it("kills a process that does not go when told to", async () => {
    const child = start(`setInterval(() => {}, 1000); process.on("message", () => {}); process.send({ type: "up" });`);
    await child.receive("up", 5000);
    const { pid } = child;
    expect(isAlive(pid!)).toBe(true);
    await child.stop(100);
    expect(isAlive(pid!)).toBe(false);
  });
});
