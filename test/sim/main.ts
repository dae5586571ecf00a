// The simulation from the command line:
//
//    npm run sim -- --seeds 100000               many seeds, over two processes; the base seed is printed
//    npm run sim -- --seed 12345 --trace         one seed again, with every event
//    npm run sim -- --base 7 --seeds 1000 --stop the first failure ends it, in all processes
//
// Exits with 1 if an invariant was broken or a possible pair of fault and outcome was never met.

import { type ChildProcess, fork } from "node:child_process";
import { parseArgs } from "node:util";
import { Progress } from "./progress.js";
import {
  gapsOf,
  merge,
  newSummary,
  type PlainSummary,
  plain,
  runSeeds,
  type SeedRange,
  type Summary,
  summaryText,
} from "./runner.js";
import { simulate } from "./simulation.js";

/** A process tells its parent how far it is after this time, in milliseconds, and when a seed has failed. */
const TELL_EVERY_MS = 1_000;
/** Fewer seeds need not meet every pair of fault and outcome. */
const MIN_COVERING_SEEDS = 1_000;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    base: { type: "string" },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
    stop: { type: "boolean", default: false },
    processes: { type: "string", default: "2" },
    stripe: { type: "string" },
  },
});

/** Runs one seed and prints what was wrong, and its events if they are asked for. */
async function replay(seed: number): Promise<number> {
  const report = await simulate(seed, true);
  if (values.trace) for (const line of report.trace) process.stdout.write(line);
  for (const violation of report.violations) console.log(`seed ${seed}: ${violation}`);
  console.log(
    `seed ${seed}: ${report.calls} calls, ${report.streamCount} streams, ${report.faults} faults, trace ${report.digest}`,
  );
  return report.violations.length === 0 ? 0 : 1;
}

/** Runs every `step`-th seed of a range for the parent process, which adds the summaries up. */
async function runStripe(range: SeedRange): Promise<void> {
  let isStopped = false;
  let toldMs = performance.now();
  let toldFailures = 0;
  process.on("message", () => {
    isStopped = true;
  });
  const summary = await runSeeds(range, console.log, (total) => {
    if (performance.now() - toldMs > TELL_EVERY_MS || total.failed.length > toldFailures) {
      toldMs = performance.now();
      toldFailures = total.failed.length;
      process.send!(plain(total));
    }
    return !isStopped && !endsAt(total);
  });
  process.send!(plain(summary));
  process.disconnect();
}

async function runAll(base: number, count: number, processes: number): Promise<number> {
  console.log(`${count} seeds from ${base}, ${processes} processes`);
  const total = processes === 1 ? await runHere(base, count) : await runStripes(base, count, processes);
  console.log(summaryText(total));
  const gaps = total.runs >= MIN_COVERING_SEEDS ? gapsOf(total) : [];
  for (const gap of gaps) console.log(`coverage: ${gap}`);
  return total.failed.length === 0 && gaps.length === 0 ? 0 : 1;
}

async function runHere(base: number, count: number): Promise<Summary> {
  const progress = new Progress(count);
  return await runSeeds({ first: base, end: base + count, step: 1 }, console.log, (total) => {
    progress.onRuns(total.runs, total.failed.length);
    return !endsAt(total);
  });
}

async function runStripes(base: number, count: number, processes: number): Promise<Summary> {
  const progress = new Progress(count);
  const latest = new Map<ChildProcess, PlainSummary>();
  const children = Array.from({ length: processes }, (_, index) => forkStripe(base, count, `${index}/${processes}`));
  const onSummary = (child: ChildProcess, summary: PlainSummary): void => {
    latest.set(child, summary);
    const total = totalOf(latest.values());
    progress.onRuns(total.runs, total.failed.length);
    if (endsAt(total)) for (const each of children) stop(each);
  };
  await Promise.all(children.map((child) => endOf(child, onSummary)));
  return totalOf(latest.values());
}

function forkStripe(base: number, count: number, stripe: string): ChildProcess {
  const args = ["--base", String(base), "--seeds", String(count), "--stripe", stripe];
  return fork(import.meta.filename, values.stop ? [...args, "--stop"] : args);
}

/** Resolves when a process has ended well. */
function endOf(child: ChildProcess, onSummary: (child: ChildProcess, summary: PlainSummary) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on("message", (message) => onSummary(child, message as PlainSummary));
    child.on("error", reject);
    child.on("exit", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`a process of the simulation ended with ${code}`));
    });
  });
}

function stop(child: ChildProcess): void {
  // One that is just ending cannot hear it any more.
  if (child.connected) child.send("stop", () => undefined);
}

function totalOf(summaries: Iterable<PlainSummary>): Summary {
  const total = newSummary();
  for (const summary of summaries) merge(total, summary);
  return total;
}

function endsAt({ failed }: Summary): boolean {
  return values.stop && failed.length > 0;
}

async function main(): Promise<number> {
  if (values.seed !== undefined) return await replay(Number(values.seed));
  const base = values.base === undefined ? Date.now() % 1_000_000_000 : Number(values.base);
  const count = Number(values.seeds);
  if (values.stripe === undefined) return await runAll(base, count, Number(values.processes));
  const [index, step] = values.stripe.split("/").map(Number) as [number, number];
  await runStripe({ first: base + index, end: base + count, step });
  return 0;
}

process.exitCode = await main();
