// What a cluster can be told, its defaults and their bounds.

import { availableParallelism } from "node:os";
import type { Logger } from "pino";
import type { Channel } from "../client/channel.js";
import { Code, RpcError } from "../codec/status.js";
import type { AdminAccess } from "../ops/admin.js";
import type { Server } from "../server/server.js";
import { parseAddress } from "../transport/pipe.js";
import { checkLimit } from "../transport/settings.js";

/** What a worker process serves with. */
export interface ClusterWorker {
  /** With its services, but not listening: the cluster makes it listen, and closes it. */
  readonly server: Server;
  /** Channels whose policies are shown and changed, too, by the names that operators will use. */
  readonly channels?: Readonly<Record<string, Channel>>;
  /** Called when the server is closed and before the process exits; what it returns is waited for. */
  readonly close?: () => void | Promise<void>;
}

/** Options of `runCluster`. */
export interface ClusterOptions {
  /**
   * Called once in each worker process, to make its server. Throws, or rejects, if the process cannot serve: it ends then.
   */
  readonly serve: () => Server | ClusterWorker | Promise<Server | ClusterWorker>;
  /** The addresses that the workers share: `tcp://host:port`, `unix:/path`. */
  readonly listen: string | readonly string[];
  /** Worker processes, from 1 to 1,024. Default: `os.availableParallelism()`. */
  readonly processes?: number;
  /**
   * True: each worker listens by itself and the kernel spreads connections (see `ListenOptions.reusePort`). Default false: the
   * primary process accepts them and hands them out in turn.
   */
  readonly reusePort?: boolean;
  /** Where the primary process serves `sluice.admin.v1.Admin` for all workers together. Default: nowhere. */
  readonly admin?: string | readonly string[];
  /** Who is answered there. Default: callers on the same machine. */
  readonly adminAccess?: AdminAccess;
  /** What calls have left to finish when their worker drains, in milliseconds, up to a day. Default 10,000. */
  readonly graceMs?: number;
  /** A worker that does not listen after this long is ended, in milliseconds. Default 30,000. */
  readonly startMs?: number;
  /** False: signals are left to the program, in the primary process and in the workers. Default true. */
  readonly signals?: boolean;
  /** Logs what becomes of the workers, in the primary process. Default: none. */
  readonly logger?: Logger;
}

/** {@link ClusterOptions} with the defaults filled in. */
export interface ResolvedClusterOptions {
  readonly serve: ClusterOptions["serve"];
  readonly listen: readonly string[];
  readonly processes: number;
  readonly reusePort: boolean;
  readonly admin: readonly string[];
  readonly adminAccess: AdminAccess;
  readonly graceMs: number;
  readonly startMs: number;
  readonly signals: boolean;
  readonly logger: Logger | undefined;
}

/** Fills in the defaults. Throws `RpcError` INVALID_ARGUMENT, which names the option and what is wrong with it. */
export function resolveClusterOptions(given: ClusterOptions): ResolvedClusterOptions {
  const { reusePort = false } = given;
  const listen = [given.listen].flat();
  if (listen.length === 0) throw invalid("listen: no address is given");
  for (const address of listen) checkAddress(address, reusePort);
  return Object.freeze({
    serve: given.serve,
    listen,
    processes: checkProcesses(given.processes ?? availableParallelism()),
    reusePort,
    admin: given.admin === undefined ? [] : [given.admin].flat(),
    adminAccess: given.adminAccess ?? {},
    graceMs: checkLimit("graceMs", given.graceMs ?? 10_000, 0, 86_400_000),
    startMs: checkLimit("startMs", given.startMs ?? 30_000, 1, 86_400_000),
    signals: given.signals ?? true,
    logger: given.logger,
  });
}

function checkProcesses(count: number): number {
  if (!Number.isInteger(count)) throw invalid(`processes: ${count} is no whole number`);
  return checkLimit("processes", count, 1, 1_024);
}

function checkAddress(text: string, reusePort: boolean): void {
  const address = parseAddress(text);
  if (address.kind === "memory") throw invalid(`listen: ${text} is within one process: name a tcp:// or unix: address`);
  if (reusePort && address.kind === "tcp" && address.port === 0)
    throw invalid(`listen: ${text}: with reusePort each worker would get a port of its own: name the port`);
}

function invalid(text: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, text, { retry: "never" });
}
