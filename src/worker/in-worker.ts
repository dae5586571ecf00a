// The side of the server: a handler that names the module which serves the method in worker threads.

import { type EndpointMaker, MAKE_ENDPOINT } from "../call/endpoint-maker.js";
import type { AnyMethod } from "../codec/method.js";
import { Code, localError, type RpcError } from "../codec/status.js";
import { WorkerEndpoint } from "./endpoint.js";
import { resolveThreadOptions, type ThreadOptions, Threads } from "./threads.js";

/** Options of {@link inWorker}. */
export interface InWorkerOptions extends ThreadOptions {
  /** What the module exports for the method. Default: the method's name in TypeScript. */
  readonly export?: string | undefined;
}

/** Stands for a handler that runs in worker threads, of any unary method. */
export type ServedInWorker = ((request: unknown, ctx: unknown) => never) & EndpointMaker;

/**
 * Has a unary method served in worker threads: `server.handle(Images, { resize: inWorker(new URL("./images.worker.js",
 * import.meta.url)) })`. The module exports what `workerHandler` has made. Methods that name the same module with the same
 * options share their threads, which end when the server is closed. Throws `RpcError` INVALID_ARGUMENT for an option that cannot be.
 */
export function inWorker(module: URL, options: InWorkerOptions = {}): ServedInWorker {
  const { threads } = resolveThreadOptions(options);
  const handler = (): never => {
    throw localError(Code.FAILED_PRECONDITION, `${module.href} serves calls in worker threads only`, "never");
  };
  const maker: EndpointMaker = {
    [MAKE_ENDPOINT](setting) {
      const { method } = setting;
      if (method.kind !== "unary" || method.server.batch !== undefined) throw notForWorkers(method);
      return new WorkerEndpoint(setting, options.export ?? method.localName, threads, Threads.of(module, options));
    },
  };
  return Object.assign(handler, maker);
}

function notForWorkers({ path, kind }: AnyMethod): RpcError {
  const what = kind === "unary" ? "one with a batch policy" : `a ${kind} one`;
  return localError(Code.INVALID_ARGUMENT, `${path}: worker threads serve unary methods, not ${what}`, "never");
}
