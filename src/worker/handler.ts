// The side of a worker thread: what the user's module exports, and the threads call.

import { move, transferableSymbol, valueSymbol } from "piscina";
import { undecodable } from "../call/unary-endpoint.js";
import type { Metadata } from "../codec/metadata.js";
import type { AnyMethod, Method } from "../codec/method.js";
import { Code, localError, RpcError } from "../codec/status.js";
import { WorkerContext } from "./context.js";
import { type Entries, type Outcome, sendError, sendThrown, type Task } from "./task.js";

/** Serves the calls of a method in a worker thread. */
export type HandlerInWorker<I, OInit> = (request: I, ctx: WorkerContext) => OInit | Promise<OInit>;

/** What a worker module exports: made by {@link workerHandler}, called by `inWorker`. */
export type WorkerHandler = (task: unknown) => Promise<unknown>;

/**
 * A handler for worker threads. Export it from a module of its own, and name that module to `inWorker` on the server:
 * `export const resize = workerHandler(Images.methods.resize, ({ image }, ctx) => ({ image: shrink(image) }))`.
 */
export function workerHandler<I, IInit, O, OInit, Options extends object>(
  method: Method<I, IInit, O, OInit, Options>,
  handler: HandlerInWorker<I, OInit>,
): WorkerHandler {
  const served = method as unknown as AnyMethod;
  return (task) => serve(served, handler as HandlerInWorker<unknown, unknown>, task as Task);
}

async function serve(method: AnyMethod, handler: HandlerInWorker<unknown, unknown>, task: Task): Promise<unknown> {
  const context = new WorkerContext(method, task);
  try {
    if (task.path !== method.path) throw wrongMethod(task.path, method.path);
    // It may have been given up while it waited for a thread.
    if (context.error !== undefined) throw context.error;
    const reply = encode(method, await handler(decode(method, task.request), context));
    return movable(outcome(context, { reply }), reply);
  } catch (error) {
    const failure = error instanceof Unencodable ? { error: error.rpc, thrown: error.thrown } : failureOf(error);
    return outcome(context, failure);
  } finally {
    context.end();
  }
}

/** A reply that cannot travel: its caller hears INTERNAL, the log why. */
class Unencodable {
  readonly thrown: Outcome["thrown"];
  readonly rpc: Outcome["error"];

  constructor(error: unknown) {
    const text = `the response cannot be encoded: ${error instanceof Error ? error.message : String(error)}`;
    this.thrown = sendThrown(error);
    this.rpc = sendError(localError(Code.INTERNAL, text, "never"));
  }
}

function failureOf(thrown: unknown): Partial<Outcome> {
  return thrown instanceof RpcError ? { error: sendError(thrown) } : { thrown: sendThrown(thrown) };
}

function decode({ input }: AnyMethod, request: Uint8Array): unknown {
  try {
    return input.fromBytes(request);
  } catch (error) {
    throw undecodable(error);
  }
}

function encode({ output }: AnyMethod, reply: unknown): Uint8Array {
  try {
    return output.toBytes(reply as never);
  } catch (error) {
    throw new Unencodable(error);
  }
}

function outcome({ headers, trailers, compress }: WorkerContext, part: Partial<Outcome>): Outcome {
  return {
    type: "sluice.outcome",
    reply: part.reply,
    error: part.error,
    thrown: part.thrown,
    headers: entries(headers),
    trailers: entries(trailers),
    compress,
  };
}

function entries(metadata: Metadata): Entries {
  return metadata.isEmpty ? [] : [...metadata];
}

/** The outcome as piscina sends it: the reply's memory moves to the server's thread instead of being copied. */
function movable(value: Outcome, reply: Uint8Array): unknown {
  return move({ [transferableSymbol]: [reply.buffer], [valueSymbol]: value } as never);
}

function wrongMethod(called: string, served: string): RpcError {
  return localError(Code.INTERNAL, `the worker's handler serves ${served}, not ${called}`, "never");
}
