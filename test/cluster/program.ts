// A program that serves Echo from several processes, for tests that kill, restart and end these. Its arguments are the options as
// JSON, and a file: a worker that finds it there cannot serve. The primary process prints what happens, a JSON line for each.

import { existsSync } from "node:fs";
import { connect, createServer, type Server } from "sluice";
import { type ClusterOptions, type ClusterWorker, runCluster } from "sluice/cluster";
import { Echo } from "../support/gen/support/v1/echo.js";

/** What the primary process prints. */
export type Report =
  | { readonly type: "listening"; readonly addresses: readonly string[]; readonly admin: readonly string[] }
  | { readonly type: "ready"; readonly pid: number }
  | { readonly type: "exit"; readonly pid: number; readonly how: string }
  | { readonly type: "failed"; readonly text: string };

const [options = "{}", obstacle = ""] = process.argv.slice(2);

function serve(): ClusterWorker {
  if (existsSync(obstacle)) throw new Error(`there is ${obstacle}`);
  const server: Server = createServer().handle(Echo, {
    // The process that serves it, and what policy holds there.
    echo: () => ({ id: BigInt(process.pid), text: JSON.stringify(server.policies.get(Echo.methods.echo) ?? {}) }),
    // What policy the channel has for Note, which it knows from the first call on.
    echoSoon() {
      const { path } = Echo.methods.note;
      if (self.policies.get(path) === undefined) self.policies.set(Echo.methods.note, { rate: 1_000 });
      return { id: BigInt(process.pid), text: JSON.stringify(self.policies.get(path) ?? {}) };
    },
    // Replies after as many milliseconds as the id says.
    hold: ({ id }) => new Promise((resolve) => setTimeout(resolve, Number(id), { id: BigInt(process.pid) })),
    fail: () => {
      throw new Error("secret");
    },
    note: () => ({}),
  });
  const self = connect("tcp://127.0.0.1:9");
  return { server, channels: { self }, close: () => self.close({ graceMs: 0 }) };
}

const tell = (report: Report): void => void process.stdout.write(`${JSON.stringify(report)}\n`);

try {
  const cluster = await runCluster({ ...(JSON.parse(options) as Omit<ClusterOptions, "serve">), serve });
  if (cluster !== undefined) {
    cluster.on("ready", (pid) => tell({ type: "ready", pid }));
    cluster.on("exit", (pid, how) => tell({ type: "exit", pid, how }));
    tell({ type: "listening", addresses: cluster.addresses, admin: cluster.adminAddresses });
  }
} catch (error) {
  if (process.connected) throw error;
  tell({ type: "failed", text: (error as Error).message });
  process.exitCode = 1;
}
