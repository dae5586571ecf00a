// A server process and a client process, started for one measurement and each on a core of its own, so that no
// measurement inherits another's heap or compiled code. This file owns the conversation with them:
//
//    server: listening  sampled          sampled             sampled                        sampled
//    client:            ready -> go ---> window-began ---> window-ended -> (stop) ---> finished
//
// What the processes do, and what their reports say, is each benchmark's own.

import { Child, onParent, sendToParent } from "./child.js";

const SERVER_CORE = 0;
const CLIENT_CORE = 1;
/** What starting, a sample or the last calls may take beyond the time the load itself takes. */
const PATIENCE_MS = 15_000;
/** What a process may take to end; one that is profiled writes its profile then. */
const GRACE_MS = 10_000;

/** A program to run and its arguments. */
export interface Program {
  readonly module: URL;
  readonly args: readonly string[];
}

/** How long the client's load takes, and how the processes are run. */
export interface PairOptions {
  /** The most that warming up may take. */
  readonly warmupMs: number;
  readonly windowMs: number;
  /** Flags for Node, for both processes. */
  readonly nodeFlags?: readonly string[];
}

/** From the server process. */
export type FromServer<Report> =
  | { readonly type: "listening"; readonly address: string }
  | { readonly type: "sampled"; readonly report: Report };

/** When the server reports: before the load, at both ends of the client's window, and after the client has finished. */
export type Moment = "idle" | "before" | "after" | "final";

/** From the parent to the server process. */
type ToServer = { readonly type: "sample"; readonly moment: Moment } | { readonly type: "stop" };

/** From the client process. */
export type FromClient<Result> =
  | { readonly type: "ready" }
  | { readonly type: "window-began" }
  | { readonly type: "window-ended" }
  | { readonly type: "finished"; readonly result: Result };

/** What a client measured, and what its server reported meanwhile. */
export interface PairMeasurement<Report, Result> {
  readonly result: Result;
  /** Before the load began. */
  readonly idle: Report;
  /** A little after the client's window began, and a little after it ended: rates are over the server's own time. */
  readonly before: Report;
  readonly after: Report;
  /** After the client had finished. */
  readonly final: Report;
}

/**
 * Measures once. `client` is given the server's address after its own arguments. Rejects when a process fails or does not
 * answer in time; leaves no process behind.
 */
export async function measurePair<Report, Result>(
  server: Program,
  client: Program,
  options: PairOptions,
): Promise<PairMeasurement<Report, Result>> {
  const { nodeFlags } = options;
  const serving: Child<FromServer<Report>> = Child.start(server.module, server.args, SERVER_CORE, nodeFlags);
  try {
    const { address } = await serving.receive("listening", PATIENCE_MS);
    const calling: Child<FromClient<Result>> = Child.start(
      client.module,
      [...client.args, address],
      CLIENT_CORE,
      nodeFlags,
    );
    try {
      return await converse(serving, calling, options);
    } finally {
      await calling.stop(GRACE_MS);
    }
  } finally {
    await serving.stop(GRACE_MS);
  }
}

async function converse<Report, Result>(
  server: Child<FromServer<Report>>,
  client: Child<FromClient<Result>>,
  { warmupMs, windowMs }: PairOptions,
): Promise<PairMeasurement<Report, Result>> {
  await client.receive("ready", PATIENCE_MS);
  const idle = await takeReport(server, "idle");
  client.send({ type: "go" });
  await client.receive("window-began", warmupMs + PATIENCE_MS);
  const before = await takeReport(server, "before");
  await client.receive("window-ended", windowMs + PATIENCE_MS);
  const after = await takeReport(server, "after");
  server.send({ type: "stop" });
  const { result } = await client.receive("finished", PATIENCE_MS);
  return { result, idle, before, after, final: await takeReport(server, "final") };
}

async function takeReport<Report>(server: Child<FromServer<Report>>, moment: Moment): Promise<Report> {
  const request: ToServer = { type: "sample", moment };
  server.send(request);
  return (await server.receive("sampled", PATIENCE_MS)).report;
}

/** For the server process: says that it serves, and reports when asked. `stop` is called when the load is over. */
export function serveParent<Report>(
  address: string,
  report: (moment: Moment) => Report,
  stop: () => void = () => {},
): void {
  const tell = (message: FromServer<Report>): void => sendToParent(message);
  onParent((message) => {
    const request = message as ToServer;
    if (request.type === "sample") tell({ type: "sampled", report: report(request.moment) });
    else if (request.type === "stop") stop();
  });
  tell({ type: "listening", address });
}

/** For the client process: says that it is ready; resolves when the load may begin. */
export async function awaitGo(): Promise<void> {
  const go = new Promise<void>((resolve) => onParent(({ type }) => type === "go" && resolve()));
  tellParent({ type: "ready" });
  await go;
}

/** For the client process: tells how far it is. */
export function tellParent<Result>(message: FromClient<Result>): void {
  sendToParent(message);
}
