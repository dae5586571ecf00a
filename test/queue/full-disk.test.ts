// A full disk: calls are refused with the reason, the process stays up, nothing that was acknowledged is lost, and calls are
// taken again once there is space, whether somebody else makes it or the queue itself by delivering. On a simulated disk of any size,
// on a file system of 4 MB (where this runs as root), and under `ulimit -f`.

import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Code } from "sluice";
import { DurableQueue, openQueueStore } from "sluice/queue";
import { seededRandom, VirtualClock } from "sluice/testing";
import { afterEach, beforeAll, expect, test } from "vitest";
import { FaultyDisk } from "./faulty-disk.js";
import { compilePrograms } from "./program.js";
import { ALL, record, storeOn } from "./stores.js";

let programs = "";
const cleanUps: (() => unknown)[] = [];

beforeAll(() => {
  programs = compilePrograms("queue-full");
}, 60_000);

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** A program that fills a queue. */
class Filler {
  readonly uncaught: string[] = [];
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: string[] = [];
  private onLine = (): void => {};

  constructor(folder: string, payloadBytes: number, segmentBytes: number, shell = "") {
    const command = `${shell} exec "$0" "$@"`;
    const args = [join(programs, "filler.js"), folder, String(payloadBytes), String(segmentBytes)];
    this.child = spawn("bash", ["-c", command, process.execPath, ...args]);
    this.child.stderr.pipe(process.stderr);
    createInterface({ input: this.child.stdout }).on("line", (line) => {
      if (line.startsWith("uncaught")) this.uncaught.push(line);
      else this.lines.push(line);
      this.onLine();
    });
    cleanUps.push(() => this.child.kill("SIGKILL"));
  }

  tell(text: string): void {
    this.child.stdin.write(`${text}\n`);
  }

  /** The rest of the next line that begins like this. */
  async hears(beginning: string): Promise<string> {
    for (;;) {
      const line = this.lines.shift();
      if (line?.startsWith(beginning)) return line.slice(beginning.length).trim();
      if (line !== undefined) continue;
      if (this.child.exitCode !== null) throw new Error(`the program ended with ${this.child.exitCode}`);
      await new Promise<void>((resolve) => {
        this.onLine = resolve;
      });
    }
  }

  async end(): Promise<void> {
    this.tell("end");
    await once(this.child, "exit");
  }
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "sluice-full-"));
  cleanUps.push(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** How many calls of a queue are left, all of them whole. */
async function countOf(path: string): Promise<number> {
  const damage: string[] = [];
  const store = openQueueStore(path, { onDamage: (text) => damage.push(text) });
  const queue = await store.open("stats");
  const records = await queue.read("alive", 0, ALL);
  for (const { callId, payload } of records)
    expect(payload.every((byte) => byte === (Number(callId) & 0xff))).toBe(true);
  expect(damage).toEqual([]);
  await store.close();
  return records.length;
}

test("a simulated disk refuses at every size, keeps what it has taken, and goes on when it grows", async () => {
  for (let capacity = 0; capacity < 3_000; capacity += 37) {
    const disk = new FaultyDisk();
    disk.capacity = capacity;
    const clock = new VirtualClock();
    const init = { clock, random: seededRandom(1), wallNow: () => clock.now() };
    const queue = new DurableQueue(storeOn(disk, 700), "q", init);
    let taken = 0;
    const put = async (): Promise<void> => {
      await queue.put({ callId: `${taken}`, path: "p", payload: Buffer.alloc(90) });
      taken++;
    };
    const refusal = await (async (): Promise<unknown> => {
      for (;;) await put();
    })().catch((error: unknown) => error);
    if (capacity > 0) {
      expect(refusal).toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
      expect(String(refusal)).toContain('queue "q" at /queues: the disk is full (ENOSPC');
    }
    expect(
      (
        await storeOn(disk.afterCrash())
          .open("q")
          .catch(() => undefined)
      )?.counts().depth ?? 0,
    ).toBe(taken);
    disk.capacity += 500;
    await put();
    await put();
    const left = await storeOn(disk.afterCrash()).open("q");
    expect(left.counts().depth).toBe(taken);
    await queue.close();
  }
});

test("on a full disk calls are delivered, and that makes space", async () => {
  const disk = new FaultyDisk();
  const store = storeOn(disk, 700);
  const queue = await store.open("q");
  const sequences: number[] = [];
  disk.capacity = 5_000;
  const fill = async (): Promise<void> => {
    for (;;) sequences.push(await queue.append(record("a", { payload: Buffer.alloc(90) })));
  };
  await expect(fill()).rejects.toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
  const before = sequences.length;
  // Not a byte is left, so that not even a removal can be noted.
  disk.capacity = disk.usedBytes;
  for (const sequence of sequences) await queue.remove(sequence);
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  expect(disk.usedBytes).toBeLessThan(1_500);
  disk.capacity = 5_000;
  await expect(fill()).rejects.toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
  expect(sequences.length).toBeGreaterThan(1.5 * before);
  await store.close();
});

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn("full-disk: not root, so nothing is tried on a file system of 4 MB");

test.skipIf(!isRoot)(
  "a file system of 4 MB",
  async () => {
    const path = await folder();
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", path]);
    cleanUps.push(() => execFileSync("umount", ["-l", path]));
    await writeFile(join(path, "ballast"), Buffer.alloc(1024 * 1024));
    const queues = join(path, "queues");
    const filler = new Filler(queues, 20_000, 262_144);
    filler.tell("fill");

    const first = Number(await filler.hears("put"));
    expect(first).toBeGreaterThan(100);
    expect(await filler.hears("refused")).toContain(`8 queue "stats" at ${queues}: the disk is full (ENOSPC`);

    // Somebody makes space.
    await rm(join(path, "ballast"));
    const freed = performance.now();
    const second = Number(await filler.hears("put"));
    expect(performance.now() - freed).toBeLessThan(1_000);
    expect(second).toBeGreaterThan(first);

    // The process is killed while the disk is full.
    await filler.end();
    const held = await countOf(queues);
    expect(held).toBeGreaterThanOrEqual(second);
    expect(filler.uncaught).toEqual([]);

    // The queue makes space by delivering, though it could not be opened on a disk that is entirely full.
    const heir = new Filler(queues, 20_000, 262_144);
    heir.tell("deliver");
    await heir.hears("empty");
    heir.tell("fill");
    expect(Number(await heir.hears("put"))).toBeGreaterThan(100);
    expect(heir.uncaught).toEqual([]);
  },
  30_000,
);

test("ulimit -f: files that may not grow are followed by others; what fits in none is refused", async () => {
  const path = await folder();
  const filler = new Filler(path, 20_000, 16_777_216, "ulimit -f 64;");
  filler.tell("fill");
  // Each file takes three such calls.
  await filler.hears("at 20");
  await filler.end();
  expect(filler.uncaught).toEqual([]);
  expect(await countOf(path)).toBeGreaterThanOrEqual(20);

  const other = await folder();
  const large = new Filler(other, 100_000, 16_777_216, "ulimit -f 64;");
  large.tell("fill");
  expect(await large.hears("refused")).toContain(`8 queue "stats" at ${other}: the file may not grow (EFBIG`);
  large.tell("deliver");
  await large.hears("empty");
  await large.end();
  expect(large.uncaught).toEqual([]);
  expect(await countOf(other)).toBe(0);
}, 30_000);
