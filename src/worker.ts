// `sluice/worker`: methods that compute are served in worker threads, so that the server's own thread always has time for its
// connections. Both sides are here: `inWorker` for the server, `workerHandler` for the module that its threads load. Needs
// piscina, which only this file's users install.

export { WorkerContext } from "./worker/context.js";
export { type HandlerInWorker, type WorkerHandler, workerHandler } from "./worker/handler.js";
export { type InWorkerOptions, inWorker, type ServedInWorker } from "./worker/in-worker.js";
export type { ThreadOptions } from "./worker/threads.js";
