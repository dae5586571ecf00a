// README's code runs: its manifest is generated, its programs are compiled with every strict flag, and they print what it says.

import { afterAll, beforeAll, expect, test } from "vitest";
import { blocksOf, ExampleProject, readText, SLOW_MS } from "./example-project.js";

const readme = readText("README.md");
const [proto, roomProto] = blocksOf(readme, "proto");
const [server, client, streams, json = "", testing = "", scripted = "", details = "", standard = ""] = blocksOf(
  readme,
  "ts",
);
const [output, streamsOutput] = blocksOf(readme, "");
const project = new ExampleProject("readme");

const files = {
  "greeter.proto": proto,
  "room.proto": roomProto,
  "server.ts": server,
  "client.ts": client,
  "streams.ts": streams,
  "json.ts": json,
  "testing.ts": testing,
  "scripted.ts": scripted,
  "details.ts": details,
  "standard.ts": standard,
};

beforeAll(() => project.build(files, "--json", "--descriptors"), SLOW_MS);
afterAll(() => project.remove());

test(
  "the five-minute start prints what README says",
  () =>
    project.whileServing("server", "listening on tcp://127.0.0.1:7450", () => {
      expect(project.run("client")).toBe(output);
    }),
  SLOW_MS,
);

test("the example of streams prints what README says", () => {
  expect(project.run("streams")).toBe(streamsOutput);
});

test("the testing example prints what its comment says", () => {
  const expected = /console\.log\(await call\); \/\/ (.*)/.exec(testing)?.[1];
  expect(project.run("testing")).toBe(`${expected}\n`);
});

test("the example of a scripted peer prints what its comment says", () => {
  const expected = /console\.log\(peer.* \/\/ (.*)/.exec(scripted)?.[1];
  expect(project.run("scripted")).toBe(`${expected}\n`);
});

test("the JSON example prints what its comment says", () => {
  const expected = /console\.log\(text.* \/\/ (.*)/.exec(json)?.[1];
  expect(project.run("json")).toBe(`${expected}\n`);
});

test("the example of error details prints what its comment says", () => {
  const expected = /console\.log\(field.* \/\/ (.*)/.exec(details)?.[1];
  expect(project.run("details")).toBe(`${expected}\n`);
});

test("the example of health and reflection prints what its comment says", () => {
  const expected = /console\.log\(status\); \/\/ (\d+)/.exec(standard)?.[1];
  expect(project.run("standard")).toBe(`${expected}\n`);
});

test("every file that README links to exists", () => {
  for (const [, target] of readme.matchAll(/\]\(([^)#:]+)\)/g))
    expect(() => readText(target as string)).not.toThrow(/ENOENT/);
});
