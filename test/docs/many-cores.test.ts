// The examples of docs/many-cores.md run, its commands too, and print what it says.

import { afterAll, beforeAll, expect, test } from "vitest";
import { blocksOf, ExampleProject, lineCount, readText, replaySession, SLOW_MS } from "./example-project.js";

const text = readText("docs/many-cores.md");
const [manifest] = blocksOf(text, "proto");
const [server, client] = blocksOf(text, "ts");
const [session = ""] = blocksOf(text, "console");
const [output] = blocksOf(text, "");
const project = new ExampleProject("docs-many-cores");

beforeAll(() => project.build({ "shop.proto": manifest, "server.ts": server, "client.ts": client }), SLOW_MS);
afterAll(() => project.remove());

test(
  "the server, the client and the session at the terminal print what it says",
  () =>
    project.whileServing("server", "listening on tcp://127.0.0.1:7470, 2 workers", () => {
      expect(project.run("client")).toBe(output);
      expect(replaySession(session)).toBe(session);
    }),
  SLOW_MS,
);

test("the programs have at most 60 lines", () => {
  for (const program of blocksOf(text, "ts")) expect(lineCount(program)).toBeLessThanOrEqual(60);
});
