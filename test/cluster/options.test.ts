// What a cluster can be told, and what cannot be.

import { expect, it } from "vitest";
import { type ClusterOptions, resolveClusterOptions } from "../../src/cluster/options.js";
import { Code, createServer, type RpcError } from "../../src/index.js";

const LEAST: ClusterOptions = { listen: "tcp://127.0.0.1:7450", serve: () => createServer() };

function refused(options: Partial<ClusterOptions>): string {
  try {
    resolveClusterOptions({ ...LEAST, ...options });
  } catch (error) {
    expect(error).toMatchObject({ code: Code.INVALID_ARGUMENT });
    return (error as RpcError).message;
  }
  return "";
}

it("has a default for all but the address and what is served", () => {
  expect(resolveClusterOptions(LEAST)).toMatchObject({
    ...{ listen: ["tcp://127.0.0.1:7450"], admin: [], reusePort: false, signals: true },
    ...{ graceMs: 10_000, startMs: 30_000 },
  });
});

it.each([
  [{ processes: 1_024 }, { processes: 1_025 }, "processes: 1025 is not between 1 and 1024"],
  [{ processes: 1 }, { processes: 0 }, "processes: 0 is not between 1 and 1024"],
  [{ processes: 2 }, { processes: 1.5 }, "processes: 1.5 is no whole number"],
  [{ graceMs: 86_400_000 }, { graceMs: 86_400_001 }, "graceMs: 86400001 is not between 0 and 86400000"],
  [{ graceMs: 0 }, { graceMs: -1 }, "graceMs: -1 is not between 0 and 86400000"],
  [{ startMs: 86_400_000 }, { startMs: 86_400_001 }, "startMs: 86400001 is not between 1 and 86400000"],
  [{ listen: ["unix:/tmp/a"] }, { listen: [] }, "listen: no address is given"],
  [{}, { listen: "memory:a" }, "listen: memory:a is within one process: name a tcp:// or unix: address"],
  [
    { listen: "tcp://127.0.0.1:1", reusePort: true },
    { listen: "tcp://127.0.0.1:0", reusePort: true },
    "listen: tcp://127.0.0.1:0: with reusePort each worker would get a port of its own: name the port",
  ],
])("takes %j, and refuses %j: %s", (good, bad, text) => {
  expect(refused(good)).toBe("");
  expect(refused(bad)).toBe(text);
});
