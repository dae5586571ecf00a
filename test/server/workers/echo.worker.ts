// The handlers that the tests of worker threads have there. Some tell a test what they do on a channel of their own, by the
// text of their request.

import { once } from "node:events";
import { BroadcastChannel, threadId } from "node:worker_threads";
import { Code, RpcError } from "sluice";
import { type WorkerHandler, workerHandler } from "sluice/worker";
import { Echo } from "../../support/gen/support/v1/echo.js";

const { methods } = Echo;

function tell(channel: string, message: unknown): void {
  const sender = new BroadcastChannel(channel);
  sender.postMessage(message);
  sender.close();
}

/** Answers with the request, and what the context says, as JSON. */
export const echo: WorkerHandler = workerHandler(methods.echo, (request, ctx) => {
  ctx.headers.set("thread", String(threadId));
  ctx.trailers.set("trailer-bin", new Uint8Array([1, 2]));
  const { remainingMs, isCancelled, method, callId, attempt } = ctx;
  const metadata = [...ctx.metadata].map(([key, value]) => [key, String(value)]);
  return {
    ...request,
    text: JSON.stringify({ remainingMs, isCancelled, path: method.path, metadata, callId, attempt }),
  };
});

/** Computes until the call is given up, without ever letting go of its thread. */
export const hold: WorkerHandler = workerHandler(methods.hold, ({ text }, ctx) => {
  tell(text, "began");
  while (!ctx.isCancelled);
  tell(text, `ended: ${ctx.error?.code}`);
  return {};
});

/** Waits for its signal. */
export const echoSoon: WorkerHandler = workerHandler(methods.echoSoon, async ({ text }, ctx) => {
  tell(text, "began");
  await once(ctx.signal, "abort");
  tell(text, `aborted: ${ctx.error?.code}`);
  throw ctx.signal.reason;
});

/** Fails as the text of the request says. */
export const fail: WorkerHandler = workerHandler(methods.fail, ({ text }, ctx) => {
  ctx.trailers.set("why", "it had to");
  switch (text) {
    case "rpc":
      throw new RpcError(Code.NOT_FOUND, "no such image", {
        details: [{ typeUrl: "type.googleapis.com/x.Y", value: new Uint8Array([3]) }],
        retryAfterMs: 7,
      });
    case "plain":
      throw new TypeError("secret");
    case "reply":
      return { text: 7 } as never;
    case "exit":
      process.exit(3);
  }
  setImmediate(() => {
    throw new Error("nobody catches it");
  });
  return new Promise(() => {});
});

/** Computes for as many milliseconds as the id says. */
export const burn: WorkerHandler = workerHandler(methods.echo, ({ id, text }) => {
  const end = performance.now() + Number(id);
  tell(text, "began");
  while (performance.now() < end);
  return { id };
});

/** What {@link workerHandler} has not made. */
export const plain = (request: unknown): unknown => request;
