// The simulation from the command line:
//
//    npm run sim -- --seeds 100000               many seeds, over two processes; the base seed is printed
//    npm run sim -- --seed 12345 --trace         one seed again, with every event
//    npm run sim -- --base 7 --seeds 1000 --stop the first failure ends it
//
// Exits with 1 if an invariant was broken or a possible pair of fault and outcome was never met.

import { fork } from "node:child_process";
import { parseArgs } from "node:util";
import { gapsOf, merge, newSummary, type PlainSummary, runSeeds, type SeedRange, summaryText } from "./runner.js";
import { simulate } from "./simulation.js";

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
  const report = await simulate(seed, values.trace);
  for (const line of report.trace) process.stdout.write(line);
  for (const violation of report.violations) console.log(`seed ${seed}: ${violation}`);
  console.log(
    `seed ${seed}: ${report.calls} calls, ${report.streamCount} streams, ${report.faults} faults, trace ${report.digest}`,
  );
  return report.violations.length === 0 ? 0 : 1;
}

/** Runs every `step`-th seed of a range; the parent process adds the summaries up. */
async function runStripe(range: SeedRange): Promise<void> {
  const summary = await runSeeds(range, values.stop, (text) => console.log(text));
  process.send?.({ ...summary, coverage: summary.coverage.counts, streams: summary.streams.counts });
  process.disconnect();
}

async function runAll(base: number, count: number, processes: number): Promise<number> {
  console.log(`${count} seeds from ${base}, ${processes} processes`);
  const total = newSummary();
  const stripes = Array.from({ length: processes }, (_, index) => spawnStripe(base, count, index, processes));
  for (const summary of await Promise.all(stripes)) merge(total, summary);
  console.log(summaryText(total));
  const gaps = count >= 1000 ? gapsOf(total) : [];
  for (const gap of gaps) console.log(`coverage: ${gap}`);
  return total.failures === 0 && gaps.length === 0 ? 0 : 1;
}

function spawnStripe(base: number, count: number, index: number, step: number): Promise<PlainSummary> {
  return new Promise((resolve, reject) => {
    const args = ["--base", String(base), "--seeds", String(count), "--stripe", `${index}/${step}`];
    const child = fork(import.meta.filename, values.stop ? [...args, "--stop"] : args);
    let summary: PlainSummary | undefined;
    child.on("message", (message) => {
      summary = message as PlainSummary;
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      if (summary === undefined) reject(new Error(`a process of the simulation ended with ${code}`));
      else resolve(summary);
    });
  });
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
