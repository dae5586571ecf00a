// `npm run demo`: from a fresh clone to the demo of examples/push, saying what it does. Plain JavaScript, because nothing
// is compiled yet when it begins.

import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";

const STEPS = [
  { title: "Building the library", command: ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"] },
  { title: "Generating TypeScript from manifests", command: ["scripts/generate.mjs", "examples"] },
  { title: "Compiling the example", command: ["node_modules/typescript/bin/tsc", "-p", "tsconfig.tools.json"] },
];
const STEP_TIMEOUT_MS = 60_000;

rmSync("examples/push/gen", { recursive: true, force: true });
for (const { title, command } of STEPS) {
  console.log(title);
  const began = performance.now();
  const { status } = spawnSync(process.execPath, command, { stdio: "inherit", timeout: STEP_TIMEOUT_MS });
  if (status !== 0) {
    console.error(`${title}: failed`);
    process.exit(1);
  }
  console.log(`   done in ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

await import("../build/examples/push/demo.js");
