// `sluice/cluster`: one address served by several processes, with node:cluster. The program runs in all of them: in the primary
// process `runCluster` starts and watches the others, in these it serves. Nobody else loads node:cluster.

import nodeCluster from "node:cluster";
import { Cluster } from "./cluster/cluster.js";
import { type ClusterOptions, resolveClusterOptions } from "./cluster/options.js";
import { runWorker } from "./cluster/worker-process.js";
import { Code, localError } from "./codec/status.js";

export type { Cluster, ClusterEvents, WorkerInfo } from "./cluster/cluster.js";
export type { WorkerState } from "./cluster/member.js";
export type { ClusterOptions, ClusterWorker } from "./cluster/options.js";

let isRunning = false;

/**
 * Serves `listen` from `processes` worker processes.
 *
 *     const cluster = await runCluster({ listen: "tcp://0.0.0.0:7450", serve: () => createServer().handle(Shop, shop) });
 *     if (cluster !== undefined) console.log(`listening on ${cluster.addresses}`);
 *
 * In the primary process it resolves with the cluster when all workers listen, and rejects with what kept the first from that. In a
 * worker it resolves with undefined when that one listens. A worker that ends is replaced. SIGTERM and SIGINT drain all workers
 * within `graceMs` and end the process with its exit code, SIGHUP replaces the workers one after the other; sent to a worker,
 * SIGTERM and SIGINT drain that one, and it is replaced. Throws `RpcError` INVALID_ARGUMENT for an option that cannot be, FAILED_PRECONDITION the second time.
 */
export async function runCluster(options: ClusterOptions): Promise<Cluster | undefined> {
  const resolved = resolveClusterOptions(options);
  if (isRunning)
    throw localError(Code.FAILED_PRECONDITION, "a process runs one cluster: runCluster was called before", "never");
  isRunning = true;
  if (nodeCluster.isWorker) {
    await runWorker(resolved);
    return undefined;
  }
  const cluster = new Cluster(resolved);
  await cluster.start();
  return cluster;
}
