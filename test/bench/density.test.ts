// The benchmark of many connections: what it asks of the system, what it pushes, and what it makes of its measurements.

import { describe, expect, it } from "vitest";
import { checkCeilings, readCeilings } from "../../bench/density/ceilings.js";
import type { Measurement, Pushed } from "../../bench/density/measure.js";
import type { Footprint } from "../../bench/density/messages.js";
import { cut, parseOptions } from "../../bench/density/options.js";
import { LEAST_BYTES, MOST_BYTES, makePayloads, Pusher } from "../../bench/density/pusher.js";
import { formatDensity, judgeDensity, makeIdleRow, makePushRow, slope } from "../../bench/density/report.js";
import { Subscribers } from "../../bench/density/subscribers.js";
import { TookLog } from "../../bench/density/took-log.js";
import { UsageError } from "../../bench/lib/arguments.js";

const memory = (rssBytes: number): Footprint => ({ rssBytes, heapBytes: rssBytes / 2, externalBytes: 0 });
const measured = (rssBytes: number, cpu = 0.01): Measurement => ({
  idle: { connections: 1_000, before: memory(50e6), after: memory(rssBytes), cpu },
  clientRssBytes: 100e6,
  push: undefined,
});
const pushed = (tookMs: readonly number[], report: Partial<Pushed["report"]> = {}): Pushed => ({
  report: {
    ...{ connections: 1_000, sent: 10, measured: 8, sentBytes: 800, longestBacklog: 3, lateP99Ms: 1 },
    ...{ delayP9999Ms: 50, longestDelayMs: 90, delays: 1_000, majorCollections: 2, longestCollectionMs: 7, cpu: 0.3 },
    waitedForCoreMs: 20,
    heap: [
      { minutes: 0, bytes: 10e6 },
      { minutes: 2, bytes: 11e6 },
    ],
    ...report,
  },
  received: [0, 1].map((half) => ({
    ...{ updates: 5, outOfOrder: 0, rssBytes: 0 },
    tookMs: Float32Array.from(tookMs.filter((_, at) => at % 2 === half)),
  })),
});
const load = { active: 50, perSecond: 4, warmupSeconds: 1, seconds: 2 };

describe("parseOptions", () => {
  it("has 19,000 connections when nothing is said, a twentieth of them active", () => {
    expect(parseOptions([])).toEqual({
      ...{ json: undefined, systems: ["bare", "floor", "sluice"], connections: 19_000, clients: 4, idleSeconds: 60 },
      ...{ push: { active: 950, perSecond: 20_000, warmupSeconds: 10, seconds: 120 }, rounds: 1 },
    });
  });

  it("pushes nothing for no seconds, and takes no more clients than connections", () => {
    expect(parseOptions(["--push-seconds", "0"]).push).toBeUndefined();
    expect(() => parseOptions(["--connections", "3"])).toThrow(UsageError);
    expect(() => parseOptions(["--systems", "grpc-js"])).toThrow("--systems takes bare, floor, sluice");
  });
});

it("cuts connections into parts that differ by one at most", () => {
  expect([cut(10, 4), cut(3, 3), cut(1, 2)]).toEqual([
    [2, 2, 3, 3],
    [1, 1, 1],
    [0, 1],
  ]);
});

describe("checkCeilings", () => {
  const enough = { openFiles: 1_200, sourcePorts: 1_200 };

  it("lets through what just fits, and knows this system's", () => {
    checkCeilings(1_000, 4, enough);
    expect(readCeilings().openFiles).toBeGreaterThan(0);
  });

  it("refuses one file or one port too few, and says what to do", () => {
    expect(() => checkCeilings(1_000, 4, { ...enough, openFiles: 1_199 })).toThrow("ulimit -n 1200");
    expect(() => checkCeilings(1_000, 4, { ...enough, openFiles: 1_199 })).toThrow("--connections 999");
    expect(() => checkCeilings(1_000, 4, { ...enough, sourcePorts: 1_199 })).toThrow("ip_local_port_range");
  });
});

describe("Feed", () => {
  const update = (sequence: number) => ({ sequence, dueMs: 0, isMeasured: false, payload: new Uint8Array(0) });

  it("gives updates in order, whether somebody waits for them or not", async () => {
    const feed = new Subscribers().open();
    const first = feed.next();
    for (const sequence of [0, 1, 2]) feed.push(update(sequence));
    expect(feed.backlog).toBe(2);
    const results = [await first, await feed.next(), await feed.next()];
    expect(results.map(({ value }) => value?.sequence)).toEqual([0, 1, 2]);
    expect(feed.backlog).toBe(0);
  });

  it("ends who waits, and is no subscriber any more, once", async () => {
    const subscribers = new Subscribers();
    const [feed, other] = [subscribers.open(), subscribers.open()];
    const waiting = feed.next();
    await feed.return();
    await feed.return();
    expect([(await waiting).done, (await feed.next()).done]).toEqual([true, true]);
    expect(subscribers.feeds).toEqual([other]);
  });
});

it("pushes numbered updates of 256 to 1,024 bytes to those who listen", async () => {
  const subscribers = new Subscribers();
  const feeds = [subscribers.open(), subscribers.open()];
  const pusher = new Pusher(subscribers);
  await pusher.run(5_000, 0.02, true);
  expect(pusher.sent).toBeGreaterThan(0);
  expect(feeds.map(({ count }) => count).reduce((a, b) => a + b)).toBe(pusher.sent);
  for (const feed of feeds) {
    for (let sequence = 0; feed.backlog > 0; sequence++) {
      const { value } = await feed.next();
      expect(value?.sequence).toBe(sequence);
      expect(value?.payload.length).toBeGreaterThanOrEqual(LEAST_BYTES);
      expect(value?.payload.length).toBeLessThanOrEqual(MOST_BYTES);
    }
  }
  const lengths = makePayloads().map(({ length }) => length);
  expect([lengths[0], lengths.at(-1)]).toEqual([LEAST_BYTES, MOST_BYTES]);
});

it("keeps every time", () => {
  const log = new TookLog();
  for (let n = 0; n < 70_000; n++) log.add(n);
  const all = log.all();
  expect([all.length, all[0], all[69_999]]).toEqual([70_000, 0, 69_999]);
});

it("draws a line through the heap", () => {
  const line = [0, 1, 2].map((minutes) => ({ minutes, bytes: 7 + 3 * minutes }));
  expect(slope(line)).toBeCloseTo(3);
  expect([slope([]), slope(line.slice(1, 2))]).toEqual([0, 0]);
});

it("takes what a connection adds, and medians over rounds", () => {
  const row = makeIdleRow("sluice", 1_000, [measured(60e6), measured(90e6), measured(70e6)]);
  expect(row).toMatchObject({ rssBytes: 70e6, rssBytesEach: 20e3, heapBytesEach: 10e3, clientRssBytesEach: 100e3 });
});

it("finds the times of all clients, and what never came", () => {
  const row = makePushRow(load, [pushed([4, 1, 3, 2]), pushed([5, 6], { sent: 11 })]);
  expect(row).toMatchObject({ perSecond: 4, p99Ms: 5, longestMs: 6, lost: 1, outOfOrder: 0 });
  expect(row.waitedForCoreShare).toBeCloseTo(0.01);
  expect(row.heapMegabytesPerMinute).toBeCloseTo(0.5);
});

describe("judgeDensity", () => {
  const judge = (rss: number, cpu: number, took: number, report: Partial<Pushed["report"]>): boolean[] => {
    const rows = [makeIdleRow("floor", 1_000, [measured(100e6)]), makeIdleRow("sluice", 1_000, [measured(rss, cpu)])];
    return judgeDensity(rows, makePushRow(load, [pushed([took], report)])).map(({ isMet }) => isMet);
  };

  it("has every target, and lets through what just meets it", () => {
    expect(judge(130e6, 0.05, 50, {})).toEqual([true, true, true, true, true, true]);
    const heap = [0, 1].map((minutes) => ({ minutes, bytes: 0.51e6 * minutes }));
    const worse = judge(130.1e6, 0.0501, 50.1, { delayP9999Ms: 50.1, heap, sent: 11 });
    expect(worse).toEqual([false, false, false, false, false, false]);
  });

  it("says nothing of what was not measured", () => {
    expect(judgeDensity([makeIdleRow("floor", 1_000, [measured(1e6)])], undefined)).toEqual([]);
    expect(judgeDensity([makeIdleRow("sluice", 1_000, [measured(1e6)])], undefined)).toHaveLength(1);
  });
});

it("shows a row a system, the pushing and the targets", () => {
  const header = { command: "c", date: "d", node: "n", cpu: "x", cores: 2, pinned: true };
  const rows = [makeIdleRow("floor", 1_000, [measured(100e6)]), makeIdleRow("sluice", 1_000, [measured(150e6)])];
  const push = makePushRow(load, [pushed([4])]);
  const report = { header, connections: 1_000, idleSeconds: 60, rows, push, targets: judgeDensity(rows, push) };
  const text = formatDensity(report).join("\n");
  for (const part of ["floor", "sluice", "longest 90.0 ms", "lost 0", "MISSED"]) expect(text).toContain(part);
});
