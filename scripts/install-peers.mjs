// Installs what benchmarks are compared with (bench/package.json) where it is not yet, or not in that version. All of it goes
// to bench/node_modules, which git ignores. Without a registry what is there is used; what is missing is told.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const bench = fileURLToPath(new URL("../bench/", import.meta.url));
const readJson = (path) => JSON.parse(readFileSync(join(bench, path), "utf8"));

function missing() {
  return Object.entries(readJson("package.json").dependencies).filter(([name, version]) => {
    const path = `node_modules/${name}/package.json`;
    return !existsSync(join(bench, path)) || readJson(path).version !== version;
  });
}

if (missing().length > 0) {
  const command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
  spawnSync("npm", command, { cwd: bench, stdio: ["ignore", "ignore", "inherit"], timeout: 300_000 });
  for (const [name, version] of missing()) process.stderr.write(`${name} ${version} could not be installed\n`);
}
