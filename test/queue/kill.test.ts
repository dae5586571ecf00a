// kill -9 at random points while calls are put and delivered, again and again over the same store. Nothing that was
// acknowledged is lost; what is delivered twice was under way, comes with the same id and a higher attempt; each key keeps its
// order. 40 kills, or as many as KILLS says.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openQueueStore } from "sluice/queue";
import { seededRandom } from "sluice/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testSeed } from "../support/seed.js";
import { compilePrograms } from "./program.js";
import { ALL } from "./stores.js";

const KILLS = Number(process.env.KILLS ?? 40);
/** Stores that are worked on side by side. */
const LANES = 2;
const PUTS = 24;
const CONCURRENCY = 8;
/** The kill comes at most this long after the first acknowledgement. */
const LONGEST_MS = 40;

const running = new Set<ChildProcess>();
let programs = "";
let place = "";

beforeAll(async () => {
  programs = compilePrograms("queue-kill");
  place = await mkdtemp(join(tmpdir(), "sluice-kill-"));
}, 60_000);

afterAll(async () => {
  await Promise.all([...running].map((child) => child.kill("SIGKILL") && once(child, "close")));
  await rm(place, { recursive: true, force: true });
});

/** What is known of a store's calls from what its processes said. */
class Ledger {
  readonly acknowledged = new Set<string>();
  /** The last attempt of each call that was begun. */
  readonly attempts = new Map<string, number>();
  readonly ended = new Set<string>();
  /** How far each key has come. */
  private readonly reached = new Map<string, number>();
  /** Calls whose delivery began in the last process. */
  readonly begun = new Set<string>();

  /** A process has said this and was killed; the last line may be cut. */
  take(output: string): void {
    this.begun.clear();
    for (const line of output.slice(0, output.lastIndexOf("\n") + 1).split("\n")) this.takeLine(line);
  }

  private takeLine(line: string): void {
    const [what, id = "", attempt, key = ""] = line.split(" ");
    if (what === "put") this.acknowledged.add(id);
    if (what === "end") this.ended.add(id);
    if (what !== "run") return;
    expect(Number(attempt), `the attempts of ${id} rise`).toBeGreaterThan(this.attempts.get(id) ?? 0);
    this.attempts.set(id, Number(attempt));
    this.begun.add(id);
    if (key !== "") this.checkOrder(key, id);
  }

  /** The calls of a key are put one after the other, so their ids rise in the order of the queue, from kill to kill. */
  private checkOrder(key: string, id: string): void {
    const [kill = 0, count = 0] = id.split(".").map(Number);
    const place = kill * 1e6 + count;
    expect(place, `${id} does not come after a later call of ${key}`).toBeGreaterThanOrEqual(
      this.reached.get(key) ?? 0,
    );
    this.reached.set(key, place);
  }
}

/** Lets a writer work and kills it; returns what it said. */
async function killOne(folder: string, prefix: string, afterMs: number): Promise<string> {
  const args = [join(programs, "writer.js"), folder, prefix, String(PUTS), String(CONCURRENCY)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const isFirst = !output.includes("\nput ");
    output += text;
    if (isFirst && output.includes("\nput ")) setTimeout(() => child.kill("SIGKILL"), afterMs);
  });
  const [, signal] = await once(child, "close");
  running.delete(child);
  expect(signal).toBe("SIGKILL");
  return output;
}

/** Looks what the killed process has left; returns how many calls that it had begun will be delivered again. */
async function check(folder: string, ledger: Ledger): Promise<number> {
  const damage: string[] = [];
  const store = openQueueStore(folder, { onDamage: (text) => damage.push(text) });
  const queue = await store.open("stats");
  const left = (await queue.read("alive", 0, ALL)).map(({ callId }) => callId);
  await store.close();
  const kept = new Set(left);
  expect(left.length, "no call is in the queue twice").toBe(kept.size);
  const lost = [...ledger.acknowledged].filter((id) => !kept.has(id) && !ledger.attempts.has(id));
  expect(lost, "calls that were acknowledged and neither delivered nor kept").toEqual([]);
  const unfinished = [...ledger.attempts.keys()].filter((id) => !kept.has(id) && !ledger.ended.has(id));
  expect(unfinished, "calls whose delivery had not ended").toEqual([]);
  expect(damage).toEqual([]);
  const again = left.filter((id) => ledger.begun.has(id));
  expect(again.length, "calls that were begun and will be again").toBeLessThanOrEqual(CONCURRENCY);
  return again.length;
}

test(
  `${KILLS} kills lose nothing (seed ${testSeed()})`,
  async () => {
    const work = async (lane: number): Promise<{ acknowledged: number; again: number }> => {
      const random = seededRandom(testSeed() + lane);
      const folder = join(place, `lane ${lane}`);
      const ledger = new Ledger();
      let again = 0;
      for (let kill = lane; kill < KILLS; kill += LANES) {
        ledger.take(await killOne(folder, String(kill), random() * LONGEST_MS));
        again += await check(folder, ledger);
      }
      return { acknowledged: ledger.acknowledged.size, again };
    };
    const results = await Promise.all(Array.from({ length: LANES }, (_, lane) => work(lane)));
    // Otherwise the test would have shown nothing.
    expect(Math.min(...results.map(({ acknowledged }) => acknowledged))).toBeGreaterThan(KILLS);
    expect(Math.min(...results.map(({ again }) => again))).toBeGreaterThan(0);
  },
  30_000 + 1_000 * KILLS,
);
