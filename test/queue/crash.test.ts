// The log on a disk that forgets what was not synced: a crash at every single operation, with everything or any part of the
// unsynced writes gone; and a failure at every single operation, with a crash later. What was acknowledged is there
// afterwards, once; what was removed durably is not; everything else is as it was before or after what was being done to it.

import { Code } from "sluice";
import type { StoredQueue, StoredRecord } from "sluice/queue";
import { seededRandom } from "sluice/testing";
import { expect, test } from "vitest";
import { testSeed } from "../support/seed.js";
import { FaultyDisk } from "./faulty-disk.js";
import { ALL, record, storeOn } from "./stores.js";

type Place = "alive" | "dead" | "absent";

const STEPS = 120;
const SEGMENT_BYTES = 700;
const seed = testSeed();

/** Does random things to a queue, and knows for every record where it may be afterwards. */
class Workload {
  readonly places = new Map<string, readonly Place[]>();
  readonly failures = new Map<string, number>();
  private readonly sequences = new Map<string, number>();
  private readonly random: () => number;
  private queue: StoredQueue | undefined = undefined;
  private readonly disk: FaultyDisk;
  private count = 0;

  constructor(disk: FaultyDisk) {
    this.disk = disk;
    this.random = seededRandom(seed);
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS && !this.disk.hasCrashed; step++) {
      // A queue that cannot be opened is tried again, as a user does.
      this.queue ??= await storeOn(this.disk, SEGMENT_BYTES)
        .open("q")
        .catch(() => undefined);
      if (this.queue !== undefined) await this.step(this.queue);
    }
  }

  private async step(queue: StoredQueue): Promise<void> {
    const dice = this.random();
    if (dice < 0.3) await Promise.all([1, 2, 3].map(() => this.append(queue)));
    else if (dice < 0.65) for (let i = 0; i < 3; i++) this.remove(queue);
    else if (dice < 0.7) this.fail(queue);
    else if (dice < 0.77) await this.bury(queue);
    else if (dice < 0.8) await this.revive(queue);
    else if (dice < 0.83) await this.removeDead(queue);
    else if (dice < 0.9) await this.flush(queue);
    // Gives the compactor time.
    else for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  }

  private async append(queue: StoredQueue): Promise<void> {
    const id = `record ${++this.count}`;
    const payload = Buffer.alloc(Math.floor(this.random() * 200), this.count);
    await this.change(id, "absent", "alive", async () => {
      this.sequences.set(id, await queue.append(record(id, { payload })));
    });
  }

  private remove(queue: StoredQueue): void {
    const id = this.pickAlive();
    if (id === undefined) return;
    this.places.set(id, ["alive", "absent"]);
    queue.remove(this.sequences.get(id) as number);
  }

  private async removeDead(queue: StoredQueue): Promise<void> {
    const target = await this.pickDead(queue);
    if (target === undefined) return;
    this.places.set(target.callId, ["dead", "absent"]);
    queue.remove(target.sequence);
  }

  private fail(queue: StoredQueue): void {
    const id = this.pickAlive();
    if (id === undefined) return;
    this.failures.set(id, (this.failures.get(id) ?? 0) + 1);
    queue.fail(this.sequences.get(id) as number);
  }

  private async bury(queue: StoredQueue): Promise<void> {
    const id = this.pickAlive();
    if (id === undefined) return;
    const death = { at: 1, code: Code.INTERNAL, message: "no" };
    const [target] = await queue.get([this.sequences.get(id) as number]).catch(() => []);
    if (target !== undefined) await this.change(id, "alive", "dead", () => queue.bury(target, death));
  }

  private async revive(queue: StoredQueue): Promise<void> {
    const target = await this.pickDead(queue);
    if (target === undefined) return;
    await this.change(target.callId, "dead", "alive", async () => {
      const revived = await queue.revive(target.sequence);
      this.sequences.set(target.callId, revived?.sequence as number);
    });
  }

  private async flush(queue: StoredQueue): Promise<void> {
    const removed = [...this.places].filter(([, [, other]]) => other === "absent").map(([id]) => id);
    await queue.flush().then(
      () => {
        if (!this.disk.hasCrashed) for (const id of removed) this.places.set(id, ["absent"]);
      },
      () => {},
    );
  }

  /** Makes a change, during which a record may be in either place; afterwards it is in one, if it is known which. */
  private async change(id: string, before: Place, after: Place, act: () => Promise<void>): Promise<void> {
    this.places.set(id, [before, after]);
    try {
      await act();
      if (!this.disk.hasCrashed) this.places.set(id, [after]);
    } catch (error) {
      if (!this.disk.hasCrashed && (error as { retry?: string }).retry === "safe") this.places.set(id, [before]);
    }
  }

  private pickAlive(): string | undefined {
    const draw = this.random();
    const known = [...this.places].filter(([, [place, other]]) => place === "alive" && other === undefined);
    return known[Math.floor(draw * known.length)]?.[0];
  }

  private async pickDead(queue: StoredQueue): Promise<StoredRecord | undefined> {
    const draw = this.random();
    const records = await queue.read("dead", 0, ALL).catch(() => []);
    const known = records.filter(({ callId }) => this.places.get(callId)?.length === 1);
    return known[Math.floor(draw * known.length)];
  }
}

/** Opens what a crash has left, and compares. */
async function check(disk: FaultyDisk, { places, failures }: Workload): Promise<void> {
  const damage: string[] = [];
  const store = storeOn(disk, SEGMENT_BYTES, {}, damage);
  const queue = await store.open("q");
  const found = new Map<string, Place>();
  for (const state of ["alive", "dead"] as const) {
    const records = await queue.read(state, 0, ALL);
    for (const each of records) {
      expect(found.has(each.callId), `${each.callId} is there twice`).toBe(false);
      found.set(each.callId, state);
      const number = Number(each.callId.slice(7));
      expect(each.payload.every((byte) => byte === (number & 0xff))).toBe(true);
      expect(each.failures).toBeLessThanOrEqual(failures.get(each.callId) ?? 0);
    }
    expect(queue.counts()[state === "alive" ? "depth" : "dead"]).toBe(records.length);
  }
  for (const [id, allowed] of places)
    expect(allowed, `${id} is ${found.get(id) ?? "absent"}`).toContain(found.get(id) ?? "absent");
  for (const id of found.keys()) expect(places.has(id)).toBe(true);
  // What was found stays: the next restart finds the same.
  await queue.append(record("one more"));
  await store.close();
  expect(disk.handles).toBe(0);
  const again = await storeOn(disk.afterCrash(), SEGMENT_BYTES).open("q");
  expect(again.counts().depth + again.counts().dead).toBe(found.size + 1);
}

async function operationsOfARun(): Promise<number> {
  const disk = new FaultyDisk();
  await new Workload(disk).run();
  return disk.operations;
}

test("the workload is worth it: it merges segments, removes them, and does so much", async () => {
  const kinds = new Map<string, number>();
  const disk = new FaultyDisk();
  disk.fateOf = (_, kind) => {
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    return "well";
  };
  const workload = new Workload(disk);
  await workload.run();
  expect(kinds.get("rename")).toBeGreaterThan(2);
  expect(kinds.get("remove")).toBeGreaterThan(5);
  expect(kinds.get("sync")).toBeGreaterThan(30);
  await check(disk.afterCrash(), workload);
});

test(`after a crash at any operation, all that was not synced gone (seed ${seed})`, async () => {
  const operations = await operationsOfARun();
  for (let at = 1; at <= operations; at++) {
    const disk = new FaultyDisk();
    disk.fateOf = (operation) => (operation === at ? "crash" : "well");
    const workload = new Workload(disk);
    await workload.run();
    await check(disk.afterCrash(), workload);
  }
}, 60_000);

test(`after a crash at any operation, any part of what was not synced gone (seed ${seed})`, async () => {
  const operations = await operationsOfARun();
  for (let at = 1; at <= operations; at++) {
    const disk = new FaultyDisk();
    disk.fateOf = (operation) => (operation === at ? "crash" : "well");
    const workload = new Workload(disk);
    await workload.run();
    await check(disk.afterCrash(seededRandom(seed + at)), workload);
  }
}, 60_000);

test.each([
  ["ENOSPC", 1],
  ["EIO", 1],
  ["EIO", 2],
  ["EIO", 5],
])(
  `after a failure (%s) of any operation, or of as many as %i in a row, and a crash at the end (seed ${seed})`,
  async (code, count) => {
    const operations = await operationsOfARun();
    for (let at = 1; at <= operations; at++) {
      const disk = new FaultyDisk();
      disk.fateOf = (operation) => (operation >= at && operation < at + count ? code : "well");
      const workload = new Workload(disk);
      await workload.run();
      await check(disk.afterCrash(seededRandom(seed + at)), workload);
    }
  },
  60_000,
);
