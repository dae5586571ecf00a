// The programs of docs/policies.md run, and print what it says.

import { afterAll, beforeAll, expect, test } from "vitest";
import { blocksOf, ExampleProject, lineCount, readText, SLOW_MS } from "./example-project.js";

const [head, ...sections] = readText("docs/policies.md").split(/^## /m);
const [messages] = blocksOf(head as string, "proto");

/** The sections that have a program. */
const examples = sections
  .map((text) => ({
    name: (/^\w+/.exec(text)?.[0] ?? "").toLowerCase(),
    proto: `${messages}service Records {\n${blocksOf(text, "proto").join("")}}\n`,
    program: blocksOf(text, "ts")[0],
    output: blocksOf(text, "")[0],
  }))
  .filter(({ program }) => program !== undefined);

const files = examples.flatMap(({ name, proto, program }) => [
  [`${name}.proto`, proto.replace("demo.v1", `demo.${name}.v1`)],
  [`${name}.ts`, program],
]);
const project = new ExampleProject("docs-policies");

beforeAll(() => project.build(Object.fromEntries(files)), SLOW_MS);
afterAll(() => project.remove());

test("each policy of calls has a program of at most 40 lines", () => {
  expect(examples.map(({ name }) => name)).toEqual(["reject", "block", "retry", "hedge", "log", "queue"]);
  for (const { program } of examples) expect(lineCount(program ?? "")).toBeLessThanOrEqual(40);
});

test.each(examples)("the program of $name prints what docs/policies.md says", ({ name, output }) => {
  expect(project.run(name).replaceAll(`demo.${name}.v1`, "demo.v1")).toBe(output);
});
