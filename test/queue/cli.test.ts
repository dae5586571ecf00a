// `sluice queue` over stores on disk: what it shows and changes, beside an owner and without one, and which exit code says so.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, Metadata } from "sluice";
import { openQueueStore, type QueueStore, type StoredQueue } from "sluice/queue";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { queueCommand } from "../../src/cli/queue.js";
import { UsageError } from "../../src/cli/usage.js";
import { ALL, record } from "./stores.js";

let path: string;
let out: string;
let errors: string;
let store: QueueStore;

beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), "sluice-queue-cli-")), "queues");
  out = errors = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    errors += String(text);
    return true;
  });
  store = openQueueStore(path);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await store.close();
  rmSync(join(path, ".."), { recursive: true });
});

const death = { at: Date.UTC(2026, 0, 2), code: Code.INTERNAL, message: "it broke\n\u001b[2J" };

/** Three calls wait in "stats", one is dead; "other" is empty. */
async function fill(): Promise<StoredQueue> {
  const queue = await store.open("stats");
  await store.open("other");
  const metadata = new Metadata({ "x-tenant": "a", "trace-bin": Uint8Array.of(1) });
  const enqueuedAt = Date.now() - 3_725_000;
  for (const id of ["a", "b", "c", "d"]) await queue.append(record(id, { key: `user ${id}`, metadata, enqueuedAt }));
  const [a] = await queue.read("alive", 0, ALL);
  queue.fail(a!.sequence);
  await queue.bury((await queue.get([a!.sequence]))[0]!, death);
  return queue;
}

async function run(...args: string[]): Promise<number> {
  out = errors = "";
  return await queueCommand(args);
}

async function idsIn(state: "alive" | "dead"): Promise<string[]> {
  store = openQueueStore(path);
  const queue = await store.open("stats");
  const ids = (await queue.read(state, 0, ALL)).map(({ callId }) => callId);
  await store.close();
  return ids;
}

describe("looking, beside the process that owns the store", () => {
  test("ls shows every queue", async () => {
    await fill();
    expect(await run("ls", path)).toBe(0);
    const lines = out.trimEnd().split("\n");
    expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
      ["QUEUE", "CALLS", "BYTES", "DEAD", "OLDEST"],
      ["other", "0", "0", "0", "-"],
      ["stats", "3", expect.any(String), "1", "1h 2m"],
    ]);
    await run("ls", path, "--json");
    expect(JSON.parse(out)).toMatchObject([
      { name: "other", oldestAgeMs: null },
      { name: "stats", depth: 3, dead: 1 },
    ]);
  });

  test("peek shows the first calls", async () => {
    await fill();
    expect(await run("peek", path, "stats", "--limit", "2")).toBe(0);
    const lines = out.trimEnd().split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatch(/^1h 2m {2}test\.v1\.Test\/Put {2}b {3}user b {5}12 {7}0$/);
    await run("peek", path, "stats");
    expect(out.trimEnd().split("\n")).toHaveLength(4);
    await run("peek", path, "stats", "--id", "c", "--json");
    expect(JSON.parse(out)).toMatchObject([
      {
        callId: "c",
        method: "test.v1.Test/Put",
        key: "user c",
        metadata: [
          ["x-tenant", "a"],
          ["trace-bin", "AQ=="],
        ],
        payload: Buffer.from("payload of c").toString("base64"),
      },
    ]);
  });

  test("peek --dead shows why, and nothing steers the terminal", async () => {
    await fill();
    expect(await run("peek", path, "stats", "--dead")).toBe(0);
    expect(out).toContain("INTERNAL: it broke\\u000a\\u001b[2J");
    expect(out.trimEnd().split("\n")).toHaveLength(2);
    await run("peek", path, "stats", "--dead", "--json");
    const shown = { at: "2026-01-02T00:00:00.000Z", code: "INTERNAL", message: death.message };
    expect(JSON.parse(out)).toMatchObject([{ callId: "a", failures: 1, death: shown }]);
  });

  test("it goes on while the owner writes and removes files", async () => {
    await store.close();
    store = openQueueStore(path, { segmentBytes: 4_096 });
    const queue = await store.open("stats");
    let isOver = false;
    const work = async (): Promise<void> => {
      while (!isOver) {
        const sequences = await Promise.all(Array.from({ length: 20 }, (_, i) => queue.append(record(`id ${i}`))));
        for (const sequence of sequences.slice(1)) queue.remove(sequence);
      }
    };
    const working = work();
    for (let look = 0; look < 30; look++) expect(await run("peek", path, "stats")).toBe(0);
    isOver = true;
    await working;
  });

  test("damage is told, and what is whole is shown", async () => {
    await fill();
    await store.close();
    const folder = join(path, "q.stats");
    const [file] = readdirSync(folder);
    const { readFileSync } = await import("node:fs");
    const bytes = readFileSync(join(folder, file as string));
    bytes[bytes.indexOf("payload of c")]! ^= 0xff;
    writeFileSync(join(folder, file as string), bytes);
    expect(await run("ls", path)).toBe(1);
    expect(errors).toMatch(/^error: .*q\.stats.*: \d+ bytes at \d+ are damaged\n$/);
    expect(await run("peek", path, "stats")).toBe(1);
    expect(out).toContain("user b");
    expect(out).not.toContain("user c");
    expect(out).toContain("user d");
  });
});

describe("changing, once nobody owns the store", () => {
  test("replay brings dead letters back", async () => {
    await fill();
    await store.close();
    expect(await run("replay", path, "stats", "--id", "nobody")).toBe(1);
    expect(errors).toBe('error: there is no dead letter "nobody" in the queue "stats"\n');
    expect(await run("replay", path, "stats")).toBe(0);
    expect(out).toBe("1 put back\n");
    expect(await idsIn("alive")).toEqual(["b", "c", "d", "a"]);
  });

  test("purge drops the dead letters, one call, or everything", async () => {
    await fill();
    await store.close();
    expect(await run("purge", path, "stats", "--id", "c")).toBe(0);
    expect(await idsIn("alive")).toEqual(["b", "d"]);
    expect(await run("purge", path, "stats", "--dead")).toBe(0);
    expect(out).toBe("1 dropped\n");
    expect([await idsIn("alive"), await idsIn("dead")]).toEqual([["b", "d"], []]);
    expect(await run("purge", path, "stats", "--all")).toBe(0);
    expect(await idsIn("alive")).toEqual([]);
    expect(await run("purge", path, "stats", "--id", "c")).toBe(1);
  });

  test("a store that is owned is left alone, and its owner named", async () => {
    await fill();
    await expect(run("purge", path, "stats", "--all")).rejects.toThrow(/this process has it open already; one process/);
    await expect(run("replay", path, "stats")).rejects.toThrow(UsageError);
    await store.close();
    expect(await idsIn("alive")).toEqual(["b", "c", "d"]);
  });
});

describe("wrong use", () => {
  test.each([
    [[], /say what to do: ls, peek, replay or purge$/],
    [["lst", "x"], /"lst" is none of them$/],
    [["constructor", "x"], /is none of them$/],
    [["ls"], /name the store's folder/],
    [["ls", "x", "y"], /one store at a time; "y"/],
    [["ls", "x", "--dead"], /queue ls: takes no --dead/],
    [["peek", "x"], /name the queue; sluice queue ls x/],
    [["peek", "x", "y", "z"], /one queue at a time; "z"/],
    [["peek", "x", "../y"], /queue name "\.\.\/y": use/],
    [["peek", "x", "y", "--limit", "0"], /--limit is a whole number/],
    [["replay", "x", "y", "--all"], /queue replay: takes no --all/],
    [["purge", "x", "y"], /say what to drop/],
    [["purge", "x", "y", "--dead", "--all"], /say what to drop/],
    [["ls", "x", "--colour"], /Unknown option/],
  ])("%j is explained", async (args, text) => {
    await expect(run(...args)).rejects.toThrow(UsageError);
    await expect(run(...args)).rejects.toThrow(text);
  });

  test("a folder that is no store is said to be none, and nothing is made there", async () => {
    const folder = join(path, "..");
    for (const args of [["ls"], ["peek", "stats"], ["replay", "stats"], ["purge", "stats", "--all"]]) {
      const [what = "", ...rest] = args;
      await expect(run(what, folder, ...rest)).rejects.toThrow(/is no queue store/);
      await expect(run(what, join(folder, "nowhere"), ...rest)).rejects.toThrow(/is no queue store/);
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a queue that is not there is an error, and is not made", async () => {
    await fill();
    await store.close();
    for (const args of [["peek"], ["replay"], ["purge", "--all"]]) {
      const [what = "", ...rest] = args;
      expect(await run(what, path, "stat", ...rest)).toBe(1);
      expect(errors).toBe(`error: there is no queue "stat" in ${path}\n`);
    }
    expect(readdirSync(path)).not.toContain("q.stat");
  });

  test("--help says it all", async () => {
    expect(await run("--help")).toBe(0);
    expect(out).toMatch(/^sluice queue ls <path>\n/);
  });
});

test("the program has the command", () => {
  const main = join(import.meta.dirname, "../../dist/cli/main.js");
  const { status, stderr } = spawnSync(process.execPath, [main, "queue", "ls", path], { encoding: "utf8" });
  expect(stderr).toBe(`sluice: queue: ${path} is no queue store: it has no file sluice-queues-1\n`);
  expect(status).toBe(2);
});
