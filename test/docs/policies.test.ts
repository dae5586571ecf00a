// What the documents say about policies: their manifests are manifests, and their tables are what options.proto and the rules say.

import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { diagnose } from "../gen/support.js";
import { blocksOf, readText } from "./example-project.js";

const root = resolve(import.meta.dirname, "../..");

const [head, ...examples] = blocksOf(readText("docs/policies.md"), "proto");

test.each(examples)("the generator takes the rpcs of docs/policies.md: %s", (rpcs) => {
  expect(diagnose(`${head}service S {\n${rpcs}}\n`)).toEqual([]);
});

test("the generator takes the rpc of README's policies", () => {
  const rpcs = blocksOf(readText("README.md"), "proto").filter((block) => /^rpc /.test(block));
  const messages = "message BindRequest {} message BindReply {}";
  expect(rpcs.map((rpc) => diagnose(`${head}${messages} service S {\n${rpc}}\n`))).toEqual([[]]);
});

test("the tables are up to date (npm run generate)", () => {
  const { stderr } = spawnSync(process.execPath, ["scripts/policy-table.mjs", "--check"], {
    cwd: root,
    encoding: "utf8",
  });
  expect(stderr).toBe("");
});
