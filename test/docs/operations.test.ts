// The examples of docs/operations.md run, its commands too, and print what it says.

import { afterAll, beforeAll, expect, test } from "vitest";
import { blocksOf, ExampleProject, readText, replaySession, SLOW_MS } from "./example-project.js";

const text = readText("docs/operations.md");
const [manifest] = blocksOf(text, "proto");
const [server, metrics] = blocksOf(text, "ts");
const [session = ""] = blocksOf(text, "console");
const [output] = blocksOf(text, "");
const project = new ExampleProject("docs-operations");

beforeAll(() => project.build({ "shop.proto": manifest, "server.ts": server, "metrics.ts": metrics }), SLOW_MS);
afterAll(() => project.remove());

test(
  "the session at the terminal is what the commands print",
  () =>
    project.whileServing("server", "listening on tcp://127.0.0.1:7460", () => {
      expect(replaySession(session)).toBe(session);
    }),
  SLOW_MS,
);

test("the program that reads counters prints what it says", () => {
  expect(project.run("metrics")).toBe(output);
}, 30_000);
