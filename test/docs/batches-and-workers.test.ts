// The examples of docs/batches.md and docs/workers.md run, and print what these say.

import { afterAll, beforeAll, expect, test } from "vitest";
import { blocksOf, ExampleProject, lineCount, readText, SLOW_MS } from "./example-project.js";

const batches = readText("docs/batches.md");
const workers = readText("docs/workers.md");
const [ledgerProto] = blocksOf(batches, "proto");
const [ledger] = blocksOf(batches, "ts");
const [primesProto] = blocksOf(workers, "proto");
const [worker, primes] = blocksOf(workers, "ts");

const files = {
  "ledger.proto": ledgerProto,
  "primes.proto": primesProto,
  "ledger.ts": ledger,
  "primes.worker.ts": worker,
  "primes.ts": primes,
};
const project = new ExampleProject("docs-batches-and-workers");

beforeAll(() => project.build(files), SLOW_MS);
afterAll(() => project.remove());

test.each([
  ["batches", "ledger", batches],
  ["workers", "primes", workers],
])("the example of docs/%s.md prints what it says", (_, program, text) => {
  expect(project.run(program)).toBe(blocksOf(text, "")[0]);
});

test("the examples have at most 40 lines", () => {
  for (const text of Object.values(files)) expect(lineCount(text ?? "")).toBeLessThanOrEqual(40);
});
