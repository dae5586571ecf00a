// Watching, with a watcher that the test drives: what one run is, which folders are followed, and how it ends.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type WatchOptions, watch } from "../../src/cli/watch.js";

type Change = (name: string | undefined) => void;

let open: Map<string, Change>;
let runs: number;
let folders: string[];
let controller: AbortController;

beforeEach(() => {
  vi.useFakeTimers();
  open = new Map();
  runs = 0;
  folders = ["a"];
  controller = new AbortController();
});

afterEach(() => vi.useRealTimers());

function start(): Promise<void> {
  const watcher: WatchOptions["watcher"] = (folder, onChange) => {
    open.set(folder, onChange);
    return { close: () => open.delete(folder) };
  };
  const run = (): string[] => {
    runs++;
    return folders;
  };
  return watch({ run, signal: controller.signal, watcher, debounceMs: 50 });
}

it("runs at once, and once for changes that come together", () => {
  start();
  expect(runs).toBe(1);
  for (let index = 0; index < 10; index++) {
    open.get("a")?.("x.proto");
    vi.advanceTimersByTime(10);
  }
  expect(runs).toBe(1);
  vi.advanceTimersByTime(50);
  expect(runs).toBe(2);
});

it("does not run for files that are no manifests, but for folders and for what the system does not name", () => {
  start();
  for (const name of ["x.ts", "x.proto~", ".x.proto.swp"]) open.get("a")?.(name);
  vi.advanceTimersByTime(100);
  expect(runs).toBe(1);
  for (const name of ["v1", undefined]) {
    open.get("a")?.(name);
    vi.advanceTimersByTime(100);
  }
  expect(runs).toBe(3);
});

it("watches what the last run read, and no more folders than its limit", () => {
  start();
  folders = ["a", "b"];
  open.get("a")?.("x.proto");
  vi.advanceTimersByTime(50);
  expect([...open.keys()]).toEqual(["a", "b"]);
  folders = Array.from({ length: 5000 }, (_, index) => `f${index}`);
  open.get("b")?.("x.proto");
  vi.advanceTimersByTime(50);
  expect(open.size).toBe(2000);
  expect(open.has("a")).toBe(false);
});

it("ends with its signal: nothing is watched and nothing runs any more", async () => {
  const ended = start();
  open.get("a")?.("x.proto");
  controller.abort();
  await ended;
  vi.advanceTimersByTime(1000);
  expect(runs).toBe(1);
  expect(open.size).toBe(0);
  await expect(start()).resolves.toBeUndefined();
  expect(runs).toBe(1);
});
