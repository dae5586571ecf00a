// The example of docs/queues.md runs and prints what it says, its commands too, and its limits are those of the code.

import { afterAll, beforeAll, expect, test } from "vitest";
import { blocksOf, ExampleProject, lineCount, readText, SLOW_MS } from "./example-project.js";

const text = readText("docs/queues.md");
const [manifest] = blocksOf(text, "proto");
const [program = ""] = blocksOf(text, "ts");
const [output] = blocksOf(text, "");
const [session = ""] = blocksOf(text, "sh");
const project = new ExampleProject("docs-queues");

beforeAll(() => project.build({ "reports.proto": manifest, "reports.ts": program }), SLOW_MS);
afterAll(() => project.remove());

test("the example prints what it says, and its commands work on what it leaves", () => {
  expect(project.run("reports")).toBe(output);
  const commands = [...session.matchAll(/^npx sluice (queue .*?) +#/gm)].map(([, command]) => command as string);
  expect(commands).toHaveLength(4);
  for (const command of commands) project.sluice(...command.replace(/ --id <id>/, "").split(" "));
  expect(project.sluice("queue", "ls", "queues")).toMatch(/^stats +0 +0 +0 +-$/m);
});

test("the example has at most 40 lines", () => {
  expect(lineCount(program)).toBeLessThanOrEqual(40);
});

test("the limits are the defaults of the code", () => {
  const code = readText("src/flow/queue/durable-queue.ts");
  const defaults = /const DEFAULTS = \{(.*?)\n\}/s.exec(code)?.[1] ?? "";
  for (const name of ["maxCalls", "concurrency", "maxAttempts", "maxSetAside"]) {
    const value = Number(new RegExp(`${name}: ([\\d_]+)`).exec(defaults)?.[1]?.replaceAll("_", ""));
    expect(text).toContain(`| \`${name}\` | ${value.toLocaleString("en-US")} |`);
  }
});

test("every file that it links to exists", () => {
  for (const [, target] of text.matchAll(/\]\(([^)#:]+)[^)]*\)/g))
    expect(() => readText(`docs/${target}`)).not.toThrow();
});
