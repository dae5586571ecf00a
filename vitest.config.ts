import { fileURLToPath } from "node:url";
import { defineConfig, type ViteUserConfig } from "vitest/config";

const source = (path: string): string => fileURLToPath(new URL(`src/${path}`, import.meta.url));

const config: ViteUserConfig = defineConfig({
  resolve: {
    alias: [
      { find: /^sluice$/, replacement: source("index.ts") },
      { find: /^sluice\/runtime$/, replacement: source("runtime.ts") },
      { find: /^sluice\/json$/, replacement: source("json.ts") },
      { find: /^sluice\/(details|health|reflection)$/, replacement: source("standard/$1.ts") },
      { find: /^sluice\/admin$/, replacement: source("ops/admin.ts") },
      { find: /^sluice\/queue$/, replacement: source("queue.ts") },
      { find: /^sluice\/worker$/, replacement: source("worker.ts") },
      { find: /^sluice\/cluster$/, replacement: source("cluster.ts") },
      { find: /^sluice\/testing$/, replacement: source("testing.ts") },
    ],
  },
  test: { include: ["test/**/*.test.ts"], setupFiles: ["test/support/setup.ts"], testTimeout: 20_000, maxWorkers: 2 },
});

export default config;
